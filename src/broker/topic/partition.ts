/**
 * One stream: entries with offsets, appended at the end, read anywhere, removed one by one (a queue) or from the front
 * (a log).
 *
 * An offset below `next` is in one of four places, looked up in this order:
 *   - in memory: its page has a word for it, which points into a block buffer;
 *   - in a segment: a run covers it, and `load()` brings it and its neighbours into pages;
 *   - removed: settled, trimmed, superseded. The owner knows (`isGone`), and a load does not bring it back;
 *   - a hole: it was never durable and a crash took it. A load that covers it and does not find it shows that.
 *
 * Between checkpoints everything unsettled is in memory. After one, offsets below `persistedEnd` are in runs as well, so
 * their pages may be dropped when memory is short (`evictPage`). A message that goes before the checkpoint never gets there.
 *
 * `visibleEnd` follows `next` at the speed of the journal: entries at and above it are not durable and nobody sees them.
 */
import { assert } from "../../base/assert.ts";
import { RangeSet } from "../../base/range-set.ts";
import type { Damage, RunMeta, SegmentStore, Span } from "../../log/log.ts";
import type { BlockCache } from "../durability/block-cache.ts";
import { EntryCursor } from "../entry.ts";
import { givePage, type Page, pageBytes, pageEntries, takePage } from "./page.ts";

const loadBytes = 1 << 20;
const loadEntries = 8192;
/** A read for one message in the middle of nowhere: not worth a megabyte. */
const strayBytes = 1 << 14;

/** A run and what is still alive in it. */
export interface Run {
  meta: RunMeta;
  live: number;
}

/** Where an entry lies: block buffer and position in it. *Reused.* */
export interface EntryPlace {
  slot: number;
  position: number;
}

/** One who wants to know that more entries can be read. */
export interface Wakeable {
  wake(): void;
}

export interface PartitionContext {
  readonly cache: BlockCache;
  readonly segments: SegmentStore;
  /** A segment holds less: it may be due for removal. */
  segmentShrank(segment: number, entries: number): void;
  /** Entries that could not be read back: told to the operator. */
  damaged(partition: Partition, damage: readonly Damage[]): void;
  /** Pages at and above this base came in from disk and may be dropped again. */
  pageLoaded(partition: Partition, base: number): void;
  diskFailed(error: Error): void;
  /** It has entries that are in no segment. */
  appended(partition: Partition): void;
}

export class Partition {
  readonly id: number;
  readonly isDurable: boolean;
  /** First offset that is kept. */
  first = 0;
  /** Offset of the next append. */
  next = 0;
  /** Entries below may be read. */
  visibleEnd = 0;
  /** Where the newest batch of visible entries begins. */
  lastBatchStart = 0;
  isDirty = false;
  /** Entries below are in runs (or gone). */
  persistedEnd = 0;
  /** Bytes of entries at and above persistedEnd that are kept. */
  tailBytes = 0;
  /** The part of tailBytes that a checkpoint in progress takes care of. */
  snapshotBytes = 0;
  snapshotEnd = 0;
  /** Of the committer: the last batch that has this partition on its list. */
  touchedTicket = 0;
  /** A checkpoint in progress has written offsets below this; removals there count against its run. */
  checkpointWritten = 0;
  checkpointRemoved = 0;
  isDeleted = false;
  readonly runs: Run[] = [];
  /** Offsets of entries that a crash takes, in a partition that survives it. */
  readonly fleeting = new RangeSet();
  readonly readers = new Set<Wakeable>();
  /** True: the entry at this offset was removed and must not come back from a segment. */
  isGone: (offset: number) => boolean = () => false;
  readonly pages = new Map<number, Page>();
  readonly #context: PartitionContext;
  readonly #cursor = new EntryCursor();
  #lastPage: Page | undefined;
  #isLoading = false;
  #waiting: { offset: number; isStray: boolean; done: (coveredEnd: number) => void }[] = [];

  constructor(id: number, isDurable: boolean, context: PartitionContext) {
    this.id = id;
    this.isDurable = isDurable;
    this.#context = context;
  }

  /** Appends an entry that lies in block buffer `slot`. Answers its offset. */
  append(slot: number, position: number, length: number, bodyLength: number): number {
    const offset = this.next++;
    this.#place(offset, slot, position, length, bodyLength);
    this.tailBytes += length;
    if (!this.isDirty) {
      this.isDirty = true;
      this.#context.appended(this);
    }
    return offset;
  }

  /** Recovery: an entry at an offset of its own; what lies between is a hole. */
  restore(offset: number, slot: number, position: number, length: number, bodyLength: number): void {
    assert(offset >= this.next, "offsets grow");
    this.next = offset;
    this.append(slot, position, length, bodyLength);
  }

  /** The page that holds `offset`, if any of its entries are in memory. */
  pageOf(offset: number): Page | undefined {
    const last = this.#lastPage;
    if (last !== undefined && offset >= last.base && offset < last.base + pageEntries) return last;
    const page = this.pages.get(Math.floor(offset / pageEntries));
    if (page !== undefined) this.#lastPage = page;
    return page;
  }

  /** Moves `cursor` onto the entry. False: it is not in memory. */
  look(offset: number, cursor: EntryCursor): boolean {
    const page = this.pageOf(offset);
    if (page === undefined) return false;
    const at = (offset - page.base) * 4;
    const slot = page.words[at]!;
    if (slot === 0) return false;
    const start = page.words[at + 1]!;
    cursor.set(this.#context.cache.buffer(slot - 1), start, start + page.words[at + 2]!, offset);
    return true;
  }

  /** Where the entry begins in its block buffer. It is in memory. */
  startOf(offset: number): number {
    const page = this.pageOf(offset)!;
    return page.words[(offset - page.base) * 4 + 1]!;
  }

  /** The block buffer that the entry lies in. It is in memory. */
  slotOf(offset: number): number {
    const page = this.pageOf(offset)!;
    return page.words[(offset - page.base) * 4]!;
  }

  /** Bytes of the whole entry; 0 when it is not in memory. */
  entryLength(offset: number): number {
    const page = this.pageOf(offset);
    if (page === undefined) return 0;
    const at = (offset - page.base) * 4;
    return page.words[at] === 0 ? 0 : page.words[at + 2]!;
  }

  /** Length of the body in bytes; -1 when the entry is not in memory. */
  bodyLength(offset: number): number {
    const page = this.pageOf(offset);
    if (page === undefined) return -1;
    const at = (offset - page.base) * 4;
    return page.words[at] === 0 ? -1 : page.words[at + 3]!;
  }

  /** The first offset from `offset` on whose entry is in memory; `end` if there is none below. */
  firstInMemory(offset: number, end: number): number {
    let at = offset;
    while (at < end && this.bodyLength(at) < 0) at++;
    return at;
  }

  /** The entry is not needed any more. */
  remove(offset: number): void {
    if (offset < this.persistedEnd) this.#removeFromRun(offset);
    else if (offset < this.checkpointWritten) this.checkpointRemoved++;
    this.forget(offset);
  }

  /** Gives back the memory of an entry that is not needed any more. Runs are not told: recovery counts them at its end. */
  forget(offset: number): void {
    const page = this.pageOf(offset);
    if (page === undefined) return;
    const at = (offset - page.base) * 4;
    if (page.words[at] !== 0) this.#drop(page, at);
  }

  /** Like remove() for each offset in [start, end). `liveIn` says how many of a range are not removed yet. */
  removeRange(start: number, end: number, liveIn: (start: number, end: number) => number): void {
    for (let i = this.runs.length - 1; i >= 0; i--) {
      const run = this.runs[i]!;
      const low = Math.max(start, run.meta.firstOffset);
      const high = Math.min(end, run.meta.lastOffset + 1);
      if (low < high) this.#shrinkRun(run, liveIn(low, high));
    }
    if (this.checkpointWritten > start) {
      this.checkpointRemoved += liveIn(Math.max(start, this.persistedEnd), Math.min(end, this.checkpointWritten));
    }
    for (const page of [...this.pages.values()]) {
      const low = Math.max(start - page.base, 0);
      const high = Math.min(end - page.base, pageEntries);
      for (let i = low; i < high; i++) if (page.words[i * 4] !== 0) this.#drop(page, i * 4);
    }
  }

  /** Recovery, when all settlements are known: `liveIn` says how many of a range are not removed. */
  recountRuns(liveIn: (start: number, end: number) => number): void {
    for (const run of [...this.runs]) {
      const { firstOffset, lastOffset } = run.meta;
      const live = Math.min(run.live, liveIn(firstOffset, lastOffset + 1));
      if (live < run.live) this.#shrinkRun(run, run.live - live);
    }
  }

  /** Bytes of all entries kept, in memory or not. */
  get keptBytes(): number {
    return this.runs.reduce((sum, run) => sum + run.meta.bytes, this.tailBytes);
  }

  /** Everything below `offset` goes. */
  trimTo(offset: number): void {
    if (offset <= this.first) return;
    this.first = Math.min(offset, this.next);
    for (const page of [...this.pages.values()]) {
      const end = Math.min(this.first - page.base, pageEntries);
      for (let i = 0; i < end; i++) if (page.words[i * 4] !== 0) this.#drop(page, i * 4);
    }
    while (this.runs.length > 0 && this.runs[0]!.meta.lastOffset < this.first) this.#dropRun(this.runs.shift()!);
    this.fleeting.removeBelow(this.first);
  }

  /** The committer: entries below `end` are durable. */
  makeVisible(end: number): void {
    if (end <= this.visibleEnd) return;
    this.lastBatchStart = this.visibleEnd;
    this.visibleEnd = end;
    for (const reader of this.readers) reader.wake();
  }

  /** Gives back all memory and all runs. */
  destroy(): void {
    this.isDeleted = true;
    for (const page of [...this.pages.values()]) this.#dropPage(page, pageEntries);
    for (const run of this.runs) this.#dropRun(run);
    this.runs.length = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done(this.next);
  }

  /**
   * Drops from memory what segments hold of the page at this base: one message of a quiet queue would keep a whole block
   * of what came in beside it.
   */
  evictPage(base: number): void {
    const page = this.pages.get(base / pageEntries);
    if (page !== undefined) this.#dropPage(page, Math.min(pageEntries, this.persistedEnd - base));
  }

  /** Tells where each entry in memory lies; the answer is where it lies from now on. Recompacts block buffers. */
  moveEntries(move: (slot: number, position: number, length: number, place: EntryPlace) => void): void {
    const place: EntryPlace = { slot: 0, position: 0 };
    for (const page of this.pages.values()) {
      const { words } = page;
      for (let at = 0; at < words.length; at += 4) {
        if (words[at] === 0) continue;
        place.slot = words[at]! - 1;
        place.position = words[at + 1]!;
        move(place.slot, place.position, words[at + 2]!, place);
        words[at] = place.slot + 1;
        words[at + 1] = place.position;
      }
    }
  }

  /** A checkpoint has put everything that lived below `end` into `metas`; all but `removed` of it still lives. */
  persisted(metas: readonly RunMeta[], end: number, removed: number): void {
    let left = removed;
    for (const meta of metas) {
      const gone = Math.min(left, meta.count);
      left -= gone;
      this.addRun(meta, meta.count - gone);
    }
    this.persistedEnd = end;
    this.tailBytes -= this.snapshotBytes;
    this.snapshotBytes = 0;
    this.snapshotEnd = 0;
    this.checkpointWritten = 0;
    this.checkpointRemoved = 0;
  }

  /** A checkpoint failed. */
  abandonSnapshot(): void {
    this.snapshotBytes = 0;
    this.snapshotEnd = 0;
    this.checkpointWritten = 0;
    this.checkpointRemoved = 0;
    this.isDirty = true;
  }

  /** A checkpoint begins: what is below `next` now will be in runs when it ends. */
  beginSnapshot(): void {
    this.isDirty = false;
    this.snapshotEnd = this.next;
    this.snapshotBytes = this.tailBytes;
  }

  /** Adds a run in its place. */
  addRun(meta: RunMeta, live: number): void {
    const run = { meta, live };
    let at = this.runs.length;
    while (at > 0 && this.runs[at - 1]!.meta.firstOffset > meta.firstOffset) at--;
    this.runs.splice(at, 0, run);
    if (live < meta.count) this.#context.segmentShrank(meta.segment, meta.count - live);
  }

  /** `metas` take the place of `run`, which was written anew without what had gone. */
  replaceRun(run: Run, metas: readonly RunMeta[], removedMeanwhile: number): void {
    const at = this.runs.indexOf(run);
    if (at < 0) {
      for (const meta of metas) this.#context.segmentShrank(meta.segment, meta.count);
      return;
    }
    this.runs.splice(at, 1);
    this.#context.segmentShrank(run.meta.segment, run.live);
    let left = removedMeanwhile;
    for (const meta of metas) {
      const gone = Math.min(left, meta.count);
      left -= gone;
      this.addRun(meta, meta.count - gone);
    }
  }

  /** First run that ends at or behind `offset`. */
  runAt(offset: number): Run | undefined {
    const { runs } = this;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (runs[middle]!.meta.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return runs[low];
  }

  /**
   * Brings the entry at `offset`, and those behind it unless `isStray`, into memory. `done(coveredEnd)`: what lies in
   * [offset, coveredEnd) and is not in memory now does not exist. Nothing is done when that is so already.
   */
  load(offset: number, isStray: boolean, done: (coveredEnd: number) => void): void {
    if (this.isDeleted) return done(this.next);
    this.#waiting.push({ offset, isStray, done });
    if (!this.#isLoading) this.#loadNext();
  }

  /** About when the entry was appended, by the index in memory; undefined: it is in no segment. */
  timestampNear(offset: number): number | undefined {
    const run = offset < this.persistedEnd ? this.runAt(offset) : undefined;
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

  /** First offset whose entry was appended at `ms` or later; `next` if there is none. */
  async offsetAtTime(ms: number): Promise<number> {
    for (const { meta } of this.runs) {
      if (meta.lastTimestamp < ms) continue;
      const offset = await this.#context.segments.offsetAtTime(meta, ms);
      if (offset <= meta.lastOffset) return Math.max(offset, this.first);
    }
    for (let offset = Math.max(this.first, this.persistedEnd); offset < this.next; offset++) {
      if (this.look(offset, this.#cursor) && this.#cursor.timestampMs >= ms) return offset;
    }
    return this.next;
  }

  #loadNext(): void {
    const wanted = this.#waiting.shift();
    if (wanted === undefined) return;
    const { offset } = wanted;
    if (this.look(offset, this.#cursor)) return this.#loaded(wanted, offset + 1);
    const run = offset < this.persistedEnd ? this.runAt(offset) : undefined;
    if (run === undefined) return this.#loaded(wanted, Math.max(offset + 1, this.persistedEnd));
    if (run.meta.firstOffset > offset) return this.#loaded(wanted, run.meta.firstOffset);
    this.#isLoading = true;
    const bytesMax = wanted.isStray ? strayBytes : loadBytes;
    this.#context.segments.read(run.meta, offset, bytesMax, wanted.isStray ? 32 : loadEntries, (error, span) => {
      this.#isLoading = false;
      if (error !== undefined || span === undefined) return this.#context.diskFailed(error ?? new Error("no span"));
      if (this.isDeleted) return this.#loaded(wanted, this.next);
      if (span.damage.length > 0) this.#context.damaged(this, span.damage);
      this.#install(span);
      this.#loaded(wanted, Math.max(span.nextOffset, offset + 1));
    });
  }

  #loaded(wanted: { done: (coveredEnd: number) => void }, coveredEnd: number): void {
    wanted.done(coveredEnd);
    if (!this.#isLoading) this.#loadNext();
  }

  #install(span: Span): void {
    if (span.count === 0) return;
    const { cache } = this.#context;
    const slot = cache.adopt(span.buffer);
    const bases = new Set<number>();
    for (let i = 0; i < span.count; i++) {
      const offset = span.offsets[i]!;
      if (offset < this.first || this.isGone(offset)) continue;
      const page = this.pageOf(offset);
      if (page !== undefined && page.words[(offset - page.base) * 4] !== 0) continue;
      const start = span.positions[i]!;
      const cursor = this.#cursor.set(span.buffer, start, start + span.lengths[i]!, offset);
      this.#place(offset, slot, start, span.lengths[i]!, cursor.bodyEnd - cursor.bodyStart);
      bases.add(Math.floor(offset / pageEntries) * pageEntries);
    }
    cache.release(slot);
    for (const base of bases) this.#context.pageLoaded(this, base);
  }

  #place(offset: number, slot: number, position: number, length: number, bodyLength: number): void {
    let page = this.pageOf(offset);
    if (page === undefined) {
      const number = Math.floor(offset / pageEntries);
      page = takePage(number * pageEntries);
      this.pages.set(number, page);
      this.#lastPage = page;
      this.#context.cache.bytes += pageBytes;
    }
    const at = (offset - page.base) * 4;
    page.words[at] = slot + 1;
    page.words[at + 1] = position;
    page.words[at + 2] = length;
    page.words[at + 3] = bodyLength;
    page.live++;
    this.#context.cache.retain(slot);
  }

  #drop(page: Page, at: number): void {
    const offset = page.base + at / 4;
    if (offset >= this.persistedEnd) {
      const length = page.words[at + 2]!;
      this.tailBytes -= length;
      if (offset < this.snapshotEnd) this.snapshotBytes -= length;
    }
    this.#context.cache.release(page.words[at]! - 1);
    page.words[at] = 0;
    // The last page stays while appends go to it: taking it again for each message would cost more than it holds.
    if (--page.live === 0 && page.base + pageEntries <= this.next) this.#forgetPage(page);
  }

  /** Drops the page's first `entries` from memory, and the page with the last of them. */
  #dropPage(page: Page, entries: number): void {
    for (let at = 0; at < entries * 4; at += 4) {
      const slot = page.words[at]!;
      if (slot === 0) continue;
      page.words[at] = 0;
      page.live--;
      this.#context.cache.release(slot - 1);
    }
    if (page.live === 0) this.#forgetPage(page);
  }

  #forgetPage(page: Page): void {
    this.pages.delete(page.base / pageEntries);
    if (this.#lastPage === page) this.#lastPage = undefined;
    this.#context.cache.bytes -= pageBytes;
    givePage(page);
  }

  #removeFromRun(offset: number): void {
    const run = this.runAt(offset);
    if (run !== undefined && run.meta.firstOffset <= offset) this.#shrinkRun(run, 1);
  }

  #shrinkRun(run: Run, entries: number): void {
    run.live -= entries;
    this.#context.segmentShrank(run.meta.segment, entries);
    if (run.live <= 0) this.runs.splice(this.runs.indexOf(run), 1);
  }

  #dropRun(run: Run): void {
    if (run.live > 0) this.#context.segmentShrank(run.meta.segment, run.live);
  }
}
