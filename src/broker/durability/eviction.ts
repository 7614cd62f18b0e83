/**
 * What goes from memory when it is short, of what segments hold as well.
 *
 * Two kinds of entries may go: those that were appended lately (the tail, which most readers want) and those that were read
 * back for somebody who is behind. Both go oldest first. What was read back goes before the tail, but for a quarter of the
 * budget: so one who catches up on a log of any size moves through that quarter and takes the tail from nobody, and several
 * who do find what they asked for still there when their turn comes. Rejected: one line for both, in which a reader of old
 * entries drove out the new ones.
 */
import type { Partition } from "../topic/partition.ts";
import type { BlockCache } from "./block-cache.ts";

/** Spans that are remembered: they may have been emptied by their readers long ago. */
const spansMax = 4096;
/** Of so many pages at least it is not asked which of them are gone. */
const pagesMin = 4096;
/** Whoever asked for a span looks at it in the next turn or so: the newest stay, or two who read in turn would starve. */
const spansMin = 16;

interface LoadedSpan {
  readonly number: number;
  readonly partition: Partition;
  readonly bases: Iterable<number>;
  readonly bytes: number;
}

export class Eviction {
  readonly #cache: BlockCache;
  readonly #bytesMax: number;
  /** Pages of the tail that segments hold. */
  #pages: { partition: Partition; base: number }[] = [];
  #pagesFrom = 0;
  /** When there are so many it is asked which are gone: those of short queues go by themselves. */
  #pagesMax = pagesMin;
  readonly #spans: LoadedSpan[] = [];
  #spansFrom = 0;
  #spanBytes = 0;
  #lastSpan = 0;

  constructor(cache: BlockCache, bytesMax: number) {
    this.#cache = cache;
    this.#bytesMax = bytesMax;
  }

  /** Of this page more is in segments now. */
  offer(partition: Partition, base: number): void {
    this.#pages.push({ partition, base });
    if (this.#pages.length - this.#pagesFrom > this.#pagesMax) this.#forgetGone();
  }

  /** Pages that may be dropped some day. */
  get pageCount(): number {
    return this.#pages.length - this.#pagesFrom;
  }

  /** Entries were read back into the pages at these bases; their buffer holds so many bytes. */
  loaded(partition: Partition, bases: Iterable<number>, bytes: number): void {
    this.#spans.push({ number: this.#lastSpan, partition, bases, bytes });
    this.#spanBytes += bytes;
  }

  /**
   * More is about to be read back: makes room. Now, and not when it is there: whoever asked is told what is in memory, and
   * takes the rest for missing. Answers the number of the span: a page goes with the newest that reached it.
   */
  makeRoom(): number {
    if (this.#spans.length - this.#spansFrom > spansMax) this.#dropSpan();
    this.run();
    return ++this.#lastSpan;
  }

  /** Drops until memory is within its budget, or no more can be dropped. */
  run(): void {
    const cache = this.#cache;
    while (cache.bytes > this.#bytesMax) {
      const spans = this.#spans.length - this.#spansFrom;
      if (this.#spanBytes > this.#bytesMax / 4 && spans > spansMin) this.#dropSpan();
      else if (this.#pagesFrom < this.#pages.length) this.#dropPage();
      else return;
    }
  }

  /** Of a page that was offered more than once the last time counts. */
  #forgetGone(): void {
    const seen = new Map<Partition, Set<number>>();
    const kept: { partition: Partition; base: number }[] = [];
    for (let i = this.#pages.length - 1; i >= this.#pagesFrom; i--) {
      const { partition, base } = this.#pages[i]!;
      if (partition.isDeleted || partition.pageOf(base) === undefined) continue;
      let bases = seen.get(partition);
      if (bases === undefined) seen.set(partition, (bases = new Set()));
      if (bases.has(base)) continue;
      bases.add(base);
      kept.push(this.#pages[i]!);
    }
    this.#pages = kept.toReversed();
    this.#pagesFrom = 0;
    this.#pagesMax = Math.max(pagesMin, kept.length * 2);
  }

  #dropSpan(): void {
    const { number, partition, bases, bytes } = this.#spans[this.#spansFrom++]!;
    this.#spanBytes -= bytes;
    if (!partition.isDeleted) for (const base of bases) partition.evictPage(base, number);
    this.#spansFrom = shortened(this.#spans, this.#spansFrom);
  }

  #dropPage(): void {
    const { partition, base } = this.#pages[this.#pagesFrom++]!;
    if (!partition.isDeleted) partition.evictPage(base);
    this.#pagesFrom = shortened(this.#pages, this.#pagesFrom);
  }
}

/** Answers where the line begins from now on. */
function shortened(line: unknown[], from: number): number {
  if (from <= 4096 || from * 2 <= line.length) return from;
  line.splice(0, from);
  return 0;
}
