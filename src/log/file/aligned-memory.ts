/**
 * Memory that begins where a page of the system's does, as a write past the system's cache wants it.
 *
 * Of its buffers Node does not tell where they begin, and they begin 16 bytes behind a page; WebAssembly's memory begins at one.
 * Each such memory takes 8 GB of addresses (and no more memory than is written to), so small buffers are cut from a common one. It
 * goes when nobody holds a part of it any more.
 *
 * Where addresses are limited (`ulimit -v`) there is none. To try until the system refuses would be too late: what was left to
 * the heap, the stacks and libraries would be less than they need.
 */

import { readFileSync } from "node:fs";

/** Node's, which the types of JavaScript alone do not know. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly?: {
    readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
      readonly buffer: ArrayBuffer;
    };
  };
};

const wasmPageBytes = 65_536;
const systemPageBytes = 4096;
/** What small buffers are cut from; what is half as long has a memory of its own. */
const commonBytes = 16 * 1024 * 1024;

const made = new WeakSet<ArrayBufferLike>();
let common: ArrayBuffer | undefined;
let commonUsed = 0;
let isPossible: boolean | undefined;

/** Undefined: there is no such memory here. Errors: none. */
export function allocateAligned(bytes: number): Buffer | undefined {
  isPossible ??= WebAssembly !== undefined && !hasAddressLimit();
  if (!isPossible) return undefined;
  if (bytes > commonBytes / 2) {
    const whole = newMemory(bytes);
    return whole && Buffer.from(whole, 0, bytes);
  }
  if (common === undefined || commonUsed + bytes > common.byteLength) {
    common = newMemory(commonBytes);
    if (common === undefined) return undefined;
    commonUsed = 0;
  }
  const buffer = Buffer.from(common, commonUsed, bytes);
  commonUsed += Math.ceil(bytes / systemPageBytes) * systemPageBytes;
  return buffer;
}

function newMemory(bytes: number): ArrayBuffer | undefined {
  const pages = Math.ceil(bytes / wasmPageBytes);
  try {
    const { buffer } = new WebAssembly!.Memory({ initial: pages, maximum: pages });
    made.add(buffer);
    return buffer;
  } catch (error) {
    // More than it may have at all, or than the system has.
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Linux tells of it; elsewhere memory need not lie in any way. */
function hasAddressLimit(): boolean {
  try {
    return /^Max address space\s+\d/m.test(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return false;
  }
}

/** Whether buffer[start] lies in memory of allocateAligned()'s, at a multiple of `align` from its beginning. */
export function isAligned(buffer: Buffer, start: number, align: number): boolean {
  return (buffer.byteOffset + start) % align === 0 && made.has(buffer.buffer);
}
