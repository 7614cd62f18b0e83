/**
 * Messages that leave a queue when their time has come: what is done with them, and their settlement here, are one step.
 *
 * Many of them have to be read back first, and a checkpoint or a crash may come in between. Then the schedule says that they
 * have fired, and after a start the queue counts them as ready; since it has no consumers, they are looked for here.
 *
 * They go on to other queues, which takes room (durability/room.ts). Without it, and while many are being read back, the
 * schedule fires no more of them, and those that come from elsewhere are left in their order.
 */
import type { Core } from "../core.ts";
import type { EntryCursor } from "../entry.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn looks for at most. */
const departuresPerTurn = 1024;
/** So many are read back at a time: each read may bring a megabyte. */
const underWayMax = 32;

export class Departures {
  readonly #core: Core;
  readonly #subscription: Subscription;
  /** Of the subscription: withEntry() and takeReady() find the message there. */
  readonly #entry: EntryCursor;
  readonly #leave: (entry: EntryCursor) => void;
  /** They are being read back, or wait for room. */
  readonly #underWay = new Set<number>();
  /** Of those: who waits, in the order in which their times came. */
  readonly #held: number[] = [];
  /** The schedule goes on when there is room. */
  #isFiringHeldBack = false;

  constructor(core: Core, subscription: Subscription, entry: EntryCursor, leave: (entry: EntryCursor) => void) {
    this.#core = core;
    this.#subscription = subscription;
    this.#entry = entry;
    this.#leave = leave;
  }

  isUnderWay(offset: number): boolean {
    return this.#underWay.has(offset);
  }

  /** True: the time of more messages is not to come yet. */
  holdBackDue(): boolean {
    this.#isFiringHeldBack =
      this.#underWay.size >= underWayMax || this.#held.length > 0 || this.#core.room.holdsBack(this.#subscription);
    return this.#isFiringHeldBack;
  }

  /** Its time has come. */
  due(offset: number): void {
    this.#underWay.add(offset);
    if (this.#held.length > 0 || this.#core.room.holdsBack(this.#subscription)) this.#held.push(offset);
    else this.#find(offset);
  }

  #find(offset: number): void {
    this.#subscription.withEntry(
      offset,
      () => {
        if (this.#core.room.holdsBack(this.#subscription)) this.#held.push(offset);
        else this.#depart(offset);
        this.#goOn();
      },
      () => {
        this.#underWay.delete(offset);
        this.#goOn();
      },
    );
  }

  /** There is one less under way. */
  #goOn(): void {
    if (this.#isFiringHeldBack && this.#underWay.size === underWayMax - 1) this.#subscription.wake();
  }

  /** Lets those go that waited for room, then those whose time had come before the last start. */
  run(): void {
    for (const offset of this.#held.splice(0)) {
      if (this.#subscription.settled.has(offset)) this.#underWay.delete(offset);
      else if (this.#held.length > 0 || this.#core.room.holdsBack(this.#subscription)) this.#held.push(offset);
      else this.#find(offset);
    }
    this.#runReady();
    if (this.#isFiringHeldBack) this.#core.schedule.goOn();
  }

  #runReady(): void {
    const subscription = this.#subscription;
    for (let left = departuresPerTurn; subscription.readyCount > 0; left--) {
      if (this.#held.length > 0 || this.#core.room.holdsBack(subscription)) return;
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
