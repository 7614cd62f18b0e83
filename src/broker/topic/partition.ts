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
 * An entry of a log may be a batch that spans several offsets. It stands at its last one: that is its place in pages, runs
 * and the journal, so the first entry at or behind an offset is the one that holds it, if any does. How far behind is
 * looked is bounded by the widest batch that the partition has seen; where that is 1, an offset is an entry.
 *
 * `visibleEnd` follows `next` at the speed of the journal: entries at and above it are not durable and nobody sees them.
 */
import { assert } from "../../base/assert.ts";
import type { Damage, RunMeta, SegmentStore, Span } from "../../log/log.ts";
import type { BlockCache } from "../durability/block-cache.ts";
import { EntryCursor } from "../entry.ts";
import { Fleeting } from "./fleeting.ts";
import { firstPageFrom, givePage, type Page, pageBytes, pageEntries, pagesIn, point, takePage } from "./page.ts";
import { Runs } from "./runs.ts";
import type { Transactions } from "./transactions.ts";
import { type WaitingReader, WaitingReaders } from "./waiting-readers.ts";

const loadBytes = 1 << 20;
const loadEntries = 8192;
/** Pages that are looked for one by one, before the list of those in memory is gone through. */
const pagesAhead = 64;
/** A read for one message in the middle of nowhere: not worth a megabyte. */
const strayBytes = 1 << 14;

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
  /** Entries have come in from disk, and are about to be placed. Answers a number for them. */
  loading(): number;
  /** Entries of the pages at these bases came in from disk, in a buffer of so many bytes, and may be dropped again. */
  loaded(partition: Partition, bases: Iterable<number>, bytes: number): void;
  diskFailed(error: Error): void;
  /** It has entries that are in no segment. */
  appended(partition: Partition): void;
}

export class Partition {
  readonly id: number;
  /** Place among the partitions of its topic. */
  index = 0;
  readonly isDurable: boolean;
  /** First offset that is kept. */
  first = 0;
  /** Offset of the next append. */
  next = 0;
  /** Entries below may be read. */
  visibleEnd = 0;
  /** Of these, all below are decided. */
  stableEnd = 0;
  transactions: Transactions | undefined;
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
  /** A checkpoint in progress has written offsets below this; of a log, removals there count against its run. */
  checkpointWritten = 0;
  checkpointRemoved = 0;
  isDeleted = false;
  /** The most offsets that an entry has spanned here. */
  maxSpan = 1;
  readonly runs: Runs;
  readonly fleeting = new Fleeting(this);
  readonly readers = new Set<Wakeable>();
  /** True: the entry that ends at this offset was removed and must not come back from a segment. */
  isGone: (offset: number, count: number) => boolean = () => false;
  /** The first offset from this one on that was not removed. */
  goneEnd: (offset: number) => number = (offset) => offset;
  /** The entry as it is to be written anew, without messages that were removed; undefined: as it is. */
  retained: ((entry: EntryCursor) => Buffer | undefined) | undefined;
  /** Puts that in the place of an entry in memory. False: it is as it should be. */
  shrink: ((entry: EntryCursor) => boolean) | undefined;
  readonly pages = new Map<number, Page>();
  readonly #context: PartitionContext;
  readonly #cursor = new EntryCursor();
  #lastPage: Page | undefined;
  /** It was left empty as the last one: it goes when there is another behind it. */
  #idlePage: Page | undefined;
  readonly #waiting = new WaitingReaders((reader) => this.#serve(reader));

  constructor(id: number, isDurable: boolean, context: PartitionContext) {
    this.id = id;
    this.isDurable = isDurable;
    this.#context = context;
    this.runs = new Runs((segment, entries) => context.segmentShrank(segment, entries));
  }

  /** Appends an entry that lies in block buffer `slot`. Answers its offset. */
  append(slot: number, position: number, length: number, bodyLength: number): number {
    const offset = this.next++;
    this.#placeNew(offset, slot, position, length, bodyLength);
    return offset;
  }

  /** The same for a batch of `count` messages. Answers the offset of the first. */
  appendBatch(slot: number, position: number, length: number, bodyLength: number, count: number): number {
    const base = this.next;
    this.next += count;
    if (count > this.maxSpan) this.maxSpan = count;
    this.#placeNew(this.next - 1, slot, position, length, bodyLength);
    return base;
  }

  /** Recovery: an entry that ends at an offset of its own; what lies between is a hole. */
  restore(offset: number, slot: number, position: number, length: number, bodyLength: number, count: number): void {
    const base = offset - count + 1;
    assert(base >= this.next, "offsets grow");
    this.next = base;
    this.appendBatch(slot, position, length, bodyLength, count);
  }

  /** The page that holds `offset`, if any of its entries are in memory. */
  pageOf(offset: number): Page | undefined {
    const last = this.#lastPage;
    if (last !== undefined && offset >= last.base && offset < last.base + pageEntries) return last;
    const page = this.pages.get(Math.floor(offset / pageEntries));
    if (page !== undefined) this.#lastPage = page;
    return page;
  }

  /** Moves `cursor` onto the entry that holds the offset. False: it is not in memory, and the cursor is anywhere. */
  look(offset: number, cursor: EntryCursor): boolean {
    if (this.lookAt(offset, cursor)) return true;
    if (this.maxSpan === 1) return false;
    const at = this.firstEndingFrom(offset + 1, offset + this.maxSpan);
    return this.lookAt(at, cursor) && cursor.baseOffset <= offset;
  }

  /** Moves `cursor` onto the entry that ends at the offset. False: there is none in memory. */
  lookAt(offset: number, cursor: EntryCursor): boolean {
    const page = this.pageOf(offset);
    if (page === undefined) return false;
    const at = (offset - page.base) * 4;
    const slot = page.words[at]!;
    if (slot === 0) return false;
    const start = page.words[at + 1]!;
    cursor.partition = this.index;
    cursor.set(this.#context.cache.buffer(slot - 1), start, start + page.words[at + 2]!, offset);
    return true;
  }

  /** Where the entry that ends here begins in its block buffer. It is in memory. */
  startOf(offset: number): number {
    const page = this.pageOf(offset)!;
    return page.words[(offset - page.base) * 4 + 1]!;
  }

  /** Slot of the block buffer that the entry lies in. It is in memory. */
  slotOf(offset: number): number {
    const page = this.pageOf(offset)!;
    return page.words[(offset - page.base) * 4]! - 1;
  }

  /** Bytes of the whole entry that ends here; 0 when it is not in memory. */
  entryLength(offset: number): number {
    const page = this.pageOf(offset);
    const at = page === undefined ? 0 : (offset - page.base) * 4;
    return page === undefined || page.words[at] === 0 ? 0 : page.words[at + 2]!;
  }

  /** Length in bytes of the body of the entry that ends here; -1 when it is not in memory. */
  bodyLength(offset: number): number {
    const page = this.pageOf(offset);
    const at = page === undefined ? 0 : (offset - page.base) * 4;
    return page === undefined || page.words[at] === 0 ? -1 : page.words[at + 3]!;
  }

  /** The first offset from `offset` on whose entry is in memory; `end` if there is none below. */
  firstInMemory(offset: number, end: number): number {
    const at = this.firstEndingFrom(offset, end + this.maxSpan - 1);
    if (!this.lookAt(at, this.#cursor)) return end;
    return Math.min(end, Math.max(offset, this.#cursor.baseOffset));
  }

  /** The first offset in [start, end) at which an entry in memory ends; `end` if there is none. */
  firstEndingFrom(start: number, end: number): number {
    const limit = Math.min(end, this.next);
    let missing = 0;
    for (let at = start; at < limit;) {
      const page = this.pageOf(at);
      if (page === undefined) {
        at = (Math.floor(at / pageEntries) + 1) * pageEntries;
        if (++missing === pagesAhead) at = firstPageFrom(this.pages, at);
        continue;
      }
      const { words, base } = page;
      const slots = Math.min(limit - base, pageEntries);
      for (let i = at - base; i < slots; i++) if (words[i * 4] !== 0) return base + i;
      at = base + pageEntries;
    }
    return end;
  }

  /** The entry is not needed any more. */
  remove(offset: number): void {
    if (offset < this.persistedEnd) this.runs.removeAt(offset);
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

  /** Of a queue: like remove() for each offset in [start, end) that is not settled yet, and is about to be. */
  removeRange(start: number, end: number): void {
    this.runs.removeRange(start, end);
    this.#dropRange(start, end);
  }

  /** A queue has given up the history that it kept until now: what is gone goes. */
  removeGone(): void {
    this.runs.recount();
    for (const page of [...this.pages.values()]) {
      for (let i = 0; i < pageEntries; i++) {
        if (page.words[i * 4] !== 0 && this.isGone(page.base + i, 1)) this.#drop(page, i * 4);
      }
    }
  }

  /** Bytes of all entries kept, in memory or not. */
  get keptBytes(): number {
    return this.runs.bytes + this.tailBytes;
  }

  /** Everything below `offset` goes. */
  trimTo(offset: number): void {
    if (offset <= this.first) return;
    const from = this.first - (this.first % pageEntries);
    this.first = Math.min(offset, this.next);
    this.stableEnd = Math.max(this.stableEnd, this.first);
    this.#dropRange(from, this.first);
    this.runs.trimTo(this.first);
    this.fleeting.removeBelow(this.first);
  }

  /** The committer: entries below `end` are durable. */
  makeVisible(end: number): void {
    if (end <= this.visibleEnd) return;
    this.lastBatchStart = this.visibleEnd;
    this.visibleEnd = end;
    this.makeStable();
  }

  /** More is visible, or a transaction is decided. */
  makeStable(): void {
    this.stableEnd = this.transactions?.stableEnd(this.first, this.visibleEnd) ?? this.visibleEnd;
    for (const reader of this.readers) reader.wake();
  }

  /** Gives back all memory and all runs. */
  destroy(): void {
    this.isDeleted = true;
    for (const page of [...this.pages.values()]) this.#dropPage(page, pageEntries);
    this.#tailLess(this.tailBytes);
    this.runs.clear();
    this.#waiting.tellAll(this.next);
  }

  /**
   * Drops from memory what segments hold of the page at this base: one message of a quiet queue would keep a whole block
   * of what came in beside it. With `span`, only if nothing was read back into it since.
   */
  evictPage(base: number, span?: number): void {
    const page = this.pages.get(base / pageEntries);
    if (page !== undefined && (span === undefined || page.span === span))
      this.#dropPage(page, Math.min(pageEntries, this.persistedEnd - base));
  }

  /** A checkpoint has put everything that lived below `end` into `metas`. Of a log, all but `removed` of it still lives. */
  persisted(metas: readonly RunMeta[], end: number, removed: number): void {
    this.runs.addAll(metas, removed);
    // It may have been trimmed meanwhile.
    this.runs.trimTo(this.first);
    this.persistedEnd = end;
    this.#tailLess(this.snapshotBytes);
    this.#endSnapshot();
  }

  /** A checkpoint failed. */
  abandonSnapshot(): void {
    this.#endSnapshot();
    this.isDirty = true;
  }

  #endSnapshot(): void {
    this.snapshotBytes = 0;
    this.snapshotEnd = 0;
    this.checkpointWritten = 0;
    this.checkpointRemoved = 0;
  }

  /** A checkpoint begins: what is below `next` now will be in runs when it ends. */
  beginSnapshot(): void {
    this.isDirty = false;
    this.snapshotEnd = this.next;
    this.snapshotBytes = this.tailBytes;
  }

  /**
   * Brings the entry at `offset`, and those behind it unless `isStray`, into memory. `done(coveredEnd)`: what lies in
   * [offset, coveredEnd) and is not in memory now does not exist. Nothing is done when that is so already. It may be called
   * before this returns, but nobody else is told of what they wait for by then: who asks is perhaps in the midst of an answer.
   */
  load(offset: number, isStray: boolean, done: (coveredEnd: number) => void): void {
    if (this.isDeleted) return done(this.next);
    this.#waiting.wait({ offset, isStray, done });
  }

  /** About when the entry was appended, by the index in memory; undefined: it is in no segment. */
  timestampNear(offset: number): number | undefined {
    return offset < this.persistedEnd ? this.runs.timestampNear(offset) : undefined;
  }

  /** Where what need not be read ends; undefined: it is read now. */
  #serve(reader: WaitingReader): number | undefined {
    const { offset, isStray } = reader;
    if (this.look(offset, this.#cursor)) return offset + 1;
    const run = offset < this.persistedEnd ? this.runs.at(offset) : undefined;
    // What is in no segment is in memory, or nowhere.
    if (run === undefined) return Math.max(offset + 1, this.next);
    // A run's first entry may hold offsets below its own.
    const firstHeld = run.meta.firstOffset - this.maxSpan + 1;
    if (firstHeld > offset) return firstHeld;
    const { segments, cache } = this.#context;
    const allocate = (bytes: number): Buffer => cache.take(bytes);
    const done = (error: Error | undefined, span: Span | undefined): void => {
      if (error !== undefined || span === undefined) return this.#context.diskFailed(error ?? new Error("no span"));
      if (this.isDeleted) return this.#waiting.came(reader, this.next);
      if (span.damage.length > 0) this.#context.damaged(this, span.damage);
      this.#install(span);
      this.#waiting.came(reader, Math.max(this.#coveredBy(span, run.meta), offset + 1));
    };
    const bytesMax = isStray ? strayBytes : loadBytes;
    segments.read(run.meta, offset, bytesMax, isStray ? 32 : loadEntries, done, false, allocate);
    return undefined;
  }

  /** What is below and not in memory, of what the span was read for, does not exist. */
  #coveredBy(span: Span, meta: RunMeta): number {
    // The entry that comes next begins where it ends.
    if (this.maxSpan === 1 || span.nextIndex >= meta.count) return span.nextOffset;
    let last = span.count === 0 ? -1 : span.offsets[span.count - 1]!;
    for (const { offset } of span.damage) if (offset !== undefined && offset > last) last = offset;
    return last + 1;
  }

  #install(span: Span): void {
    if (span.count === 0) return;
    const { cache } = this.#context;
    const number = this.#context.loading();
    const slot = cache.adopt(span.buffer);
    const bases: number[] = [];
    for (let i = 0; i < span.count; i++) {
      const offset = span.offsets[i]!;
      if (offset < this.first) continue;
      const page = this.pageOf(offset);
      if (page !== undefined && page.words[(offset - page.base) * 4] !== 0) continue;
      const start = span.positions[i]!;
      const cursor = this.#cursor.set(span.buffer, start, start + span.lengths[i]!, offset);
      if (this.isGone(offset, cursor.count)) continue;
      this.#place(offset, slot, start, span.lengths[i]!, cursor.bodyEnd - cursor.bodyStart);
      const placed = this.pageOf(offset)!;
      placed.span = number;
      if (bases.at(-1) !== placed.base) bases.push(placed.base);
    }
    cache.release(slot);
    this.#context.loaded(this, bases, span.buffer.length);
  }

  /** The entry that ends here, and is in memory, lies elsewhere and is of another length. */
  replace(offset: number, slot: number, position: number, length: number, bodyLength: number): void {
    const { words, base } = this.pageOf(offset)!;
    const at = (offset - base) * 4;
    const { cache } = this.#context;
    cache.retain(slot);
    cache.release(words[at]! - 1);
    const grownBytes = length - words[at + 2]!;
    point(words, at, slot, position, length, bodyLength);
    if (offset < this.persistedEnd) return;
    this.tailBytes += grownBytes;
    cache.tailBytes += grownBytes;
    if (offset < this.snapshotEnd) this.snapshotBytes += grownBytes;
  }

  #placeNew(offset: number, slot: number, position: number, length: number, bodyLength: number): void {
    this.#place(offset, slot, position, length, bodyLength);
    this.tailBytes += length;
    this.#context.cache.tailBytes += length;
    if (this.isDirty) return;
    this.isDirty = true;
    this.#context.appended(this);
  }

  #place(offset: number, slot: number, position: number, length: number, bodyLength: number): void {
    let page = this.pageOf(offset);
    if (page === undefined) {
      const number = Math.floor(offset / pageEntries);
      const idle = this.#idlePage;
      if (idle?.live === 0 && idle.base + pageEntries <= this.next) this.#forgetPage(idle);
      page = takePage(number * pageEntries);
      this.pages.set(number, page);
      this.#lastPage = page;
      this.#context.cache.bytes += pageBytes;
    }
    const at = (offset - page.base) * 4;
    point(page.words, at, slot, position, length, bodyLength);
    page.live++;
    this.#context.cache.retain(slot);
  }

  #tailLess(bytes: number): void {
    this.tailBytes -= bytes;
    this.#context.cache.tailLess(bytes);
  }

  /** Drops from memory the entries that end in [start, end). */
  #dropRange(start: number, end: number): void {
    for (const page of pagesIn(this.pages, Math.floor(start / pageEntries), Math.floor((end - 1) / pageEntries))) {
      const low = Math.max(start - page.base, 0);
      const high = Math.min(end - page.base, pageEntries);
      for (let i = low; i < high; i++) if (page.words[i * 4] !== 0) this.#drop(page, i * 4);
    }
  }

  #drop(page: Page, at: number): void {
    const offset = page.base + at / 4;
    if (offset >= this.persistedEnd) {
      const length = page.words[at + 2]!;
      this.#tailLess(length);
      if (offset < this.snapshotEnd) this.snapshotBytes -= length;
    }
    this.#context.cache.release(page.words[at]! - 1);
    page.words[at] = 0;
    // The last page stays while appends go to it: taking it again for each message would cost more than it holds.
    if (--page.live > 0) return;
    if (page.base + pageEntries <= this.next) this.#forgetPage(page);
    else this.#idlePage = page;
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
    if (this.#idlePage === page) this.#idlePage = undefined;
    givePage(page);
    this.#context.cache.less(pageBytes);
  }
}
