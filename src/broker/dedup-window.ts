/**
 * Message ids seen lately, bounded by time and by number. What is remembered is written to the journal with the message
 * that it guards, in the same block: the window is exactly as durable as what it protects.
 */
import type { DedupPolicy } from "./api.ts";

export class DedupWindow {
  /** May change: what is remembered stays, as far as the new one allows. */
  policy: DedupPolicy;
  /** In order of arrival, which is the order of expiry. */
  readonly #seenMs = new Map<string, number>();

  constructor(policy: DedupPolicy) {
    this.policy = policy;
  }

  has(id: string, nowMs: number): boolean {
    this.#forget(nowMs);
    return this.#seenMs.has(id);
  }

  add(id: string, nowMs: number): void {
    // Behind the others, also if it is there: a replayed journal has ids that were seen again when their time was over.
    this.#seenMs.delete(id);
    this.#seenMs.set(id, nowMs);
    while (this.#seenMs.size > this.policy.maxIds) this.#seenMs.delete(this.#seenMs.keys().next().value!);
  }

  toJson(): [string, number][] {
    return [...this.#seenMs];
  }

  #forget(nowMs: number): void {
    if (this.policy.windowMs === 0) return;
    for (const [id, seenMs] of this.#seenMs) {
      if (seenMs + this.policy.windowMs > nowMs) return;
      this.#seenMs.delete(id);
    }
  }
}
