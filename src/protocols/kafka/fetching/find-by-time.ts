/**
 * Which message is the first of a time or later, to the message: the core finds the entry, here the batch is opened. It is a
 * rare question, so what is not in memory is waited for by promises.
 */

import type { Entry, Queue } from "../../../broker/api.ts";
import { decompress } from "../codec/compression.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { RecordReader } from "../codec/records.ts";

export interface FoundMessage {
  readonly offset: number;
  readonly timestampMs: number;
}

/** Of a batch's records, opened. */
const openedBytesMax = 67_108_864;
/** What was loaded may be gone again, where memory is short. */
const loadsMax = 8;

const view = new BatchView();
const reader = new RecordReader();

/** Undefined: there is none below `end`. */
export async function findByTime(queue: Queue, end: number, timeMs: number): Promise<FoundMessage | undefined> {
  let at = await queue.offsetAtTime(timeMs);
  let loads = 0;
  while (at < end && loads < loadsMax) {
    let found: FoundMessage | undefined;
    const next = queue.read(at, end, (entry) => {
      found = firstOfTime(entry, timeMs);
      return found === undefined;
    });
    if (found !== undefined) return found;
    if (next >= end) return undefined;
    loads = next > at ? 0 : loads + 1;
    at = next;
    await new Promise<void>((resolve) => queue.load(at, resolve));
  }
  return undefined;
}

/**
 * The message of the greatest time. That is in the newest entry as a rule; else times are halved until there is one left at
 * which something is found. What is more than an hour ahead counts for an hour, as everywhere in the core.
 *
 * @param latestMs no message is of a later time.
 */
export async function findGreatestTime(queue: Queue, end: number, latestMs: number): Promise<FoundMessage | undefined> {
  if (queue.firstOffset >= end) return undefined;
  const newest = await greatestAt(queue, end, end - 1);
  if (newest === undefined || (await queue.offsetAtTime(newest.timestampMs + 1)) >= end) return newest;
  let hasMs = newest.timestampMs + 1;
  let hasNotMs = latestMs + 1;
  let at = end - 1;
  while (hasNotMs - hasMs > 1) {
    const middleMs = hasMs + Math.floor((hasNotMs - hasMs) / 2);
    const found = await queue.offsetAtTime(middleMs);
    if (found < end) [hasMs, at] = [middleMs, found];
    else hasNotMs = middleMs;
  }
  return (await greatestAt(queue, end, at)) ?? newest;
}

/** In the entry that holds the offset, or the next one. */
async function greatestAt(queue: Queue, end: number, offset: number): Promise<FoundMessage | undefined> {
  let found: FoundMessage | undefined;
  let at = offset;
  for (let loads = 0; loads < loadsMax; loads++) {
    at = queue.read(at, end, (entry) => {
      found ??= greatestOf(entry);
      return false;
    });
    if (found !== undefined || at >= end) break;
    await new Promise<void>((resolve) => queue.load(at, resolve));
  }
  return found;
}

function firstOfTime(entry: Entry, timeMs: number): FoundMessage | undefined {
  if (!entry.isBatch) return entry.timestampMs >= timeMs ? ofEntry(entry) : undefined;
  if (view.set(entry.buffer, entry.bodyStart).maxTimestampMs < timeMs) return undefined;
  if (!open(entry)) return ofBatch(entry);
  while (reader.next()) {
    const { offset, timestampMs } = reader;
    if (timestampMs >= timeMs) return { offset, timestampMs };
  }
  return undefined;
}

function greatestOf(entry: Entry): FoundMessage | undefined {
  if (!entry.isBatch) return ofEntry(entry);
  if (!open(entry)) return ofBatch(entry);
  let greatest: FoundMessage | undefined;
  while (reader.next()) {
    const { offset, timestampMs } = reader;
    if (greatest === undefined || timestampMs > greatest.timestampMs) greatest = { offset, timestampMs };
  }
  return greatest;
}

/** False: its records cannot be read. */
function open(entry: Entry): boolean {
  view.set(entry.buffer, entry.bodyStart);
  const start = view.start + batchAt.records;
  if (view.compression === 0) {
    reader.open(view, view.buffer, start, view.end);
    return true;
  }
  const opened = decompress(view.compression, view.buffer, start, view.end, openedBytesMax);
  if (!(opened instanceof Buffer)) return false;
  reader.open(view, opened, 0, opened.length);
  return true;
}

function ofEntry({ offset, timestampMs }: Entry): FoundMessage {
  return { offset, timestampMs };
}

function ofBatch({ baseOffset }: Entry): FoundMessage {
  return { offset: baseOffset, timestampMs: view.maxTimestampMs };
}
