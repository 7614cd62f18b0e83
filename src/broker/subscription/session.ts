/**
 * One party's leases, numbered from 1 in order of delivery, in a ring of parallel arrays: granting and settling touch a
 * few array elements and allocate nothing. A slot is emptied when its lease is settled; the head moves over empty slots,
 * so the ring is as long as the distance from the oldest outstanding lease to the newest. Where that is long and few are
 * outstanding (one job of an hour among a million of a millisecond), the oldest are put aside into a map, and the ring
 * stays as it is.
 */
import { assert } from "../../base/assert.ts";
import type { TimerHandle } from "../../base/clock.ts";
import type { ConsumeOptions, ConsumeRefusal, Consumer, Entry, Queue, Receiver, Session, Settlement } from "../api.ts";
import type { Core } from "../core.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import { attach, getOne } from "./attach.ts";
import type { ConsumerState } from "./consumer-state.ts";
import type { LeaseOwner } from "./lease-owner.ts";

/** A ring of this many slots is not doubled while less than a quarter of it is in use. */
const sparseSlots = 4096;

/** An old lease that is not in the ring any more. */
interface Straggler {
  readonly owner: LeaseOwner;
  readonly holder: ConsumerState | undefined;
  readonly offset: number;
  readonly grantedMs: number;
  limitMs: number;
}

/** How long it is at most and at least from one look for overdue leases to the next, which takes in all there are. */
const deadlineCheckMsMax = 60_000;
const deadlineCheckMsMin = 1000;

export class SessionState implements Session {
  leasedCount = 0;
  /** Of those, delivered to consumers. */
  #deliveredCount = 0;
  readonly consumers = new Set<ConsumerState>();
  isClosed = false;
  readonly #core: Core;
  #owners: (LeaseOwner | undefined)[] = new Array<LeaseOwner | undefined>(16);
  #holders: (ConsumerState | undefined)[] = new Array<ConsumerState | undefined>(16);
  #offsets = new Float64Array(16);
  #grantedMs = new Float64Array(16);
  /** How long each may be outstanding; 0: as long as it takes. Kept while #deadline is set. */
  #limitMs = new Float64Array(16);
  #mask = 15;
  /** Oldest lease in the ring that may be outstanding. */
  #head = 1;
  /** Leases below the head, in order. */
  readonly #stragglers = new Map<number, Straggler>();
  /** The next lease's number. */
  #next = 1;
  #creditLimit = 0;
  #isPaused = false;
  #deadline: TimerHandle | undefined;
  #checkEveryMs = deadlineCheckMsMax;
  #getLeaseMs = 0;
  #getTimedOut: ((leaseMs: number) => void) | undefined;

  constructor(core: Core) {
    this.#core = core;
    core.sessions.add(this);
  }

  get lastLease(): number {
    return this.#next - 1;
  }

  hasCredit(noAck: boolean): boolean {
    return !this.#isPaused && (this.#creditLimit === 0 || noAck || this.#deliveredCount < this.#creditLimit);
  }

  setCreditLimit(limit: number): void {
    this.#creditLimit = limit;
    this.#wakeAll();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wakeAll();
  }

  consume(queue: Queue, options: ConsumeOptions, receiver: Receiver): Consumer | ConsumeRefusal {
    assert(!this.isClosed, "a closed session does not consume");
    const consumer = attach(this.#core, this, queue as QueueState, options, receiver);
    if (!("refused" in consumer)) {
      this.consumers.add(consumer);
      if (options.leaseMs > 0) this.#watchDeadlines(options.leaseMs);
    }
    return consumer;
  }

  limitGets(leaseMs: number, timedOut: (leaseMs: number) => void): void {
    this.#getLeaseMs = leaseMs;
    this.#getTimedOut = timedOut;
    if (leaseMs > 0) this.#watchDeadlines(leaseMs);
  }

  get(
    queue: Queue,
    noAck: boolean,
    done: (lease: number, entry: Entry | undefined, isRedelivered: boolean, returns: number, failures: number) => void,
    subscription?: string,
  ): void {
    getOne(this, queue as QueueState, noAck, done, subscription);
  }

  /** Gives out the next lease number; with an owner, it is outstanding until settled. */
  grant(owner: LeaseOwner | undefined, offset: number, consumer: ConsumerState | undefined): number {
    const lease = this.#next++;
    if (owner === undefined) {
      if (this.#head === lease) this.#head = this.#next;
      else if (lease - this.#head > this.#mask) this.#makeRoom();
      return lease;
    }
    if (lease - this.#head > this.#mask) this.#makeRoom();
    const at = lease & this.#mask;
    this.#owners[at] = owner;
    this.#holders[at] = consumer;
    this.#offsets[at] = offset;
    this.#grantedMs[at] = this.#core.now();
    if (this.#deadline !== undefined) {
      this.#limitMs[at] = consumer === undefined ? this.#getLeaseMs : consumer.options.leaseMs;
    }
    this.leasedCount++;
    if (consumer !== undefined) {
      this.#deliveredCount++;
      consumer.leasedCount++;
    }
    return lease;
  }

  holds(lease: number): boolean {
    if (lease < this.#head) return this.#stragglers.has(lease);
    return lease < this.#next && this.#owners[lease & this.#mask] !== undefined;
  }

  holdBack(lease: number, multiple: boolean): boolean {
    return (multiple && lease === 0) || this.holds(lease);
  }

  holdsOfQueue(lease: number, multiple: boolean): boolean {
    const last = multiple && lease === 0 ? this.lastLease : lease;
    const first = multiple ? 1 : lease;
    for (const [one, { owner }] of this.#stragglers)
      if (one >= first && one <= last && owner.isLog !== true) return true;
    for (let one = Math.max(first, this.#head); one <= Math.min(last, this.lastLease); one++) {
      const owner = this.#owners[one & this.#mask];
      if (owner !== undefined && owner.isLog !== true) return true;
    }
    return false;
  }

  countUpTo(lease: number): number {
    const last = Math.min(lease, this.lastLease);
    let count = 0;
    for (const one of this.#stragglers.keys()) {
      if (one > last) break;
      count++;
    }
    for (let one = this.#head; one <= last; one++) if (this.#owners[one & this.#mask] !== undefined) count++;
    return count;
  }

  settle(lease: number, multiple: boolean, settlement: Settlement): number {
    if (!multiple) {
      if (!this.holds(lease)) return 0;
      this.#settleOne(lease, settlement);
      this.#moveHead();
      return 1;
    }
    return this.#settleUpTo(lease === 0 ? this.lastLease : Math.min(lease, this.lastLease), settlement, undefined);
  }

  releaseAll(isKept?: (lease: number) => boolean): void {
    this.#settleUpTo(this.lastLease, "fail", isKept);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#core.sessions.delete(this);
    for (const consumer of [...this.consumers]) consumer.cancel();
    this.settle(0, true, "fail");
    if (this.#deadline !== undefined) this.#core.clock.clearTimer(this.#deadline);
    this.#deadline = undefined;
  }

  /** Adds the offsets that are leased from `owner`. */
  leasedOf(owner: LeaseOwner, offsets: number[]): void {
    for (const straggler of this.#stragglers.values()) if (straggler.owner === owner) offsets.push(straggler.offset);
    for (let lease = this.#head; lease < this.#next; lease++) {
      const at = lease & this.#mask;
      if (this.#owners[at] === owner) offsets.push(this.#offsets[at]!);
    }
  }

  /** All that is outstanding up to `last`, but for those that `isKept` names. */
  #settleUpTo(last: number, settlement: Settlement, isKept: ((lease: number) => boolean) | undefined): number {
    let count = 0;
    for (const one of this.#stragglers.keys()) {
      if (one > last) break;
      if (isKept?.(one) === true) continue;
      this.#settleOne(one, settlement);
      count++;
    }
    for (let one = this.#head; one <= last; one++) {
      if (this.#owners[one & this.#mask] === undefined || isKept?.(one) === true) continue;
      this.#settleOne(one, settlement);
      count++;
    }
    this.#moveHead();
    return count;
  }

  #settleOne(lease: number, settlement: Settlement): void {
    if (lease < this.#head) {
      const { owner, holder, offset, grantedMs } = this.#stragglers.get(lease)!;
      this.#stragglers.delete(lease);
      return this.#end(owner, holder, offset, grantedMs, settlement);
    }
    const at = lease & this.#mask;
    const owner = this.#owners[at]!;
    const holder = this.#holders[at];
    this.#owners[at] = undefined;
    this.#holders[at] = undefined;
    this.#end(owner, holder, this.#offsets[at]!, this.#grantedMs[at]!, settlement);
  }

  #end(
    owner: LeaseOwner,
    holder: ConsumerState | undefined,
    offset: number,
    grantedMs: number,
    settlement: Settlement,
  ): void {
    if (settlement === "accept" || settlement === "reject")
      this.#core.measures.settleMs.add(this.#core.now() - grantedMs);
    this.leasedCount--;
    if (holder !== undefined) {
      holder.leasedCount--;
      this.#deliveredCount--;
      if (this.#creditLimit > 0 && this.#deliveredCount === this.#creditLimit - 1) this.#wakeAll();
    }
    owner.settle(offset, settlement, holder);
  }

  #moveHead(): void {
    while (this.#head < this.#next && this.#owners[this.#head & this.#mask] === undefined) this.#head++;
  }

  #wakeAll(): void {
    for (const consumer of this.consumers) consumer.regained();
  }

  /** The ring is too short for the lease that was just numbered. */
  #makeRoom(): void {
    const slots = this.#mask + 1;
    if (slots < sparseSlots || (this.leasedCount - this.#stragglers.size) * 4 > slots) return this.#grow();
    const end = this.#head + slots / 2;
    for (let lease = this.#head; lease < end; lease++) {
      const at = lease & this.#mask;
      const owner = this.#owners[at];
      if (owner === undefined) continue;
      const limitMs = this.#deadline === undefined ? 0 : this.#limitMs[at]!;
      const [offset, grantedMs] = [this.#offsets[at]!, this.#grantedMs[at]!];
      this.#stragglers.set(lease, { owner, holder: this.#holders[at], offset, grantedMs, limitMs });
      this.#owners[at] = undefined;
      this.#holders[at] = undefined;
    }
    this.#head = end;
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2;
    const owners = new Array<LeaseOwner | undefined>(size);
    const holders = new Array<ConsumerState | undefined>(size);
    const offsets = new Float64Array(size);
    const granted = new Float64Array(size);
    const limits = new Float64Array(size);
    for (let lease = this.#head; lease < this.#next - 1; lease++) {
      const from = lease & this.#mask;
      const to = lease & (size - 1);
      owners[to] = this.#owners[from];
      holders[to] = this.#holders[from];
      offsets[to] = this.#offsets[from]!;
      granted[to] = this.#grantedMs[from]!;
      limits[to] = this.#limitMs[from]!;
    }
    this.#owners = owners;
    this.#holders = holders;
    this.#offsets = offsets;
    this.#grantedMs = granted;
    this.#limitMs = limits;
    this.#mask = size - 1;
  }

  /** Looks at the leases every `leaseMs`, or so often as it may, for as long as there are some or may be. */
  #watchDeadlines(leaseMs: number): void {
    const { clock } = this.#core;
    const everyMs = Math.max(leaseMs, deadlineCheckMsMin);
    if (this.#deadline !== undefined) {
      if (everyMs >= this.#checkEveryMs) return;
      clock.clearTimer(this.#deadline);
    } else {
      // Until now nothing had a limit, and what was granted then has none.
      this.#limitMs.fill(0);
      for (const straggler of this.#stragglers.values()) straggler.limitMs = 0;
      this.#checkEveryMs = deadlineCheckMsMax;
    }
    this.#checkEveryMs = Math.min(everyMs, this.#checkEveryMs);
    const check = (): void => {
      this.#deadline = undefined;
      if (this.isClosed || (this.consumers.size === 0 && this.leasedCount === 0)) return;
      this.#deadline = clock.setTimer(clock.now() + this.#checkEveryMs, check);
      this.#checkDeadlines();
    };
    this.#deadline = clock.setTimer(clock.now() + this.#checkEveryMs, check);
  }

  #checkDeadlines(): void {
    const now = this.#core.now();
    for (const { holder, grantedMs, limitMs } of this.#stragglers.values()) {
      if (limitMs > 0 && now - grantedMs >= limitMs) return this.#overdue(holder, limitMs);
    }
    for (let lease = this.#head; lease < this.#next; lease++) {
      const at = lease & this.#mask;
      const limitMs = this.#limitMs[at]!;
      if (this.#owners[at] === undefined || limitMs === 0 || now - this.#grantedMs[at]! < limitMs) continue;
      return this.#overdue(this.#holders[at], limitMs);
    }
  }

  #overdue(holder: ConsumerState | undefined, limitMs: number): void {
    if (holder !== undefined) holder.receiver.ended("lease-timeout");
    else this.#getTimedOut?.(limitMs);
  }
}
