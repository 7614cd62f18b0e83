/**
 * A record batch of version 2, in place: its header, what Kafka checks before it takes one, and what is changed in it.
 *
 *      0 int64 base offset        16 int8  magic, 2                27 int64 base timestamp    51 int16 producer epoch
 *      8 int32 length behind this 17 int32 CRC-32C of all behind   35 int64 max timestamp     53 int32 base sequence
 *     12 int32 leader epoch       21 int16 attributes              43 int64 producer id       57 int32 count of records
 *                                 23 int32 last offset - base                                 61 records, compressed or not
 *
 * A broker assigns offsets by writing the first field, which the checksum leaves out, so a batch goes from a producer's
 * request to the log and to consumers as it is. Magic 0 and 1, Kafka's old message sets, are refused as Kafka 4 does.
 */

import { getU16, getU32, putU16, putU32 } from "../../../base/bytes.ts";
import { crc32c } from "../../../base/crc32c.ts";
import { errorCode, type ErrorCode } from "./errors.ts";
import { getI64, putI64 } from "./primitives.ts";

/** Where the fields are, from the batch's first byte. */
export const batchAt = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const;

export const attributeBits = {
  /** Which of `compressionNames`. */
  compression: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  /** The base timestamp is the time from which on its tombstones may go. */
  deleteHorizon: 0x40,
} as const;

/** A batch's length field counts from behind itself. */
const lengthEnd = 12;
/** Kafka's smallest message of old. */
const lengthLeast = 14;
export const zstd = 4;

/** A batch in a buffer. *Reused.* Offsets, times and ids past 2^53 are rounded. */
export class BatchView {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  /** Behind its last byte, by its length. */
  end = 0;

  /** Looks at a batch that was checked, or that is the broker's own. */
  set(buffer: Buffer, start: number): this {
    this.buffer = buffer;
    this.start = start;
    this.end = start + lengthEnd + getU32(buffer, start + batchAt.length);
    return this;
  }

  get bytes(): number {
    return this.end - this.start;
  }
  get baseOffset(): number {
    return getI64(this.buffer, this.start + batchAt.baseOffset);
  }
  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta;
  }
  get leaderEpoch(): number {
    return getU32(this.buffer, this.start + batchAt.leaderEpoch) | 0;
  }
  get magic(): number {
    return this.buffer.readInt8(this.start + batchAt.magic);
  }
  get crc(): number {
    return getU32(this.buffer, this.start + batchAt.crc);
  }
  get attributes(): number {
    return getU16(this.buffer, this.start + batchAt.attributes);
  }
  get compression(): number {
    return this.attributes & attributeBits.compression;
  }
  get isLogAppendTime(): boolean {
    return (this.attributes & attributeBits.logAppendTime) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & attributeBits.transactional) !== 0;
  }
  get isControl(): boolean {
    return (this.attributes & attributeBits.control) !== 0;
  }
  get lastOffsetDelta(): number {
    return getU32(this.buffer, this.start + batchAt.lastOffsetDelta) | 0;
  }
  get baseTimestampMs(): number {
    return getI64(this.buffer, this.start + batchAt.baseTimestamp);
  }
  get maxTimestampMs(): number {
    return getI64(this.buffer, this.start + batchAt.maxTimestamp);
  }
  /** False: it says no greatest time, or one before its first, as some clients do; its records may be of any time. */
  get knowsGreatestTime(): boolean {
    return this.maxTimestampMs >= this.baseTimestampMs || this.isLogAppendTime;
  }
  /** -1: nobody who numbers. */
  get producerId(): number {
    return getI64(this.buffer, this.start + batchAt.producerId);
  }
  get producerEpoch(): number {
    return (getU16(this.buffer, this.start + batchAt.producerEpoch) << 16) >> 16;
  }
  get baseSequence(): number {
    return getU32(this.buffer, this.start + batchAt.baseSequence) | 0;
  }
  get count(): number {
    return getU32(this.buffer, this.start + batchAt.count) | 0;
  }

  computedCrc(): number {
    return crc32c(this.buffer, this.start + batchAt.attributes, this.end);
  }

  /** All that a broker does to a batch whose times are its producer's. */
  setOffset(baseOffset: number, leaderEpoch: number): void {
    putI64(this.buffer, this.start + batchAt.baseOffset, baseOffset);
    putU32(this.buffer, this.start + batchAt.leaderEpoch, leaderEpoch);
  }

  /** Sets which kind of times it has and the greatest of them, with a new checksum if that changes anything. */
  setMaxTimestamp(isLogAppendTime: boolean, maxTimestampMs: number): void {
    if (this.isLogAppendTime === isLogAppendTime && this.maxTimestampMs === maxTimestampMs) return;
    const { attributes } = this;
    const bit = attributeBits.logAppendTime;
    putU16(this.buffer, this.start + batchAt.attributes, isLogAppendTime ? attributes | bit : attributes & ~bit);
    putI64(this.buffer, this.start + batchAt.maxTimestamp, maxTimestampMs);
    this.writeCrc();
  }

  writeCrc(): void {
    putU32(this.buffer, this.start + batchAt.crc, this.computedCrc());
  }
}

/** Why a batch is not taken; the text is for a log. */
export interface BatchFault {
  readonly code: ErrorCode;
  readonly reason: string;
}

function invalid(reason: string): BatchFault {
  return { code: errorCode.INVALID_RECORD, reason };
}

function corrupt(reason: string): BatchFault {
  return { code: errorCode.CORRUPT_MESSAGE, reason };
}

/**
 * What a Produce request may have for a partition, buffer[start, end): one batch of magic 2, whose bytes behind it, if they
 * are no batch, nobody looks at. Sets `view` to it; what else is wrong with it, `checkProducedBatch` says.
 *
 * @param version of the request: before 7 there is no zstd.
 */
export function findProducedBatch(
  view: BatchView,
  buffer: Buffer,
  start: number,
  end: number,
  version: number,
): BatchFault | null {
  const fault = nextBatch(buffer, start, end);
  if (typeof fault !== "number") return fault;
  if (fault < 0) return invalid("there is no record batch");
  view.set(buffer, start);
  if (view.magic !== 2) return invalid(`a record batch of magic ${view.magic}`);
  if (version < 7 && view.compression === zstd) {
    return { code: errorCode.UNSUPPORTED_COMPRESSION_TYPE, reason: `zstd in version ${version} of the request` };
  }
  const behind = nextBatch(buffer, view.end, end);
  if (typeof behind !== "number") return behind;
  return behind >= 0 ? invalid("more than one record batch") : null;
}

/** Whether what is produced to a partition begins with a batch of a transaction, whatever else is wrong with it. */
export function isOfTransaction(records: Buffer): boolean {
  const end = nextBatch(records, 0, records.length);
  if (typeof end !== "number" || end < batchAt.records || records[batchAt.magic] !== 2) return false;
  return (getU16(records, batchAt.attributes) & attributeBits.transactional) !== 0;
}

/** Where the batch at `start` ends; -1 if there is none, or not all of it. As Kafka: a length that is too small is damage. */
export function nextBatch(buffer: Buffer, start: number, end: number): number | BatchFault {
  if (end - start < lengthEnd) return -1;
  const length = getU32(buffer, start + batchAt.length) | 0;
  if (length < lengthLeast) return corrupt(`a record batch of length ${length}`);
  if (end - start < batchAt.crc) return -1;
  const magic = buffer.readInt8(start + batchAt.magic);
  if (magic < 0 || magic > 2) return corrupt(`a record batch of magic ${magic}`);
  return end - start < lengthEnd + length ? -1 : start + lengthEnd + length;
}

/**
 * What Kafka checks in a producer's batch before it looks at its records, in Kafka's order. A compression that does not
 * exist is an invalid record, where Kafka answers that it does not know what happened.
 *
 * @param bytesMax the topic's max.message.bytes
 */
export function checkProducedBatch(view: BatchView, bytesMax: number): BatchFault | null {
  if (view.baseOffset !== 0) return invalid(`a base offset of ${view.baseOffset}`);
  if (view.bytes > bytesMax) {
    return {
      code: errorCode.MESSAGE_TOO_LARGE,
      reason: `a record batch of ${view.bytes} bytes, of ${bytesMax} at most`,
    };
  }
  if (view.bytes < batchAt.records) return corrupt(`a record batch of ${view.bytes} bytes`);
  if (view.crc !== view.computedCrc()) return corrupt("its checksum is wrong");
  if (view.compression > zstd) return invalid(`compression ${view.compression}`);
  const { count, lastOffsetDelta } = view;
  if (lastOffsetDelta < 0 || count <= 0 || count !== lastOffsetDelta + 1) {
    return invalid(`${count} records over ${lastOffsetDelta + 1} offsets`);
  }
  if (view.isControl) return invalid("clients write no control records");
  if (view.producerId >= 0 && view.baseSequence < 0) return invalid(`a sequence number of ${view.baseSequence}`);
  // Kafka takes -1 here; there is no such epoch on disk.
  if (view.producerId >= 0 && view.producerEpoch < 0) {
    return { code: errorCode.INVALID_PRODUCER_EPOCH, reason: `a producer's epoch of ${view.producerEpoch}` };
  }
  return null;
}
