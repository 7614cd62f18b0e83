/**
 * A channel's session, whose settlements may go wrong. It remembers from which queue each delivery came, for faults are asked
 * for by the names of queues, and a settlement has a number alone.
 *
 * A transaction is whole, whatever is asked for: what is to cut a connection at a settlement cuts it when that is held
 * back, and the commit never comes, or comes too late and does nothing. At a commit it is too late for both, since messages
 * are published by then.
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
import type { NamesFor } from "./faults.ts";
import type { Party } from "./party.ts";
import type { Tried } from "./tried.ts";

type Got = Parameters<Session["get"]>[2];

export class TriedSession implements Session {
  readonly #inner: Session;
  readonly #by: Party;
  readonly #tried: Tried;
  readonly #queueByLease = new Map<number, string>();
  /** Of those, what was read of a log: nobody takes it back. */
  readonly #read = new Set<number>();
  /** Settlements are held back, and then come by a commit. A channel never goes back from that. */
  #isTransactional = false;

  constructor(inner: Session, by: Party, tried: Tried) {
    this.#inner = inner;
    this.#by = by;
    this.#tried = tried;
  }

  settle(lease: number, multiple: boolean, settlement: Settlement): number {
    const { faults, sockets } = this.#tried;
    const leases = this.#settledBy(lease, multiple);
    const names = this.#namesOf(leases);
    const returning = leases.filter((one) => !this.#read.has(one));
    const returningNames = returning.length === 0 ? undefined : this.#namesOf(returning);
    for (const one of leases) this.#forget(one);
    const isLost = sockets.isCut(this.#by.socket);
    const namesFor: NamesFor = (what) => (what === "ignore-ack" ? returningNames : names);
    const isAsked = !isLost && !this.#isTransactional && leases.length > 0;
    const fault = isAsked ? faults.take("ack", this.#by, namesFor) : undefined;
    if (fault?.what === "cut") sockets.cut(this.#by.socket);
    // What a connection that was cut has settled goes back, and so do deliveries that nobody is to have settled.
    return this.#inner.settle(lease, multiple, isLost || fault !== undefined ? "release" : settlement);
  }

  holdBack(lease: number, multiple: boolean): boolean {
    this.#isTransactional = true;
    const { faults, sockets } = this.#tried;
    const { socket } = this.#by;
    const leases = this.#settledBy(lease, multiple);
    const namesFor: NamesFor = (what) => (what === "cut" ? this.#namesOf(leases) : undefined);
    const isAsked = !sockets.isCut(socket) && leases.length > 0;
    if (isAsked && faults.take("ack", this.#by, namesFor) !== undefined) sockets.cut(socket);
    return this.#inner.holdBack(lease, multiple);
  }

  #namesOf(leases: readonly number[]): string[] {
    return [...new Set(leases.map((one) => this.#queueByLease.get(one)!))];
  }

  #forget(lease: number): void {
    this.#queueByLease.delete(lease);
    this.#read.delete(lease);
  }

  #settledBy(lease: number, multiple: boolean): number[] {
    if (!multiple) return this.#queueByLease.has(lease) ? [lease] : [];
    const all = [...this.#queueByLease.keys()];
    return lease === 0 ? all : all.filter((one) => one <= lease);
  }

  consume(queue: Queue, options: ConsumeOptions, receiver: Receiver): Consumer | ConsumeRefusal {
    const queueByLease = this.#queueByLease;
    const { name, settings } = queue;
    const isReader =
      options.subscription === undefined && (settings.mode === "offset" || options.startAt !== undefined);
    const read = this.#read;
    const noted: Receiver = {
      deliver(lease, entry, isRedelivered, returns, failures) {
        if (!options.noAck) queueByLease.set(lease, name);
        if (!options.noAck && isReader) read.add(lease);
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
  holdsOfQueue(lease: number, multiple: boolean): boolean {
    return this.#inner.holdsOfQueue(lease, multiple);
  }
  countUpTo(lease: number): number {
    return this.#inner.countUpTo(lease);
  }
  releaseAll(isKept?: (lease: number) => boolean): void {
    for (const lease of this.#queueByLease.keys()) if (isKept?.(lease) !== true) this.#forget(lease);
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
    this.#read.clear();
    this.#inner.close();
  }
}
