/** The runs of one partition: which of its offsets are in which segment, and how many entries of each run still live. */
import { assert } from "../../base/assert.ts";
import type { RunMeta } from "../../log/log.ts";

/** A run and what is still alive in it. */
export interface Run {
  meta: RunMeta;
  live: number;
}

export class Runs {
  /** In order of offset; they do not overlap. */
  readonly list: Run[] = [];
  readonly #segmentShrank: (segment: number, entries: number) => void;

  /** `segmentShrank`: a segment holds less, it may be due for removal. */
  constructor(segmentShrank: (segment: number, entries: number) => void) {
    this.#segmentShrank = segmentShrank;
  }

  /** Of all entries, those that do not live any more too. */
  get bytes(): number {
    return this.list.reduce((sum, run) => sum + run.meta.bytes, 0);
  }

  /** Adds a run in its place, unless nothing of it lives: nothing would ever take that off the list. */
  add(meta: RunMeta, live: number): void {
    assert(live <= meta.count, "a run holds no more than was written");
    if (live <= 0) return this.#segmentShrank(meta.segment, meta.count);
    const { list } = this;
    let at = list.length;
    while (at > 0 && list[at - 1]!.meta.firstOffset > meta.firstOffset) at--;
    list.splice(at, 0, { meta, live });
    if (live < meta.count) this.#segmentShrank(meta.segment, meta.count - live);
  }

  /**
   * Adds what all but `removed` entries of still live. Of several runs, which offsets that lie far apart make, it is not known
   * whose those are: each counts for whole, until it is written anew or the next start counts, unless nothing is left of any.
   */
  addAll(metas: readonly RunMeta[], removed: number): void {
    const count = metas.reduce((sum, meta) => sum + meta.count, 0);
    const gone = metas.length === 1 || removed >= count ? removed : 0;
    for (const meta of metas) this.add(meta, meta.count - Math.min(gone, meta.count));
  }

  /** `metas` take the place of `run`, which was written anew without what had gone. */
  replace(run: Run, metas: readonly RunMeta[], removedMeanwhile: number): void {
    const at = this.list.indexOf(run);
    if (at < 0) {
      for (const meta of metas) this.#segmentShrank(meta.segment, meta.count);
      return;
    }
    this.list.splice(at, 1);
    this.#segmentShrank(run.meta.segment, run.live);
    this.addAll(metas, removedMeanwhile);
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
    const { firstOffset, firstTimestamp, fences, fenceTimestamps } = run.meta;
    if (offset <= firstOffset) return firstTimestamp;
    return fenceTimestamps[
      Math.max(
        0,
        fences.findLastIndex((fence) => fence <= offset),
      )
    ];
  }

  /** The entry at this offset does not live any more. */
  removeAt(offset: number): void {
    const run = this.at(offset);
    if (run !== undefined && run.meta.firstOffset <= offset) this.#shrink(run, 1);
  }

  /** Nor does any in [start, end). `liveIn` says how many of a range did until now. */
  removeRange(start: number, end: number, liveIn: (start: number, end: number) => number): void {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const run = this.list[i]!;
      const low = Math.max(start, run.meta.firstOffset);
      const high = Math.min(end, run.meta.lastOffset + 1);
      if (low < high) this.#shrink(run, liveIn(low, high));
    }
  }

  /** Recovery, when all settlements are known: `liveIn` says how many of a range are not removed. */
  recount(liveIn: (start: number, end: number) => number): void {
    for (const run of [...this.list]) {
      const { firstOffset, lastOffset } = run.meta;
      const live = Math.min(run.live, liveIn(firstOffset, lastOffset + 1));
      if (live < run.live) this.#shrink(run, run.live - live);
    }
  }

  /** Whole runs that end below `first` go. */
  trimTo(first: number): void {
    while (this.list.length > 0 && this.list[0]!.meta.lastOffset < first) this.#drop(this.list.shift()!);
  }

  /** Another run has taken the place of this one. */
  forget(run: Run): void {
    this.list.splice(this.list.indexOf(run), 1);
    this.#drop(run);
  }

  clear(): void {
    for (const run of this.list) this.#drop(run);
    this.list.length = 0;
  }

  #shrink(run: Run, entries: number): void {
    run.live -= entries;
    this.#segmentShrank(run.meta.segment, entries);
    if (run.live <= 0) this.list.splice(this.list.indexOf(run), 1);
  }

  #drop(run: Run): void {
    if (run.live > 0) this.#segmentShrank(run.meta.segment, run.live);
  }
}
