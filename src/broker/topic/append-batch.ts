/** The way of a batch in: one copy into the open block, one slot in a page, whatever number of messages it holds. */
import { assert } from "../../base/assert.ts";
import { getU32, putU16, putU32 } from "../../base/bytes.ts";
import { crc32c, joinCrc32c } from "../../base/crc32c.ts";
import type { Batch } from "../batch.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { appendedBatch } from "../subscription/scan.ts";
import { batchHeadBytes, writeBatchEntry, writeU48 } from "../entry.ts";
import type { MessageFormat } from "../format.ts";
import type { Partition } from "./partition.ts";

/** An entry record with one target, up to the entry. */
const recordBytes = 17;
const countMax = 0x7fff_ffff;
/** Below, summing costs no more than joining two sums. */
const joinedBytesMin = 8192;
/** Offsets have 48 bits where they are stored; the greatest stands for none there. */
const offsetMax = 2 ** 48 - 1;
/**
 * Producers say what time it is. One whose clock is wrong must not keep entries from growing old for as long as it likes:
 * what comes from further ahead ages, and is found, as if it were of this time.
 */
const aheadMsMax = 3_600_000;

/** What its record takes of a block, at most. */
export function batchRecordBytes({ bodyStart, bodyEnd }: Batch): number {
  return recordBytes + batchHeadBytes + bodyEnd - bodyStart;
}

/** One that did not fit would be stored as another, and nothing that came after it could be read back. */
export function assertOffsets({ next }: Partition, count: number): void {
  assert(next + count <= offsetMax, "the offsets of a batch fit where they are stored");
}

/** The CRC-32C of a stored batch, by the one that it brings along; undefined: it brings none, or is summed as quickly. */
export function crcOfBatch(
  { ownCrc }: MessageFormat,
  buffer: Buffer,
  start: number,
  bodyStart: number,
  end: number,
): number | undefined {
  if (ownCrc === undefined || end - start < joinedBytesMin) return undefined;
  const from = bodyStart + ownCrc.from;
  return joinCrc32c(crc32c(buffer, start, from), getU32(buffer, bodyStart + ownCrc.at), end - from);
}

/** Answers the offset of its first message. */
export function appendBatch(core: Core, queue: QueueState, batch: Batch): number {
  const { partition, subscription } = queue;
  const { count } = batch;
  assert(subscription === undefined, "only logs hold batches");
  assert(count > 0 && count <= countMax, "a batch holds messages");
  assertOffsets(partition, count);
  const { commit } = core;
  const nowMs = core.now();
  const timestampMs = Math.max(0, Math.min(batch.timestampMs, nowMs + aheadMsMax));
  const bodyBytes = batch.bodyEnd - batch.bodyStart;
  const length = batchHeadBytes + bodyBytes;
  let buffer: Buffer;
  let start: number;
  let slot: number;
  if (partition.isDurable) {
    commit.reserve(recordBytes + length);
    buffer = commit.buffer;
    slot = commit.slot;
    writeRecordHead(buffer, commit.at, queue.id, partition.next + count - 1, length);
    start = commit.at + recordBytes;
    commit.at = start + length;
  } else {
    commit.reserveSide(length);
    buffer = commit.sideBuffer;
    slot = commit.sideSlot;
    start = commit.sideAt;
    commit.sideAt = start + length;
  }
  writeBatchEntry(buffer, start, batch, partition.isDurable, timestampMs);
  commit.touch(partition);
  queue.counters.published += count;
  const base = partition.appendBatch(slot, start, length, bodyBytes, count);
  const format = core.format(batch.format);
  format.stamp?.(buffer, start + batchHeadBytes, start + length, base, nowMs);
  if (partition.isDurable) {
    const crc = crcOfBatch(format, buffer, start, start + batchHeadBytes, start + length);
    if (crc !== undefined) commit.knowCrc(start, start + length, crc);
  }
  if (queue.named !== undefined) {
    for (const one of queue.named.values()) appendedBatch(core, one, base + count - 1, count, bodyBytes);
  }
  return base;
}

function writeRecordHead(buffer: Buffer, at: number, partition: number, lastOffset: number, length: number): void {
  buffer[at] = record.entry;
  putU16(buffer, at + 1, 1);
  putU32(buffer, at + 3, partition);
  writeU48(buffer, at + 7, lastOffset);
  putU32(buffer, at + 13, length);
}
