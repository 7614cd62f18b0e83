/** Blocks, entries and disks for the tests of this folder. */

import { seededRandom } from "../base/random.ts";
import { openJournal } from "./journal.ts";
import type { SpaceOptions } from "./journal-space.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES } from "./log.ts";
import type { Damage, Disk, Journal, RunMeta, SegmentStore, Span } from "./log.ts";

/** No zeros ahead: what is on the disk is what was appended. */
export const bareFiles: SpaceOptions = { fileBytesMax: 1024 * 1024, aheadBytes: 0, stepBytes: 4096 };

/** Appends one block; resolves when it is durable, rejects with its error. `known` as in Journal.append(). */
export function appendBlock(journal: Journal, payload: Buffer, known: readonly number[] = []): Promise<void> {
  const length = BLOCK_HEADER_BYTES + payload.length;
  const buffer = Buffer.alloc(Math.ceil(length / BLOCK_ALIGN) * BLOCK_ALIGN, 0xee);
  payload.copy(buffer, BLOCK_HEADER_BYTES);
  return new Promise((resolve, reject) => {
    journal.append(buffer, length, known, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

/** A payload that tells which one it is. */
export function payloadOf(seq: number, length = 100): Buffer {
  return seededRandom(seq * 7919 + length).bytes(length);
}

export interface ReadBack {
  journal: Journal;
  damage: Damage[];
  /** Payloads, copied, by sequence in order of arrival. */
  blocks: { seq: number; payload: Buffer }[];
}

export async function readBack(
  disk: Disk,
  { fromSeq = 1, options = bareFiles, seed = 1 }: { fromSeq?: number; options?: SpaceOptions; seed?: number } = {},
): Promise<ReadBack> {
  const blocks: { seq: number; payload: Buffer }[] = [];
  const { journal, damage } = await openJournal(disk, seededRandom(seed), options, fromSeq, (block) => {
    blocks.push({ seq: block.seq, payload: Buffer.from(block.buffer.subarray(block.start, block.end)) });
  });
  return { journal, damage, blocks };
}

export const seqsOf = (found: ReadBack): number[] => found.blocks.map((block) => block.seq);

/** An entry as short as an entry may be: it has its timestamp where entries have it. */
export function entryOf(seed: number, timestamp: number, length = 30): Buffer {
  const entry = seededRandom(seed).bytes(Math.max(length, 10));
  entry.writeUIntBE(timestamp, 4, 6);
  return entry;
}

export function readSpan(
  segments: SegmentStore,
  run: RunMeta,
  fromOffset: number,
  { bytesMax = 1024 * 1024, entriesMax = 100_000, covering = false } = {},
): Promise<Span> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | undefined, span: Span | undefined): void => {
      if (span === undefined) reject(error ?? new Error("neither error nor span"));
      else resolve(span);
    };
    segments.read(run, fromOffset, bytesMax, entriesMax, done, covering);
  });
}

/** Entries of a span as they can be compared. */
export function entriesOf(span: Span): { offset: number; payload: string }[] {
  const entries: { offset: number; payload: string }[] = [];
  for (let index = 0; index < span.count; index++) {
    const start = span.positions[index]!;
    const payload = span.buffer.toString("hex", start, start + span.lengths[index]!);
    entries.push({ offset: span.offsets[index]!, payload });
  }
  return entries;
}
