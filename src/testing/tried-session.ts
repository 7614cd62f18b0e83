/**
 * A channel's session, whose settlements may go wrong. It remembers from which queue each delivery came, for faults are asked
 * for by the names of queues, and a settlement has a number alone.
 */

import type {
  Consumer,
  ConsumeOptions,
  ConsumeRefusal,
  Entry,
  Queue,
  Receiver,
  Session,
  Settlement,
} from "../broker/api.ts";
import type { Party } from "./party.ts";
import type { Tried } from "./tried.ts";

type Got = Parameters<Session["get"]>[2];

export class TriedSession implements Session {
  readonly #inner: Session;
  readonly #by: Party;
  readonly #tried: Tried;
  readonly #queueByLease = new Map<number, string>();

  constructor(inner: Session, by: Party, tried: Tried) {
    this.#inner = inner;
    this.#by = by;
    this.#tried = tried;
  }

  settle(lease: number, multiple: boolean, settlement: Settlement): number {
    const { faults, sockets } = this.#tried;
    const leases = this.#settledBy(lease, multiple);
    const names = new Set(leases.map((one) => this.#queueByLease.get(one)!));
    for (const one of leases) this.#queueByLease.delete(one);
    const isLost = sockets.isCut(this.#by.socket);
    const fault = isLost || leases.length === 0 ? undefined : faults.take("ack", this.#by, [...names]);
    if (fault?.what === "cut") sockets.cut(this.#by.socket);
    // What a connection that was cut has settled goes back, and so do deliveries that nobody is to have settled.
    return this.#inner.settle(lease, multiple, isLost || fault !== undefined ? "release" : settlement);
  }

  #settledBy(lease: number, multiple: boolean): number[] {
    if (!multiple) return this.#queueByLease.has(lease) ? [lease] : [];
    const all = [...this.#queueByLease.keys()];
    return lease === 0 ? all : all.filter((one) => one <= lease);
  }

  consume(queue: Queue, options: ConsumeOptions, receiver: Receiver): Consumer | ConsumeRefusal {
    const queueByLease = this.#queueByLease;
    const { name } = queue;
    const noted: Receiver = {
      deliver(lease, entry, isRedelivered, returns, failures) {
        if (!options.noAck) queueByLease.set(lease, name);
        receiver.deliver(lease, entry, isRedelivered, returns, failures);
      },
      ended: (reason) => receiver.ended(reason),
      activity: (isActive) => receiver.activity?.(isActive),
    };
    return this.#inner.consume(queue, options, noted);
  }

  get(queue: Queue, noAck: boolean, done: Got, subscription?: string): void {
    const noted: Got = (lease: number, entry: Entry | undefined, isRedelivered, returns, failures) => {
      if (entry !== undefined && !noAck) this.#queueByLease.set(lease, queue.name);
      done(lease, entry, isRedelivered, returns, failures);
    };
    this.#inner.get(queue, noAck, noted, subscription);
  }

  // As it is

  get leasedCount(): number {
    return this.#inner.leasedCount;
  }
  get lastLease(): number {
    return this.#inner.lastLease;
  }
  setCreditLimit(limit: number): void {
    this.#inner.setCreditLimit(limit);
  }
  limitGets(leaseMs: number, timedOut: (leaseMs: number) => void): void {
    this.#inner.limitGets(leaseMs, timedOut);
  }
  holds(lease: number): boolean {
    return this.#inner.holds(lease);
  }
  countUpTo(lease: number): number {
    return this.#inner.countUpTo(lease);
  }
  releaseAll(isKept?: (lease: number) => boolean): void {
    for (const lease of this.#queueByLease.keys()) if (isKept?.(lease) !== true) this.#queueByLease.delete(lease);
    this.#inner.releaseAll(isKept);
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  close(): void {
    this.#queueByLease.clear();
    this.#inner.close();
  }
}
