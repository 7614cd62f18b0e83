/**
 * Transactions of one partition: which messages are undecided, and which were aborted.
 *
 * A producer has one transaction open at a time. Its messages lie in the partition like others, as ranges of offsets;
 * while it is undecided nobody who reads what is stable gets beyond its first. Once it is decided, and the decision is
 * durable, its ranges are forgotten if it was committed and remembered as aborted if not, for as long as something of
 * them is kept. A decision that is not durable yet changes nothing for readers: a crash may still take it back.
 *
 * Transactions begin in the order of their first offsets, so the first in the map of undecided ones is the oldest.
 */
import { RangeSet } from "../../base/range-set.ts";
import type { AbortedTransaction, OpenTransaction } from "../batch.ts";
import { DedupWindow } from "../dedup-window.ts";

export class Transaction implements OpenTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstOffset: number;
  readonly sinceMs: number;
  /** Where its messages lie. */
  readonly ranges: RangeSet;
  /** Of its messages, where the queue remembers ids. Nobody else has seen them before it is committed. */
  ids: DedupWindow | undefined;

  constructor(producerId: number, producerEpoch: number, sinceMs: number, ranges: RangeSet) {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.firstOffset = ranges.starts[0]!;
    this.sinceMs = sinceMs;
    this.ranges = ranges;
  }

  /** They do not age: how long it takes is its producer's to say. Of more than `idsMax` it has the last. */
  remember(ids: Iterable<[string, number]>, idsMax: number): void {
    for (const [id, at] of ids) (this.ids ??= new DedupWindow({ windowMs: 0, maxIds: idsMax })).add(id, at);
  }
}

/**
 * Open ones: producer, epoch, since, ranges, and if there are any, ids as restoreId() takes them. Aborted ones: producer, first
 * and last offset. And the ranges of those.
 */
export interface TransactionsJson {
  readonly open: [number, number, number, number[], [string, number][]?][];
  readonly aborted: [number, number, number][];
  readonly abortedRanges: number[];
}

export class Transactions {
  readonly #openByProducer = new Map<number, Transaction>();
  /** By first offset: those that are open, and those whose end is not durable yet. */
  readonly #undecided = new Map<number, Transaction>();
  /** By first offset. */
  #aborted: AbortedTransaction[] = [];
  /** Of each of them and all before it: nothing of those lies above. */
  #lastOffsets: number[] = [];
  #abortedRanges = new RangeSet();
  /** What was last trimmed to. */
  #first = 0;
  readonly #isOfQueue: boolean;

  constructor(isOfQueue: boolean) {
    this.#isOfQueue = isOfQueue;
  }

  openOf(producerId: number): Transaction | undefined {
    return this.#openByProducer.get(producerId);
  }

  open(): Iterable<Transaction> {
    return this.#openByProducer.values();
  }

  get isIdle(): boolean {
    return this.#undecided.size === 0 && this.#aborted.length === 0 && this.#abortedRanges.starts.length === 0;
  }

  /** Messages of [start, end) were appended in the producer's transaction, which begins with them if none is open. */
  append(producerId: number, producerEpoch: number, start: number, end: number, nowMs: number): void {
    const open = this.#openByProducer.get(producerId);
    if (open !== undefined) return open.ranges.add(start, end);
    this.#begin(new Transaction(producerId, producerEpoch, nowMs, RangeSet.fromList([start, end])));
  }

  /** The producer's transaction is decided: undefined, it has none. Until decided() it stays undecided for readers. */
  end(producerId: number): Transaction | undefined {
    const open = this.#openByProducer.get(producerId);
    this.#openByProducer.delete(producerId);
    return open;
  }

  /** `lastOffset`: of its marker, or its last message. */
  abort({ producerId, firstOffset, ranges }: Transaction, lastOffset: number): void {
    let at = this.#aborted.length;
    while (at > 0 && this.#aborted[at - 1]!.firstOffset > firstOffset) at--;
    this.#aborted.splice(at, 0, { producerId, firstOffset, lastOffset });
    this.#countLasts(at);
    this.#abortedRanges.addAll(ranges);
  }

  /** Its end is durable. */
  decided(transaction: Transaction): void {
    this.#undecided.delete(transaction.firstOffset);
  }

  /** Of what is kept from `start` on and visible below `end`: all below the answer is decided. */
  stableEnd(start: number, end: number): number {
    for (const first of this.#undecided.keys()) return Math.max(start, Math.min(first, end));
    return end;
  }

  isUndecided(offset: number): boolean {
    if (this.#undecided.size === 0) return false;
    for (const { firstOffset, ranges } of this.#undecided.values()) {
      if (offset < firstOffset) return false;
      if (ranges.has(offset)) return true;
    }
    return false;
  }

  /** Ranges of offsets that are undecided. */
  undecidedRanges(): RangeSet {
    const all = new RangeSet();
    for (const { ranges } of this.#undecided.values()) all.addAll(ranges);
    return all;
  }

  isAborted(offset: number): boolean {
    return this.#abortedRanges.starts.length > 0 && this.#abortedRanges.has(offset);
  }

  /** A queue has given it up, though it keeps history. In a log it is for readers to tell what was aborted. */
  isDropped(offset: number): boolean {
    return this.#isOfQueue && this.isAborted(offset);
  }

  /** As PartitionReading.abortedTransactions(). */
  aborted(start: number, end: number): readonly AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    for (let i = this.#firstReaching(start); i < this.#aborted.length; i++) {
      const one = this.#aborted[i]!;
      if (one.firstOffset >= end) break;
      if (one.lastOffset >= start) found.push(one);
    }
    return found;
  }

  /** Nothing below `first` is kept any more. */
  trim(first: number): void {
    if (first === this.#first) return;
    this.#first = first;
    this.#abortedRanges.removeBelow(first);
    if (this.#aborted.every(({ lastOffset }) => lastOffset >= first)) return;
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset >= first);
    this.#lastOffsets.length = 0;
    this.#countLasts(0);
  }

  /** Of a compacted log, which is not trimmed: a transaction whose end has gone, which is the last of it, is forgotten. */
  prune(isGone: (start: number, end: number) => boolean): void {
    const kept = this.#aborted.filter(({ lastOffset }) => !isGone(lastOffset, lastOffset + 1));
    if (kept.length === this.#aborted.length) return;
    this.#aborted = kept;
    this.#lastOffsets.length = 0;
    this.#countLasts(0);
    const { starts, ends } = this.#abortedRanges;
    this.#abortedRanges = new RangeSet();
    for (const [i, start] of starts.entries()) if (!isGone(start, ends[i]!)) this.#abortedRanges.add(start, ends[i]!);
  }

  toJson(): TransactionsJson {
    return {
      open: Array.from(this.#openByProducer.values(), jsonOf),
      aborted: this.#aborted.map(({ producerId, firstOffset, lastOffset }) => [producerId, firstOffset, lastOffset]),
      abortedRanges: this.#abortedRanges.toList(),
    };
  }

  /** `idsMax`: of ids of one. */
  fromJson({ open, aborted, abortedRanges }: TransactionsJson, idsMax: number): void {
    for (const [producerId, epoch, sinceMs, ranges, ids] of open.toSorted((a, b) => a[3][0]! - b[3][0]!)) {
      const transaction = new Transaction(producerId, epoch, sinceMs, RangeSet.fromList(ranges));
      this.#begin(transaction);
      transaction.remember(ids ?? [], idsMax);
    }
    this.#aborted = aborted.map(([producerId, firstOffset, lastOffset]) => ({ producerId, firstOffset, lastOffset }));
    this.#countLasts(0);
    this.#abortedRanges = RangeSet.fromList(abortedRanges);
  }

  #begin(transaction: Transaction): void {
    this.#openByProducer.set(transaction.producerId, transaction);
    this.#undecided.set(transaction.firstOffset, transaction);
  }

  #countLasts(from: number): void {
    for (let i = from; i < this.#aborted.length; i++) {
      this.#lastOffsets[i] = Math.max(this.#aborted[i]!.lastOffset, i === 0 ? -1 : this.#lastOffsets[i - 1]!);
    }
  }

  /** Index of the first that may reach `offset`: those before all end below it. */
  #firstReaching(offset: number): number {
    let low = 0;
    let high = this.#aborted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#lastOffsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function jsonOf({ producerId, producerEpoch, sinceMs, ranges, ids }: Transaction): TransactionsJson["open"][number] {
  const json: TransactionsJson["open"][number] = [producerId, producerEpoch, sinceMs, ranges.toList()];
  if (ids !== undefined) json.push(ids.toJson());
  return json;
}
