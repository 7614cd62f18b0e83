/**
 * Goes over the records of a batch that are not compressed, by their lengths and times alone: this is done with all that is
 * produced, so nothing is made for a record, and its key, value and headers are not looked at (records.ts does that).
 *
 * It answers two questions. Are they as many, and as long, as their batch says, so that nobody stores what a consumer falls
 * over? And from when to when are they? The batch's header says the latter too, but some clients write no greatest time
 * there (Sarama before 1.45), or not the greatest; Kafka sets it by what it has read, and times are found by it.
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
      if (first < 0x80) ms += (first >>> 1) ^ -(first & 1);
      else {
        ms += longAt(buffer, timeAt, at);
        // It has no end.
        if (Number.isNaN(ms)) return false;
      }
      if (ms > greatestMs) greatestMs = ms;
      if (ms < leastMs && ms !== minusOne) leastMs = ms;
    }
    this.greatestMs = greatestMs;
    this.leastMs = leastMs;
    return at === end;
  }
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
    const half = high * (twoTo28 / 2) + (low >>> 1);
    return (low & 1) !== 0 ? -half - 1 : half;
  }
  return NaN;
}
