/**
 * Big-endian numbers in buffers, without the argument checks of Buffer's own methods: for callers that have checked the
 * bounds of a whole frame once. Past the end of a buffer, reads give undefined bytes and writes vanish, as with any
 * typed array.
 */

const twoTo32 = 0x1_0000_0000;
/** Measured: a call of Buffer.copy costs 30 ns at any small size, a loop 1 ns a byte. */
const loopBytesMax = 24;

export function getU16(buffer: Uint8Array, at: number): number {
  return (buffer[at]! << 8) | buffer[at + 1]!;
}

export function getU32(buffer: Uint8Array, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0;
}

/** An unsigned number of 64 bits; past 2^53 it is rounded, but stays past 2^53. */
export function getU64(buffer: Uint8Array, at: number): number {
  return getU32(buffer, at) * twoTo32 + getU32(buffer, at + 4);
}

export function putU16(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 8;
  buffer[at + 1] = value;
}

export function putU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

/** @param value a whole number from 0 to 2^53 - 1. */
export function putU64(buffer: Uint8Array, at: number, value: number): void {
  putU32(buffer, at, Math.floor(value / twoTo32));
  putU32(buffer, at + 4, value >>> 0);
}

/** Copies `source[start, end)` to `target` at `at`: Buffer.copy, but quick for a handful of bytes too. */
export function copyBytes(source: Buffer, start: number, end: number, target: Buffer, at: number): void {
  if (end - start > loopBytesMax) {
    source.copy(target, at, start, end);
  } else {
    for (let from = start, to = at; from < end; from++, to++) target[to] = source[from]!;
  }
}
