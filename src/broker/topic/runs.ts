/**
 * The runs of one partition: which of its offsets are in which segment, and how much of each run still lives.
 *
 * A run goes when nothing of it lives, and a segment when none of its runs does. So what lives has to be what will be taken off
 * again, one by one, and not what can be read: an entry that was lost to damage is left out when its segment is written anew,
 * and is given up like all others when its turn comes. If it did not count, it would be taken off one that is there, and the
 * last ones would go with the run while somebody still wants them. Of a queue every offset between a run's ends lives that is
 * not settled, in whatever way it is missing; of a log every entry that a run began with, until its owner takes it off.
 */
import { must } from "../../base/assert.ts";
import type { RunMeta } from "../../log/log.ts";

/** A run and how much in it is still alive, perhaps more than the segment has. */
export interface Run {
  readonly meta: RunMeta;
  live: number;
  /** Of a compacted log: offsets of it that were not superseded when this process wrote the run; undefined: it did not. */
  readonly kept: number | undefined;
}

export class Runs {
  /** In order of offset; they do not overlap. */
  readonly list: Run[] = [];
  /** Of a queue: how many offsets of [start, end) are not settled. Undefined: a log. */
  unsettledIn: (start: number, end: number) => number | undefined = () => undefined;
  /** Of a compacted log: how many offsets of [start, end) are not superseded. */
  keptIn: (start: number, end: number) => number | undefined = () => undefined;
  /** Of all entries, those that do not live any more too. */
  bytes = 0;
  readonly #segmentShrank: (segment: number, entries: number) => void;

  /** `segmentShrank`: a segment holds less, it may be due for removal. */
  constructor(segmentShrank: (segment: number, entries: number) => void) {
    this.#segmentShrank = segmentShrank;
  }

  /** Adds a run in its place, unless nothing of it lives: nothing would ever take that off the list. */
  add(meta: RunMeta, live: number, kept?: number): void {
    if (live <= 0) return this.#segmentShrank(meta.segment, meta.count);
    const { list } = this;
    let at = list.length;
    while (at > 0 && list[at - 1]!.meta.firstOffset > meta.firstOffset) at--;
    list.splice(at, 0, { meta, live, kept });
    this.bytes += meta.bytes;
    if (live !== meta.count) this.#segmentShrank(meta.segment, meta.count - live);
  }

  /**
   * Adds what was written in one go. Of a log, all but `removed` entries of it still live; less than none: so many more were
   * lost. Of several runs, which offsets that lie far apart make, it is not known whose those are: each counts for whole, until
   * it is written anew or the next start counts, unless nothing is left of any.
   */
  addAll(metas: readonly RunMeta[], removed: number): void {
    const count = countOf(metas);
    const gone = metas.length === 1 || removed < 0 || removed >= count ? removed : 0;
    for (const meta of metas) {
      const [start, end] = [meta.firstOffset, meta.lastOffset + 1];
      const live = this.unsettledIn(start, end) ?? meta.count - Math.min(gone, meta.count);
      this.add(meta, live, this.keptIn(start, end));
    }
  }

  /** `metas` take the place of `runs`, which were written anew without what had gone, or could not be read. */
  replace(runs: readonly Run[], metas: readonly RunMeta[]): void {
    const left = runs.filter((run) => this.list.includes(run));
    if (left.length === 0) {
      for (const meta of metas) this.#segmentShrank(meta.segment, meta.count);
      return;
    }
    let live = 0;
    for (const run of left) {
      live += run.live;
      this.#takeOff(run);
      this.#segmentShrank(run.meta.segment, run.live);
    }
    this.addAll(metas, countOf(metas) - live);
  }

  /** First run that ends at or behind `offset`. */
  at(offset: number): Run | undefined {
    const { list } = this;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle]!.meta.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return list[low];
  }

  /** About when the entry was appended, by the index in memory; undefined: it is in no segment. */
  timestampNear(offset: number): number | undefined {
    const run = this.at(offset);
    if (run === undefined) return undefined;
    const { firstOffset, lastOffset, firstTimestamp, fences, fenceTimestamps } = run.meta;
    if (offset <= firstOffset) return firstTimestamp;
    // Of a page the greatest is known, and it may be of months: it is told as if it had grown evenly.
    const page = fences.findLastIndex((fence) => fence <= offset);
    const [from, end] = [fences[page]!, fences[page + 1] ?? lastOffset + 1];
    const fromMs = page === 0 ? firstTimestamp : fenceTimestamps[page - 1]!;
    return Math.round(fromMs + ((fenceTimestamps[page]! - fromMs) * (offset - from)) / (end - from));
  }

  /** Those that have offsets of [start, end). */
  overlapping(start: number, end: number): Run[] {
    const first = this.at(start);
    const from = first === undefined ? this.list.length : this.list.indexOf(first);
    const found: Run[] = [];
    for (let i = from; i < this.list.length && this.list[i]!.meta.firstOffset < end; i++) found.push(this.list[i]!);
    return found;
  }

  /** The entry at this offset does not live any more. */
  removeAt(offset: number): void {
    const run = this.at(offset);
    if (run !== undefined && run.meta.firstOffset <= offset) this.#shrink(run, 1);
  }

  /** Nor does any of a queue in [start, end): all are about to be settled. */
  removeRange(start: number, end: number): void {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const run = this.list[i]!;
      const low = Math.max(start, run.meta.firstOffset);
      const high = Math.min(end, run.meta.lastOffset + 1);
      if (low < high) this.#shrink(run, this.#unsettledOf(low, high));
    }
  }

  /** Of a queue: recovery knows all settlements by now, or history is not kept any more. */
  recount(): void {
    for (const run of [...this.list]) {
      // Less than nothing, if it was counted by entries and some were lost.
      this.#shrink(run, run.live - this.#unsettledOf(run.meta.firstOffset, run.meta.lastOffset + 1));
    }
  }

  /** Recovery of a log, when all that was removed is known: no more of a range live than `liveIn` says. */
  limit(liveIn: (start: number, end: number) => number): void {
    for (const run of [...this.list]) {
      const live = liveIn(run.meta.firstOffset, run.meta.lastOffset + 1);
      if (live < run.live) this.#shrink(run, run.live - live);
    }
  }

  /** Whole runs that end below `first` go. */
  trimTo(first: number): void {
    while (this.list.length > 0 && this.list[0]!.meta.lastOffset < first) this.forget(this.list[0]!);
  }

  /** Another run has taken the place of this one, or nothing of it is wanted. */
  forget(run: Run): void {
    this.#takeOff(run);
    this.#drop(run);
  }

  clear(): void {
    for (const run of this.list) this.#drop(run);
    this.list.length = 0;
    this.bytes = 0;
  }

  #unsettledOf(start: number, end: number): number {
    return must(this.unsettledIn(start, end), "a log's entries go one by one, or with their run");
  }

  #shrink(run: Run, entries: number): void {
    // More would be taken off the other runs of its segment.
    const taken = Math.min(entries, run.live);
    run.live -= taken;
    this.#segmentShrank(run.meta.segment, taken);
    if (run.live <= 0) this.#takeOff(run);
  }

  #takeOff(run: Run): void {
    this.list.splice(this.list.indexOf(run), 1);
    this.bytes -= run.meta.bytes;
  }

  #drop(run: Run): void {
    if (run.live > 0) this.#segmentShrank(run.meta.segment, run.live);
  }
}

function countOf(metas: readonly RunMeta[]): number {
  return metas.reduce((sum, meta) => sum + meta.count, 0);
}
