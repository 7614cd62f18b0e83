/**
 * Kafka's primitive types over an Input and an Output. In versions that are *flexible*, lengths are unsigned varints and one
 * more than what they count, so that 0 can say null; before, they are int16 (strings) or int32, and -1 says null.
 *
 * Reading never throws and never allocates for a length that its bytes do not bear out: what is wrong is the Input's fault,
 * and the value is 0, empty or null. Bytes are views; strings are made as Java makes them, bad bytes becoming U+FFFD.
 */

import { getU32, putU32, putU64 } from "../../../base/bytes.ts";
import type { Input } from "../../../wire/input.ts";
import type { Output } from "../../../wire/output.ts";

const twoTo32 = 0x1_0000_0000;
/** What 2^63 - 1 is as a number: 2^63, which is written as 2^63 - 1. */
export const int64Max = 0x8000_0000_0000_0000;
/** Kafka refuses longer strings also where the length is a varint. */
const stringBytesMax = 0x7fff;
const none = Buffer.alloc(0);

export const uuidZero = "0".repeat(32);

/** A signed 64-bit number; past ±2^53 it is rounded, but stays past it. */
export function getI64(buffer: Uint8Array, at: number): number {
  return (getU32(buffer, at) | 0) * twoTo32 + getU32(buffer, at + 4);
}

export function putI64(buffer: Uint8Array, at: number, value: number): void {
  // What was rounded up to 2^63 must not come out as -2^63.
  if (value >= int64Max) {
    putU32(buffer, at, 0x7fff_ffff);
    putU32(buffer, at + 4, 0xffff_ffff);
  } else {
    putU64(buffer, at, value);
  }
}

export function readInt64(input: Input): number {
  const at = input.skip(8);
  return at < 0 ? 0 : getI64(input.buffer, at);
}

export function writeInt64(output: Output, value: number): void {
  const at = output.reserve(8);
  putI64(output.buffer, at, value);
}

/** 0 to 2^32 - 1. */
export function readUvarint(input: Input): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const octet = input.u8();
    value |= (octet & 0x7f) << shift;
    if (octet < 0x80) return value >>> 0;
  }
  input.fail("a varint has more than 5 bytes");
  return 0;
}

export function uvarintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** @returns the position behind it. */
export function putUvarint(buffer: Uint8Array, at: number, value: number): number {
  let left = value >>> 0;
  let to = at;
  for (; left >= 0x80; left >>>= 7) buffer[to++] = (left & 0x7f) | 0x80;
  buffer[to++] = left;
  return to;
}

export function writeUvarint(output: Output, value: number): void {
  const at = output.reserve(uvarintBytes(value));
  putUvarint(output.buffer, at, value);
}

/** A signed number in zigzag, as records have them. */
export function readVarint(input: Input): number {
  const zigzag = readUvarint(input);
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

/** @param value a signed number of 32 bits. */
export function varintBytes(value: number): number {
  return uvarintBytes(((value << 1) ^ (value >> 31)) >>> 0);
}

/** @returns the position behind it. */
export function putVarint(buffer: Uint8Array, at: number, value: number): number {
  return putUvarint(buffer, at, (value << 1) ^ (value >> 31));
}

/** As 32 hexadecimal digits. */
export function readUuid(input: Input): string {
  const at = input.skip(16);
  return at < 0 ? uuidZero : input.buffer.toString("hex", at, at + 16);
}

export function writeUuid(output: Output, value: string): void {
  const at = output.reserve(16);
  output.buffer.write(value, at, 16, "hex");
}

/** How many bytes or elements follow; -1: null, for which Kafka takes every negative number. */
export function readLength(input: Input, isFlexible: boolean): number {
  // The varint is a signed number to Kafka.
  const length = isFlexible ? (readUvarint(input) - 1) | 0 : input.i32();
  return Math.max(length, -1);
}

export function writeLength(output: Output, length: number, isFlexible: boolean): void {
  if (isFlexible) writeUvarint(output, length + 1);
  else output.u32(length);
}

export function readString(input: Input, isFlexible: boolean): string | null {
  const length = isFlexible ? (readUvarint(input) - 1) | 0 : input.i16();
  if (length < 0) return null;
  if (length > stringBytesMax) {
    input.fail(`a string of ${length} bytes`);
    return "";
  }
  const at = input.skip(length);
  return at < 0 ? "" : input.buffer.toString("utf8", at, at + length);
}

/** What is longer than a string may be is cut, at a character's end: it is a message for people, or a bug. */
export function writeString(output: Output, value: string | null, isFlexible: boolean): void {
  if (value === null) {
    if (isFlexible) output.u8(0);
    else output.u16(0xffff);
    return;
  }
  let bytes = Buffer.byteLength(value);
  let text = value;
  if (bytes > stringBytesMax) {
    text = Buffer.from(value)
      .toString("utf8", 0, stringBytesMax - 3)
      .replace(/\ufffd$/, "");
    bytes = Buffer.byteLength(text);
  }
  if (isFlexible) writeUvarint(output, bytes + 1);
  else output.u16(bytes);
  const at = output.reserve(bytes);
  output.buffer.write(text, at, bytes, "utf8");
}

/** A view into the input's buffer. */
export function readBytes(input: Input, isFlexible: boolean): Buffer | null {
  const length = readLength(input, isFlexible);
  if (length < 0) return null;
  const at = input.skip(length);
  return at < 0 ? none : input.buffer.subarray(at, at + length);
}

export function writeBytes(output: Output, value: Buffer | null, isFlexible: boolean): void {
  if (value === null) {
    writeLength(output, -1, isFlexible);
    return;
  }
  writeLength(output, value.length, isFlexible);
  output.copy(value, 0, value.length);
}
