/**
 * The headers of a record as they stand in a batch: a count, then for each a name and a value, which may be null, each behind
 * its size as a zigzag varint. Names are bytes; here they are strings as base/byte-text.ts has them. Names may repeat.
 */

import { textByteLength, textOfBytes, writeTextBytes } from "../../../base/byte-text.ts";
import { Input } from "../../../wire/input.ts";
import { putVarint, readVarint, varintBytes } from "../codec/primitives.ts";
import type { RecordReader } from "../codec/records.ts";

/**
 * Records of more are for Kafka's consumers alone, who get them as bytes. To everybody else a header is an object, and the
 * record of a batch of some kilobytes may have thirty million.
 */
const headersMax = 10_000;
/** The same holds for bytes of headers, names and values together: what is put into strings, or read as JSON, takes a multiple. */
const headerBytesMax = 1 << 20;

/** Why Kafka's consumers alone get a record; undefined: everybody does. */
export function headersFault(
  record: Pick<RecordReader, "headerCount" | "headersStart" | "recordEnd">,
): string | undefined {
  const { headerCount } = record;
  if (headerCount > headersMax) return `a record of ${headerCount} headers; in a queue it has ${headersMax} at most`;
  const bytes = record.recordEnd - record.headersStart;
  if (bytes <= headerBytesMax) return undefined;
  return `a record with ${bytes} bytes of headers; in a queue it has ${headerBytesMax} at most`;
}

export interface RecordHeader {
  readonly name: string;
  readonly value: Buffer | null;
}

/** The values are views. What is not whole ends the list: stored sections were walked over before they were stored. */
export function readHeaders(buffer: Buffer, start: number, end: number): RecordHeader[] {
  const input = new Input(buffer, start, end);
  const headers: RecordHeader[] = [];
  for (let left = readVarint(input); left > 0; left--) {
    const nameBytes = readVarint(input);
    const nameAt = input.skip(Math.max(0, nameBytes));
    const valueBytes = readVarint(input);
    const valueAt = input.skip(Math.max(0, valueBytes));
    if (input.fault !== null || nameBytes < 0) break;
    const value = valueBytes < 0 ? null : buffer.subarray(valueAt, valueAt + valueBytes);
    headers.push({ name: textOfBytes(buffer, nameAt, nameAt + nameBytes), value });
  }
  return headers;
}

export function writeHeaders(headers: readonly RecordHeader[]): Buffer {
  let bytes = varintBytes(headers.length);
  for (const { name, value } of headers) {
    const nameBytes = textByteLength(name);
    bytes += varintBytes(nameBytes) + nameBytes + (value === null ? 1 : varintBytes(value.length) + value.length);
  }
  const section = Buffer.allocUnsafe(bytes);
  let at = putVarint(section, 0, headers.length);
  for (const { name, value } of headers) {
    at = putVarint(section, at, textByteLength(name));
    at = writeTextBytes(section, at, name);
    at = putVarint(section, at, value === null ? -1 : value.length);
    if (value !== null) at += value.copy(section, at);
  }
  return section;
}
