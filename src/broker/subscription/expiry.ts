/**
 * Time to live: messages die at the head of their order, when their time is over, without anybody asking for them.
 *
 * Only heads are looked at: a message with a short life behind one with a long life dies when it gets there (the
 * original's rule, and the price of a timer per queue instead of one per message). So one timer is set, for the
 * earliest of the heads; a head that is not in memory is fetched first.
 */
import type { TimerHandle } from "../../base/clock.ts";
import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn expires at most: the rest waits for the next turn, so that nobody else starves. */
const deathsPerTurn = 1024;
/** A message that lives 0 ms is still given to a consumer that takes it in this time. */
const nowOrNeverMs = 1000;

export class Expiry {
  readonly #core: Core;
  readonly #subscription: Subscription;
  readonly #entry = new EntryCursor();
  #timer: TimerHandle | undefined;

  constructor(core: Core, subscription: Subscription) {
    this.#core = core;
    this.#subscription = subscription;
  }

  /** `isForConsumer`: one is there to take it. */
  isExpired(entry: EntryCursor, isForConsumer: boolean): boolean {
    const expiresMs = this.#expiresMs(entry);
    if (expiresMs === Infinity) return false;
    // Zero means: now or never. A consumer that waits is now.
    if (isForConsumer && this.#lifeMs(entry) === 0 && this.#core.now() - expiresMs < nowOrNeverMs) return false;
    return expiresMs <= this.#core.now();
  }

  /** Lets the heads die whose time is over, and sets the timer for the next. */
  run(): void {
    const subscription = this.#subscription;
    if (subscription.isDeleted) return;
    let nextMs = Infinity;
    for (let deaths = 0; deaths < deathsPerTurn; deaths++) {
      nextMs = this.#nextMs();
      if (nextMs > this.#core.now()) break;
      // Dispatched again when there is room: no time is to be waited for.
      if (subscription.deaths.mustWait()) return this.#setTimer(Infinity);
      this.#expireOne();
    }
    if (nextMs <= this.#core.now()) {
      nextMs = Infinity;
      subscription.wake();
    }
    this.#setTimer(nextMs);
  }

  stop(): void {
    this.#setTimer(Infinity);
  }

  #setTimer(atMs: number): void {
    if (this.#timer !== undefined) {
      if (this.#timer.atMs === atMs) return;
      this.#core.clock.clearTimer(this.#timer);
      this.#timer = undefined;
    }
    if (atMs === Infinity) return;
    this.#timer = this.#core.clock.setTimer(atMs, () => {
      this.#timer = undefined;
      this.#subscription.dispatch();
    });
  }

  /** -1: for ever. */
  #lifeMs(entry: EntryCursor): number {
    const { ttlMs } = this.#subscription.settings;
    return ttlMs >= 0 && (entry.ttlMs < 0 || ttlMs < entry.ttlMs) ? ttlMs : entry.ttlMs;
  }

  /** A delayed message begins to live when its delay is over. */
  #expiresMs(entry: EntryCursor): number {
    const lifeMs = this.#lifeMs(entry);
    return lifeMs < 0 ? Infinity : Math.max(entry.timestampMs, entry.deliverAtMs) + lifeMs;
  }

  /** When the first of the heads expires; a head that is not in memory is fetched and looked at later. */
  #nextMs(): number {
    const subscription = this.#subscription;
    const { ready, partition, undecided } = subscription;
    let nextMs = Infinity;
    ready.heads(undecided.end, (offset) => {
      if (subscription.passOverHead(offset)) nextMs = 0;
      else if (partition.look(offset, this.#entry)) nextMs = Math.min(nextMs, this.#expiresMs(this.#entry));
      // There is nothing: what comes next is the head.
      else if (subscription.missing.load(offset)) nextMs = 0;
    });
    return nextMs;
  }

  #expireOne(): void {
    const subscription = this.#subscription;
    const { ready, partition, undecided } = subscription;
    let dead = -1;
    ready.heads(undecided.end, (offset) => {
      if (dead >= 0 || subscription.passOverHead(offset)) return;
      if (partition.look(offset, this.#entry) && this.isExpired(this.#entry, false)) dead = offset;
    });
    if (dead < 0) return;
    ready.takeHead(dead);
    subscription.headDies(dead, "expired");
  }
}
