/**
 * Keeps the runs of due times few: each checkpoint that finds new ones makes a segment of them, which lives until the last
 * of them has fired, and a few delays of a month beside other traffic would be a hundred thousand files by its end.
 *
 * When there are many, those that are not larger than all smaller ones together go into the checkpoint's segment, merged
 * with what is new. So a pair is written anew only into a segment of twice the size of its last, and beside the smallest,
 * which wait until there are sixteen, sizes double: some thirty segments hold whatever there is. Those of which most has
 * fired go the same way, for their space.
 *
 * Whole segments are taken, with the runs of all subscriptions in them: the new checkpoint names the merged one in their
 * place, the one before it names them, and no start ever finds a pair in two. Rejected: to merge each subscription's runs by
 * themselves, for which a checkpoint had to say which runs of a segment do not count any more.
 */
import type { OffsetHeap } from "../../base/offset-heap.ts";
import type { RunMeta } from "../../log/log.ts";
import type { SegmentSink } from "../durability/segment-series.ts";
import { isBefore, pairBytes, type Pairs, schedulePartitionBase, writePair } from "./due-runs.ts";

/** Fewer segments than this are left alone. */
const segmentsMany = 16;
/** Pairs that one checkpoint takes from old segments at most: it is not to take long. */
const mergedMax = 16 << 20;
/** A segment of so many pairs is taken for its space when most of them have fired. */
const largeMin = 1 << 16;
/** Pairs written in one slice of a turn. */
const pairsPerSlice = 1024;

/** Of a segment: pairs that it was written with, and those that have not fired. */
export interface DueSegment {
  readonly id: number;
  total: number;
  live: number;
}

/** What a checkpoint writes of one subscription. */
export interface DueMerge {
  readonly id: number;
  /** Emptied by being written. */
  readonly fresh: OffsetHeap;
  /** All before `from` has fired. */
  readonly runs: readonly { readonly meta: RunMeta; readonly from: number }[];
  /** The last that had fired when the checkpoint began. What has since is needed by a start from there. */
  readonly firedDueMs: number;
  readonly firedOffset: number;
}

/** Which segments are to be merged with `freshCount` new pairs. */
export function chooseSegments(all: readonly DueSegment[], freshCount: number): Set<number> {
  const chosen = new Set<number>();
  let merged = 0;
  const choose = ({ id, live }: DueSegment): void => {
    chosen.add(id);
    merged += live;
  };
  for (const one of all) {
    if (one.total >= largeMin && one.live * 2 < one.total && merged + one.live <= mergedMax) choose(one);
  }
  if (all.length < segmentsMany) return chosen;
  const rest = all.filter(({ id }) => !chosen.has(id)).sort((a, b) => a.live - b.live);
  const smaller: DueSegment[] = [];
  let sum = freshCount + merged;
  for (const one of rest) {
    if (sum > 0 && one.live > sum) break;
    if (sum - freshCount + one.live > mergedMax) break;
    sum += one.live;
    smaller.push(one);
  }
  // One by itself would only be copied.
  if (smaller.length > 1 || freshCount > 0 || chosen.size > 0) smaller.forEach(choose);
  return chosen;
}

/** Where the merge stands in one run. */
interface Source {
  readonly meta: RunMeta;
  pairs: Pairs;
  at: number;
}

type Read = (meta: RunMeta, from: number) => Promise<Pairs>;

/** Writes one run, a slice at a time. */
export async function writeMerge(
  sink: SegmentSink,
  merge: DueMerge,
  read: Read,
  pause: () => Promise<void>,
): Promise<void> {
  const { id, fresh, runs, firedDueMs, firedOffset } = merge;
  const sources: Source[] = [];
  for (const { meta, from } of runs) {
    const source = { meta, pairs: await read(meta, from), at: 0 };
    if (await isThereMore(source, read)) sources.push(source);
  }
  const pair = Buffer.alloc(pairBytes);
  sink.beginRun(id + schedulePartitionBase);
  let index = 0;
  for (let steps = 1; fresh.size > 0 || sources.length > 0; steps++) {
    const source = leastOf(sources, fresh);
    const dueMs = source === undefined ? fresh.peekKey() : source.pairs.dues[source.at]!;
    const offset = source === undefined ? fresh.peekValue() : source.pairs.offsets[source.at]!;
    if (source === undefined) fresh.pop();
    else if (++source.at === source.pairs.count && !(await isThereMore(source, read))) {
      sources.splice(sources.indexOf(source), 1);
    }
    if (source === undefined || isBefore(firedDueMs, firedOffset, dueMs, offset)) {
      writePair(pair, dueMs, offset);
      sink.put(index++, dueMs, pair, 0, pairBytes);
    }
    if (steps % pairsPerSlice !== 0) continue;
    const { number } = sink;
    if (sink.bytesBuffered > 1 << 20) await sink.flush();
    // A run counts its pairs from its beginning, wherever that is.
    if (sink.number !== number) index = 0;
    await pause();
  }
  sink.endRun();
}

async function isThereMore(source: Source, read: Read): Promise<boolean> {
  while (source.at === source.pairs.count) {
    if (source.pairs.nextIndex >= source.meta.count) return false;
    source.pairs = await read(source.meta, source.pairs.nextIndex);
    source.at = 0;
  }
  return true;
}

/** Undefined: the new ones come first. */
function leastOf(sources: readonly Source[], fresh: OffsetHeap): Source | undefined {
  let least: Source | undefined;
  let dueMs = fresh.size === 0 ? Number.POSITIVE_INFINITY : fresh.peekKey();
  let offset = fresh.size === 0 ? Number.POSITIVE_INFINITY : fresh.peekValue();
  for (const source of sources) {
    const { pairs, at } = source;
    if (!isBefore(pairs.dues[at]!, pairs.offsets[at]!, dueMs, offset)) continue;
    dueMs = pairs.dues[at]!;
    offset = pairs.offsets[at]!;
    least = source;
  }
  return least;
}
