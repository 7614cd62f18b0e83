/**
 * Messages of transactions, as a subscription sees them.
 *
 * A queue's are held back one by one: others go past them, and each takes its place when it is committed. A subscription of
 * a log goes no further than what is stable, so all that it meets was decided, and what was aborted it passes over.
 */
import { assert } from "../../base/assert.ts";
import type { UndecidedIds } from "../topic/undecided-ids.ts";
import type { Subscription } from "./subscription.ts";

export class Undecided {
  /** Of a queue: messages that nobody is given for now, and the bytes of their bodies. */
  count = 0;
  bytes = 0;
  /** What is appended just now is of a transaction. */
  isHolding = false;
  /** Its ids, where the queue remembers some: they are its own for now. */
  idsNow: UndecidedIds | undefined;
  readonly #subscription: Subscription;
  /** Not one of several that read a log. */
  readonly #isOfQueue: boolean;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
    this.#isOfQueue = subscription.id === subscription.partition.id;
  }

  /** Where what may be delivered ends. */
  get end(): number {
    const { partition } = this.#subscription;
    return this.#isOfQueue ? partition.visibleEnd : partition.stableEnd;
  }

  /** What is appended from now on is of a transaction, or of none. */
  begin(isHolding: boolean, idsNow: UndecidedIds | undefined): void {
    this.isHolding = isHolding;
    this.idsNow = idsNow;
  }

  /** A message was appended that nobody is given for now. */
  holdBack(bodyLength: number, deliverAtMs: number): void {
    assert(deliverAtMs === 0, "a message that is undecided waits for nothing else");
    this.count++;
    this.bytes += bodyLength;
  }

  /** It may be delivered now. */
  commit(offset: number): void {
    if (this.#letGo(offset)) this.#subscription.becomeReady(offset);
  }

  /** It will never be. */
  abort(offset: number): void {
    if (this.#letGo(offset)) this.#subscription.missing.vanished(offset, offset + 1, false);
  }

  has(offset: number): boolean {
    const { transactions } = this.#subscription.partition;
    return this.#isOfQueue && transactions !== undefined && transactions.isUndecided(offset);
  }

  /** What comes next in the order is not to be handed over: not now, or never, and then it is settled by this. */
  passes(offset: number): boolean {
    if (this.#isOfQueue) return this.has(offset);
    const { partition } = this.#subscription;
    if (!partition.transactions!.isAborted(offset)) return false;
    this.#subscription.readyBytes -= Math.max(0, partition.bodyLength(offset));
    this.#subscription.missing.vanished(offset, offset + 1, true);
    return true;
  }

  /** Recovery. */
  restore(): void {
    const { partition } = this.#subscription;
    const offsets = this.addTo([]);
    this.count = offsets.length;
    this.bytes = 0;
    for (const offset of offsets) this.bytes += Math.max(0, partition.bodyLength(offset));
  }

  /** `leased` with the offsets of a queue that are undecided, in order. */
  addTo(leased: number[]): number[] {
    const { partition, settled } = this.#subscription;
    if (!this.#isOfQueue || partition.transactions === undefined) return leased;
    const { starts, ends } = partition.transactions.undecidedRanges();
    for (const [i, start] of starts.entries()) {
      for (let offset = start; offset < ends[i]!; offset++) if (!settled.has(offset)) leased.push(offset);
    }
    return leased.sort((a, b) => a - b);
  }

  /** It was decided. False: it is settled already. */
  #letGo(offset: number): boolean {
    const { settled, partition } = this.#subscription;
    if (settled.has(offset)) return false;
    this.count--;
    const left = this.bytes - Math.max(0, partition.bodyLength(offset));
    this.bytes = this.count === 0 ? 0 : Math.max(0, left);
    return true;
  }
}
