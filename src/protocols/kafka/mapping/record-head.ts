/**
 * A record that is stored as a message of its own: its value is the body, and all else the head, from which it is made into a
 * record again without being decoded.
 *
 *      0        1                      9              13
 *     +--------+----------------------+--------------+-----+--------------------------------+
 *     | flags  | timestamp ms, int64  | key's length | key | headers as in a batch: a count |
 *     +--------+----------------------+--------------+-----+ and each name and value        |
 *
 * A key that is empty is another than none, and a value that is empty another than null, which is a tombstone: flags say so.
 * The time is its producer's, -1 if that said none, or the broker's (`appendTime`). In stored entries: do not change.
 */

import { getU32, putU32 } from "../../../base/bytes.ts";
import { getI64, putI64 } from "../codec/primitives.ts";

export const recordFlags = { key: 1, nullValue: 2, appendTime: 4 } as const;

const keyAt = 13;

/** Where the parts of one head are. *Reused.* */
export class RecordHead {
  flags = 0;
  timestampMs = -1;
  /** -1: it has none. */
  keyStart = -1;
  keyEnd = -1;
  headersStart = 0;
  headersEnd = 0;

  set(buffer: Buffer, start: number, end: number): this {
    this.flags = buffer[start]!;
    this.timestampMs = getI64(buffer, start + 1);
    const behindKey = start + keyAt + getU32(buffer, start + 9);
    const hasKey = (this.flags & recordFlags.key) !== 0;
    this.keyStart = hasKey ? start + keyAt : -1;
    this.keyEnd = hasKey ? behindKey : -1;
    this.headersStart = behindKey;
    this.headersEnd = end;
    return this;
  }

  get hasValue(): boolean {
    return (this.flags & recordFlags.nullValue) === 0;
  }

  /** False: it is the broker's, or there is none. */
  get isTimed(): boolean {
    return (this.flags & recordFlags.appendTime) === 0 && this.timestampMs >= 0;
  }
}

export function headBytes(keyBytes: number, headersBytes: number): number {
  return keyAt + keyBytes + headersBytes;
}

/** Writes what stands before the key: that goes to the position answered, and the headers behind it. */
export function beginHead(head: Buffer, flags: number, timestampMs: number, keyBytes: number): number {
  head[0] = flags;
  putI64(head, 1, timestampMs);
  putU32(head, 9, keyBytes);
  return keyAt;
}

/** The head with other headers. */
export function withHeaders(buffer: Buffer, start: number, { headersStart }: RecordHead, section: Buffer): Buffer {
  return Buffer.concat([buffer.subarray(start, headersStart), section]);
}
