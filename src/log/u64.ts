/** Safe integers as 64-bit big-endian fields, without the BigInt that Buffer's own methods want. */

import { assert } from "../base/assert.ts";

const wordSize = 0x1_0000_0000;

export function writeU64(buffer: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a 64-bit field holds a safe integer");
  buffer.writeUInt32BE(Math.floor(value / wordSize), at);
  buffer.writeUInt32BE(value % wordSize, at + 4);
}

/** A field past the safe integers was not written by writeU64: the answer is then NaN, which equals nothing. */
export function readU64(buffer: Buffer, at: number): number {
  const value = buffer.readUInt32BE(at) * wordSize + buffer.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
