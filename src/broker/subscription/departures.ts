/**
 * Messages that leave a queue when their time has come: what is done with them, and their settlement here, are one step.
 *
 * Many of them have to be read back first, and a checkpoint or a crash may come in between. Then the schedule says that they
 * have fired, and after a start the queue counts them as ready; since it has no consumers, they are looked for here.
 */
import type { Core } from "../core.ts";
import type { EntryCursor } from "../entry.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn looks for at most. */
const departuresPerTurn = 1024;

export class Departures {
  readonly #core: Core;
  readonly #subscription: Subscription;
  /** Of the subscription: withEntry() and takeReady() find the message there. */
  readonly #entry: EntryCursor;
  readonly #leave: (entry: EntryCursor) => void;
  /** They are being read back. */
  readonly #underWay = new Set<number>();

  constructor(core: Core, subscription: Subscription, entry: EntryCursor, leave: (entry: EntryCursor) => void) {
    this.#core = core;
    this.#subscription = subscription;
    this.#entry = entry;
    this.#leave = leave;
  }

  isUnderWay(offset: number): boolean {
    return this.#underWay.has(offset);
  }

  /** Its time has come. */
  due(offset: number): void {
    this.#underWay.add(offset);
    this.#subscription.withEntry(
      offset,
      () => this.#depart(offset),
      () => void this.#underWay.delete(offset),
    );
  }

  /** Lets those go whose time had come before the last start. */
  run(): void {
    const subscription = this.#subscription;
    for (let left = departuresPerTurn; subscription.readyCount > 0; left--) {
      if (left === 0) return subscription.wake();
      const offset = subscription.takeReady(false);
      if (offset < 0) return;
      subscription.noLongerReady(offset);
      this.#depart(offset);
    }
  }

  #depart(offset: number): void {
    this.#underWay.delete(offset);
    this.#core.commit.atomically(() => {
      this.#leave(this.#entry);
      this.#subscription.finish(offset);
    });
  }
}
