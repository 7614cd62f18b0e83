/**
 * What a message says to exchanges and queues that do more with it than pass it on, in headers: `x-delay`,
 * `x-deduplication-header`, `x-cache-ttl`, `x-recent-history-no-store`. Names and meanings are those of RabbitMQ's plug-ins.
 *
 * The core asks for each where a message comes to such an exchange or queue, so they count the same for what was published
 * over AMQP and over HTTP, and on every way. They are found in place; a table is decoded only for a delay that is no
 * integer.
 */

import { copyBytes, getU32, putU32 } from "../../../base/bytes.ts";
import type { MessageFormat } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import { shownValue } from "./errors.ts";
import { decodeTable, fieldValue, longNumber, type FieldTable } from "./field-table.ts";
import { findField, integerAt, valueEnd } from "./field-table-scan.ts";
import { PropertyPositions, rewriteProperties, scanProperties } from "./properties.ts";

const delayName = Buffer.from("x-delay");
const dedupName = Buffer.from("x-deduplication-header");
const cacheTtlName = Buffer.from("x-cache-ttl");
const noStoreName = Buffer.from("x-recent-history-no-store");
/** A field's letter t, and an octet that is not 0. */
const booleanLetter = 0x74;
const longLetter = 0x6c;

const positions = new PropertyPositions();

export const exchangeHeaders = {
  delayMs(buffer, headStart, headEnd) {
    const at = findHeader(buffer, headStart, headEnd, delayName);
    if (at < 0) return 0;
    const delayMs = integerAt(buffer, at);
    if (!Number.isNaN(delayMs)) return Math.max(0, delayMs);
    return textDelayMs(tableAt(buffer));
  },

  /** Negated, as the plug-in does, so that a consumer who publishes it again does not delay it again. */
  withDelayServed(buffer, headStart, headEnd) {
    const at = findHeader(buffer, headStart, headEnd, delayName);
    if (at >= 0 && !Number.isNaN(integerAt(buffer, at))) return negatedInPlace(buffer, headStart, headEnd, at);
    const table = tableAt(buffer);
    const negated = longNumber(-textDelayMs(table));
    const headers = table.map((field) => (field.name === "x-delay" ? { ...field, value: negated } : field));
    return rewriteProperties(buffer, headStart, headEnd, { headers });
  },

  dedupId(buffer, headStart, headEnd) {
    const at = findHeader(buffer, headStart, headEnd, dedupName);
    if (at < 0) return undefined;
    return shownValue(fieldValue(tableAt(buffer), "x-deduplication-header")!);
  },

  dedupMs(buffer, headStart, headEnd) {
    const at = findHeader(buffer, headStart, headEnd, cacheTtlName);
    const ms = at < 0 ? NaN : integerAt(buffer, at);
    return ms >= 0 ? ms : -1;
  },

  skipsHistory(buffer, headStart, headEnd) {
    const at = findHeader(buffer, headStart, headEnd, noStoreName);
    return at >= 0 && buffer[at] === booleanLetter && buffer[at + 1] !== 0;
  },
} satisfies Partial<MessageFormat>;

/** Where the letter of the first header of that name stands, -1: there is none. Then `positions` are those of this head. */
function findHeader(buffer: Buffer, headStart: number, headEnd: number, name: Buffer): number {
  if (!scanProperties(buffer, headStart, headEnd, positions) || positions.headers < 0) return -1;
  return findField(buffer, positions.headers, positions.headersEnd, name);
}

/** The headers of the head in which findHeader() has found one. */
function tableAt(buffer: Buffer): FieldTable {
  const table = decodeTable(buffer, positions.headers, positions.headersEnd);
  return table instanceof Malformed ? [] : table;
}

function textDelayMs(headers: FieldTable): number {
  const delayMs = Math.trunc(Number(fieldValue(headers, "x-delay")?.value));
  return Number.isFinite(delayMs) && delayMs > 0 ? delayMs : 0;
}

/** The head with the integer whose letter stands at `at` negated, as a long one. */
function negatedInPlace(buffer: Buffer, headStart: number, headEnd: number, at: number): Buffer {
  const delayMs = integerAt(buffer, at);
  const valueEndsAt = valueEnd(buffer, at, headEnd);
  const growth = 9 - (valueEndsAt - at);
  const negated = Buffer.allocUnsafe(headEnd - headStart + growth);
  const to = at - headStart;
  copyBytes(buffer, headStart, at, negated, 0);
  negated[to] = longLetter;
  putU32(negated, to + 1, Math.floor(-delayMs / 2 ** 32));
  putU32(negated, to + 5, -delayMs >>> 0);
  copyBytes(buffer, valueEndsAt, headEnd, negated, to + 9);
  const tableStart = positions.headers;
  putU32(negated, tableStart - headStart, getU32(buffer, tableStart) + growth);
  return negated;
}
