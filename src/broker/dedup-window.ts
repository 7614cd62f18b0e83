/**
 * Message ids seen lately, bounded by time and by number. What is remembered is written to the journal with the message
 * that it guards, in the same block: the window is exactly as durable as what it protects.
 *
 * Most ids are remembered for as long as the policy says, so what is kept of them is when they were seen. A message may say
 * itself for how long (`untilMs`): that is kept instead, whatever the policy is or becomes.
 */
import type { DedupPolicy } from "./api.ts";

/** Past all times of a clock that shows the time, within six octets. */
const untilMark = 2 ** 47;

/** An id is remembered until then: what add() takes instead of the time at which it was seen. */
export function untilMs(timeMs: number): number {
  return untilMark + Math.min(timeMs, untilMark - 1);
}

/** Of what a window keeps with an id: it is such an answer. */
export function isUntil(seenAt: number): boolean {
  return seenAt >= untilMark;
}

/** Fewer are not worth beginning anew. */
const deletedMin = 64;

export class DedupWindow {
  /** May change: what is remembered stays, as far as the new one allows. */
  policy: DedupPolicy;
  /** In order of arrival, which but for those that say it themselves is the order of expiry. */
  readonly #seenAt = new Map<string, number>();
  /** Goes on where it was, over what was deleted before it: one that begins anew would pass all of that each time. */
  #arrivals = this.#seenAt.entries();
  /** The next of those; undefined: not looked for yet. */
  #oldest: [string, number] | undefined;
  /** Since the iterator began: it keeps what was deleted from being forgotten for as long as it stands. */
  #deleted = 0;

  constructor(policy: DedupPolicy) {
    this.policy = policy;
  }

  has(id: string, nowMs: number): boolean {
    this.#forget(nowMs);
    const seenAt = this.#seenAt.get(id);
    return seenAt !== undefined && this.#endMs(seenAt) > nowMs;
  }

  /** `seenAt`: ms since 1970, or what untilMs() answers. */
  add(id: string, seenAt: number): void {
    // Behind the others, also if it is there: a replayed journal has ids that were seen again when their time was over.
    this.#delete(id);
    this.#seenAt.set(id, seenAt);
    // It ends whatever the bound is: below zero or no number at all, as older versions kept them, nothing is remembered.
    while (this.#seenAt.size > 0 && !(this.#seenAt.size <= this.policy.maxIds)) this.#delete(this.#first()![0]);
  }

  toJson(): [string, number][] {
    return [...this.#seenAt];
  }

  #endMs(seenAt: number): number {
    if (isUntil(seenAt)) return seenAt - untilMark;
    return this.policy.windowMs === 0 ? Infinity : seenAt + this.policy.windowMs;
  }

  /** One that is over may stay behind one that is not. Their number bounds them all the same. */
  #forget(nowMs: number): void {
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      if (this.#endMs(first[1]) > nowMs) return;
      this.#delete(first[0]);
    }
  }

  #first(): [string, number] | undefined {
    if (this.#oldest !== undefined || this.#seenAt.size === 0) return this.#oldest;
    let step = this.#arrivals.next();
    if (step.done === true) step = (this.#arrivals = this.#seenAt.entries()).next();
    return (this.#oldest = step.value);
  }

  #delete(id: string): void {
    if (!this.#seenAt.delete(id)) return;
    if (this.#oldest?.[0] === id) this.#oldest = undefined;
    if (++this.#deleted <= this.#seenAt.size + deletedMin) return;
    this.#deleted = 0;
    this.#arrivals = this.#seenAt.entries();
    this.#oldest = undefined;
  }
}
