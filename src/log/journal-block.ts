/**
 * A journal block on disk. Integers are big endian, blocks begin at multiples of BLOCK_ALIGN.
 *
 *     0  u32  magic "ENTJ"          28  u32  0
 *     4  u16  version, 1 to 3       32  16 B identity of the journal
 *     6  u16  0                     48  u64  first sequence of the file that it was written for
 *     8  u64  sequence              56  u32  generation of that file
 *    16  u32  payload length        60  u32  CRC of bytes 0 to 59: "the block's CRC"
 *    20  u32  payload CRC           64       payload, then zeros up to a multiple of BLOCK_ALIGN
 *    24  u32  CRC of the block before, 0 where it is not known
 *
 * The payload's CRC is CRC-32C (before version 3: CRC-32, as the block's own), since clients bring that one along, and what
 * they have summed is not summed again. It covers the padding too, so that no byte of a block is without a check; the block's
 * CRC covers the payload's, the sequence and the predecessor's CRC, so that it stands for everything up to here: a chain.
 *
 * Files are recycled, and what an earlier life left behind the newest block is made of perfect blocks. Those tell
 * themselves apart by the file that they were written for. The identity does the same for files of another journal,
 * and for message bodies that hold a copy of one.
 */

import { assert } from "../base/assert.ts";
import { crc32 } from "../base/crc.ts";
import { crc32c, joinCrc32c } from "../base/crc32c.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES } from "./log.ts";
import { readU64, writeU64 } from "./u64.ts";

const magic = 0x454e544a;
/** Of what is written; what is read may be older. Blocks of 2 may hold records that a program that knows 1 does not know. */
export const journalVersion = 3;
const versionOfCrc32c = 3;
const versionMin = 1;
export const IDENTITY_BYTES = 16;

/** Which file a block belongs to. */
export interface FileKey {
  readonly first: number;
  readonly generation: number;
}

export function paddedLength(length: number): number {
  return Math.ceil(length / BLOCK_ALIGN) * BLOCK_ALIGN;
}

/** Makes buffer[0, length) with its payload a whole block; answers the block's CRC. `known` as in Journal.append(). */
export function sealBlock(
  buffer: Buffer,
  length: number,
  known: readonly number[],
  seq: number,
  previousCrc: number,
  identity: Buffer,
  key: FileKey,
): number {
  const padded = paddedLength(length);
  assert(length >= BLOCK_HEADER_BYTES && padded <= buffer.length, "a block's buffer has room for its padding");
  buffer.fill(0, length, padded);
  buffer.writeUInt32BE(magic, 0);
  buffer.writeUInt32BE(journalVersion << 16, 4);
  writeU64(buffer, seq, 8);
  buffer.writeUInt32BE(length - BLOCK_HEADER_BYTES, 16);
  buffer.writeUInt32BE(payloadCrc(buffer, padded, known), 20);
  buffer.writeUInt32BE(previousCrc, 24);
  buffer.writeUInt32BE(0, 28);
  identity.copy(buffer, 32);
  writeU64(buffer, key.first, 48);
  buffer.writeUInt32BE(key.generation, 56);
  const crc = crc32(buffer, 0, 60);
  buffer.writeUInt32BE(crc, 60);
  return crc;
}

function payloadCrc(buffer: Buffer, padded: number, known: readonly number[]): number {
  let crc = 0;
  let at = BLOCK_HEADER_BYTES;
  for (let i = 0; i < known.length; i += 3) {
    const start = known[i]!;
    const end = known[i + 1]!;
    assert(start >= at && end <= padded, "what is known of a block lies in it, in order");
    crc = joinCrc32c(crc32c(buffer, at, start, crc), known[i + 2]!, end - start);
    at = end;
  }
  return crc32c(buffer, at, padded, crc);
}

/** Whether an intact header of a block of this file, and of this journal if it is known yet, begins at `at`. */
export function isHeaderValid(buffer: Buffer, at: number, key: FileKey, identity: Buffer | undefined): boolean {
  return (
    buffer.readUInt32BE(at) === magic &&
    isVersionKnown(buffer.readUInt32BE(at + 4)) &&
    readU64(buffer, at + 48) === key.first &&
    buffer.readUInt32BE(at + 56) === key.generation &&
    buffer.readUInt32BE(at + 60) === crc32(buffer, at, at + 60) &&
    (identity === undefined || identity.compare(buffer, at + 32, at + 32 + IDENTITY_BYTES) === 0)
  );
}

/** The lower half is 0. */
function isVersionKnown(field: number): boolean {
  const version = field / 0x1_0000;
  return Number.isInteger(version) && version >= versionMin && version <= journalVersion;
}

/** For a block whose header is valid and which lies in the buffer whole. */
export function isPayloadValid(buffer: Buffer, at: number): boolean {
  const end = at + paddedLength(BLOCK_HEADER_BYTES + payloadLengthAt(buffer, at));
  const crc = buffer.readUInt16BE(at + 4) < versionOfCrc32c ? crc32 : crc32c;
  return buffer.readUInt32BE(at + 20) === crc(buffer, at + BLOCK_HEADER_BYTES, end);
}

export const seqAt = (buffer: Buffer, at: number): number => readU64(buffer, at + 8);
export const payloadLengthAt = (buffer: Buffer, at: number): number => buffer.readUInt32BE(at + 16);
export const previousCrcAt = (buffer: Buffer, at: number): number => buffer.readUInt32BE(at + 24);
export const identityAt = (buffer: Buffer, at: number): Buffer =>
  Buffer.from(buffer.subarray(at + 32, at + 32 + IDENTITY_BYTES));
export const blockCrcAt = (buffer: Buffer, at: number): number => buffer.readUInt32BE(at + 60);

const namePattern = /^journal-(\d{16})-(\d+)\.log$/;

export function journalFileName(key: FileKey): string {
  return `journal-${String(key.first).padStart(16, "0")}-${key.generation}.log`;
}

/** Undefined for a name that is no journal file's; spare files have names of their own. */
export function journalFileKey(name: string): FileKey | undefined {
  const match = namePattern.exec(name);
  return match === null ? undefined : { first: Number(match[1]), generation: Number(match[2]) };
}
