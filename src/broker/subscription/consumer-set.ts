/**
 * The consumers of one subscription, and the line in which they are served (RabbitMQ's rule, which clients' tests see).
 *
 * Who is in line may get the next message. Who got one goes to the end of the line, behind all of the same priority.
 * Who turns out to have no credit when its turn comes leaves the line, and comes back at its end with the credit. So
 * finding the next costs nothing however many consumers are full.
 */
import type { ConsumeRefusal } from "../api.ts";
import type { ConsumerState } from "./consumer-state.ts";

export class ConsumerSet {
  /** By arrival. */
  readonly all: ConsumerState[] = [];
  /** By priority, then by turn. */
  readonly #line: ConsumerState[] = [];
  /** One is active at a time, the others wait in order of arrival. */
  readonly #isFailover: boolean;

  constructor(isFailover: boolean) {
    this.#isFailover = isFailover;
  }

  add(consumer: ConsumerState): ConsumeRefusal | undefined {
    const { all } = this;
    if (all.some((other) => other.options.exclusive) || (consumer.options.exclusive && all.length > 0)) {
      return { refused: "exclusive" };
    }
    all.push(consumer);
    if (this.#isFailover) consumer.isActive = all.length === 1;
    if (consumer.isActive) tellActive(consumer);
    this.#lineUp(consumer);
    return undefined;
  }

  /** Answers whether it was there. */
  remove(consumer: ConsumerState): boolean {
    const at = this.all.indexOf(consumer);
    if (at < 0) return false;
    this.all.splice(at, 1);
    const place = this.#line.indexOf(consumer);
    if (place >= 0) this.#line.splice(place, 1);
    const next = this.all[0];
    if (this.#isFailover && next !== undefined && !next.isActive) {
      next.isActive = true;
      tellActive(next);
    }
    return true;
  }

  /** Whose turn it is, if anybody has credit. */
  next(): ConsumerState | undefined {
    if (this.#isFailover) return this.#active();
    const line = this.#line;
    while (line.length > 0) {
      const first = line[0]!;
      if (first.hasCredit) return first;
      line.shift();
      first.isInLine = false;
      first.isStarved = true;
    }
    return undefined;
  }

  #active(): ConsumerState | undefined {
    const active = this.all[0];
    if (active === undefined || active.hasCredit) return active;
    active.isStarved = true;
    return undefined;
  }

  /** The one that next() named got a message. */
  served(consumer: ConsumerState): void {
    if (this.#line.length < 2 || this.#line[0] !== consumer) return;
    this.#line.shift();
    this.#lineUp(consumer);
  }

  /** It may have credit again. */
  regained(consumer: ConsumerState): void {
    if (!consumer.isInLine && !consumer.isCancelled) this.#lineUp(consumer);
  }

  #lineUp(consumer: ConsumerState): void {
    const line = this.#line;
    consumer.isInLine = true;
    let at = line.length;
    while (at > 0 && line[at - 1]!.options.priority < consumer.options.priority) at--;
    if (at === line.length) line.push(consumer);
    else line.splice(at, 0, consumer);
  }
}

/** A consumer of several partitions hears it once. */
function tellActive(consumer: ConsumerState): void {
  if (consumer.holder === consumer) consumer.receiver.activity?.(true);
}
