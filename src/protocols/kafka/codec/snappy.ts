/**
 * snappy: raw, as librdkafka writes it, and in the frame that Java's library puts around it (xerial), as most others do.
 *
 *     raw    = varint length of what it becomes, elements
 *     xerial = 0x82 "SNAPPY" 0, int32 version, int32 least version, then int32 size and a raw block, again and again
 *
 * An element's lowest two bits say what it is: 0 a literal, 1 a copy of 4 to 11 bytes from up to 2 KB back, 2 of up to 64
 * bytes from up to 64 KB back, 3 of up to 64 bytes from further. The format is that of google/snappy's description.
 */

import { copyBytes, getU32, putU32 } from "../../../base/bytes.ts";
import { Malformed } from "../../../wire/input.ts";

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const xerialHeaderBytes = 16;
const xerialBlockBytes = 32_768;
/** Three bytes say 64 at most: who claims more for a block than this many for one lies. */
const growthMax = 22;

export function decompressSnappy(input: Buffer, bytesMax: number): Buffer | Malformed {
  const isFramed = input.length >= xerialHeaderBytes && xerialMagic.equals(input.subarray(0, xerialMagic.length));
  if (!isFramed) return rawBlock(input, 0, input.length, 0, bytesMax);
  const blocks: Buffer[] = [];
  let bytes = 0;
  for (let at = xerialHeaderBytes; at < input.length;) {
    const size = input.length - at < 4 ? -1 : getU32(input, at);
    at += 4;
    if (size < 0 || size > input.length - at) return new Malformed("a block of snappy ends too early");
    const block = rawBlock(input, at, at + size, bytes, bytesMax);
    if (block instanceof Malformed) return block;
    blocks.push(block);
    bytes += block.length;
    at += size;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, bytes);
}

/** @param bytesBefore which the blocks before it became. */
function rawBlock(
  input: Buffer,
  start: number,
  end: number,
  bytesBefore: number,
  bytesMax: number,
): Buffer | Malformed {
  let length = 0;
  let at = start;
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) return new Malformed("snappy without a length");
    const octet = input[at++]!;
    length += (octet & 0x7f) * 2 ** shift;
    if (octet < 0x80) break;
  }
  if (bytesBefore + length > bytesMax) return new Malformed(`more than ${bytesMax} bytes`);
  if (length > (end - at) * growthMax) return new Malformed("snappy of an impossible length");
  const output = Buffer.allocUnsafe(length);
  return inflate(input, at, end, output) ? output : new Malformed("broken snappy");
}

/** False unless the elements fill the output, neither more nor less. */
function inflate(input: Buffer, start: number, end: number, output: Buffer): boolean {
  const { length } = output;
  let at = start;
  let to = 0;
  while (at < end) {
    const tag = input[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const sizeBytes = size - 60;
        if (sizeBytes > end - at) return false;
        size = littleEndian(input, at, sizeBytes) + 1;
        at += sizeBytes;
      }
      if (size > end - at || size > length - to) return false;
      copyBytes(input, at, at + size, output, to);
      at += size;
      to += size;
      continue;
    }
    const offsetBytes = kind === 3 ? 4 : kind;
    if (offsetBytes > end - at) return false;
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const low = littleEndian(input, at, offsetBytes);
    const offset = kind === 1 ? ((tag >>> 5) << 8) | low : low;
    at += offsetBytes;
    if (offset === 0 || offset > to || size > length - to) return false;
    // Byte by byte: a copy may reach into what it writes.
    for (const last = to + size; to < last; to++) output[to] = output[to - offset]!;
  }
  return to === length;
}

function littleEndian(input: Buffer, at: number, bytes: number): number {
  let value = input[at]!;
  if (bytes > 1) value |= input[at + 1]! << 8;
  if (bytes > 2) value |= input[at + 2]! << 16;
  if (bytes > 3) value |= input[at + 3]! << 24;
  return value >>> 0;
}

/** In xerial's frame, which every client reads. */
export function compressSnappy(input: Buffer): Buffer {
  const blockCount = Math.max(1, Math.ceil(input.length / xerialBlockBytes));
  const output = Buffer.allocUnsafe(xerialHeaderBytes + blockCount * (4 + blockBytesMax(xerialBlockBytes)));
  xerialMagic.copy(output);
  putU32(output, 8, 1);
  putU32(output, 12, 1);
  let to = xerialHeaderBytes;
  for (let index = 0; index < blockCount; index++) {
    const start = index * xerialBlockBytes;
    const blockEnd = deflate(input, start, Math.min(start + xerialBlockBytes, input.length), output, to + 4);
    putU32(output, to, blockEnd - to - 4);
    to = blockEnd;
  }
  return output.subarray(0, to);
}

function blockBytesMax(bytes: number): number {
  return 32 + bytes + Math.ceil(bytes / 6);
}

const hashBits = 13;
const seen = new Int32Array(1 << hashBits);

/** Writes a raw block; a match is looked for by the hash of four bytes. @returns where it ends. */
function deflate(input: Buffer, start: number, end: number, output: Buffer, at: number): number {
  let to = putLength(output, at, end - start);
  seen.fill(-1);
  let literalStart = start;
  let from = start;
  while (from + 4 <= end) {
    const word = littleEndian(input, from, 4);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - hashBits);
    const candidate = seen[slot]!;
    seen[slot] = from;
    if (candidate < 0 || littleEndian(input, candidate, 4) !== word) {
      from++;
      continue;
    }
    to = putLiteral(output, to, input, literalStart, from);
    let matched = 4;
    while (from + matched < end && input[candidate + matched] === input[from + matched]) matched++;
    to = putCopy(output, to, from - candidate, matched);
    from += matched;
    literalStart = from;
  }
  return putLiteral(output, to, input, literalStart, end);
}

function putLength(output: Buffer, at: number, length: number): number {
  let left = length;
  let to = at;
  for (; left >= 0x80; left >>>= 7) output[to++] = (left & 0x7f) | 0x80;
  output[to++] = left;
  return to;
}

function putLiteral(output: Buffer, at: number, input: Buffer, start: number, end: number): number {
  const size = end - start;
  if (size === 0) return at;
  let to = at;
  if (size <= 60) {
    output[to++] = (size - 1) << 2;
  } else {
    const sizeBytes = size <= 0x100 ? 1 : 2;
    output[to++] = (59 + sizeBytes) << 2;
    output[to++] = size - 1;
    if (sizeBytes === 2) output[to++] = (size - 1) >>> 8;
  }
  copyBytes(input, start, end, output, to);
  return to + size;
}

/** In pieces of 64 bytes: within a block every offset fits into two bytes. */
function putCopy(output: Buffer, at: number, offset: number, size: number): number {
  let to = at;
  for (let left = size; left > 0;) {
    const piece = Math.min(left, 64);
    output[to++] = ((piece - 1) << 2) | 2;
    output[to++] = offset;
    output[to++] = offset >>> 8;
    left -= piece;
  }
  return to;
}
