/**
 * How many bytes the ready messages of a subscription have together, kept exact where messages are not in memory when they
 * become ready: what such a one has nobody knows then, so it is not in the sum, and is not taken from it when the message
 * goes. Where bytes are limited it is read back, to be counted.
 */
import type { Subscription } from "./subscription.ts";

export class ReadyBytes {
  readonly #subscription: Subscription;
  /** Offsets of ready messages that are not in the sum; undefined: there are none. */
  #uncounted: Set<number> | undefined;
  /** While the sum is made anew: what became ready meanwhile, and is in it. */
  #counted: Set<number> | undefined;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  /** The message has become ready. */
  add(offset: number): void {
    const subscription = this.#subscription;
    const bytes = subscription.partition.bodyLength(offset);
    this.#counted?.add(offset);
    if (bytes >= 0) subscription.readyBytes += bytes;
    else {
      (this.#uncounted ??= new Set()).add(offset);
      if (subscription.settings.maxLengthBytes >= 0) this.#count(offset);
    }
  }

  /** The message, which has so many, is not ready any more. */
  remove(offset: number, bytes: number): void {
    const subscription = this.#subscription;
    const isCounted = !this.#takeUncounted(offset);
    if (subscription.readyCount === 0) subscription.readyBytes = 0;
    else if (isCounted) subscription.readyBytes = Math.max(0, subscription.readyBytes - bytes);
  }

  /** From now on bytes are limited. */
  countAll(): void {
    for (const offset of this.#uncounted ?? []) this.#count(offset);
  }

  /** Nothing is ready any more. */
  clear(): void {
    this.#uncounted = undefined;
    this.#subscription.readyBytes = 0;
  }

  /** All that is ready is about to be looked at. */
  beginCounting(): void {
    this.clear();
    this.#counted = new Set();
  }

  /** A message that is ready is looked at. */
  counted(offset: number, bytes: number): void {
    if (this.#counted?.has(offset) !== true) this.#subscription.readyBytes += bytes;
  }

  endCounting(): void {
    this.#counted = undefined;
  }

  /** Whether the message was not in the sum. */
  #takeUncounted(offset: number): boolean {
    const uncounted = this.#uncounted;
    if (uncounted === undefined || !uncounted.delete(offset)) return false;
    if (uncounted.size === 0) this.#uncounted = undefined;
    return true;
  }

  #count(offset: number): void {
    const subscription = this.#subscription;
    subscription.partition.load(offset, true, () => {
      const bytes = subscription.partition.bodyLength(offset);
      // Nowhere, or gone from memory again: it counts for nothing.
      if (subscription.isDeleted || bytes < 0 || !this.#takeUncounted(offset)) return;
      subscription.readyBytes += bytes;
      subscription.lengthLimit.exceeded();
    });
  }
}
