/**
 * The ids of the messages that a queue holds: ready, leased, or waiting for their time. An id goes with its message, however
 * that is settled; nobody tells of it here. What is kept is the offset of the message, and the subscription knows what is
 * settled, so settling costs nothing more than it does in other queues. Ids of what is gone are let go of step by step: with
 * each one that is added two others are looked at, so they are never many more than those that count.
 *
 * An id is written to the journal with its offset, in the block of its message. After a crash it counts if its message is
 * there.
 *
 * Rejected: being told of each settlement (it would have to look for the id of the offset, in every queue's way), and
 * looking at all ids at once, now and then (a turn of a hundred milliseconds with a million).
 */
import type { Subscription } from "./subscription/subscription.ts";

export class HeldIds {
  /** The offset of a message that is on its way out to where it may come back from: it is no duplicate of itself. -1: none. */
  leaving = -1;
  readonly #subscription: Subscription;
  #offsetById = new Map<string, number>();
  #looking: Iterator<[string, number]>;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
    this.#looking = this.#offsetById.entries();
  }

  has(id: string): boolean {
    const offset = this.#offsetById.get(id);
    return offset !== undefined && offset !== this.leaving && !this.#subscription.settled.has(offset);
  }

  add(id: string, offset: number): void {
    this.#lookAtSome();
    this.#offsetById.set(id, offset);
  }

  /** How many are kept, those of messages that are gone included. */
  get size(): number {
    return this.#offsetById.size;
  }

  /** Of messages that are there: id and offset. Lets go of the others, if they are many. */
  toJson(): [string, number][] {
    const { settled } = this.#subscription;
    const held = [...this.#offsetById].filter(([, offset]) => !settled.has(offset));
    if (held.length * 2 < this.#offsetById.size) {
      this.#offsetById = new Map(held);
      this.#looking = this.#offsetById.entries();
    }
    return held;
  }

  #lookAtSome(): void {
    for (let i = 0; i < 2; i++) {
      const { value, done } = this.#looking.next();
      if (done === true) return void (this.#looking = this.#offsetById.entries());
      if (this.#subscription.settled.has(value[1])) this.#offsetById.delete(value[0]);
    }
  }
}
