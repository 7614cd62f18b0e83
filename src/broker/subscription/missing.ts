/** Messages that a subscription counts on and that are not in memory: read back, or found to be nowhere. */
import type { Subscription } from "./subscription.ts";

export class Missing {
  readonly #subscription: Subscription;
  #isLoading = false;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  /** Brings the ready message at `offset` into memory. False: later. True: the offset is a hole that is now accounted for. */
  load(offset: number): boolean {
    const subscription = this.#subscription;
    const { partition, ready } = subscription;
    if (this.#isLoading) return false;
    // Retention has taken all of these: they need not be asked for one by one.
    if (offset < partition.first) {
      this.headIsNowhere(offset, partition.first);
      return true;
    }
    // Nor what compaction has taken.
    const goneEnd = partition.goneEnd(offset);
    if (goneEnd > offset) {
      this.headIsNowhere(offset, goneEnd);
      return true;
    }
    this.#isLoading = true;
    let isSync = true;
    partition.load(offset, ready.needsScan, (coveredEnd) => {
      this.#isLoading = false;
      if (subscription.isDeleted) return;
      this.headIsNowhere(offset, partition.firstInMemory(offset, Math.min(coveredEnd, partition.visibleEnd)));
      if (!isSync) subscription.wake();
    });
    isSync = false;
    return !this.#isLoading;
  }

  /**
   * The message at `head`, which comes next, is not to be had, nor is anything else in [head, end). Behind one that came back
   * lies what somebody holds, what waits for its time or for room to die, and what came back as well: each is accounted for when
   * its turn comes, and in its own way.
   */
  headIsNowhere(head: number, end: number): void {
    const isBack = head < this.#subscription.ready.knownFrom;
    this.nowhere(head, isBack ? Math.min(end, head + 1) : end);
  }

  /** Messages in [start, end) that should be ready are not to be had. What was taken among them is settled by who has it. */
  nowhere(start: number, end: number): void {
    if (start >= end) return;
    let from = start;
    for (const offset of this.#subscription.ready.takenIn(start, end)) {
      this.vanished(from, offset, true);
      from = offset + 1;
    }
    this.vanished(from, end, true);
  }

  /**
   * Messages in [start, end) that should be there are not: they were never durable, or their bytes are damaged (and were
   * reported), or their batch has none there.
   */
  vanished(start: number, end: number, wasReady: boolean): void {
    const { partition, settled, journal, keepsHistory } = this.#subscription;
    if (start >= end) return;
    let count = 0;
    if (keepsHistory) {
      count = settled.addRange(start, end);
      if (count > 0) journal.noteSettled(start, end - start);
    } else {
      for (let offset = start; offset < end; offset++) {
        if (!settled.add(offset)) continue;
        count++;
        journal.noteSettled(offset, 1);
        partition.remove(offset);
      }
    }
    if (!wasReady) return;
    this.#subscription.readyCount = Math.max(0, this.#subscription.readyCount - count);
    if (this.#subscription.readyCount === 0) this.#subscription.counting.clear();
  }
}
