/**
 * Group commit: turns what happens in one turn of the event loop, or while the previous block is at the disk, into one
 * journal block, one synced write and one ticket.
 *
 * Two places take bytes. The *block* under construction is what the journal will write: it sits in a block buffer of the
 * cache, several blocks one behind the other at multiples of BLOCK_ALIGN, so that entries stay where they were first
 * copied. The *side buffer* takes entries that nobody asked to be durable: same cache, same tickets, never written.
 *
 * A *batch* is a block plus the partitions that it touched and their ends. Batches complete in order. Completion raises
 * `durableTicket`, makes the touched partitions' new ends visible, and tells the hooks: that is the only place where
 * confirms and deliveries of new entries start from, hence "nothing is confirmed or delivered before it is on disk".
 *
 * An atomic group that outgrows its block continues in the next; recovery applies such a run of blocks whole or not at
 * all, and completion here waits for its last block too.
 */
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES, type Journal } from "../../log/log.ts";
import type { Measures } from "../measures.ts";
import type { Partition } from "../topic/partition.ts";
import type { BlockCache } from "./block-cache.ts";
import { blockBegins, blockContinued, blockContinues } from "./records.ts";

/** What the committer asks of and tells the rest of the core. */
export interface CommitHooks {
  /** Last chance to write records that were collected lazily (settlements, horizons). */
  beforeSeal(touched: readonly Partition[]): void;
  /** True when beforeSeal() would write something. */
  hasCollected(): boolean;
  /** The block just sealed is the last of its journal file: called when it is durable. */
  rotated(firstSeqOfNewFile: number): void;
  /** Called for each completed batch, after partitions were made visible. */
  completed(ticket: number): void;
  /** After all completions of a turn: deliver what became visible. */
  dispatch(): void;
  /** Time has passed: another turn of the event loop. */
  turned(): void;
  /** A block was at the disk for longer than it should be. */
  slow(ms: number, bytes: number): void;
  /** The journal cannot go on. `isFull`: no space; the append is retried. */
  failed(error: Error, isFull: boolean): void;
  /** A retried append went through. */
  recovered(): void;
}

interface Batch {
  readonly ticket: number;
  slot: number;
  start: number;
  end: number;
  /** As Journal.append() takes it. */
  readonly known: readonly number[];
  readonly partitions: Partition[];
  readonly ends: number[];
  readonly isContinued: boolean;
  rotates: (() => void) | undefined;
}

const nothingKnown: readonly number[] = Object.freeze([]);
const retryFullMs = 500;
/** A commit that takes longer is told of: everybody waits for it. */
const slowMs = 1000;
/** A block of this size is written at once when nobody else waits. */
const loneBytesMax = BLOCK_ALIGN;

export class Committer {
  /** Everything up to this ticket is durable and visible. */
  durableTicket = 0;
  /** Position in `buffer` where the next octet of the open block goes. */
  at = 0;
  /** The buffer that `at` points into. Valid after reserve(). */
  buffer: Buffer = Buffer.alloc(0);
  slot = -1;
  /** Bytes sealed or open and not yet durable. */
  pendingBytes = 0;
  /** Counters for metrics and benchmarks. */
  blocks = 0;
  bytesWritten = 0;

  readonly #cache: BlockCache;
  readonly #clock: Clock;
  readonly #measures: Measures;
  readonly #hooks: CommitHooks;
  #journal: Journal | undefined;
  #openTicket = 1;
  #blockStart = -1;
  /** Of the open block: start, end and CRC-32C of parts, one behind the other, counted from its start. */
  #known: number[] = [];
  #partitions: Partition[] = [];
  readonly #sealed: Batch[] = [];
  #inFlight: Batch | undefined;
  #inFlightSinceMs = 0;
  #isFlushDeferred = false;
  #atomicDepth = 0;
  #isSealing = false;
  #isFirstBlock = true;
  /** Nothing came in while the last block was at the disk. */
  #isQuiet = false;
  #isStopped = false;
  /** The journal has no room: the append in flight is tried again and again. */
  isFull = false;
  #snapshot: (() => void) | undefined;
  readonly #waiting: { ticket: number; run: () => void }[] = [];
  sideSlot = -1;
  sideBuffer: Buffer = Buffer.alloc(0);
  sideAt = 0;

  constructor(cache: BlockCache, clock: Clock, measures: Measures, hooks: CommitHooks) {
    this.#measures = measures;
    this.#cache = cache;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  start(journal: Journal): void {
    this.#journal = journal;
    if (this.hasOpen) this.schedule();
  }

  /** Bytes of journal since it was last trimmed. */
  get journalBytes(): number {
    return this.#journal?.bytesSinceTrim ?? 0;
  }

  get journal(): Journal {
    assert(this.#journal !== undefined, "the journal is open");
    return this.#journal;
  }

  /** True when something was done that no sealed block holds yet. */
  get hasOpen(): boolean {
    return this.#blockStart >= 0 || this.#partitions.length > 0 || this.#hooks.hasCollected();
  }

  /** The ticket that covers everything done until now. */
  get ticket(): number {
    return this.hasOpen ? this.#openTicket : this.#openTicket - 1;
  }

  /** Ticket of the batch under construction; what is done now will be durable with it. */
  get openTicket(): number {
    return this.#openTicket;
  }

  /** Within atomically(): what is done now is one with what was done before it. */
  get isAtomic(): boolean {
    return this.#atomicDepth > 0;
  }

  get isIdle(): boolean {
    return this.#inFlight === undefined && this.#sealed.length === 0 && !this.hasOpen;
  }

  /** Makes room for `bytes` in the open block: then write into `buffer` at `at` and advance `at`. */
  reserve(bytes: number): void {
    let isContinued = false;
    if (this.#blockStart >= 0) {
      if (this.at + bytes <= this.buffer.length) return;
      // What the hooks write while a block is sealed belongs to its batch, whatever number of blocks that takes.
      isContinued = this.#atomicDepth > 0 || this.#isSealing;
      this.#seal(isContinued);
    }
    this.#openBlock(bytes, isContinued);
  }

  /** Makes room for `bytes` beside the journal: write into `sideBuffer` at `sideAt` and advance it. */
  reserveSide(bytes: number): void {
    if (this.sideSlot >= 0 && this.sideAt + bytes <= this.sideBuffer.length) return;
    if (this.sideSlot >= 0) this.#cache.release(this.sideSlot);
    this.sideSlot = this.#cache.acquire(bytes);
    this.sideBuffer = this.#cache.buffer(this.sideSlot);
    this.sideAt = 0;
  }

  /** The CRC-32C of buffer[start, end), a part of the open block: it is not summed again. */
  knowCrc(start: number, end: number, crc: number): void {
    this.#known.push(start - this.#blockStart, end - this.#blockStart, crc);
  }

  /** `partition` got entries that become visible with the open batch. */
  touch(partition: Partition): void {
    if (partition.touchedTicket === this.#openTicket) return;
    partition.touchedTicket = this.#openTicket;
    this.#partitions.push(partition);
    this.schedule();
  }

  /** Sees to it that flush() runs when this turn has read all it has to read. */
  schedule(): void {
    if (this.#isFlushDeferred) return;
    this.#isFlushDeferred = true;
    this.#clock.defer(this.#flushDeferred);
  }

  readonly #flushDeferred = (): void => {
    this.#isFlushDeferred = false;
    if (this.#isStopped) return;
    this.pump(this.#isQuiet);
    this.#hooks.dispatch();
    if (this.hasOpen) this.pump();
    this.#hooks.turned();
  };

  /** Runs `run`; all its records are applied together or not at all by recovery. */
  atomically(run: () => void): number {
    this.#atomicDepth++;
    try {
      run();
    } finally {
      this.#atomicDepth--;
    }
    this.schedule();
    return this.ticket;
  }

  whenDurable(ticket: number, run: () => void): void {
    if (ticket <= this.durableTicket) return run();
    this.#waiting.push({ ticket, run });
    this.schedule();
  }

  /** At the next seal `take` is called (state is exactly what the sealed blocks say), and the journal file ends there. */
  snapshotAtNextSeal(take: () => void): void {
    this.#snapshot = take;
    this.schedule();
  }

  /**
   * Starts the next write if the disk is idle. `isLone`: nothing came in while the last one was at the disk, so whoever
   * is there waits for this one and for nothing else; then the thread may as well wait itself, which is half the time.
   */
  pump(isLone = false): void {
    if (this.#journal === undefined) return;
    while (this.#inFlight === undefined && this.#atomicDepth === 0) {
      if (this.#sealed.length === 0 && (this.hasOpen || this.#snapshot !== undefined)) this.#seal(false);
      const batch = this.#sealed.shift();
      if (batch === undefined) return;
      if (batch.slot < 0) this.#complete(batch);
      else this.#append(batch, isLone && batch.end - batch.start <= loneBytesMax && this.#sealed.length === 0);
      isLone = false;
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  #openBlock(bytes: number, continues: boolean): void {
    const needed = BLOCK_HEADER_BYTES + 1 + bytes + BLOCK_ALIGN;
    let start = this.slot < 0 ? Infinity : Math.ceil(this.at / BLOCK_ALIGN) * BLOCK_ALIGN;
    if (start + needed > this.buffer.length) {
      if (this.slot >= 0) this.#cache.release(this.slot);
      this.slot = this.#cache.acquireBlock(Math.ceil(needed / BLOCK_ALIGN) * BLOCK_ALIGN);
      this.buffer = this.#cache.buffer(this.slot);
      start = 0;
    }
    this.#blockStart = start;
    this.at = start + BLOCK_HEADER_BYTES;
    this.buffer[this.at++] = (this.#isFirstBlock ? blockBegins : 0) | (continues ? blockContinues : 0);
    this.#isFirstBlock = false;
    this.schedule();
  }

  #seal(isContinued: boolean): void {
    if (!isContinued) {
      this.#isSealing = true;
      this.#hooks.beforeSeal(this.#partitions);
      this.#isSealing = false;
    }
    const hasBlock = this.#blockStart >= 0;
    const batch: Batch = {
      ticket: this.#openTicket,
      slot: hasBlock ? this.slot : -1,
      start: this.#blockStart,
      end: this.at,
      known: this.#known.length === 0 ? nothingKnown : this.#known,
      partitions: isContinued ? [] : this.#partitions,
      ends: [],
      isContinued,
      rotates: undefined,
    };
    if (hasBlock) {
      if (isContinued) this.buffer[this.#blockStart + BLOCK_HEADER_BYTES]! |= blockContinued;
      this.#cache.retain(this.slot);
      this.pendingBytes += batch.end - batch.start;
      this.#blockStart = -1;
      // Not emptied: the journal is still to read it.
      if (this.#known.length > 0) this.#known = [];
    }
    if (!isContinued) {
      for (const partition of this.#partitions) batch.ends.push(partition.next);
      this.#partitions = [];
      this.#openTicket++;
      if (this.#snapshot !== undefined) {
        const take = this.#snapshot;
        this.#snapshot = undefined;
        take();
        batch.rotates = (): void => this.#hooks.rotated(this.journal.rotate());
      }
    }
    this.#sealed.push(batch);
  }

  #append(batch: Batch, isLone: boolean): void {
    this.#inFlight = batch;
    this.#inFlightSinceMs = this.#clock.elapsedMs();
    const roomEnd = Math.min(Math.ceil(batch.end / BLOCK_ALIGN) * BLOCK_ALIGN, this.#cache.buffer(batch.slot).length);
    const block = this.#cache.buffer(batch.slot).subarray(batch.start, roomEnd);
    const done = (error: Error | undefined): void => this.#appended(batch, error);
    this.journal.append(block, batch.end - batch.start, batch.known, done, isLone);
  }

  #appended(batch: Batch, error: Error | undefined): void {
    if (this.#isStopped) return;
    this.#hooks.turned();
    if (error !== undefined) {
      const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
      this.isFull = isFull;
      this.#hooks.failed(error, isFull);
      if (isFull) this.#clock.setDelay(retryFullMs, () => this.#retry(batch));
      return;
    }
    this.#inFlight = undefined;
    this.#isQuiet = this.#sealed.length === 0 && !this.hasOpen;
    if (this.isFull) {
      this.isFull = false;
      this.#hooks.recovered();
    }
    this.blocks++;
    this.bytesWritten += batch.end - batch.start;
    this.#measures.commitBytes.add(batch.end - batch.start);
    const tookMs = this.#clock.elapsedMs() - this.#inFlightSinceMs;
    this.#measures.commitMs.add(tookMs);
    if (tookMs > slowMs) this.#hooks.slow(Math.round(tookMs), batch.end - batch.start);
    this.pendingBytes -= batch.end - batch.start;
    this.#cache.release(batch.slot);
    this.#complete(batch);
    this.pump();
    this.#hooks.dispatch();
    if (this.#inFlight === undefined && this.hasOpen) this.pump();
  }

  #retry(batch: Batch): void {
    if (!this.#isStopped) this.#append(batch, false);
  }

  #complete(batch: Batch): void {
    batch.rotates?.();
    if (batch.isContinued) return;
    assert(batch.ticket === this.durableTicket + 1, "batches become durable in order, and none is left out");
    this.durableTicket = batch.ticket;
    for (let i = 0; i < batch.partitions.length; i++) batch.partitions[i]!.makeVisible(batch.ends[i]!);
    this.#hooks.completed(batch.ticket);
    if (this.#waiting.length > 0) this.#runWaiting();
  }

  #runWaiting(): void {
    const ready = this.#waiting.filter((waiter) => waiter.ticket <= this.durableTicket);
    if (ready.length === 0) return;
    const later = this.#waiting.filter((waiter) => waiter.ticket > this.durableTicket);
    this.#waiting.length = 0;
    this.#waiting.push(...later);
    for (const waiter of ready) waiter.run();
  }
}
