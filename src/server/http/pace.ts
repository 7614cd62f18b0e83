/**
 * Keeps those who read long lists from taking the time of those who send messages. What making pieces of answers takes is
 * measured, and so is finding and sorting what is in them (slices.ts); while the process has much else to do, no more than a
 * small share of the time goes to it, and the next piece waits. Some of it is saved up, so that an answer or a few hundred pages come at once; only who reads on and on is slowed. A process
 * that has little else to do slows nobody.
 *
 * Rejected: a bound of requests a second (a page of ten and one of five hundred are not the same), and a thread of its own
 * (it would have to be told of everything, which costs more than it saves).
 */

import type { Clock } from "../../base/clock.ts";

export interface PaceOptions {
  readonly clock: Clock;
  /** Milliseconds in which the event loop had something to do, since some time in the past. */
  readonly activeMs: () => number;
}

/** Of the time, when there is much else to do. Sending the pieces comes on top. */
const shareMax = 0.025;
/** What may be saved up, ms of work. */
const savedMsMax = 250;
/** More of the time than this is much. */
const busyShare = 0.5;
/** How long is looked at to tell. */
const windowMs = 100;
/** The longest that a piece waits at once; then it is looked again. */
const waitMsMax = 250;

export class Pace {
  readonly #clock: Clock;
  readonly #activeMs: () => number;
  #savedMs = savedMsMax;
  #savedAtMs: number;
  #spentMs = 0;
  #isBusy = false;
  #seen: { readonly atMs: number; readonly activeMs: number; readonly spentMs: number };

  constructor({ clock, activeMs }: PaceOptions) {
    this.#clock = clock;
    this.#activeMs = activeMs;
    this.#savedAtMs = clock.now();
    this.#seen = { atMs: clock.now(), activeMs: activeMs(), spentMs: 0 };
  }

  /** A piece took so long to make. */
  spent(ms: number): void {
    this.#spentMs += ms;
    this.#savedMs -= ms;
  }

  /** How long the next piece should wait, ms; 0: not at all. */
  get waitMs(): number {
    this.#look();
    if (!this.#isBusy || this.#savedMs >= 0) return 0;
    return Math.min(waitMsMax, Math.ceil(-this.#savedMs / shareMax));
  }

  #look(): void {
    const nowMs = this.#clock.now();
    const passedMs = Math.max(0, nowMs - this.#savedAtMs);
    this.#savedAtMs = nowMs;
    this.#savedMs = Math.min(savedMsMax, this.#savedMs + passedMs * shareMax);
    const { atMs, activeMs, spentMs } = this.#seen;
    if (nowMs >= atMs && nowMs - atMs < windowMs) return;
    const active = this.#activeMs();
    const others = active - activeMs - (this.#spentMs - spentMs);
    this.#isBusy = others > (nowMs - atMs) * busyShare;
    // Debts of a time in which nobody was in the way are forgotten.
    if (!this.#isBusy) this.#savedMs = Math.max(this.#savedMs, 0);
    this.#seen = { atMs: nowMs, activeMs: active, spentMs: this.#spentMs };
  }
}
