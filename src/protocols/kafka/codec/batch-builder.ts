/**
 * Makes record batches: of what other protocols published, of what is left of a batch after compaction, and the markers
 * that end transactions. The bytes are those that Kafka's own builder makes.
 *
 *     builder.begin(baseOffset, timestampMs);
 *     builder.record(offset, timestampMs);
 *     builder.key(buffer, start, end) or .noKey();
 *     builder.value(buffer, start, end) or .noValue();
 *     builder.headers(1);  builder.header("name", buffer, start, end);
 *     ... further records ...
 *     builder.finish();                  ->  builder.buffer[0, builder.bytes)
 *
 * Its buffer is used again; it grows to the largest batch that it made, and is let go above 1 MB.
 */

import { assert } from "../../../base/assert.ts";
import { copyBytes, putU16, putU32 } from "../../../base/bytes.ts";
import { compress, compressions } from "./compression.ts";
import { attributeBits, batchAt, BatchView } from "./record-batch.ts";
import { putI64, putVarint } from "./primitives.ts";

const bytesLeast = 4096;
const bytesKeptMax = 1_048_576;
/** A varint of 32 bits has no more. */
const varintBytesMax = 5;
const varlongBytesMax = 10;
const twoTo31 = 0x8000_0000;

/** What a batch says of itself beside its records. */
export interface BatchTraits {
  /** Of `attributeBits`; the compression is given to `finish`. */
  readonly attributes: number;
  readonly leaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export const plainTraits: BatchTraits = {
  attributes: 0,
  leaderEpoch: 0,
  producerId: -1,
  producerEpoch: -1,
  baseSequence: -1,
};

export class BatchBuilder {
  buffer: Buffer = Buffer.alloc(0);
  /** Of the batch so far. */
  bytes = 0;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = -1;
  #lastOffset = 0;
  #count = 0;
  #traits = plainTraits;
  /** Where the body of the record that is being written begins; -1: there is none. */
  #bodyStart = -1;
  readonly #view = new BatchView();

  /** @param baseTimestampMs the first record's time, as a rule; those of the others are kept as differences. */
  begin(baseOffset: number, baseTimestampMs: number, traits: BatchTraits = plainTraits): void {
    if (this.buffer.length > bytesKeptMax) this.buffer = Buffer.alloc(0);
    this.bytes = 0;
    this.#reserve(batchAt.records);
    this.#baseOffset = baseOffset;
    this.#baseTimestampMs = baseTimestampMs;
    this.#maxTimestampMs = -1;
    this.#lastOffset = baseOffset;
    this.#count = 0;
    this.#traits = traits;
    this.#bodyStart = -1;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether a record of this offset may stand in the batch: how far it is from the first has 32 bits, with a sign. */
  reaches(offset: number): boolean {
    return offset - this.#baseOffset < twoTo31;
  }

  /** Begins a record. Offsets may leave gaps, and rise. */
  record(offset: number, timestampMs: number): void {
    this.#endRecord();
    assert(this.#count === 0 || offset > this.#lastOffset, "offsets rise");
    assert(this.reaches(offset), "what lies so far ahead is of another batch");
    this.#reserve(varintBytesMax);
    this.#bodyStart = this.bytes;
    const at = this.#reserve(1);
    this.buffer[at] = 0;
    this.#varlong(timestampMs - this.#baseTimestampMs);
    this.#varint(offset - this.#baseOffset);
    this.#lastOffset = offset;
    this.#count++;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  key(buffer: Buffer, start = 0, end: number = buffer.length): void {
    this.#bytesField(buffer, start, end);
  }

  noKey(): void {
    this.#varint(-1);
  }

  value(buffer: Buffer, start = 0, end: number = buffer.length): void {
    this.#bytesField(buffer, start, end);
  }

  noValue(): void {
    this.#varint(-1);
  }

  /** How many headers follow: said also where there is none. */
  headers(count: number): void {
    this.#varint(count);
  }

  /** @param value null for a header that has none. */
  header(name: string, value: Buffer | null, start = 0, end: number = value?.length ?? 0): void {
    const bytes = Buffer.byteLength(name);
    this.#varint(bytes);
    const at = this.#reserve(bytes);
    this.buffer.write(name, at, bytes, "utf8");
    if (value === null) this.#varint(-1);
    else this.#bytesField(value, start, end);
  }

  /** In place of `headers` and each `header`: all of them as another record has them, their count included. */
  rawHeaders(buffer: Buffer, start: number, end: number): void {
    const at = this.#reserve(end - start);
    copyBytes(buffer, start, end, this.buffer, at);
  }

  /** Takes over a record as it is, its length included: for a batch of the same base offset and base time. */
  rawRecord(offset: number, timestampMs: number, buffer: Buffer, start: number, end: number): void {
    this.#endRecord();
    const at = this.#reserve(end - start);
    copyBytes(buffer, start, end, this.buffer, at);
    this.#lastOffset = offset;
    this.#count++;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  /**
   * Completes the batch.
   *
   * @param lastOffset where it ends, if that is behind its last record: others were there.
   * @param maxTimestampMs if it is another than the greatest of its records.
   */
  finish(
    compression: number = compressions.none,
    lastOffset: number = this.#lastOffset,
    maxTimestampMs: number = this.#maxTimestampMs,
  ): void {
    this.#endRecord();
    if (compression !== compressions.none) this.#compress(compression);
    const { buffer } = this;
    const { attributes, leaderEpoch, producerId, producerEpoch, baseSequence } = this.#traits;
    putI64(buffer, batchAt.baseOffset, this.#baseOffset);
    putU32(buffer, batchAt.length, this.bytes - batchAt.leaderEpoch);
    putU32(buffer, batchAt.leaderEpoch, leaderEpoch);
    buffer[batchAt.magic] = 2;
    putU16(buffer, batchAt.attributes, (attributes & ~attributeBits.compression) | compression);
    putU32(buffer, batchAt.lastOffsetDelta, lastOffset - this.#baseOffset);
    putI64(buffer, batchAt.baseTimestamp, this.#baseTimestampMs);
    putI64(buffer, batchAt.maxTimestamp, maxTimestampMs);
    putI64(buffer, batchAt.producerId, producerId);
    putU16(buffer, batchAt.producerEpoch, producerEpoch);
    putU32(buffer, batchAt.baseSequence, baseSequence);
    putU32(buffer, batchAt.count, this.#count);
    this.#view.set(buffer, 0).writeCrc();
  }

  /** A copy of what was finished. */
  copy(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.bytes));
  }

  #compress(compression: number): void {
    const compressed = compress(compression, this.buffer.subarray(batchAt.records, this.bytes));
    this.bytes = batchAt.records;
    const at = this.#reserve(compressed.length);
    compressed.copy(this.buffer, at);
  }

  /** Its length goes before it: the room for that was for the longest, and the body moves up to it. */
  #endRecord(): void {
    const bodyStart = this.#bodyStart;
    if (bodyStart < 0) return;
    const length = this.bytes - bodyStart;
    const recordStart = bodyStart - varintBytesMax;
    const moved = putVarint(this.buffer, recordStart, length);
    this.buffer.copyWithin(moved, bodyStart, this.bytes);
    this.bytes = moved + length;
    this.#bodyStart = -1;
  }

  #bytesField(buffer: Buffer, start: number, end: number): void {
    this.#varint(end - start);
    const at = this.#reserve(end - start);
    copyBytes(buffer, start, end, this.buffer, at);
  }

  #varint(value: number): void {
    const at = this.#reserve(varintBytesMax);
    this.bytes = putVarint(this.buffer, at, value);
  }

  #varlong(value: number): void {
    const at = this.#reserve(varlongBytesMax);
    this.bytes = putVarlong(this.buffer, at, value);
  }

  /** Makes room and counts it as written. */
  #reserve(bytes: number): number {
    const at = this.bytes;
    const end = at + bytes;
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(bytesLeast, end, 2 * this.buffer.length));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.bytes = end;
    return at;
  }
}

function putVarlong(buffer: Buffer, at: number, value: number): number {
  if (value >= -twoTo31 / 2 && value < twoTo31 / 2) return putVarint(buffer, at, value);
  let to = at;
  if (Math.abs(value) >= 2 ** 52) {
    // Twice as much is no whole number any more.
    let bits = BigInt.asUintN(64, value >= 0 ? 2n * BigInt(value) : -2n * BigInt(value) - 1n);
    for (; bits >= 0x80n; bits >>= 7n) buffer[to++] = Number(bits & 0x7fn) | 0x80;
    buffer[to++] = Number(bits);
    return to;
  }
  let left = value >= 0 ? 2 * value : -2 * value - 1;
  while (left >= 0x80) {
    buffer[to++] = (left % 0x80) | 0x80;
    left = Math.floor(left / 0x80);
  }
  buffer[to++] = left;
  return to;
}

const markers = new BatchBuilder();
/** Version 0 of the key and of the value. */
const markerKey = Buffer.alloc(4);
const markerValue = Buffer.alloc(6);

/** The control batch that ends a producer's transaction in a partition. */
export function endTransactionMarker(
  isCommitted: boolean,
  producerId: number,
  producerEpoch: number,
  coordinatorEpoch: number,
  timestampMs: number,
): Buffer {
  const attributes = attributeBits.transactional | attributeBits.control;
  markers.begin(0, timestampMs, { ...plainTraits, attributes, producerId, producerEpoch });
  markers.record(0, timestampMs);
  putU16(markerKey, 2, isCommitted ? 1 : 0);
  markers.key(markerKey);
  putU32(markerValue, 2, coordinatorEpoch);
  markers.value(markerValue);
  markers.headers(0);
  markers.finish();
  return markers.copy();
}

export const emptyBatchBytes = batchAt.records;

/** A batch without records. Whoever reads it goes on behind `lastOffset`, or 2^31 offsets on if that is nearer. */
export function emptyBatch(baseOffset: number, lastOffset: number): Buffer {
  markers.begin(baseOffset, -1);
  markers.finish(compressions.none, Math.min(lastOffset, baseOffset + twoTo31 - 1), -1);
  return markers.copy();
}
