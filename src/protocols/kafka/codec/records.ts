/**
 * The records in a batch, one after the other, without an object for each.
 *
 *     record = varint length, int8 attributes, varlong timestamp - base, varint offset - base,
 *              varint size and bytes of key, of value (-1: null), varint count of headers, headers
 *     header = varint size and bytes of name, varint size and bytes of value (-1: null)
 *
 * Varints are zigzag. A RecordReader stands at one record and gives positions in the payload, which is the batch itself or,
 * if that is compressed, what compression.ts makes of it. Nothing makes it throw or read past the payload's end.
 */

import type { BatchView } from "./record-batch.ts";

/** What may be wrong with the records of a batch; the first is where one must look. */
export interface RecordFault {
  readonly index: number;
  readonly kind: "no-key" | "timestamp";
  readonly timestampMs: number;
}

const twoTo28 = 0x1000_0000;

export class RecordReader {
  buffer: Buffer = Buffer.alloc(0);
  /** The record, its length included: `buffer[recordStart, recordEnd)`. */
  recordStart = 0;
  recordEnd = 0;
  offset = 0;
  timestampMs = 0;
  /** -1: it has none. */
  keyStart = -1;
  keyEnd = -1;
  /** -1: it is null, a tombstone. */
  valueStart = -1;
  valueEnd = -1;
  headerCount = 0;
  /** Its headers as they are, their count included: `buffer[headersStart, recordEnd)`. */
  headersStart = 0;
  /** Of the header that nextHeader() found. */
  headerNameStart = 0;
  headerNameEnd = 0;
  headerValueStart = -1;
  headerValueEnd = -1;
  /** What is wrong with the payload; nothing behind it is read. */
  fault: string | null = null;

  #at = 0;
  #end = 0;
  #left = 0;
  #headersAt = 0;
  #headersLeft = 0;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  /** All records have it, if it is not negative. */
  #appendTimeMs = -1;

  /** Reads the records of `view` in `payload[start, end)`: its own bytes, or what they are when they are not compressed. */
  open(view: BatchView, payload: Buffer, start: number, end: number): this {
    this.buffer = payload;
    this.#at = start;
    this.#end = end;
    this.#left = view.count;
    this.#baseOffset = view.baseOffset;
    this.#baseTimestampMs = view.baseTimestampMs;
    this.#appendTimeMs = view.isLogAppendTime ? view.maxTimestampMs : -1;
    this.fault = null;
    return this;
  }

  /** Moves to the next record. False: there is none, or `fault`. */
  next(): boolean {
    if (this.fault !== null) return false;
    if (this.#left <= 0) {
      if (this.#at !== this.#end) this.#fail("bytes behind its last record");
      return false;
    }
    this.#left--;
    this.recordStart = this.#at;
    const length = this.#varint();
    const recordEnd = this.#at + length;
    if (length < 0 || recordEnd > this.#end)
      return this.#fail(`a record of ${length} bytes, of ${this.#end - this.#at}`);
    const payloadEnd = this.#end;
    this.#end = recordEnd;
    this.recordEnd = recordEnd;
    const isRead = this.#record(recordEnd);
    this.#end = payloadEnd;
    this.#at = recordEnd;
    return isRead;
  }

  #record(recordEnd: number): boolean {
    this.#at++;
    const timestampDelta = this.#varlong();
    this.timestampMs = this.#appendTimeMs >= 0 ? this.#appendTimeMs : this.#baseTimestampMs + timestampDelta;
    this.offset = this.#baseOffset + this.#varint();
    const keyBytes = this.#varint();
    this.keyStart = keyBytes < 0 ? -1 : this.#at;
    this.keyEnd = keyBytes < 0 ? -1 : this.#skip(keyBytes);
    const valueBytes = this.#varint();
    this.valueStart = valueBytes < 0 ? -1 : this.#at;
    this.valueEnd = valueBytes < 0 ? -1 : this.#skip(valueBytes);
    this.headersStart = this.#at;
    const headerCount = this.#varint();
    if (headerCount < 0 || headerCount > recordEnd - this.#at) return this.#fail(`${headerCount} headers`);
    this.headerCount = headerCount;
    this.#headersLeft = headerCount;
    const firstHeader = this.#at;
    while (this.#headersLeft > 0) if (!this.#header()) return false;
    if (this.#at !== recordEnd) return this.#fail("a record that does not fill its length");
    this.#headersAt = firstHeader;
    this.#headersLeft = headerCount;
    return this.fault === null;
  }

  /** Moves to the record's next header. False: there is none. */
  nextHeader(): boolean {
    if (this.#headersLeft === 0 || this.fault !== null) return false;
    const at = this.#at;
    const end = this.#end;
    this.#at = this.#headersAt;
    this.#end = this.recordEnd;
    const isRead = this.#header();
    this.#headersAt = this.#at;
    this.#at = at;
    this.#end = end;
    return isRead;
  }

  #header(): boolean {
    this.#headersLeft--;
    const nameBytes = this.#varint();
    if (nameBytes < 0) return this.#fail("a header without a name");
    this.headerNameStart = this.#at;
    this.headerNameEnd = this.#skip(nameBytes);
    const valueBytes = this.#varint();
    this.headerValueStart = valueBytes < 0 ? -1 : this.#at;
    this.headerValueEnd = valueBytes < 0 ? -1 : this.#skip(valueBytes);
    return this.fault === null;
  }

  #skip(bytes: number): number {
    if (bytes > this.#end - this.#at) {
      this.#fail("a length past the record's end");
      return this.#end;
    }
    return (this.#at += bytes);
  }

  #fail(reason: string): false {
    this.fault ??= reason;
    this.#at = this.#end;
    return false;
  }

  #varint(): number {
    const { buffer } = this;
    if (this.#at < this.#end) {
      const first = buffer[this.#at]!;
      if (first < 0x80) {
        this.#at++;
        return (first >>> 1) ^ -(first & 1);
      }
    }
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= this.#end) break;
      const octet = buffer[this.#at++]!;
      value |= (octet & 0x7f) << shift;
      if (octet < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    this.#fail("a varint without an end");
    return -1;
  }

  #varlong(): number {
    let low = 0;
    let high = 0;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) break;
      const octet = this.buffer[this.#at++]!;
      if (count < 4) low |= (octet & 0x7f) << (7 * count);
      else high += (octet & 0x7f) * 2 ** (7 * (count - 4));
      if (octet < 0x80) {
        // Half of it, and the lowest bit is the sign.
        const half = high * (twoTo28 / 2) + (low >>> 1);
        return low & 1 ? -half - 1 : half;
      }
    }
    this.#fail("a varint without an end");
    return 0;
  }
}

/** What a topic asks of records. */
export interface RecordRules {
  /** It is compacted: each needs a key. */
  readonly needsKey: boolean;
  /** Times of producers outside are refused; -1, no time, never is. */
  readonly timestampMinMs: number;
  readonly timestampMaxMs: number;
}

const faultsMax = 1000;

/**
 * Goes over all records of `reader`, which was opened. Answers the greatest time, -1 if none has one; what is wrong with
 * single records goes to `faults`, and what is wrong with all of it to `reader.fault`.
 */
export function checkRecords(reader: RecordReader, rules: RecordRules, faults: RecordFault[]): number {
  const { needsKey, timestampMinMs, timestampMaxMs } = rules;
  let maxTimestampMs = -1;
  for (let index = 0; reader.next(); index++) {
    const { timestampMs } = reader;
    if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
    const isKeyMissing = needsKey && reader.keyStart < 0;
    const isTimely = timestampMs === -1 || (timestampMs >= timestampMinMs && timestampMs <= timestampMaxMs);
    if ((isKeyMissing || !isTimely) && faults.length < faultsMax) {
      faults.push({ index, kind: isKeyMissing ? "no-key" : "timestamp", timestampMs });
    }
  }
  return maxTimestampMs;
}
