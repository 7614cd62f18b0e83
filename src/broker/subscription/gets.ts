/** Those who asked a subscription for one message, and are answered in the order in which they asked. */
import type { EntryCursor } from "../entry.ts";
import type { GetDone } from "./lease-owner.ts";
import type { SessionState } from "./session.ts";
import type { Subscription } from "./subscription.ts";

/** `end`: what was appended before they asked is waited for. */
interface Get {
  readonly session: SessionState;
  readonly noAck: boolean;
  readonly done: GetDone;
  readonly end: number;
}

export class Gets {
  readonly #subscription: Subscription;
  /** Of the subscription: takeReady() finds the message there. */
  readonly #entry: EntryCursor;
  readonly #waiting: Get[] = [];

  constructor(subscription: Subscription, entry: EntryCursor) {
    this.#subscription = subscription;
    this.#entry = entry;
  }

  add(session: SessionState, noAck: boolean, done: GetDone): void {
    this.#waiting.push({ session, noAck, done, end: this.#subscription.partition.next });
  }

  /** As far as there is an answer. Who is told may delete the queue. */
  answer(): void {
    const subscription = this.#subscription;
    const waiting = this.#waiting;
    for (let first = waiting[0]; first !== undefined && !subscription.isDeleted; first = waiting[0]) {
      const { session, done, end } = first;
      const offset = session.isClosed ? -1 : subscription.takeReady(false);
      if (offset < 0 && !session.isClosed && this.#mayCome(end)) return;
      waiting.shift();
      if (offset >= 0) {
        this.#hand(first, offset);
        continue;
      }
      // Somebody may wait for the answer, though it cannot be a message any more.
      if (!session.isClosed) subscription.counters.getEmpty++;
      done(0, undefined, false, 0, 0);
    }
  }

  /** There is nothing to be had here any more. */
  end(): void {
    for (const { done } of this.#waiting.splice(0)) done(0, undefined, false, 0, 0);
  }

  #mayCome(end: number): boolean {
    const { partition, ready, undecided } = this.#subscription;
    return end > partition.visibleEnd || ready.peek(undecided.end) >= 0;
  }

  #hand({ session, noAck, done }: Get, offset: number): void {
    const subscription = this.#subscription;
    subscription.noLongerReady(offset);
    const attempts = subscription.attempts.get(offset);
    const isRedelivered = attempts !== undefined || offset < subscription.redeliveredBelow;
    const lease = session.grant(noAck ? undefined : subscription, offset, undefined);
    if (!noAck) subscription.leasedCount++;
    subscription.counters.taken(noAck, isRedelivered);
    // Whoever asks is told how many are left: the dead are not.
    subscription.expireBeside(offset);
    done(lease, this.#entry, isRedelivered, attempts?.returns ?? 0, attempts?.failures ?? 0);
    if (noAck) subscription.finish(offset);
  }
}
