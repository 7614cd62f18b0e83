/**
 * Reading a field table in place: is it well-formed, and where is one field of it. For what the broker asks of each
 * message that has headers, before and mostly instead of decoding them: nothing is allocated. A property test holds
 * that what `tableEnd` accepts is what `decodeTable` accepts.
 */

import { getU32 } from "../../../base/bytes.ts";
import { nestingMax } from "./field-table.ts";

/** Where the table whose length stands at `at` ends, or -1 if it is malformed or passes `end`. Decodes nothing. */
export function tableEnd(buffer: Buffer, at: number, end: number): number {
  return nestedEnd(buffer, at, end, true, 0);
}

/**
 * The position of the letter of the first field of that name, in the table at `at` that ends at `end`, or -1.
 * The table must be one that `tableEnd` accepts; in any other, nothing past `end` is read and the answer is a guess.
 */
export function findField(buffer: Buffer, at: number, end: number, name: Buffer): number {
  let from = at + 4;
  while (from < end) {
    const length = buffer[from]!;
    const letterAt = from + 1 + length;
    if (letterAt >= end) return -1;
    if (length === name.length && isAt(buffer, from + 1, name)) return letterAt;
    from = valueEnd(buffer, letterAt, end, 0);
    if (from < 0) return -1;
  }
  return -1;
}

/** The integer whose letter stands at `at`; NaN for a value of another type. */
export function integerAt(buffer: Buffer, at: number): number {
  switch (buffer[at]) {
    case 0x62: // b
      return buffer.readInt8(at + 1);
    case 0x42: // B
      return buffer[at + 1]!;
    case 0x73: // s
      return buffer.readInt16BE(at + 1);
    case 0x75: // u
      return buffer.readUInt16BE(at + 1);
    case 0x49: // I
      return buffer.readInt32BE(at + 1);
    case 0x69: // i
      return buffer.readUInt32BE(at + 1);
    case 0x6c: // l
    case 0x4c: // L
      return Number(buffer.readBigInt64BE(at + 1));
    default:
      return NaN;
  }
}

function isAt(buffer: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (buffer[at + i] !== expected[i]) return false;
  return true;
}

function nestedEnd(buffer: Buffer, at: number, end: number, hasNames: boolean, depth: number): number {
  if (depth >= nestingMax || end - at < 4) return -1;
  const nestedLimit = at + 4 + getU32(buffer, at);
  if (nestedLimit > end) return -1;
  let from = at + 4;
  while (from < nestedLimit) {
    if (hasNames) from += 1 + buffer[from]!;
    if (from >= nestedLimit) return -1;
    from = valueEnd(buffer, from, nestedLimit, depth);
    if (from < 0) return -1;
  }
  return nestedLimit;
}

/** Where the value whose letter stands at `at` ends, or -1 if it is malformed or passes `end`. */
export function valueEnd(buffer: Buffer, at: number, end: number, depth = 0): number {
  const letter = buffer[at]!;
  if (letter === 0x46 || letter === 0x41) return nestedEnd(buffer, at + 1, end, letter === 0x46, depth + 1);
  let to = at + 1 + fixedBytes(letter);
  if (letter === 0x53 || letter === 0x78) {
    if (end - at < 5) return -1;
    to = at + 5 + getU32(buffer, at + 1);
  } else if (to === at) {
    return -1;
  }
  return to <= end ? to : -1;
}

/** How many bytes follow a letter of fixed size; -1 for every other octet. */
function fixedBytes(letter: number): number {
  switch (letter) {
    case 0x56: // V
      return 0;
    case 0x74: // t
    case 0x62: // b
    case 0x42: // B
      return 1;
    case 0x73: // s
    case 0x75: // u
      return 2;
    case 0x49: // I
    case 0x69: // i
    case 0x66: // f
      return 4;
    case 0x44: // D
      return 5;
    case 0x6c: // l
    case 0x4c: // L
    case 0x54: // T
    case 0x64: // d
      return 8;
    default:
      return -1;
  }
}
