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

import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { Malformed } from "../../../wire/input.ts";
import { compressLz4, decompressLz4 } from "./lz4.ts";
import { compressSnappy, decompressSnappy } from "./snappy.ts";

/** By the number in a batch's attributes, and the name in topics' configs. */
export const compressions = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

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
      return input.length > bytesMax ? new Malformed(`more than ${bytesMax} bytes`) : input;
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
      return gzipSync(input, level === undefined ? {} : { level });
    case compressions.snappy:
      return compressSnappy(input);
    case compressions.lz4:
      return compressLz4(input);
    case compressions.zstd:
      return zstdCompressSync(
        input,
        level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } },
      );
    default:
      throw new RangeError(`there is no compression ${compression}`);
  }
}

/** zlib says what is wrong with its input by throwing. */
function byZlib(run: () => Buffer, bytesMax: number): Buffer | Malformed {
  try {
    return run();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Malformed(code === "ERR_BUFFER_TOO_LARGE" ? `more than ${bytesMax} bytes` : message);
  }
}
