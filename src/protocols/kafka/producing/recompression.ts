/**
 * A topic may ask for its batches in one compression (`compression.type`), whatever producers send: then a batch that comes in
 * another one is opened and compressed again before it is appended, as Kafka does it. The records and their numbers stay as
 * they are; length, attributes and checksum of the batch change.
 */

import { putU16, putU32 } from "../../../base/bytes.ts";
import { Malformed } from "../../../wire/input.ts";
import { compress, decompress } from "../codec/compression.ts";
import { attributeBits, batchAt, type BatchView } from "../codec/record-batch.ts";

/** Where the length that a batch begins with counts from. */
const lengthEnd = 12;

/** How a topic wants its batches. */
export interface WantedCompression {
  /** One of `compressions`. */
  readonly kind: number;
  /** Of those that have levels; undefined: the compressor's own. */
  readonly level: number | undefined;
}

/**
 * Sets `view`, on a batch that was checked, to the same batch as it is wanted: in a buffer of its own, unless it is so already.
 * @param bytesMax of its records when they are not compressed.
 * @returns what is wrong with its records, if something is; then the view is as it was.
 */
export function recompress(
  view: BatchView,
  { kind, level }: WantedCompression,
  bytesMax: number,
): Malformed | undefined {
  if (view.compression === kind) return undefined;
  const { buffer, start, end } = view;
  const records = decompress(view.compression, buffer, start + batchAt.records, end, bytesMax);
  if (records instanceof Malformed) return records;
  const attributes = (view.attributes & ~attributeBits.compression) | kind;
  const batch = Buffer.concat([buffer.subarray(start, start + batchAt.records), compress(kind, records, level)]);
  putU32(batch, batchAt.length, batch.length - lengthEnd);
  putU16(batch, batchAt.attributes, attributes);
  view.set(batch, 0).writeCrc();
  return undefined;
}
