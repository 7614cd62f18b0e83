/**
 * Goes over the records of a batch that are not compressed, by their lengths and times alone: this is done with all that is
 * produced, so nothing is made for a record (records.ts does that).
 *
 * It answers two questions. Are they, their keys, values and headers, as many, and as long, as is said before each, so that
 * nobody stores what a consumer falls over? And from when to when are they? The batch's header says the latter too, but some
 * clients write no greatest time there (Sarama before 1.45), or not the greatest; Kafka sets it by what it has read, and times
 * are found by it.
 */

import { batchAt, type BatchView } from "./record-batch.ts";

const minusOne = -1;
/** Behind a record's length: attributes, time, offset, key, value and count of headers take an octet each. */
const recordBytesLeast = 6;
/** A varint of four octets has 28 bits. */
const twoTo28 = 0x1000_0000;

export class RecordWalk {
  /** Of the records' times; -1: none has one. */
  greatestMs = minusOne;
  /** Infinity: none has one. */
  leastMs = Infinity;

  /** The records of a batch that is not compressed. False: they are not what it says. */
  walk(batch: BatchView): boolean {
    return this.walkIn(batch, batch.buffer, batch.start + batchAt.records, batch.end);
  }

  /** Those of a batch that was opened: they are buffer[start, end). */
  walkIn({ count, baseTimestampMs: baseMs }: BatchView, buffer: Buffer, start: number, end: number): boolean {
    let greatestMs = minusOne;
    let leastMs = Infinity;
    let at = start;
    for (let left = count; left > 0; left--) {
      let octet = buffer[at++]!;
      let bytes = octet & 0x7f;
      for (let shift = 7; octet >= 0x80 && shift < 35; shift += 7) {
        octet = buffer[at++]!;
        bytes |= (octet & 0x7f) << shift;
      }
      const timeAt = at + 1;
      // The lowest bit is the sign.
      at += bytes >>> 1;
      if ((bytes & 1) !== 0 || octet >= 0x80 || at > end || at - timeAt < recordBytesLeast - 1) return false;
      const first = buffer[timeAt]!;
      let ms = baseMs;
      if (first < 0x80) {
        ms += (first >>> 1) ^ -(first & 1);
        next = timeAt + 1;
      } else {
        ms += longAt(buffer, timeAt, at);
        // It has no end.
        if (Number.isNaN(ms)) return false;
      }
      if (!endsAt(buffer, at)) return false;
      if (ms > greatestMs) greatestMs = ms;
      if (ms < leastMs && ms !== minusOne) leastMs = ms;
    }
    this.greatestMs = greatestMs;
    this.leastMs = leastMs;
    return at === end;
  }
}

/** Where the number that was read last ended. */
let next = 0;

/** Whether the record ends there, of which offset, key, value and headers come next. */
function endsAt(buffer: Buffer, end: number): boolean {
  takeInt(buffer);
  for (let field = 0; field < 2; field++) {
    const bytes = takeInt(buffer);
    if (bytes > 0) next += bytes;
  }
  let headers = takeInt(buffer);
  if (headers < 0) return false;
  for (; headers > 0 && next < end; headers--) {
    const nameBytes = takeInt(buffer);
    if (nameBytes < 0) return false;
    next += nameBytes;
    const valueBytes = takeInt(buffer);
    if (valueBytes > 0) next += valueBytes;
  }
  return headers === 0 && next === end;
}

/** The varint that is next. Behind one without an end nothing ends where it should. */
function takeInt(buffer: Buffer): number {
  let octet = buffer[next++]!;
  let bits = octet & 0x7f;
  for (let shift = 7; octet >= 0x80 && shift < 35; shift += 7) {
    octet = buffer[next++]!;
    bits |= (octet & 0x7f) << shift;
  }
  if (octet >= 0x80) next = buffer.length + 1;
  return (bits >>> 1) ^ -(bits & 1);
}

/** A varlong; NaN: it does not end before `end`, or not after ten octets. */
function longAt(buffer: Buffer, start: number, end: number): number {
  let low = 0;
  let high = 0;
  for (let count = 0; count < 10 && start + count < end; count++) {
    const octet = buffer[start + count]!;
    if (count < 4) low |= (octet & 0x7f) << (7 * count);
    else high += (octet & 0x7f) * 2 ** (7 * (count - 4));
    if (octet >= 0x80) continue;
    next = start + count + 1;
    const half = high * (twoTo28 / 2) + (low >>> 1);
    return (low & 1) !== 0 ? -half - 1 : half;
  }
  return NaN;
}
