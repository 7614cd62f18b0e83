/**
 * What record batches are compressed with. A batch goes from producer to log to consumer unopened; this is for whoever must
 * look inside: another protocol's consumer, compaction, a topic that needs keys.
 *
 * gzip and zstd are Node's. snappy and lz4 are ours, in TypeScript: the packages that have them are either native builds or
 * no longer kept, and the formats are a page each.
 *
 * A few bytes may say that they become gigabytes. The caller says how much it will hold, and nothing more is ever made:
 * neither zlib nor our own allocate ahead of what the bytes bear out. Broken input is a Malformed, never a throw.
 */

import {
  constants,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type ZlibOptions,
  type ZstdOptions,
} from "node:zlib";
import { Malformed } from "../../../wire/input.ts";
import { compressLz4, decompressLz4 } from "./lz4.ts";
import { compressSnappy, decompressSnappy } from "./snappy.ts";

/** By the number in a batch's attributes, and the name in topics' configs. */
export const compressions = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** What is opened on the way in may become so many times what the topic takes in one batch. */
const expansionMax = 64;
/**
 * And no more than this, however large a batch the topic takes: whoever makes a topic says that. What was taken must be read
 * again, so it is also what compaction opens.
 */
export const openedBytesMost = 256 << 20;

/** How many bytes a batch may become that comes to a topic with this `max.message.bytes`. */
export function openedBytesMax(messageBytesMax: number): number {
  return Math.min(messageBytesMax * expansionMax, openedBytesMost);
}

/** What buffer[start, end) was compressed from, of `bytesMax` at most. A view of it if it was not compressed. */
export function decompress(
  compression: number,
  buffer: Buffer,
  start: number,
  end: number,
  bytesMax: number,
): Buffer | Malformed {
  const input = buffer.subarray(start, end);
  switch (compression) {
    case compressions.none:
      return input.length > bytesMax ? new Malformed(tooMuch(bytesMax)) : input;
    case compressions.gzip:
      return byZlib(() => gunzipSync(input, { maxOutputLength: bytesMax }), bytesMax);
    case compressions.snappy:
      return decompressSnappy(input, bytesMax);
    case compressions.lz4:
      return decompressLz4(input, bytesMax);
    case compressions.zstd:
      return byZlib(() => zstdDecompressSync(input, { maxOutputLength: bytesMax }), bytesMax);
    default:
      return new Malformed(`compression ${compression}`);
  }
}

/** @param level of gzip and zstd; undefined: their own. */
export function compress(compression: number, input: Buffer, level?: number): Buffer {
  switch (compression) {
    case compressions.none:
      return input;
    case compressions.gzip:
      return gzipSync(input, gzipOptions(level));
    case compressions.snappy:
      return compressSnappy(input);
    case compressions.lz4:
      return compressLz4(input);
    case compressions.zstd:
      return zstdCompressSync(input, zstdOptions(level));
    default:
      throw new RangeError(`there is no compression ${compression}`);
  }
}

/** Of these, Node has what works in another thread. */
export function hasThread(compression: number): boolean {
  return compression === compressions.gzip || compression === compressions.zstd;
}

/** As decompress(), of gzip or zstd, in another thread. `input` stays as it is meanwhile. */
export function decompressInThread(compression: number, input: Buffer, bytesMax: number): Promise<Buffer | Malformed> {
  const { promise, resolve } = Promise.withResolvers<Buffer | Malformed>();
  const done = (error: Error | null, output: Buffer): void =>
    resolve(error === null ? output : malformed(error, bytesMax));
  const options = { maxOutputLength: bytesMax, chunkSize: threadChunkBytes };
  if (compression === compressions.gzip) gunzip(input, options, done);
  else zstdDecompress(input, options, done);
  return promise;
}

/** As compress(), to gzip or zstd, in another thread. `input` stays as it is meanwhile. */
export function compressInThread(compression: number, input: Buffer, level?: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const done = (error: Error | null, output: Buffer): void => (error === null ? resolve(output) : reject(error));
  const chunkSize = threadChunkBytes;
  if (compression === compressions.gzip) gzip(input, { ...gzipOptions(level), chunkSize }, done);
  else zstdCompress(input, { ...zstdOptions(level), chunkSize }, done);
  return promise;
}

/** After each of so much output the thread is free for others, and this one is asked to go on. */
const threadChunkBytes = 262_144;

function gzipOptions(level: number | undefined): ZlibOptions {
  return level === undefined ? {} : { level };
}

function zstdOptions(level: number | undefined): ZstdOptions {
  return level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } };
}

/** Whether this is what all of them say of what would be more than `bytesMax`. */
export function isTooMuch({ reason }: Malformed, bytesMax: number): boolean {
  return reason === tooMuch(bytesMax);
}

function tooMuch(bytesMax: number): string {
  return `more than ${bytesMax} bytes`;
}

/** zlib says what is wrong with its input by throwing. */
function byZlib(run: () => Buffer, bytesMax: number): Buffer | Malformed {
  try {
    return run();
  } catch (error) {
    return malformed(error as Error, bytesMax);
  }
}

function malformed(error: Error, bytesMax: number): Malformed {
  const { code, message } = error as NodeJS.ErrnoException;
  return new Malformed(code === "ERR_BUFFER_TOO_LARGE" ? tooMuch(bytesMax) : message);
}
