/**
 * Reading a partition by offset, entry by entry, in the form in which they came: for those who keep their place themselves.
 *
 * A read visits what is in memory and costs nothing else; what is not there is asked for, in spans of a megabyte, and
 * visited by the next read; while one who reads on is busy with a span, the next is fetched. What a load shows to be missing
 * (a crash took it before it was durable, or its bytes are damaged) is remembered as a hole, so that reads pass over it;
 * where no segment reaches, what is not in memory is a hole without asking.
 * A batch of which compaction took something is made smaller first, for all who read it; that takes time, so a read ends
 * early when it did much of it, and who asks for the rest to be loaded gets another turn. Who waits for more is told once a
 * turn, however many blocks became durable in it.
 */
import { RangeSet } from "../../base/range-set.ts";
import { DamageError, type RunMeta } from "../../log/log.ts";
import type { Entry } from "../api.ts";
import type { Core, Dispatchable } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Partition, Wakeable } from "./partition.ts";

/** Holes are found anew by loading: so many are remembered. */
const holesMax = 1024;
/** A read ends when it has spent so long on making batches smaller. */
const shrinkingMsMax = 10;

export class Reading implements Wakeable, Dispatchable {
  isWoken = false;
  readonly #core: Core;
  readonly #partition: Partition;
  readonly #entry = new EntryCursor();
  readonly #followers = new Set<() => void>();
  #holes = new RangeSet();
  /** Where the last load ended: who loads from there reads on. */
  #loadedEnd = -1;
  /** A span that was loaded for one who reads on: when reads get into it, the next is fetched. */
  #aheadFrom = Infinity;
  #aheadEnd = -1;
  /** Where a read ended early. */
  #restAt = -1;

  constructor(core: Core, partition: Partition) {
    this.#core = core;
    this.#partition = partition;
  }

  /** As PartitionReading.read(). */
  read(offset: number, end: number, visit: (entry: Entry) => boolean): number {
    const partition = this.#partition;
    const entry = this.#entry;
    const { clock } = this.#core;
    let at = Math.max(offset, partition.first);
    let shrinkingFromMs = -1;
    while (at < end) {
      if (partition.look(at, entry)) {
        const next = entry.offset + 1;
        // Nothing that may be read reaches beyond: whoever asks for less has it all.
        if (next > end) return end;
        if (partition.transactions?.isDropped(entry.offset) === true) {
          at = next;
          continue;
        }
        let isLate = false;
        if (entry.isBatch && partition.shrink !== undefined) {
          if (shrinkingFromMs < 0) shrinkingFromMs = clock.elapsedMs();
          if (partition.shrink(entry)) {
            isLate = clock.elapsedMs() - shrinkingFromMs > shrinkingMsMax;
            partition.look(at, entry);
          }
        }
        if (!visit(entry)) return at;
        at = next;
        if (isLate) return (this.#restAt = at);
        continue;
      }
      const behind = this.#behindGap(at, end);
      if (behind === at) break;
      at = behind;
    }
    if (at > this.#aheadFrom && at <= this.#aheadEnd) this.#fetchAhead(this.#aheadEnd);
    return at;
  }

  /** As PartitionReading.load(). */
  load(offset: number, done: () => void): void {
    const from = Math.max(offset, this.#partition.first);
    if (from === this.#restAt) {
      this.#restAt = -1;
      return this.#core.clock.defer(done);
    }
    this.#load(from, (coveredEnd) => {
      if (from === this.#loadedEnd) this.#fetchAhead(coveredEnd);
      this.#loadedEnd = coveredEnd;
      done();
    });
  }

  #fetchAhead(from: number): void {
    this.#aheadFrom = from;
    this.#aheadEnd = -1;
    const { persistedEnd, visibleEnd } = this.#partition;
    if (from >= persistedEnd || from >= visibleEnd) return;
    this.#load(from, (coveredEnd) => {
      if (this.#aheadFrom === from) this.#aheadEnd = coveredEnd;
      if (this.#loadedEnd === from) this.#loadedEnd = coveredEnd;
    });
  }

  #load(from: number, done: (coveredEnd: number) => void): void {
    const partition = this.#partition;
    partition.load(from, false, (coveredEnd) => {
      this.#holes.add(from, partition.firstInMemory(from, Math.min(coveredEnd, partition.visibleEnd)));
      if (this.#holes.starts.length > holesMax) this.#holes = new RangeSet();
      this.#holes.removeBelow(partition.first);
      done(coveredEnd);
    });
  }

  /** As PartitionReading.offsetAtTime(). */
  async offsetAtTime(timeMs: number): Promise<number> {
    const partition = this.#partition;
    const entry = this.#entry;
    const { first, persistedEnd, visibleEnd } = partition;
    // Runs come and go while a segment is searched: what is next is looked up each time.
    for (let run = partition.runs.at(first); run !== undefined; run = partition.runs.at(run.meta.lastOffset + 1)) {
      const { meta } = run;
      if (meta.lastTimestamp < timeMs) continue;
      const end = await this.#searchRun(meta, timeMs, first);
      if (end <= meta.lastOffset) return Math.max(await this.#baseOf(end), partition.first);
    }
    for (let at = Math.max(first, persistedEnd); at < visibleEnd; at = entry.offset + 1) {
      at = partition.firstInMemory(at, visibleEnd);
      if (!partition.look(at, entry)) break;
      if (entry.timestampMs >= timeMs) return Math.max(entry.baseOffset, partition.first);
    }
    return visibleEnd;
  }

  /** Where the first entry of that time or later ends; behind the run: none is there. What is damaged does not count. */
  async #searchRun(meta: RunMeta, timeMs: number, first: number): Promise<number> {
    try {
      return await this.#core.log.segments.offsetAtTime(meta, timeMs, first);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      this.#core.damaged(this.#partition, error.damage);
      return meta.lastOffset + 1;
    }
  }

  /** Where the entry that ends here begins. It is in a segment. */
  #baseOf(end: number): Promise<number> {
    const partition = this.#partition;
    if (partition.maxSpan === 1) return Promise.resolve(end);
    return new Promise((resolve) => {
      partition.load(end, true, () => resolve(partition.look(end, this.#entry) ? this.#entry.baseOffset : end));
    });
  }

  /** As PartitionReading.follow(). */
  follow(advanced: () => void): () => void {
    // One of its own each: the same function may follow twice.
    const follower = (): void => advanced();
    if (this.#followers.size === 0) this.#partition.readers.add(this);
    this.#followers.add(follower);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#partition.readers.delete(this);
    };
  }

  wake(): void {
    this.#core.wake(this);
  }

  dispatch(): void {
    for (const follower of [...this.#followers]) if (this.#followers.has(follower)) follower();
  }

  /** Where what is known to be missing at `at` ends, or `end`; `at` if nothing is known. */
  #behindGap(at: number, end: number): number {
    const partition = this.#partition;
    // What is in no segment is in memory, or nowhere.
    if (at >= partition.persistedEnd) return partition.firstInMemory(at, end);
    return this.#holes.endOf(at) ?? partition.goneEnd(at);
  }
}
