/** The consumers of one subscription, in the order in which they are served. */
import type { ConsumeRefusal } from "../api.ts";
import type { ConsumerState } from "./consumer-state.ts";

export class ConsumerSet {
  /** By priority, then by arrival. */
  readonly all: ConsumerState[] = [];
  /** Where the round goes on within the group that is served, and where it would if next()'s answer is served. */
  #turn = 0;
  #turnAfter = 0;

  /** `isFailover`: one is active at a time, the others wait in order of arrival. */
  add(consumer: ConsumerState, isFailover: boolean): ConsumeRefusal | undefined {
    const { all } = this;
    const { exclusive, priority } = consumer.options;
    if (all.some((other) => other.options.exclusive) || (exclusive && all.length > 0)) return { refused: "exclusive" };
    let at = all.length;
    if (!isFailover) while (at > 0 && all[at - 1]!.options.priority < priority) at--;
    all.splice(at, 0, consumer);
    this.#turn = 0;
    if (isFailover) consumer.isActive = at === 0;
    if (consumer.isActive) consumer.receiver.activity?.(true);
    return undefined;
  }

  /** Answers whether it was there. */
  remove(consumer: ConsumerState, isFailover: boolean): boolean {
    const at = this.all.indexOf(consumer);
    if (at < 0) return false;
    this.all.splice(at, 1);
    this.#turn = 0;
    const next = this.all[0];
    if (isFailover && next !== undefined && !next.isActive) {
      next.isActive = true;
      next.receiver.activity?.(true);
    }
    return true;
  }

  /** Whose turn it is: round robin within the highest priority that has credit. */
  next(isFailover: boolean): ConsumerState | undefined {
    const { all } = this;
    const first = all[0];
    if (first === undefined) return undefined;
    if (all.length === 1 || isFailover) return first.hasCredit ? first : undefined;
    let at = 0;
    while (at < all.length) {
      const { priority } = all[at]!.options;
      let end = at + 1;
      while (end < all.length && all[end]!.options.priority === priority) end++;
      for (let i = 0; i < end - at; i++) {
        const index = at + ((this.#turn + i) % (end - at));
        if (!all[index]!.hasCredit) continue;
        this.#turnAfter = index - at + 1;
        return all[index];
      }
      at = end;
    }
    return undefined;
  }

  /** The one that next() named got a message: a turn that found none to give is no turn. */
  served(): void {
    this.#turn = this.#turnAfter;
  }
}
