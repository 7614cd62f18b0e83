/**
 * How the core looks into messages that came by AMQP 0-9-1, and how it rewrites one that dies.
 *
 * Stored is the property section as it was received, so a delivery copies it to the socket untouched. The core asks
 * for headers only where a binding or a policy does. A death is written as RabbitMQ writes it: `x-death` is an array
 * of tables, the newest first, one for each queue and reason with a count; what killed the message first and last stands
 * in headers of their own; the expiration goes away, since it would kill the message again where it is parked.
 */

import type { Death, MessageFormat } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import { isWhole } from "./arguments.ts";
import { canonicalOfAmqp, isMarkedTombstone, keyOfAmqp } from "./canonical.ts";
import { exchangeHeaders } from "./exchange-headers.ts";
import { decodeTable, fieldValue, longString, type Field, type FieldTable, type FieldValue } from "./field-table.ts";
import { headersOf, keysOf, type Headers } from "./mapping.ts";
import {
  PropertyPositions,
  rewriteProperties,
  scanProperties,
  shortStringAt,
  type PropertyChanges,
} from "./properties.ts";

/** In stored entries: do not change. */
export const amqpFormatId = 1;

const firstDeathQueueHeader = "x-first-death-queue";

const positions = new PropertyPositions();
const noHeaders: Headers = Object.freeze({});

const positionByProperty: Readonly<Record<string, keyof PropertyPositions>> = {
  "message-id": "messageId",
  "correlation-id": "correlationId",
  "content-type": "contentType",
  "content-encoding": "contentEncoding",
  "reply-to": "replyTo",
  "user-id": "userId",
  "app-id": "appId",
  type: "type",
};

export const amqpFormat: MessageFormat = {
  id: amqpFormatId,
  name: "amqp-0-9-1",

  headers(buffer, headStart, headEnd) {
    const table = headersTable(buffer, headStart, headEnd);
    return table.length === 0 ? noHeaders : headersOf(table);
  },

  property(name, buffer, headStart, headEnd) {
    if (!scanProperties(buffer, headStart, headEnd, positions)) return undefined;
    if (name === "timestamp") {
      return positions.timestamp < 0 ? undefined : String(buffer.readBigUInt64BE(positions.timestamp));
    }
    const field = positionByProperty[name];
    const at = field === undefined ? -1 : (positions[field] as number);
    return at < 0 ? undefined : shortStringAt(buffer, at);
  },

  extraKeys(buffer, headStart, headEnd) {
    return keysOf(fieldValue(headersTable(buffer, headStart, headEnd), "CC")) ?? [];
  },

  deaths(buffer, headStart, headEnd) {
    const found: { queue: string; reason: string }[] = [];
    for (const death of deathsIn(headersTable(buffer, headStart, headEnd))) {
      found.push({ queue: textIn(death, "queue"), reason: textIn(death, "reason") });
    }
    return found;
  },

  firstDeathQueue(buffer, headStart, headEnd) {
    const table = headersTable(buffer, headStart, headEnd);
    return textIn(table, firstDeathQueueHeader) || undefined;
  },

  withDeath(buffer, headStart, headEnd, death, replacesKey) {
    const expiration = scanProperties(buffer, headStart, headEnd, positions)
      ? positions.expiration < 0
        ? undefined
        : shortStringAt(buffer, positions.expiration)
      : undefined;
    const headers = headersTable(buffer, headStart, headEnd);
    const changes: PropertyChanges = {
      headers: withDeathRecorded(headers, death, expiration, replacesKey),
      expiration: null,
    };
    return rewriteProperties(buffer, headStart, headEnd, changes);
  },

  ...exchangeHeaders,

  canonical: canonicalOfAmqp,

  partitionKey({ head, headStart, headEnd, exchange, routingKey }) {
    return keyOfAmqp(head, headStart, headEnd, exchange.name, routingKey);
  },

  keys(entry, visit) {
    const { offset, buffer, headStart, headEnd, bodyStart, bodyEnd } = entry;
    const key = keyOfAmqp(buffer, headStart, headEnd, entry.exchange(), entry.routingKey());
    const isTombstone = bodyStart === bodyEnd && isMarkedTombstone(buffer, headStart, headEnd);
    if (key === undefined) visit(offset, buffer, -1, -1, isTombstone);
    else visit(offset, key, 0, key.length, isTombstone);
    return true;
  },
};

/** The headers of a head, empty when there are none. */
export function headersTable(buffer: Buffer, headStart: number, headEnd: number): FieldTable {
  if (!scanProperties(buffer, headStart, headEnd, positions) || positions.headers < 0) return [];
  const table = decodeTable(buffer, positions.headers, positions.headersEnd);
  return table instanceof Malformed ? [] : table;
}

/** The head with this header set, the headers in order of their names as RabbitMQ leaves them. */
export function withHeader(
  buffer: Buffer,
  headStart: number,
  headEnd: number,
  name: string,
  value: FieldValue,
): Buffer {
  const headers = setField(headersTable(buffer, headStart, headEnd), name, value);
  return rewriteProperties(buffer, headStart, headEnd, { headers });
}

function withDeathRecorded(
  headers: FieldTable,
  death: Death,
  expiration: string | undefined,
  replacesKey: boolean,
): FieldTable {
  const old = fieldValue(headers, "x-death");
  let changed = headers;
  if (old === undefined) {
    changed = setField(changed, "x-first-death-reason", longString(death.reason));
    changed = setField(changed, firstDeathQueueHeader, longString(death.queue));
    changed = setField(changed, "x-first-death-exchange", longString(death.exchange));
  }
  changed = setField(changed, "x-last-death-reason", longString(death.reason));
  changed = setField(changed, "x-last-death-queue", longString(death.queue));
  changed = setField(changed, "x-last-death-exchange", longString(death.exchange));

  const isOld = (table: FieldTable): boolean =>
    textIn(table, "queue") === death.queue && textIn(table, "reason") === death.reason;
  const deaths = deathsIn(headers);
  const before = deaths.find(isOld);
  const record = before === undefined ? newRecord(death, expiration) : counted(before);
  // The first record of all is in the order of its making, later ones are sorted: so RabbitMQ leaves them.
  const first: FieldValue = { type: "F", value: old?.type === "A" ? sorted(record) : record };
  const others = deaths.filter((table) => !isOld(table)).map((value): FieldValue => ({ type: "F", value }));
  changed = setField(changed, "x-death", { type: "A", value: [first, ...others] });
  // With a new routing key, the copies that CC asked for were made already.
  return replacesKey ? changed.filter((field) => field.name !== "CC") : changed;
}

function newRecord(death: Death, expiration: string | undefined): FieldTable {
  const record: Field[] = [
    { name: "count", value: { type: "l", value: 1 } },
    { name: "reason", value: longString(death.reason) },
    { name: "queue", value: longString(death.queue) },
    { name: "time", value: { type: "T", value: Math.floor(death.timeMs / 1000) } },
    { name: "exchange", value: longString(death.exchange) },
    { name: "routing-keys", value: { type: "A", value: death.routingKeys.map(longString) } },
  ];
  if (expiration !== undefined) record.push({ name: "original-expiration", value: longString(expiration) });
  return record;
}

/** Its publisher may have written anything there. */
function counted(record: FieldTable): FieldTable {
  const count = fieldValue(record, "count");
  const before = count !== undefined && isWhole(count) ? Number(count.value) : 0;
  const next: FieldValue = { type: "l", value: Math.min(before + 1, Number.MAX_SAFE_INTEGER) };
  if (count === undefined) return [{ name: "count", value: next }, ...record];
  return record.map((field) => (field.name === "count" ? { name: field.name, value: next } : field));
}

function deathsIn(headers: FieldTable): FieldTable[] {
  const value = fieldValue(headers, "x-death");
  if (value?.type !== "A") return [];
  const deaths: FieldTable[] = [];
  for (const element of value.value) if (element.type === "F") deaths.push(element.value);
  return deaths;
}

function textIn(table: FieldTable, name: string): string {
  const value = fieldValue(table, name);
  return value?.type === "S" ? value.value.toString() : "";
}

function setField(table: FieldTable, name: string, value: FieldValue): FieldTable {
  const at = table.findIndex((field) => field.name === name);
  return sorted(at < 0 ? [...table, { name, value }] : table.with(at, { name, value }));
}

/** By name, in the order of their bytes; stable. */
function sorted(table: FieldTable): FieldTable {
  return [...table].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
