/**
 * A segment file: `segment-<id>.seg`. Integers are big endian.
 *
 *     header     u32 magic "ENTS", u32 version, 1 or 2, u64 id, u32 CRC of these 16 bytes, 12 B zero
 *     payload    the entries, one after the other, as they came; at most 4 GB
 *     index      of each run its pages, one after the other
 *     directory  one record a run; see below
 *     directory  the same again
 *     footer     64 B; see below
 *     footer     the same again: the file ends here
 *
 * An index page holds 512 entries, the last of a run what is left:
 *
 *     0  u64  offset of its first entry          32 + 16 i  u32  offset of entry i, less the first one's
 *     8  u64  timestamp of its first entry                  u32  where its payload begins in the file
 *    16  u64  greatest timestamp                            u32  its length
 *    24  u32  entries                                       u32  its check
 *    28  u32  CRC of the page, without this
 *
 * An entry's check is the CRC-32C of its payload (in version 1, and of all else: CRC-32), mixed with its offset. So an
 * entry can be trusted without its page: when the page's own CRC is wrong, its entries are tried one by one, and a flipped bit costs the entry that it hit instead
 * of 512. For the same reason directory and footer are there twice: both are small, and without them all would be lost.
 *
 * A directory record is 64 bytes, and 16 for each page:
 *
 *     0  u64  partition        24  u64  entries                 48  u64  timestamp of the first entry
 *     8  u64  first offset     32  u64  bytes of all entries    56  u64  greatest timestamp
 *    16  u64  last offset      40  u64  where its index begins  64  u64 first offset, u64 greatest timestamp of page 0 ...
 *
 * The footer:
 *
 *     0  u32  magic "ENTF"     16  u64  length of the file      32  u64  length of a directory     48  u32  its CRC
 *     4  u32  version          24  u64  where the first         40  u64  runs                      52  8 B  zero
 *     8  u64  id                        directory begins                                           60  u32  CRC of 0 to 59
 *
 * Everything of a fixed size is found by arithmetic: no page needs another one to be read.
 */

import { crc32 } from "../base/crc.ts";
import { crc32c } from "../base/crc32c.ts";
import type { RunMeta } from "./log.ts";
import { readU64, writeU64 } from "./u64.ts";

export const SEGMENT_HEADER_BYTES = 32;
export const FOOTER_BYTES = 64;
export const PAGE_ENTRIES = 512;
export const PAGE_HEADER_BYTES = 32;
export const INDEX_ENTRY_BYTES = 16;
export const PAGE_BYTES = PAGE_HEADER_BYTES + PAGE_ENTRIES * INDEX_ENTRY_BYTES;
const runBytes = 64;
const fenceBytes = 16;
const headerMagic = 0x454e5453;
const footerMagic = 0x454e5446;
/** Of what is written; what is read may be older. */
export const segmentVersion = 2;

export const segmentName = (id: number): string => `segment-${String(id).padStart(16, "0")}.seg`;
const namePattern = /^segment-(\d{16})\.seg$/;

export function segmentIdOf(name: string): number | undefined {
  const match = namePattern.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function segmentHeader(id: number, version = segmentVersion): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.writeUInt32BE(headerMagic, 0);
  header.writeUInt32BE(version, 4);
  writeU64(header, id, 8);
  header.writeUInt32BE(crc32(header, 0, 16), 16);
  return header;
}

/** Of a payload, as segments of this version have it. */
export function payloadCrc(version: number, buffer: Buffer, start: number, end: number): number {
  return version === 1 ? crc32(buffer, start, end) : crc32c(buffer, start, end);
}

/** An odd multiplier is a bijection: offsets that differ have checks that differ. */
export function entryCheck(payloadCrc: number, offsetDelta: number): number {
  return (payloadCrc ^ Math.imul(offsetDelta ^ (offsetDelta >>> 16), 0x9e3779b1)) >>> 0;
}

/** What an entry's check says of its payload's CRC. */
export function payloadCrcOf(check: number, offsetDelta: number): number {
  return entryCheck(check, offsetDelta);
}

export function pageCountOf(entries: number): number {
  return Math.ceil(entries / PAGE_ENTRIES);
}

/** Entries of page `page` in a run of `entries`. */
export function pageEntriesOf(entries: number, page: number): number {
  return Math.min(PAGE_ENTRIES, entries - page * PAGE_ENTRIES);
}

export function pageLength(entries: number): number {
  return PAGE_HEADER_BYTES + entries * INDEX_ENTRY_BYTES;
}

/** Of the page at `at`, but for the field that holds it. */
export function pageCrc(buffer: Buffer, at: number, entries: number): number {
  const head = crc32(buffer, at, at + 28);
  return crc32(buffer, at + PAGE_HEADER_BYTES, at + pageLength(entries), head);
}

export function encodeDirectory(runs: RunMeta[]): Buffer {
  let length = 0;
  for (const run of runs) length += runBytes + run.fences.length * fenceBytes;
  const buffer = Buffer.allocUnsafe(length);
  let at = 0;
  for (const run of runs) {
    writeU64(buffer, run.partition, at);
    writeU64(buffer, run.firstOffset, at + 8);
    writeU64(buffer, run.lastOffset, at + 16);
    writeU64(buffer, run.count, at + 24);
    writeU64(buffer, run.bytes, at + 32);
    writeU64(buffer, run.indexPosition, at + 40);
    writeU64(buffer, run.firstTimestamp, at + 48);
    writeU64(buffer, run.lastTimestamp, at + 56);
    at += runBytes;
    for (let page = 0; page < run.fences.length; page++) {
      writeU64(buffer, run.fences[page]!, at);
      writeU64(buffer, run.fenceTimestamps[page]!, at + 8);
      at += fenceBytes;
    }
  }
  return buffer;
}

/** Of a directory whose CRC is right: what is in it was written by encodeDirectory. */
export function decodeDirectory(buffer: Buffer, segment: number, { version, runs: count }: Footer): RunMeta[] {
  const runs: RunMeta[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const entries = readU64(buffer, at + 24);
    const pages = pageCountOf(entries);
    const run: RunMeta = {
      segment,
      version,
      partition: readU64(buffer, at),
      firstOffset: readU64(buffer, at + 8),
      lastOffset: readU64(buffer, at + 16),
      count: entries,
      bytes: readU64(buffer, at + 32),
      indexPosition: readU64(buffer, at + 40),
      firstTimestamp: readU64(buffer, at + 48),
      lastTimestamp: readU64(buffer, at + 56),
      fences: new Float64Array(pages),
      fenceTimestamps: new Float64Array(pages),
    };
    at += runBytes;
    for (let page = 0; page < pages; page++) {
      run.fences[page] = readU64(buffer, at);
      run.fenceTimestamps[page] = readU64(buffer, at + 8);
      at += fenceBytes;
    }
    runs.push(run);
  }
  return runs;
}

export interface Footer {
  version: number;
  id: number;
  fileBytes: number;
  directoryPosition: number;
  directoryLength: number;
  runs: number;
  directoryCrc: number;
}

export function encodeFooter(footer: Footer): Buffer {
  const buffer = Buffer.alloc(FOOTER_BYTES);
  buffer.writeUInt32BE(footerMagic, 0);
  buffer.writeUInt32BE(footer.version, 4);
  writeU64(buffer, footer.id, 8);
  writeU64(buffer, footer.fileBytes, 16);
  writeU64(buffer, footer.directoryPosition, 24);
  writeU64(buffer, footer.directoryLength, 32);
  writeU64(buffer, footer.runs, 40);
  buffer.writeUInt32BE(footer.directoryCrc, 48);
  buffer.writeUInt32BE(crc32(buffer, 0, 60), 60);
  return buffer;
}

/** Undefined if it does not verify, or is another file's. */
export function decodeFooter(buffer: Buffer, at: number, id: number, fileBytes: number): Footer | undefined {
  if (buffer.readUInt32BE(at + 60) !== crc32(buffer, at, at + 60)) return undefined;
  const version = buffer.readUInt32BE(at + 4);
  if (buffer.readUInt32BE(at) !== footerMagic || version < 1 || version > segmentVersion) return undefined;
  const footer = {
    version,
    id: readU64(buffer, at + 8),
    fileBytes: readU64(buffer, at + 16),
    directoryPosition: readU64(buffer, at + 24),
    directoryLength: readU64(buffer, at + 32),
    runs: readU64(buffer, at + 40),
    directoryCrc: buffer.readUInt32BE(at + 48),
  };
  return footer.id === id && footer.fileBytes === fileBytes ? footer : undefined;
}
