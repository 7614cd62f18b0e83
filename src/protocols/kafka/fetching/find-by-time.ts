/**
 * Which message is the first of a time or later, to the message: the core finds the entry, here the batch is opened. It is a
 * rare question, so what is not in memory is waited for by promises.
 *
 * A batch of some kilobytes may be megabytes when it is opened, a log may hold thousands that say that they have what is
 * looked for, and a request may ask of thousands of partitions. So each batch is opened in a turn of its own, in the share
 * that all who ask have of it, and nothing more is looked for when who asked has gone.
 *
 * A log may be cut within a batch: its messages before the cut are there to read, and are not found.
 *
 * What is stored one by one is looked for by when it came, since no index knows more; a fetch shows the time that its maker
 * gave it, and that is what is answered.
 */

import type { Entry, Queue } from "../../../broker/api.ts";
import { decompress } from "../codec/compression.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { RecordReader } from "../codec/records.ts";
import type { Call } from "../command.ts";

export interface FoundMessage {
  readonly offset: number;
  /** By which it was found. */
  readonly timestampMs: number;
  /** As a fetch shows it. */
  readonly shownMs: number;
}

/** For whom it is looked for. */
interface Asker extends Pick<Call, "server" | "connection"> {
  /** What is in the topic has the time at which the broker took it. */
  readonly usesAppendTime: boolean;
}

/** Of a batch's records, opened. */
const openedBytesMax = 67_108_864;
/** What was loaded may be gone again, where memory is short. */
const loadsMax = 8;
/** Entries that are passed over at once. */
const looksPerTurn = 4096;

const nothing: Buffer = Buffer.alloc(0);
const view = new BatchView();
const reader = new RecordReader();

/** Undefined: there is none below `end`. Fails where it could not be read. */
export async function findByTime(
  queue: Queue,
  end: number,
  timeMs: number,
  asker: Asker,
): Promise<FoundMessage | undefined> {
  const { server, connection } = asker;
  let at = await queue.offsetAtTime(timeMs);
  let loads = 0;
  while (at < end && !connection.isClosed) {
    assertReadable(loads);
    const from = at;
    const { found, next, isInterrupted } = await server.opening.take(() => lookOn(queue, from, end, timeMs, asker));
    if (found !== undefined) return found;
    if (next >= end) return undefined;
    loads = next > at ? 0 : loads + 1;
    at = next;
    if (!isInterrupted) await new Promise<void>((resolve) => queue.load(next, resolve));
  }
  return undefined;
}

interface Piece {
  readonly found: FoundMessage | undefined;
  /** Where to go on. */
  readonly next: number;
  /** By us: what is there is in memory. */
  readonly isInterrupted: boolean;
}

/** From `at` on, until a batch was opened. */
function lookOn(queue: Queue, at: number, end: number, timeMs: number, asker: Asker): Piece {
  const start = Math.max(at, queue.firstOffset);
  let found: FoundMessage | undefined;
  let looks = 0;
  let isInterrupted = false;
  const next = queue.read(start, end, (entry) => {
    if (looks >= looksPerTurn) {
      isInterrupted = true;
      return false;
    }
    looks++;
    if (!mayHave(entry, timeMs)) return true;
    found = firstOfTime(entry, start, timeMs, asker);
    if (entry.isBatch) looks = looksPerTurn;
    return found === undefined;
  });
  return { found, next, isInterrupted };
}

/** To say that there is nothing would be worse: a consumer would go to the end, past what is there. */
function assertReadable(loads: number): void {
  if (loads >= loadsMax) throw new Error(`what was loaded was gone again, ${loads} times`);
}

/**
 * The message of the greatest time; of several, the first. That is in the newest entry as a rule; else times are halved until
 * there is one left at which something is found. The index knows also what compaction, or a cut within a batch, has taken: where its
 * greatest time is of that, all is looked at from the first place on where something greater than the newest's was. What is more than
 * an hour ahead counts for an hour, as everywhere in the core.
 *
 * @param latestMs no message is of a later time.
 */
export async function findGreatestTime(
  queue: Queue,
  end: number,
  latestMs: number,
  asker: Asker,
): Promise<FoundMessage | undefined> {
  if (queue.firstOffset >= end) return undefined;
  const newest = await greatestFrom(queue, end - 1, end, undefined, asker);
  const newestMs = newest?.timestampMs ?? -1;
  const from = await queue.offsetAtTime(newestMs + 1);
  let hasMs = newestMs;
  let hasNotMs = from < end ? latestMs + 1 : newestMs + 1;
  while (hasNotMs - hasMs > 1) {
    const middleMs = hasMs + Math.floor((hasNotMs - hasMs) / 2);
    if ((await queue.offsetAtTime(middleMs)) < end) hasMs = middleMs;
    else hasNotMs = middleMs;
  }
  const first = await findByTime(queue, end, hasMs, asker);
  if (first !== undefined || hasMs === newestMs) return first ?? newest;
  const greatest = await greatestFrom(queue, from, end, newest, asker);
  return greatest && ((await findByTime(queue, end, greatest.timestampMs, asker)) ?? greatest);
}

/** From the entry that holds the offset on, if it is greater than `known`; else that. */
async function greatestFrom(
  queue: Queue,
  offset: number,
  end: number,
  known: FoundMessage | undefined,
  asker: Asker,
): Promise<FoundMessage | undefined> {
  const { server, connection } = asker;
  let greatest = known;
  let at = offset;
  for (let loads = 0; at < end && !connection.isClosed;) {
    assertReadable(loads);
    const from = at;
    let isInterrupted = false;
    at = await server.opening.take(() => {
      let looks = 0;
      return queue.read(from, end, (entry) => {
        if (looks >= looksPerTurn) {
          isInterrupted = true;
          return false;
        }
        looks++;
        if (greatest !== undefined && !mayHave(entry, greatest.timestampMs + 1)) return true;
        const found = greatestOf(entry, queue.firstOffset, asker);
        if (found !== undefined && found.timestampMs > (greatest?.timestampMs ?? -1)) greatest = found;
        if (entry.isBatch) looks = looksPerTurn;
        return true;
      });
    });
    loads = at > from ? 0 : loads + 1;
    if (at < end && !isInterrupted) await new Promise<void>((resolve) => queue.load(at, resolve));
  }
  return greatest;
}

/** By what is known of it without opening it. */
function mayHave(entry: Entry, timeMs: number): boolean {
  if (!entry.isBatch) return entry.timestampMs >= timeMs;
  view.set(entry.buffer, entry.bodyStart);
  return view.maxTimestampMs >= timeMs || !view.knowsGreatestTime;
}

/** From `start` on. */
function firstOfTime(entry: Entry, start: number, timeMs: number, asker: Asker): FoundMessage | undefined {
  if (!entry.isBatch) return ofEntry(entry, asker);
  if (!open(entry)) return ofBatch(entry, start);
  let found: FoundMessage | undefined;
  while (found === undefined && reader.next()) {
    const { offset, timestampMs } = reader;
    if (timestampMs >= timeMs && offset >= start) found = { offset, timestampMs, shownMs: timestampMs };
  }
  reader.buffer = nothing;
  return found;
}

function greatestOf(entry: Entry, start: number, asker: Asker): FoundMessage | undefined {
  if (!entry.isBatch) return ofEntry(entry, asker);
  if (!open(entry)) return ofBatch(entry, start);
  let greatest: FoundMessage | undefined;
  while (reader.next()) {
    const { offset, timestampMs } = reader;
    if (offset >= start && (greatest === undefined || timestampMs > greatest.timestampMs))
      greatest = { offset, timestampMs, shownMs: timestampMs };
  }
  reader.buffer = nothing;
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

function ofEntry(entry: Entry, { server, usesAppendTime }: Asker): FoundMessage {
  const { offset, timestampMs } = entry;
  return { offset, timestampMs, shownMs: server.foreignEntries.timeOf(entry, usesAppendTime) };
}

function ofBatch({ baseOffset }: Entry, start: number): FoundMessage {
  const timestampMs = view.knowsGreatestTime ? view.maxTimestampMs : view.baseTimestampMs;
  return { offset: Math.max(baseOffset, start), timestampMs, shownMs: timestampMs };
}
