/**
 * A message as all protocols see it, from its AMQP form and into it. docs/crossing.md tells the mapping to users.
 *
 * What the canonical form has and AMQP has not stands in headers: the key in `kafka.key` (a text, or bytes), the parts of a
 * second in `timestamp_in_ms` (RabbitMQ's own name for it), `kafka.tombstone`, names that come more than once as lists whose
 * names are in `kafka.repeated`, and names too long for a table in `kafka.headers`. A header that is only called so gets the
 * prefix `kafka.header.`. A message without `kafka.key` that was published through an exchange has its routing key as key.
 *
 * Both ways together give back what went in, but for: a delivery mode that nobody named (1, which it means), fields of one name
 * in one table, and a key said twice.
 */

import { textOfBytes } from "../../../base/byte-text.ts";
import { unescapedName } from "../../../base/reserved-names.ts";
import type { CanonicalHeader, CanonicalMessage, Entry } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import {
  clusterHeader,
  impliedKey,
  isMeant,
  isText,
  isTrue,
  keyBytes,
  keyHeader,
  longNamesHeader,
  millisecondsHeader,
  repeatedHeader,
  reserved,
  secondsHeader,
  secondsMax,
  textOf,
  textProperties,
  textsIn,
  tombstoneHeader,
} from "./crossing-names.ts";
import { canonicalValue, nameOf } from "./field-shape.ts";
import { decodeTable, fieldValue, type FieldTable, type FieldValue } from "./field-table.ts";
import { PropertyPositions, scanProperties } from "./properties.ts";

type TextName = (typeof textProperties)[number][1];

const positions = new PropertyPositions();

/** The entry is of AMQP's format. */
export function canonicalOfAmqp(entry: Entry): CanonicalMessage {
  const { buffer, headStart, headEnd, bodyStart, bodyEnd } = entry;
  if (!scanProperties(buffer, headStart, headEnd, positions)) positions.clear();
  const texts: Partial<Record<TextName, string>> = {};
  for (const [property, name] of textProperties) {
    if (positions[property] >= 0) texts[name] = shortAt(buffer, positions[property]);
  }
  const { deliveryMode, priority, expiration, timestamp, clusterId } = positions;
  const expirationMs = expiration < 0 ? undefined : Number(shortAt(buffer, expiration));
  const seconds = timestamp < 0 ? undefined : buffer.readBigUInt64BE(timestamp);
  const isTimed = seconds !== undefined && seconds <= secondsMax;
  const headers = new HeadersIn(tableAt(buffer), isTimed ? Number(seconds) : undefined, bodyStart === bodyEnd);
  if (seconds !== undefined && !isTimed) headers.add(secondsHeader, seconds);
  if (clusterId >= 0) headers.add(clusterHeader, shortAt(buffer, clusterId));
  const exchange = entry.exchange();
  const routingKey = entry.routingKey();
  return {
    id: texts.id ?? headers.long("amqp.message-id"),
    timestampMs: headers.timestampMs ?? (isTimed ? Number(seconds) * 1000 : entry.timestampMs),
    isTimed,
    key: headers.key(impliedKey(exchange, routingKey)),
    contentType: texts.contentType ?? headers.long("amqp.content-type"),
    contentEncoding: texts.contentEncoding ?? headers.long("amqp.content-encoding"),
    correlationId: texts.correlationId ?? headers.long("amqp.correlation-id"),
    replyTo: texts.replyTo ?? headers.long("amqp.reply-to"),
    type: texts.type ?? headers.long("amqp.type"),
    userId: texts.userId,
    appId: texts.appId ?? headers.long("amqp.app-id"),
    expirationMs,
    priority: priority < 0 ? undefined : buffer[priority]!,
    isPersistent: deliveryMode >= 0 && buffer[deliveryMode] === 2,
    exchange,
    routingKey,
    buffer,
    bodyStart,
    bodyEnd,
    isTombstone: headers.isTombstone,
    headers: headers.list,
  };
}

/**
 * The key by which a message is placed and compacted: `kafka.key`, or the routing key by which it came through an exchange.
 * @param exchange its name
 */
export function keyOfAmqp(
  buffer: Buffer,
  headStart: number,
  headEnd: number,
  exchange: string,
  routingKey: string,
): Buffer | undefined {
  if (!scanProperties(buffer, headStart, headEnd, positions)) return undefined;
  const key = keyBytes(fieldValue(tableAt(buffer), keyHeader));
  return key ?? impliedKey(exchange, routingKey);
}

/** Whether it says that its key has no value any more: its body must be empty, too. */
export function isMarkedTombstone(buffer: Buffer, headStart: number, headEnd: number): boolean {
  return scanProperties(buffer, headStart, headEnd, positions) && isTrue(fieldValue(tableAt(buffer), tombstoneHeader));
}

function tableAt(buffer: Buffer): FieldTable {
  if (positions.headers < 0) return [];
  const table = decodeTable(buffer, positions.headers, positions.headersEnd);
  return table instanceof Malformed ? [] : table;
}

function shortAt(buffer: Buffer, at: number): string {
  return textOfBytes(buffer, at + 1, at + 1 + buffer[at]!);
}

/** The headers of a message, and what is hidden in them. */
class HeadersIn {
  readonly list: CanonicalHeader[] = [];
  timestampMs: number | undefined;
  isTombstone = false;
  #key: Buffer | undefined;
  #isKeyPlain = true;
  readonly #longTexts = new Map<string, string>();

  constructor(table: FieldTable, seconds: number | undefined, isEmpty: boolean) {
    const repeated = new Set<string>();
    for (const { name, value } of table)
      if (name === repeatedHeader) for (const one of textsIn(value) ?? []) repeated.add(one);
    for (const field of table) {
      const { value } = field;
      const name = nameOf(field);
      if (!isMeant(name, value, seconds, isEmpty)) {
        const values = repeated.has(name) && value.type === "A" ? value.value : [value];
        const plainName = unescapedName(name, reserved(values, seconds, isEmpty));
        for (const each of values) this.#push(plainName, each);
      } else if (name === keyHeader) this.#readKey(value);
      else if (name === tombstoneHeader) this.isTombstone = true;
      else if (name === millisecondsHeader) this.timestampMs = value.value as number;
      else if (name === longNamesHeader) this.#readLongNames(value);
      else if (name !== repeatedHeader) this.#longTexts.set(name, textOf(value));
    }
  }

  add(name: string, value: CanonicalHeader["value"]): void {
    this.list.push({ name, value });
  }

  long(header: string): string | undefined {
    return this.#longTexts.get(header);
  }

  /** @param implied by the way it was published. */
  key(implied: Buffer | undefined): Uint8Array | undefined {
    const key = this.#key;
    if (key === undefined) return implied;
    // Said though it need not be, or not as we would say it: it is a header as well, so that it comes back as it was.
    if (!this.#isKeyPlain || (implied !== undefined && key.equals(implied))) {
      const type = this.#isKeyPlain === isText(key) ? "S" : "x";
      this.list.push({ name: keyHeader, value: canonicalValue({ type, value: key }).value, type });
    }
    return key;
  }

  #readKey(value: FieldValue): void {
    this.#key = keyBytes(value)!;
    this.#isKeyPlain = (value.type === "S") === isText(this.#key);
  }

  #readLongNames(value: FieldValue): void {
    if (value.type !== "A") return;
    for (const pair of value.value) {
      const [name, content] = pair.type === "A" ? pair.value : [];
      if (name?.type === "S" && content !== undefined) this.#push(textOf(name), content);
    }
  }

  #push(name: string, value: FieldValue): void {
    this.list.push({ name, ...canonicalValue(value) });
  }
}
