/**
 * A reader over a piece of a buffer that cannot read past its end and never throws.
 *
 * The first thing that is wrong is kept in `fault`; from then on the reader stands at its end and every read gives 0,
 * an empty string or nothing. So a decoder reads straight through, as if all were well, and looks at `fault` once, when
 * it is done; only its loops ask on each round. Bytes and strings that it returns are copies: what is kept of a message
 * never holds on to the chunk in which it came.
 *
 * Rejected: exceptions (a hostile peer makes one a frame, and each costs microseconds and a stack), and a result object
 * per read.
 */

import { isUtf8 } from "node:buffer";
import { getU16, getU32 } from "../base/bytes.ts";

/** What was wrong with a piece of input. A value to be returned, not thrown. */
export class Malformed {
  /** Words for a log or a reply, without the bytes themselves. */
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

export class Input {
  readonly buffer: Buffer;
  /** The position of the next byte to be read. */
  at: number;
  /** The position behind the last byte that may be read. A decoder of something nested narrows it for a while. */
  end: number;
  /** What was wrong first, or null while all is well. */
  fault: string | null = null;

  constructor(buffer: Buffer, start: number, end: number) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** Records what is wrong, unless something was before, and makes the rest unreadable. */
  fail(reason: string): void {
    this.fault ??= reason;
    this.at = this.end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** Moves over `bytes` and gives where they began, or -1 if there are fewer. */
  skip(bytes: number): number {
    const at = this.at;
    if (this.fault !== null || bytes > this.end - at) {
      this.fail("it ends too early");
      return -1;
    }
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    const at = this.skip(1);
    return at < 0 ? 0 : this.buffer[at]!;
  }

  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  u16(): number {
    const at = this.skip(2);
    return at < 0 ? 0 : getU16(this.buffer, at);
  }

  i16(): number {
    return (this.u16() << 16) >> 16;
  }

  u32(): number {
    const at = this.skip(4);
    return at < 0 ? 0 : getU32(this.buffer, at);
  }

  i32(): number {
    return this.u32() | 0;
  }

  /** A number where it is exact, a bigint past 2^53 - 1. */
  u64(): number | bigint {
    const at = this.skip(8);
    return at < 0 ? 0 : exactly(this.buffer.readBigUInt64BE(at));
  }

  /** A number where it is exact, a bigint outside of ±(2^53 - 1). */
  i64(): number | bigint {
    const at = this.skip(8);
    return at < 0 ? 0 : exactly(this.buffer.readBigInt64BE(at));
  }

  f32(): number {
    const at = this.skip(4);
    return at < 0 ? 0 : this.buffer.readFloatBE(at);
  }

  f64(): number {
    const at = this.skip(8);
    return at < 0 ? 0 : this.buffer.readDoubleBE(at);
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Buffer {
    const at = this.skip(length);
    return at < 0 ? Buffer.alloc(0) : keep(this.buffer, at, at + length);
  }

  /** The next `length` bytes as a string if they are UTF-8, otherwise a copy of them. */
  text(length: number): string | Buffer {
    const at = this.skip(length);
    if (at < 0) return "";
    const end = at + length;
    const text = this.buffer.toString("utf8", at, end);
    // The replacement character is what a decoder puts for bad bytes, but somebody may also have sent it.
    return !text.includes("\ufffd") || isUtf8(this.buffer.subarray(at, end)) ? text : keep(this.buffer, at, end);
  }
}

/** A copy with memory of its own: one from Node's pool would hold on to the pool's whole slab. */
function keep(buffer: Buffer, start: number, end: number): Buffer {
  const kept = Buffer.allocUnsafeSlow(end - start);
  buffer.copy(kept, 0, start, end);
  return kept;
}

function exactly(value: bigint): number | bigint {
  const rounded = Number(value);
  return Number.isSafeInteger(rounded) ? rounded : value;
}
