/** A queue that keeps the newest: what is too many, or too large together, goes from the head of its order. */
import type { Core } from "../core.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn drops at most: the rest waits for the next turn, so that nobody else starves. */
const deathsPerTurn = 1024;

export class LengthLimit {
  /** The head has to be read back first: enforce() is to be called when it may be there. */
  isWaiting = false;
  readonly #core: Core;
  readonly #subscription: Subscription;

  constructor(core: Core, subscription: Subscription) {
    this.#core = core;
    this.#subscription = subscription;
  }

  readonly enforce = (): void => {
    this.isWaiting = false;
    const subscription = this.#subscription;
    const { ready, partition } = subscription;
    if (subscription.settings.overflow !== "drop-head" || this.#core.isRecovering) return;
    for (let deaths = 0; deaths < deathsPerTurn; deaths++) {
      if (subscription.isDeleted || !this.#isOver) return;
      const offset = ready.peek(partition.next);
      if (offset < 0) return;
      if (subscription.passOverHead(offset)) continue;
      if (partition.bodyLength(offset) >= 0) subscription.dropHead(offset);
      else if (!subscription.load(offset)) {
        this.isWaiting = true;
        return;
      }
    }
    this.#core.clock.defer(this.enforce);
  };

  get #isOver(): boolean {
    const { readyCount, readyBytes, settings } = this.#subscription;
    const { maxLength, maxLengthBytes } = settings;
    if (readyCount === 0) return false;
    return (maxLength >= 0 && readyCount > maxLength) || (maxLengthBytes >= 0 && readyBytes > maxLengthBytes);
  }
}
