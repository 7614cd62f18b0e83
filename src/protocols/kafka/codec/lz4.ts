/**
 * lz4 in its frame format, as Kafka's clients write it.
 *
 *     frame = 0x184D2204, flags, block size, [int64 content size], [int32 dictionary], checksum of these,
 *             blocks, 0, [int32 checksum of the content]              little-endian throughout
 *     block = int32 size (its highest bit: not compressed), bytes, [int32 checksum]
 *     bytes = token (literals << 4 | match - 4, 15: more follows), literals, uint16 offset, ..., and literals at the end
 *
 * Blocks may refer to those before them, so all are unpacked into one buffer. Frames may follow each other. All checksums are
 * verified. A dictionary is refused: Kafka has none. Written are independent blocks of 64 KB without checksums, which is what
 * Java's client writes: the batch has one of its own.
 */

import { copyBytes } from "../../../base/bytes.ts";
import { Malformed } from "../../../wire/input.ts";

const magic = 0x184d2204;
const flags = {
  version: 0xc0,
  independent: 0x20,
  blockChecksum: 0x10,
  contentSize: 8,
  contentChecksum: 4,
  dictionary: 1,
};
const versionOne = 0x40;
const notCompressed = 0x8000_0000;
/** By the number in the frame; those before are not used. */
const blockBytesByCode = [0, 0, 0, 0, 65_536, 262_144, 1_048_576, 4_194_304];
const writtenBlockBytes = 65_536;
const writtenBlockCode = 4;

/** What is unpacked so far; it grows with what was really made. */
class Unpacked {
  buffer: Buffer;
  bytes = 0;
  readonly bytesMax: number;

  constructor(inputBytes: number, bytesMax: number) {
    this.buffer = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(256, 4 * inputBytes)));
    this.bytesMax = bytesMax;
  }

  /** False: that would be too much. */
  makeRoom(more: number): boolean {
    const needed = this.bytes + more;
    if (needed > this.bytesMax) return false;
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.bytesMax, Math.max(needed, 2 * this.buffer.length)));
      this.buffer.copy(grown, 0, 0, this.bytes);
      this.buffer = grown;
    }
    return true;
  }
}

export function decompressLz4(input: Buffer, bytesMax: number): Buffer | Malformed {
  const unpacked = new Unpacked(input.length, bytesMax);
  let at = 0;
  do {
    const next = frame(input, at, unpacked);
    if (typeof next === "string") return new Malformed(next);
    at = next;
  } while (at < input.length);
  return unpacked.buffer.subarray(0, unpacked.bytes);
}

/** @returns where it ends, or what is wrong. */
function frame(input: Buffer, start: number, unpacked: Unpacked): number | string {
  if (input.length - start < 7 || input.readUInt32LE(start) !== magic) return "no frame of lz4";
  const flag = input[start + 4]!;
  const blockBytesMax = blockBytesByCode[(input[start + 5]! >>> 4) & 7]!;
  if ((flag & flags.version) !== versionOne || (flag & flags.dictionary) !== 0 || blockBytesMax === 0) {
    return "a frame of lz4 that is not understood";
  }
  const headEnd = start + 6 + (flag & flags.contentSize ? 8 : 0);
  if (headEnd >= input.length) return "lz4 ends too early";
  if (((xxh32(input, start + 4, headEnd) >>> 8) & 0xff) !== input[headEnd]) return "a wrong checksum in lz4";
  const contentStart = unpacked.bytes;
  const blocksEnd = blocks(input, headEnd + 1, flag, blockBytesMax, unpacked);
  if (typeof blocksEnd === "string" || (flag & flags.contentChecksum) === 0) return blocksEnd;
  if (input.length - blocksEnd < 4) return "lz4 ends too early";
  const checksum = xxh32(unpacked.buffer, contentStart, unpacked.bytes);
  return input.readUInt32LE(blocksEnd) === checksum ? blocksEnd + 4 : "a wrong checksum in lz4";
}

function blocks(
  input: Buffer,
  start: number,
  flag: number,
  blockBytesMax: number,
  unpacked: Unpacked,
): number | string {
  const contentStart = unpacked.bytes;
  for (let at = start; ;) {
    if (input.length - at < 4) return "lz4 ends too early";
    const head = input.readUInt32LE(at);
    at += 4;
    if (head === 0) return at;
    const size = head & 0x7fff_ffff;
    const end = at + size;
    const checksumBytes = flag & flags.blockChecksum ? 4 : 0;
    if (size > blockBytesMax || end + checksumBytes > input.length) return "a block of lz4 ends too early";
    if (checksumBytes > 0 && xxh32(input, at, end) !== input.readUInt32LE(end)) return "a wrong checksum in lz4";
    const reach = flag & flags.independent ? unpacked.bytes : contentStart;
    const before = unpacked.bytes;
    const fault =
      head >= notCompressed ? plainBlock(input, at, end, unpacked) : packedBlock(input, at, end, reach, unpacked);
    if (fault !== null) return fault;
    if (unpacked.bytes - before > blockBytesMax) return "a block of lz4 is too long";
    at = end + checksumBytes;
  }
}

function plainBlock(input: Buffer, start: number, end: number, unpacked: Unpacked): string | null {
  if (!unpacked.makeRoom(end - start)) return `more than ${unpacked.bytesMax} bytes`;
  unpacked.bytes += input.copy(unpacked.buffer, unpacked.bytes, start, end);
  return null;
}

/** @param reach the first byte that a match may refer to. */
function packedBlock(input: Buffer, start: number, end: number, reach: number, unpacked: Unpacked): string | null {
  const broken = "broken lz4";
  const tooMuch = `more than ${unpacked.bytesMax} bytes`;
  for (let at = start; at < end;) {
    const token = input[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (at >= end) return broken;
        more = input[at++]!;
      }
    }
    if (literals > end - at) return broken;
    if (!unpacked.makeRoom(literals)) return tooMuch;
    copyBytes(input, at, at + literals, unpacked.buffer, unpacked.bytes);
    unpacked.bytes += literals;
    at += literals;
    if (at === end) return null;
    if (end - at < 2) return broken;
    const offset = input[at]! | (input[at + 1]! << 8);
    at += 2;
    let matched = (token & 15) + 4;
    if (matched === 19) {
      for (let more = 255; more === 255; matched += more) {
        if (at >= end) return broken;
        more = input[at++]!;
      }
    }
    if (offset === 0 || offset > unpacked.bytes - reach) return broken;
    if (!unpacked.makeRoom(matched)) return tooMuch;
    const { buffer } = unpacked;
    let to = unpacked.bytes;
    // Byte by byte: a match may reach into what it writes.
    for (const last = to + matched; to < last; to++) buffer[to] = buffer[to - offset]!;
    unpacked.bytes = to;
  }
  // The last sequence has no match.
  return broken;
}

export function compressLz4(input: Buffer): Buffer {
  const blockCount = Math.ceil(input.length / writtenBlockBytes);
  // A block that does not shrink is written as it is.
  const output = Buffer.allocUnsafe(11 + 4 * blockCount + input.length + packedBytesMax(writtenBlockBytes));
  output.writeUInt32LE(magic, 0);
  output[4] = versionOne | flags.independent;
  output[5] = writtenBlockCode << 4;
  output[6] = (xxh32(output, 4, 6) >>> 8) & 0xff;
  let to = 7;
  for (let start = 0; start < input.length; start += writtenBlockBytes) {
    const end = Math.min(start + writtenBlockBytes, input.length);
    const size = pack(input, start, end, output, to + 4) - to - 4;
    const isSmaller = size < end - start;
    if (!isSmaller) input.copy(output, to + 4, start, end);
    output.writeUInt32LE(isSmaller ? size : (notCompressed | (end - start)) >>> 0, to);
    to += 4 + (isSmaller ? size : end - start);
  }
  return output.subarray(0, output.writeUInt32LE(0, to));
}

function packedBytesMax(bytes: number): number {
  return bytes + Math.ceil(bytes / 255) + 16;
}

const hashBits = 13;
const seen = new Int32Array(1 << hashBits);
/** Matches begin so far from a block's end, and leave so many literals there. */
const matchMarginBytes = 12;
const lastLiterals = 5;

/** Writes a block's bytes; a match is looked for by the hash of four bytes. @returns where they end. */
function pack(input: Buffer, start: number, end: number, output: Buffer, at: number): number {
  seen.fill(-1);
  let to = at;
  let literalStart = start;
  let from = start;
  while (from < end - matchMarginBytes) {
    const word = input.readUInt32LE(from);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
    const candidate = seen[slot]!;
    seen[slot] = from;
    if (candidate < 0 || from - candidate > 0xffff || input.readUInt32LE(candidate) !== word) {
      from++;
      continue;
    }
    let matched = 4;
    while (from + matched < end - lastLiterals && input[candidate + matched] === input[from + matched]) matched++;
    to = putSequence(output, to, input, literalStart, from, matched - 4);
    output[to++] = from - candidate;
    output[to++] = (from - candidate) >>> 8;
    to = putMore(output, to, matched - 4);
    from += matched;
    literalStart = from;
  }
  return putSequence(output, to, input, literalStart, end, 0);
}

/** Token and literals. */
function putSequence(output: Buffer, at: number, input: Buffer, start: number, end: number, match: number): number {
  const literals = end - start;
  output[at] = (Math.min(literals, 15) << 4) | Math.min(match, 15);
  const to = putMore(output, at + 1, literals);
  copyBytes(input, start, end, output, to);
  return to + literals;
}

/** What of a length does not fit into the token. */
function putMore(output: Buffer, at: number, length: number): number {
  let to = at;
  if (length < 15) return to;
  let left = length - 15;
  for (; left >= 255; left -= 255) output[to++] = 255;
  output[to++] = left;
  return to;
}

const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** xxHash of 32 bits with seed 0. */
export function xxh32(buffer: Buffer, start: number, end: number): number {
  let at = start;
  let hash = prime5;
  if (end - start >= 16) {
    const lanes = [(prime1 + prime2) | 0, prime2 | 0, 0, -prime1 | 0];
    for (; at <= end - 16; at += 16) {
      for (let lane = 0; lane < 4; lane++) {
        const mixed = (lanes[lane]! + Math.imul(buffer.readUInt32LE(at + 4 * lane), prime2)) | 0;
        lanes[lane] = Math.imul(rotate(mixed, 13), prime1);
      }
    }
    hash = rotate(lanes[0]!, 1) + rotate(lanes[1]!, 7) + rotate(lanes[2]!, 12) + rotate(lanes[3]!, 18);
  }
  hash = (hash + (end - start)) | 0;
  for (; at <= end - 4; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(buffer.readUInt32LE(at), prime3)) | 0, 17), prime4);
  }
  for (; at < end; at++) hash = Math.imul(rotate((hash + Math.imul(buffer[at]!, prime5)) | 0, 11), prime1);
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
