/** The property section that a message of another protocol gets: the way back of canonical.ts. */

import { isUtf8 } from "node:buffer";
import { copyBytes, putU16, putU32, putU64 } from "../../../base/bytes.ts";
import { bytesOfText, textByteLength } from "../../../base/byte-text.ts";
import { escapedName } from "../../../base/reserved-names.ts";
import type { CanonicalHeader, CanonicalMessage } from "../../../broker/api.ts";
import {
  clusterHeader,
  impliedKey,
  keyBytes,
  keyHeader,
  longNamesHeader,
  millisecondsHeader,
  omittedHeader,
  repeatedHeader,
  reserved,
  secondsHeader,
  shortBytesMax,
  textOf,
  textProperties,
  tombstoneHeader,
} from "./crossing-names.ts";
import { fieldNamed, fieldOf } from "./field-shape.ts";
import { tableBytes, type Field, type FieldValue } from "./field-table.ts";
import { encodeProperties, type Properties } from "./properties.ts";

/** The property section of a message of another protocol. What it has to leave out of `headBytesMax`, it names. */
export function headOfCanonical(message: CanonicalMessage, headBytesMax: number): Buffer {
  const head = isPlain(message) ? plainHead(message) : undefined;
  return head !== undefined && head.length <= headBytesMax ? head : fullHead(message, headBytesMax);
}

/** For any message; where it is plain, what plainHead() writes. */
export function fullHead(message: CanonicalMessage, headBytesMax: number): Buffer {
  const properties: Properties = { deliveryMode: message.isPersistent ? 2 : 1 };
  const headers: Field[] = [];
  for (const [property, name, header] of textProperties) {
    const text = message[name];
    if (text === undefined) continue;
    if (textByteLength(text) <= shortBytesMax) properties[property] = text;
    else headers.push({ name: header, value: fieldOf(text, undefined) });
  }
  const { priority, expirationMs, isTimed, timestampMs } = message;
  if (priority !== undefined) properties.priority = priority;
  if (expirationMs !== undefined) properties.expiration = String(expirationMs);
  if (isTimed) properties.timestamp = Math.floor(timestampMs / 1000);
  new HeadersOut(message, headers).write(properties);
  return encodeWithin(properties, headers, headBytesMax);
}

/** A body, perhaps a key and a time: most messages of other protocols say no more. */
function isPlain(message: CanonicalMessage): boolean {
  const { headers, priority, expirationMs, isTombstone, timestampMs } = message;
  if (headers.length > 0 || priority !== undefined || expirationMs !== undefined || isTombstone) return false;
  if (timestampMs < 0 || timestampMs > Number.MAX_SAFE_INTEGER) return false;
  const { id, contentType, contentEncoding, correlationId, replyTo, type, userId, appId } = message;
  return (id ?? contentType ?? contentEncoding ?? correlationId ?? replyTo ?? type ?? userId ?? appId) === undefined;
}

const keyField = Buffer.from(`${String.fromCharCode(keyHeader.length)}${keyHeader}`, "latin1");
const millisecondsField = Buffer.from(
  `${String.fromCharCode(millisecondsHeader.length)}${millisecondsHeader}l`,
  "latin1",
);
const flagsOf = { headers: 0x2000, deliveryMode: 0x1000, timestamp: 0x0040 } as const;

/** The short way: no field, table or property is made, which was more than half of a delivery from a work queue. */
function plainHead({ key, exchange, routingKey, isTimed, timestampMs, isPersistent }: CanonicalMessage): Buffer {
  const hasKey = key !== undefined && impliedKey(exchange, routingKey)?.equals(key) !== true;
  const hasMilliseconds = isTimed && timestampMs % 1000 !== 0;
  const keyFieldBytes = hasKey ? keyField.length + 5 + key.length : 0;
  const tableBytes = keyFieldBytes + (hasMilliseconds ? millisecondsField.length + 8 : 0);
  const head = Buffer.allocUnsafe(2 + (tableBytes > 0 ? 4 + tableBytes : 0) + 1 + (isTimed ? 8 : 0));
  putU16(head, 0, flagsOf.deliveryMode | (tableBytes > 0 ? flagsOf.headers : 0) | (isTimed ? flagsOf.timestamp : 0));
  let at = 2;
  if (tableBytes > 0) {
    putU32(head, at, tableBytes);
    at += 4;
    if (hasKey) {
      copyBytes(keyField, 0, keyField.length, head, at);
      at += keyField.length;
      head[at] = isUtf8(key) ? 0x53 : 0x78;
      putU32(head, at + 1, key.length);
      head.set(key, at + 5);
      at += 5 + key.length;
    }
    if (hasMilliseconds) {
      copyBytes(millisecondsField, 0, millisecondsField.length, head, at);
      putU64(head, at + millisecondsField.length, timestampMs);
      at += millisecondsField.length + 8;
    }
  }
  head[at] = isPersistent ? 2 : 1;
  if (isTimed) putU64(head, at + 1, Math.floor(timestampMs / 1000));
  return head;
}

/** Names of headers that were left out take no more, nor more than a quarter of the room that there is for headers. */
const omittedBytesMax = 4096;
/** UTF-16 units of each. */
const omittedNameMax = 60;
const emptyTableBytes = tableBytes([]);
/** Of a text in a list, without the text. */
const longStringBytes = 5;

function encodeWithin(properties: Properties, headers: readonly Field[], headBytesMax: number): Buffer {
  if (headers.length === 0) return encodeProperties(properties);
  const head = encodeProperties({ ...properties, headers });
  if (head.length <= headBytesMax) return head;
  const otherBytes = head.length - tableBytes(headers);
  const kept = fittingHeaders(headers, headBytesMax - otherBytes - emptyTableBytes);
  return encodeProperties(kept.length === 0 ? properties : { ...properties, headers: kept });
}

/** As many as find room, in their order, and behind them the names of the others, as far as those do. */
function fittingHeaders(headers: readonly Field[], roomBytes: number): readonly Field[] {
  const sizes = headers.map((field) => tableBytes([field]) - emptyTableBytes);
  // The largest go first: the fewest are missing.
  const largestFirst = [...sizes.keys()].sort((a, b) => sizes[b]! - sizes[a]!);
  const namesBytesMax = Math.min(omittedBytesMax, roomBytes / 4);
  const left = new Set<number>();
  const names: FieldValue[] = [];
  const omitted: Field = { name: omittedHeader, value: { type: "A", value: names } };
  let namesBytes = tableBytes([omitted]) - emptyTableBytes;
  let bytes = sizes.reduce((sum, size) => sum + size, 0);
  for (const at of largestFirst) {
    if (bytes + (names.length === 0 ? 0 : namesBytes) <= roomBytes) break;
    left.add(at);
    bytes -= sizes[at]!;
    const name = headers[at]!.name.slice(0, omittedNameMax);
    const nameBytes = longStringBytes + textByteLength(name);
    if (namesBytes + nameBytes > namesBytesMax) continue;
    names.push({ type: "S", value: name });
    namesBytes += nameBytes;
  }
  const kept = headers.filter((_, at) => !left.has(at));
  return names.length === 0 ? kept : [...kept, omitted];
}

/** Writes the headers of a message, and hides in them what has no other place. */
class HeadersOut {
  readonly #headers: Field[];
  readonly #message: CanonicalMessage;
  readonly #seconds: number | undefined;
  readonly #isEmpty: boolean;

  constructor(message: CanonicalMessage, headers: Field[]) {
    this.#message = message;
    this.#headers = headers;
    this.#seconds = message.isTimed ? Math.floor(message.timestampMs / 1000) : undefined;
    this.#isEmpty = message.bodyStart === message.bodyEnd;
  }

  /** Those that are properties of AMQP's become that. */
  write(properties: Properties): void {
    const isKeySaid = this.#writeAll(properties);
    this.#writeKey(isKeySaid);
    const headers = this.#headers;
    const { isTombstone, isTimed, timestampMs } = this.#message;
    if (isTombstone) headers.push({ name: tombstoneHeader, value: { type: "t", value: true } });
    if (isTimed && timestampMs % 1000 !== 0)
      headers.push({ name: millisecondsHeader, value: { type: "l", value: timestampMs } });
  }

  /** Answers whether the key was among them. */
  #writeAll(properties: Properties): boolean {
    if (this.#message.headers.length === 0) return false;
    const byName = new Map<string, FieldValue[]>();
    let isKeySaid = false;
    for (const { name, value, type } of this.#message.headers) {
      const field = name === "x-death" && type === undefined ? deathField(value) : fieldOf(value, type);
      if (this.#isProperty(name, field, properties)) continue;
      if (!isKeySaid && name === keyHeader && type !== undefined && this.#isOwnKey(field)) {
        this.#headers.push({ name, value: field });
        isKeySaid = true;
        continue;
      }
      const others = byName.get(name);
      if (others === undefined) byName.set(name, [field]);
      else others.push(field);
    }
    const repeated: FieldValue[] = [];
    const long: FieldValue[] = [];
    for (const [plainName, values] of byName) {
      const name = escapedName(plainName, reserved(values, this.#seconds, this.#isEmpty));
      if (textByteLength(name) > shortBytesMax) {
        for (const value of values) long.push({ type: "A", value: [textField(name), value] });
      } else if (values.length === 1) this.#headers.push(fieldNamed(name, values[0]!));
      else {
        repeated.push(textField(name));
        this.#headers.push(fieldNamed(name, { type: "A", value: values }));
      }
    }
    if (repeated.length > 0) this.#headers.push({ name: repeatedHeader, value: { type: "A", value: repeated } });
    if (long.length > 0) this.#headers.push({ name: longNamesHeader, value: { type: "A", value: long } });
    return isKeySaid;
  }

  /** What an AMQP message had as a property that no other protocol knows. */
  #isProperty(name: string, field: FieldValue, properties: Properties): boolean {
    if (name === clusterHeader && field.type === "S" && Buffer.byteLength(field.value) <= shortBytesMax) {
      properties.clusterId = textOf(field);
      return true;
    }
    if (name !== secondsHeader || this.#message.isTimed || field.type !== "l") return false;
    properties.timestamp = BigInt.asUintN(64, BigInt(field.value));
    return true;
  }

  #isOwnKey(field: FieldValue): boolean {
    const { key } = this.#message;
    const bytes = keyBytes(field);
    return key !== undefined && bytes !== undefined && bytes.equals(key);
  }

  #writeKey(isSaid: boolean): void {
    const { key, exchange, routingKey } = this.#message;
    if (key === undefined || isSaid || impliedKey(exchange, routingKey)?.equals(key) === true) return;
    const value = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
    this.#headers.push({ name: keyHeader, value: { type: isUtf8(value) ? "S" : "x", value } });
  }
}

function textField(text: string): FieldValue {
  return { type: "S", value: text.isWellFormed() ? text : bytesOfText(text) };
}

/** RabbitMQ counts deaths in 64 bits. */
function deathField(value: CanonicalHeader["value"]): FieldValue {
  const field = fieldOf(value, undefined);
  if (field.type !== "A") return field;
  const deaths = field.value.map((death): FieldValue => {
    if (death.type !== "F") return death;
    const widened = death.value.map((each): Field =>
      each.name === "count" && each.value.type === "I"
        ? { name: each.name, value: { type: "l", value: each.value.value } }
        : each,
    );
    return { type: "F", value: widened };
  });
  return { type: "A", value: deaths };
}
