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
    this.#isLoading = true;
    let isSync = true;
    partition.load(offset, ready.needsScan, (coveredEnd) => {
      this.#isLoading = false;
      if (subscription.isDeleted) return;
      this.vanished(offset, partition.firstInMemory(offset, Math.min(coveredEnd, partition.visibleEnd)), true);
      if (!isSync) subscription.wake();
    });
    isSync = false;
    return !this.#isLoading;
  }

  /**
   * Messages in [start, end) that should be there are not: they were never durable, or their bytes are damaged (and were
   * reported), or their batch has none there.
   */
  vanished(start: number, end: number, wasReady: boolean): void {
    const { partition, settled, journal, keepsHistory } = this.#subscription;
    if (start >= end) return;
    if (keepsHistory) {
      const count = settled.addRange(start, end);
      if (wasReady) this.#subscription.readyCount = Math.max(0, this.#subscription.readyCount - count);
      if (count > 0) journal.noteSettled(start, end - start);
      return;
    }
    for (let offset = start; offset < end; offset++) {
      if (!settled.add(offset)) continue;
      if (wasReady && this.#subscription.readyCount > 0) this.#subscription.readyCount--;
      journal.noteSettled(offset, 1);
      partition.remove(offset);
    }
  }
}
