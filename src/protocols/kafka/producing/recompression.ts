/**
 * A topic may ask for its batches in one compression (`compression.type`), whatever producers send: then a batch that comes in
 * another one is opened and compressed again before it is appended, as Kafka does it. The records and their numbers stay as
 * they are; length, attributes, greatest time and checksum of the batch change.
 *
 * That may take seconds: megabytes, at the best level that there is. So only what is small is done at once. All else is done
 * apart: gzip and zstd in another thread, one batch after the other, since the threads are those that write to disk, and
 * there are four; snappy and lz4, which are quick, in the share of a turn that opening has. How much a batch may become is
 * bounded all the same, or one producer's few bytes would keep all others waiting that need the same.
 */

import { putU16, putU32 } from "../../../base/bytes.ts";
import type { TurnShare } from "../../../base/turn-share.ts";
import { Malformed } from "../../../wire/input.ts";
import {
  compress,
  compressInThread,
  decompress,
  decompressInThread,
  hasThread,
  isTooMuch,
} from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits, batchAt, BatchView, type BatchFault } from "../codec/record-batch.ts";
import { putI64 } from "../codec/primitives.ts";
import { RecordWalk } from "../codec/record-walk.ts";

/** Where the length that a batch begins with counts from. */
const lengthEnd = 12;
/** What is done at once has no more bytes than this, opened. A producer's batch has 16 KB as a rule. */
export const smallBytesMax = 32_768;
/** What is opened may become so many times what the topic takes in one batch, and so much. */
const expansionMax = 16;
const expandedBytesMost = 64 << 20;

/** How a topic wants its batches. */
export interface WantedCompression {
  /** One of `compressions`. */
  readonly kind: number;
  /** Of those that have levels; undefined: the compressor's own. */
  readonly level: number | undefined;
}

/** A batch that was checked, in memory of its own, and what is to be made of it. */
export interface Recompression {
  readonly batch: Buffer;
  readonly wanted: WantedCompression;
  /** Of its records when they are not compressed. */
  readonly bytesMax: number;
  /** Whether somebody waits for it yet. */
  isWanted(): boolean;
}

const walk = new RecordWalk();

/** To how many bytes a batch may be opened in a topic with this `max.message.bytes`: what is not compressed is not opened. */
export function reopenedBytesMax(batchBytes: number, messageBytesMax: number): number {
  return Math.max(batchBytes, Math.min(messageBytesMax * expansionMax, expandedBytesMost));
}

/**
 * Sets `view`, on a batch that was checked, to the same batch as it is wanted: in a buffer of its own, unless it is so already.
 * @param bytesMax of its records when they are not compressed.
 * @returns what is wrong with its records, if something is; then the view is as it was.
 */
export function recompress(view: BatchView, wanted: WantedCompression, bytesMax: number): BatchFault | undefined {
  if (view.compression === wanted.kind) return undefined;
  const { buffer, start, end } = view;
  const records = decompress(view.compression, buffer, start + batchAt.records, end, bytesMax);
  const fault = faultOf(view, records, bytesMax);
  if (fault !== undefined) return fault;
  view.set(sealed(view, compress(wanted.kind, records as Buffer, wanted.level), wanted.kind, walk.greatestMs), 0);
  return undefined;
}

/** What is done apart, one batch after the other. */
export class Recompressions {
  readonly #opening: TurnShare;
  #last: Promise<unknown> = Promise.resolve();

  constructor(opening: TurnShare) {
    this.#opening = opening;
  }

  /** The batch as it is wanted, or what is wrong with it. Undefined: nobody wants it any more. */
  run(job: Recompression): Promise<Buffer | BatchFault | undefined> {
    const done = this.#last.then(() => (job.isWanted() ? this.#recompress(job) : undefined));
    // Not what came of it, which may be large.
    this.#last = done.then(() => undefined);
    return done;
  }

  async #recompress({ batch, wanted, bytesMax }: Recompression): Promise<Buffer | BatchFault> {
    const { kind, level } = wanted;
    const opening = this.#opening;
    const view = new BatchView().set(batch, 0);
    const { compression } = view;
    const input = batch.subarray(batchAt.records, view.end);
    const read = hasThread(compression) ? await decompressInThread(compression, input, bytesMax) : undefined;
    const opened = await opening.take(() => {
      const records = read ?? decompress(compression, input, 0, input.length, bytesMax);
      return { records, fault: faultOf(view, records, bytesMax), greatestMs: walk.greatestMs };
    });
    if (opened.fault !== undefined) return opened.fault;
    const records = opened.records as Buffer;
    const written = hasThread(kind) ? await compressInThread(kind, records, level) : undefined;
    return opening.take(() => sealed(view, written ?? compress(kind, records, level), kind, opened.greatestMs));
  }
}

/** Of records that were opened; what is right has been walked over. */
function faultOf(view: BatchView, records: Buffer | Malformed, bytesMax: number): BatchFault | undefined {
  if (records instanceof Malformed) {
    const code = isTooMuch(records, bytesMax) ? errorCode.MESSAGE_TOO_LARGE : errorCode.CORRUPT_MESSAGE;
    return { code, reason: records.reason };
  }
  if (walk.walkIn(view, records, 0, records.length)) return undefined;
  return { code: errorCode.INVALID_RECORD, reason: "the records do not fill their batch" };
}

/** The batch with other bytes for its records. */
function sealed(view: BatchView, records: Buffer, kind: number, greatestMs: number): Buffer {
  const { buffer, start } = view;
  const attributes = (view.attributes & ~attributeBits.compression) | kind;
  const batch = Buffer.concat([buffer.subarray(start, start + batchAt.records), records]);
  putU32(batch, batchAt.length, batch.length - lengthEnd);
  putU16(batch, batchAt.attributes, attributes);
  putI64(batch, batchAt.maxTimestamp, greatestMs);
  new BatchView().set(batch, 0).writeCrc();
  return batch;
}
