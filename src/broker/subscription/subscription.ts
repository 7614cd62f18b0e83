/**
 * Competing consumers on one partition: which message goes to whom, and what became of it.
 *
 * Every offset of the partition is, for this subscription, in exactly one state: *settled* (in the settled set), *leased*
 * (in the ring of a session), *scheduled* (in the schedule, waiting for its time), or *ready* (everything else; `ready`
 * knows the order). Only what differs from "ready in offset order" costs memory.
 *
 * Dispatch runs when entries became visible, credit came back, or a message returned: it takes the next ready message for
 * the next consumer with credit until one of the two runs out. Its limit is the smaller of `visibleEnd` (durable) and the
 * *horizon*: the journal says "offsets below H may have been delivered" before any of them is, so that after a crash
 * whatever lies below H and was not settled comes with the redelivered flag, and nothing else does. The horizon rides on
 * the block that makes the entries durable when a consumer is near the end, and runs ahead in steps otherwise.
 *
 * Settlements are collected as ranges and written once per block.
 */
import type { TimerHandle } from "../../base/clock.ts";
import { assert } from "../../base/assert.ts";
import type { ConsumeRefusal, DeathReason, Entry, QueueSettings, Settlement } from "../api.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { EntryCursor, writeU16, writeU32, writeU48 } from "../entry.ts";
import type { Partition, Wakeable } from "../topic/partition.ts";
import type { ConsumerState, Source } from "./consumer-state.ts";
import type { LeaseOwner } from "./lease-owner.ts";
import { KeyedReady, PriorityReady, type ReadySource, SequentialReady } from "./ready.ts";
import type { SessionState } from "./session.ts";
import { SettledSet } from "./settled-set.ts";

/** How far ahead of its cursor a horizon is written. */
const horizonStep = 8192;
/** Messages that one turn expires or drops at most: the rest waits for the next turn, so that nobody else starves. */
const deathsPerTurn = 1024;
/** A message whose dead-letter target is full is tried again after this. */
const deadLetterRetryMs = 1000;
/** Ranges in one record. */
const rangesPerRecord = 4096;

export type GetDone = (
  lease: number,
  entry: Entry | undefined,
  isRedelivered: boolean,
  returns: number,
  failures: number,
) => void;

interface Attempts {
  returns: number;
  failures: number;
  /** It waits for this time before it is ready again; 0: it does not. */
  readyAtMs: number;
}

export class Subscription implements Wakeable, LeaseOwner, Source {
  readonly id: number;
  readonly partition: Partition;
  readonly queueName: string;
  settings: QueueSettings;
  settled = new SettledSet();
  ready: ReadySource;
  readyCount = 0;
  readyBytes = 0;
  leasedCount = 0;
  scheduledCount = 0;
  readonly consumers: ConsumerState[] = [];
  /** Attempts of messages that came back at least once. */
  readonly attempts = new Map<number, Attempts>();
  /** Offsets below may have been delivered before the last crash. */
  redeliveredBelow = 0;
  /** Offsets below may be delivered now. */
  horizon: number;
  /** Called when the last consumer has left. */
  onUnused: () => void = () => undefined;
  /** Instead of becoming ready, a scheduled message is handed to this when its time has come, and settled. */
  onDue: ((entry: EntryCursor) => void) | undefined;
  isDeleted = false;
  /** Of the core: on the list of what is looked at at the end of this turn. */
  isWoken = false;
  readonly #core: Core;
  readonly #entry = new EntryCursor();
  readonly #gets: { session: SessionState; noAck: boolean; done: GetDone }[] = [];
  readonly #settledStarts: number[] = [];
  readonly #settledCounts: number[] = [];
  #horizonWritten = 0;
  #horizonWanted = 0;
  #isCollected = false;
  /** Some message here has, or may have, a time to live. */
  mayExpire = false;
  #expiry: TimerHandle | undefined;
  #turn = 0;
  #isLoading = false;
  #isDispatching = false;

  constructor(id: number, queueName: string, partition: Partition, settings: QueueSettings, core: Core) {
    this.id = id;
    this.queueName = queueName;
    this.partition = partition;
    this.settings = settings;
    this.#core = core;
    this.ready = createReady(settings);
    this.horizon = partition.isDurable ? 0 : Infinity;
    this.mayExpire = settings.ttlMs >= 0;
    partition.isGone =
      settings.retention.maxAgeMs === 0 && !this.keepsHistory
        ? (offset): boolean => this.settled.has(offset)
        : neverGone;
    partition.readers.add(this);
  }

  /** Settled entries stay readable for a while. */
  get keepsHistory(): boolean {
    const { retention } = this.settings;
    return retention.maxAgeMs > 0 || retention.maxBytes > 0 || retention.maxCount > 0 || !retention.untilSettled;
  }

  get hasConsumers(): boolean {
    return this.consumers.length > 0;
  }

  configure(settings: QueueSettings): void {
    this.settings = settings;
    if (settings.ttlMs >= 0) this.mayExpire = true;
    this.#enforceLength();
    this.wake();
  }

  // ---- what comes in

  /** The partition has a new entry. `deliverAtMs` 0: ready at once. */
  appended(
    offset: number,
    priority: number,
    key: string | undefined,
    bodyLength: number,
    deliverAtMs: number,
    ttlMs: number,
  ): void {
    if (deliverAtMs > 0 && deliverAtMs > this.#core.now()) {
      this.scheduledCount++;
      this.#core.schedule.add(deliverAtMs, this.id, offset);
      return;
    }
    if (this.ready.needsScan) this.ready.appended(offset, priority, key);
    this.readyCount++;
    this.readyBytes += bodyLength;
    if (ttlMs >= 0) this.mayExpire = true;
    const { maxLength, maxLengthBytes } = this.settings;
    if (maxLength >= 0 && this.readyCount > maxLength) this.#enforceLength();
    else if (maxLengthBytes >= 0 && this.readyBytes > maxLengthBytes) this.#enforceLength();
  }

  /** A full queue that refuses: nothing was appended yet. */
  refuses(bodyLength: number): boolean {
    const { maxLength, maxLengthBytes, overflow } = this.settings;
    if (overflow === "drop-head") return false;
    return (
      (maxLength >= 0 && this.readyCount + 1 > maxLength) ||
      (maxLengthBytes >= 0 && this.readyBytes + bodyLength > maxLengthBytes)
    );
  }

  /** The time of a message that was published for later has come. */
  due(offset: number): void {
    if (this.isDeleted || this.settled.has(offset)) return;
    if (this.onDue !== undefined) return this.#withEntry(offset, () => this.#passOn(offset));
    if (this.ready.needsScan) return this.#withEntry(offset, () => this.#becomeReady(offset));
    this.#becomeReady(offset);
  }

  /** The time of a message that came back has come. */
  retryDue(offset: number): void {
    const attempts = this.attempts.get(offset);
    if (this.isDeleted || attempts === undefined || attempts.readyAtMs === 0) return;
    attempts.readyAtMs = 0;
    this.scheduledCount--;
    if (this.ready.isAhead(offset)) {
      this.readyCount++;
      this.wake();
    } else this.#backInPlace(offset);
  }

  #passOn(offset: number): void {
    this.#core.commit.atomically(() => {
      this.onDue!(this.#entry);
      this.scheduledCount--;
      this.#finish(offset);
    });
  }

  #becomeReady(offset: number): void {
    this.scheduledCount--;
    this.readyCount++;
    this.readyBytes += Math.max(0, this.partition.bodyLength(offset));
    if (!this.ready.isAhead(offset)) {
      const isKnown = this.ready.needsScan && this.partition.look(offset, this.#entry);
      this.ready.due(offset, isKnown ? this.#entry.priority : 0, isKnown ? this.#entry.key() : undefined);
    }
    this.wake();
  }

  // ---- consumers

  attach(consumer: ConsumerState): ConsumeRefusal | undefined {
    const { consumers } = this;
    if (consumers.some((other) => other.options.exclusive) || (consumer.options.exclusive && consumers.length > 0)) {
      return { refused: "exclusive" };
    }
    let at = consumers.length;
    while (at > 0 && consumers[at - 1]!.options.priority < consumer.options.priority && !this.#isFailover) at--;
    consumers.splice(at, 0, consumer);
    this.#turn = 0;
    if (this.#isFailover) consumer.isActive = at === 0;
    if (consumer.isActive) consumer.receiver.activity?.(true);
    this.wake();
    return undefined;
  }

  detach(consumer: ConsumerState): void {
    const at = this.consumers.indexOf(consumer);
    if (at < 0) return;
    this.consumers.splice(at, 1);
    this.#turn = 0;
    const next = this.consumers[0];
    if (this.#isFailover && next !== undefined && !next.isActive) {
      next.isActive = true;
      next.receiver.activity?.(true);
    }
    this.wake();
    if (this.consumers.length === 0 && !this.isDeleted) this.onUnused();
  }

  /** The queue is gone: its consumers are told. */
  delete(): void {
    this.isDeleted = true;
    if (this.#expiry !== undefined) this.#core.clock.clearTimer(this.#expiry);
    this.partition.readers.delete(this);
    for (const consumer of [...this.consumers]) {
      consumer.cancel();
      consumer.receiver.ended("queue-deleted");
    }
    for (const { done } of this.#gets.splice(0)) done(0, undefined, false, 0, 0);
  }

  /** Something may be deliverable: looked at once at the end of this turn. */
  wake(): void {
    this.#core.wake(this);
  }

  get(session: SessionState, noAck: boolean, done: GetDone): void {
    this.#gets.push({ session, noAck, done });
    this.dispatch();
  }

  // ---- delivery

  dispatch(): void {
    if (this.#isDispatching || this.isDeleted) return;
    this.#isDispatching = true;
    if (this.#gets.length > 0) this.#answerGets();
    while (this.consumers.length > 0) {
      const consumer = this.#nextConsumer();
      if (consumer === undefined) break;
      const offset = this.#takeReady(true);
      if (offset < 0) break;
      this.#hand(offset, consumer);
    }
    this.#isDispatching = false;
    if (this.mayExpire) this.#expireHeads();
  }

  get #limit(): number {
    const { visibleEnd } = this.partition;
    return visibleEnd < this.horizon ? visibleEnd : this.horizon;
  }

  get #isFailover(): boolean {
    return this.settings.mode === "failover";
  }

  #nextConsumer(): ConsumerState | undefined {
    const { consumers } = this;
    const first = consumers[0]!;
    if (consumers.length === 1 || this.#isFailover) return first.hasCredit ? first : undefined;
    // Round robin within the highest priority that has credit.
    let at = 0;
    while (at < consumers.length) {
      const { priority } = consumers[at]!.options;
      let end = at + 1;
      while (end < consumers.length && consumers[end]!.options.priority === priority) end++;
      for (let i = 0; i < end - at; i++) {
        const index = at + ((this.#turn + i) % (end - at));
        if (consumers[index]!.hasCredit) {
          this.#turn = index - at + 1;
          return consumers[index];
        }
      }
      at = end;
    }
    return undefined;
  }

  /** Takes the next message that can be delivered and moves #entry onto it; -1: none now. */
  #takeReady(isForConsumer: boolean): number {
    for (;;) {
      const limit = this.#limit;
      const offset = this.ready.peek(limit);
      if (offset < 0) {
        if (this.horizon < this.partition.visibleEnd) this.#wantHorizon();
        return -1;
      }
      if (!this.partition.look(offset, this.#entry)) {
        if (this.settled.has(offset)) this.ready.take();
        else if (!this.#load(offset)) return -1;
        continue;
      }
      this.ready.take();
      if (this.keepsHistory && this.settled.has(offset)) continue;
      if (this.#isScheduled(offset, this.#entry)) continue;
      if (this.mayExpire && this.#isExpired(this.#entry, isForConsumer)) {
        this.#die(offset, "expired");
        continue;
      }
      if (this.horizon - offset < horizonStep / 2 && this.horizon < this.partition.visibleEnd) this.#wantHorizon();
      return offset;
    }
  }

  /** The cursor passes over it: the schedule will bring it. */
  #isScheduled(offset: number, entry: EntryCursor): boolean {
    if (entry.deliverAtMs > entry.timestampMs && !this.#core.schedule.hasFired(this.id, entry.deliverAtMs, offset))
      return true;
    return this.attempts.size > 0 && (this.attempts.get(offset)?.readyAtMs ?? 0) > 0;
  }

  /** False: the answer comes later. True: the offset is a hole that is now accounted for. */
  #load(offset: number): boolean {
    if (this.#isLoading) return false;
    this.#isLoading = true;
    let isSync = true;
    this.partition.load(offset, this.ready.needsScan, (coveredEnd) => {
      this.#isLoading = false;
      if (this.isDeleted) return;
      for (let hole = offset; hole < coveredEnd && hole < this.partition.visibleEnd; hole++) {
        if (this.partition.pageOf(hole) !== undefined && this.partition.bodyLength(hole) >= 0) break;
        if (!this.settled.has(hole)) this.#vanished(hole);
      }
      if (!isSync) this.wake();
    });
    isSync = false;
    return !this.#isLoading;
  }

  /** An entry that should be there is not: it was never durable, or its bytes are damaged (and were reported). */
  #vanished(offset: number): void {
    if (!this.settled.add(offset)) return;
    if (this.readyCount > 0) this.readyCount--;
    this.#noteSettled(offset, 1);
    this.partition.remove(offset);
  }

  #hand(offset: number, consumer: ConsumerState): void {
    const { noAck } = consumer.options;
    const entry = this.#entry;
    this.readyCount--;
    this.readyBytes -= entry.bodyEnd - entry.bodyStart;
    const attempts = this.attempts.size > 0 ? this.attempts.get(offset) : undefined;
    const isRedelivered = attempts !== undefined || offset < this.redeliveredBelow;
    const lease = consumer.session.grant(noAck ? undefined : this, offset, consumer);
    if (!noAck) this.leasedCount++;
    consumer.receiver.deliver(lease, entry, isRedelivered, attempts?.returns ?? 0, attempts?.failures ?? 0);
    if (noAck) this.#finish(offset);
  }

  #answerGets(): void {
    while (this.#gets.length > 0) {
      const offset = this.#takeReady(false);
      if (offset < 0) {
        const isEmpty = this.ready.peek(this.partition.visibleEnd) < 0;
        if (!isEmpty) return;
        for (const { done } of this.#gets.splice(0)) done(0, undefined, false, 0, 0);
        return;
      }
      const { session, noAck, done } = this.#gets.shift()!;
      const entry = this.#entry;
      if (session.isClosed) {
        this.ready.giveBack(offset);
        continue;
      }
      this.readyCount--;
      this.readyBytes -= entry.bodyEnd - entry.bodyStart;
      const attempts = this.attempts.get(offset);
      const lease = session.grant(noAck ? undefined : this, offset, undefined);
      if (!noAck) this.leasedCount++;
      done(
        lease,
        entry,
        attempts !== undefined || offset < this.redeliveredBelow,
        attempts?.returns ?? 0,
        attempts?.failures ?? 0,
      );
      if (noAck) this.#finish(offset);
    }
  }

  // ---- settlement

  settle(offset: number, settlement: Settlement, consumer: ConsumerState | undefined): void {
    if (this.isDeleted) return;
    this.leasedCount--;
    if (consumer !== undefined && this.readyCount > 0) this.wake();
    if (settlement === "accept") this.#finish(offset);
    else if (settlement === "reject") this.#rejectLeased(offset);
    else this.#giveBack(offset, settlement === "fail");
  }

  /** Gone for good. */
  #finish(offset: number): void {
    const isNew = this.settled.add(offset);
    assert(isNew, "a message is settled once");
    if (this.ready.needsScan) this.ready.settled(offset);
    if (this.attempts.size > 0) this.attempts.delete(offset);
    this.#noteSettled(offset, 1);
    if (!this.keepsHistory) this.partition.remove(offset);
  }

  #rejectLeased(offset: number): void {
    if (this.settings.deadLetter === undefined) return this.#finish(offset);
    this.#withEntry(offset, () => this.#die(offset, "rejected"));
  }

  #giveBack(offset: number, isFailure: boolean): void {
    let attempts = this.attempts.get(offset);
    if (attempts === undefined) this.attempts.set(offset, (attempts = { returns: 0, failures: 0, readyAtMs: 0 }));
    attempts.returns++;
    if (isFailure) attempts.failures++;
    const { deliveryLimit, retry } = this.settings;
    if (deliveryLimit >= 0 && attempts.failures > deliveryLimit) {
      if (this.settings.deadLetter === undefined) return this.#finish(offset);
      return this.#withEntry(offset, () => this.#die(offset, "delivery_limit"));
    }
    let readyAtMs = 0;
    if (retry !== undefined && (retry.on === "all" || (retry.on === "failed") === isFailure)) {
      readyAtMs = this.#core.now() + retryDelayMs(retry, attempts.returns, this.#core.random.next());
    }
    if (this.partition.isDurable && (deliveryLimit >= 0 || retry !== undefined))
      this.#recordReturned(offset, attempts, readyAtMs);
    if (readyAtMs > 0) this.#scheduleRetry(offset, attempts, readyAtMs);
    else this.#backInPlace(offset);
  }

  #scheduleRetry(offset: number, attempts: Attempts, readyAtMs: number): void {
    attempts.readyAtMs = readyAtMs;
    this.scheduledCount++;
    this.#core.schedule.addRetry(readyAtMs, this.id, offset);
  }

  #backInPlace(offset: number): void {
    this.ready.giveBack(offset);
    this.readyCount++;
    this.readyBytes += Math.max(0, this.partition.bodyLength(offset));
    this.wake();
  }

  /** The message at #entry dies: dead-lettered and settled in one batch, or kept if its target refuses it. */
  #die(offset: number, reason: DeathReason): void {
    if (reason !== "rejected" && reason !== "delivery_limit") {
      this.readyCount--;
      this.readyBytes -= this.#entry.bodyEnd - this.#entry.bodyStart;
    }
    if (this.settings.deadLetter !== undefined && !this.#core.deadLetter(this, this.#entry, reason)) {
      // At least once, and a target is full: it stays, out of the way, and is tried again.
      const attempts = this.attempts.get(offset) ?? { returns: 0, failures: 0, readyAtMs: 0 };
      this.attempts.set(offset, attempts);
      this.#scheduleRetry(offset, attempts, this.#core.now() + deadLetterRetryMs);
      return;
    }
    this.#finish(offset);
  }

  /** Runs `run` with #entry on the entry; what cannot be read back is gone. */
  #withEntry(offset: number, run: () => void): void {
    if (this.partition.look(offset, this.#entry)) return run();
    this.partition.load(offset, true, (coveredEnd) => {
      if (this.isDeleted || this.settled.has(offset)) return;
      if (this.partition.look(offset, this.#entry)) run();
      else if (coveredEnd > offset) this.#vanished(offset);
      else this.#withEntry(offset, run);
    });
  }

  // ---- expiry, length, purge

  #isExpired(entry: EntryCursor, isForConsumer: boolean): boolean {
    const { ttlMs } = this.settings;
    const shorter = ttlMs >= 0 && (entry.ttlMs < 0 || ttlMs < entry.ttlMs) ? ttlMs : entry.ttlMs;
    if (shorter < 0) return false;
    // Zero means: now or never. A consumer that waits is now.
    if (shorter === 0 && isForConsumer && this.#core.now() - entry.timestampMs < 1000) return false;
    return entry.timestampMs + shorter <= this.#core.now();
  }

  readonly #expireHeads = (): void => {
    if (this.isDeleted) return;
    let nextMs = Infinity;
    for (let deaths = 0; deaths < deathsPerTurn; deaths++) {
      nextMs = this.#nextExpiry();
      if (nextMs > this.#core.now()) break;
      this.#expireOne();
    }
    if (nextMs <= this.#core.now()) {
      nextMs = Infinity;
      this.wake();
    }
    if (this.#expiry !== undefined) {
      if (this.#expiry.atMs === nextMs) return;
      this.#core.clock.clearTimer(this.#expiry);
      this.#expiry = undefined;
    }
    if (nextMs === Infinity) return;
    this.#expiry = this.#core.clock.setTimer(nextMs, () => {
      this.#expiry = undefined;
      this.dispatch();
    });
  };

  /** When the first of the heads expires; a head that is not in memory is fetched and looked at later. */
  #nextExpiry(): number {
    let nextMs = Infinity;
    const { ttlMs } = this.settings;
    this.ready.heads(this.partition.visibleEnd, (offset) => {
      if (!this.partition.look(offset, this.#entry)) {
        if (!this.settled.has(offset)) this.#load(offset);
        return;
      }
      const own = this.#entry.ttlMs;
      const shorter = ttlMs >= 0 && (own < 0 || ttlMs < own) ? ttlMs : own;
      if (shorter >= 0) nextMs = Math.min(nextMs, this.#entry.timestampMs + shorter);
    });
    return nextMs;
  }

  #expireOne(): void {
    let dead = -1;
    this.ready.heads(this.partition.visibleEnd, (offset) => {
      if (dead < 0 && this.partition.look(offset, this.#entry) && this.#isExpired(this.#entry, false)) dead = offset;
    });
    if (dead < 0) return;
    this.ready.takeHead(dead);
    const isInMemory = this.partition.look(dead, this.#entry);
    assert(isInMemory, "a head that was looked at is in memory");
    if (this.settled.has(dead) || this.#isScheduled(dead, this.#entry)) return;
    this.#die(dead, "expired");
  }

  readonly #enforceLength = (): void => {
    const { maxLength, maxLengthBytes, overflow } = this.settings;
    if (overflow !== "drop-head" || this.isDeleted) return;
    for (let deaths = 0; deaths < deathsPerTurn; deaths++) {
      const isOver =
        (maxLength >= 0 && this.readyCount > maxLength) || (maxLengthBytes >= 0 && this.readyBytes > maxLengthBytes);
      if (!isOver || this.readyCount === 0) return;
      const offset = this.ready.peek(this.partition.next);
      if (offset < 0) return;
      if (!this.partition.look(offset, this.#entry)) {
        if (this.settled.has(offset)) {
          this.ready.take();
          continue;
        }
        this.partition.load(offset, false, this.#enforceLength);
        return;
      }
      this.ready.take();
      if (this.settled.has(offset) || this.#isScheduled(offset, this.#entry)) continue;
      this.#die(offset, "maxlen");
    }
    this.#core.clock.defer(this.#enforceLength);
  };

  /** Drops what is ready and what is scheduled. Answers how many were ready. */
  purge(): number {
    const count = this.readyCount;
    const { next } = this.partition;
    if (this.leasedCount === 0) {
      const start = this.settled.floor;
      if (!this.keepsHistory) {
        this.partition.removeRange(start, next, (low, high) => high - low - this.settled.countIn(low, high));
      }
      this.settled.addRange(start, next);
      this.#noteSettled(start, next - start);
      this.attempts.clear();
      this.ready.skipTo(next);
      this.scheduledCount = 0;
    } else {
      for (let offset = this.ready.peek(next); offset >= 0; offset = this.ready.peek(next)) {
        this.ready.take();
        if (!this.settled.has(offset)) this.#finish(offset);
      }
    }
    this.readyCount = 0;
    this.readyBytes = 0;
    return count;
  }

  // ---- the journal

  /** A batch is about to be sealed that holds new entries of the partition: let the horizon go with it. */
  coverNew(): void {
    const { next } = this.partition;
    if (this.consumers.length === 0 || this.horizon === Infinity) return;
    if (next - this.settled.floor - this.leasedCount > 4 * horizonStep) return;
    if (next > this.#horizonWritten) this.#horizonWanted = next;
    this.#collect();
  }

  get hasCollected(): boolean {
    return this.#isCollected;
  }

  /** Writes what was collected into the open block. */
  writeCollected(): void {
    this.#isCollected = false;
    if (!this.partition.isDurable || this.isDeleted) return;
    this.#writeSettled();
    if (this.#horizonWanted > this.#horizonWritten) {
      this.#horizonWritten = this.#horizonWanted;
      const { commit } = this.#core;
      commit.reserve(11);
      commit.buffer[commit.at] = record.horizon;
      writeU32(commit.buffer, commit.at + 1, this.id);
      writeU48(commit.buffer, commit.at + 5, this.#horizonWritten);
      commit.at += 11;
      this.#core.horizonWritten(this, this.#horizonWritten);
    }
  }

  /** Recovery: what a record says. */
  restoreSettled(start: number, count: number): void {
    const { partition } = this;
    for (let offset = start; offset < start + count; offset++) {
      if (!this.settled.add(offset)) continue;
      this.attempts.delete(offset);
      if (!this.keepsHistory) partition.remove(offset);
    }
    if (start + count > partition.next) partition.next = start + count;
  }

  restoreHorizon(horizon: number): void {
    if (horizon > this.#horizonWritten) this.#horizonWritten = horizon;
    if (this.horizon !== Infinity) this.horizon = Math.max(this.horizon, horizon);
    this.redeliveredBelow = Math.max(this.redeliveredBelow, horizon);
  }

  restoreAttempts(offset: number, returns: number, failures: number, readyAtMs: number): void {
    if (!this.settled.has(offset)) this.attempts.set(offset, { returns, failures, readyAtMs });
  }

  /** Recovery is over: count what is there. */
  restored(scheduled: number): void {
    const { partition } = this;
    if (this.settled.floor > partition.next) partition.next = this.settled.floor;
    if (this.#horizonWritten > partition.next) {
      this.settled.addRange(partition.next, this.#horizonWritten);
      partition.next = this.#horizonWritten;
    }
    if (this.ready instanceof SequentialReady) this.ready.cursor = Math.max(this.ready.cursor, this.settled.floor);
    let retries = 0;
    for (const [offset, { readyAtMs }] of this.attempts) {
      if (readyAtMs === 0) continue;
      retries++;
      this.#core.schedule.addRetry(readyAtMs, this.id, offset);
    }
    this.scheduledCount = scheduled + retries;
    this.readyCount = partition.next - this.settled.floor - this.settled.above - this.scheduledCount;
  }

  /** What a checkpoint keeps of it. */
  toJson(isClean: boolean): unknown {
    return {
      settled: this.settled.toJson(),
      horizon: isClean ? this.#deliveredEnd() : this.#horizonWritten,
      redeliveredBelow: this.redeliveredBelow,
      readyBytes: this.readyBytes,
      mayExpire: this.mayExpire,
      attempts: [...this.attempts].map(([offset, one]) => [offset, one.returns, one.failures, one.readyAtMs]),
    };
  }

  fromJson(json: {
    settled: unknown[];
    horizon: number;
    redeliveredBelow: number;
    readyBytes: number;
    mayExpire: boolean;
    attempts: [number, number, number, number][];
  }): void {
    this.settled = SettledSet.fromJson(json.settled);
    this.restoreHorizon(Math.min(json.horizon, Number.MAX_SAFE_INTEGER));
    this.readyBytes = json.readyBytes;
    this.mayExpire ||= json.mayExpire;
    for (const [offset, returns, failures, readyAtMs] of json.attempts)
      this.attempts.set(offset, { returns, failures, readyAtMs });
  }

  #deliveredEnd(): number {
    if (this.ready instanceof SequentialReady) return Math.min(this.ready.cursor, this.partition.next);
    return this.#horizonWritten;
  }

  #wantHorizon(): void {
    const from = Math.max(this.horizon, this.settled.floor);
    this.#horizonWanted = Math.max(this.#horizonWanted, Math.min(this.partition.visibleEnd, from + horizonStep));
    if (this.#horizonWanted > this.#horizonWritten) this.#collect();
  }

  #noteSettled(start: number, count: number): void {
    if (!this.partition.isDurable || count === 0) return;
    const last = this.#settledStarts.length - 1;
    if (last >= 0 && this.#settledStarts[last]! + this.#settledCounts[last]! === start)
      this.#settledCounts[last]! += count;
    else {
      this.#settledStarts.push(start);
      this.#settledCounts.push(count);
    }
    if (!this.#isCollected) this.#collect();
  }

  #collect(): void {
    if (this.#isCollected) return;
    this.#isCollected = true;
    this.#core.collect(this);
  }

  #writeSettled(): void {
    const { commit } = this.#core;
    const total = this.#settledStarts.length;
    for (let from = 0; from < total; from += rangesPerRecord) {
      const count = Math.min(rangesPerRecord, total - from);
      commit.reserve(7 + count * 10);
      const { buffer } = commit;
      let { at } = commit;
      buffer[at] = record.settled;
      writeU32(buffer, at + 1, this.id);
      writeU16(buffer, at + 5, count);
      at += 7;
      for (let i = from; i < from + count; i++) {
        writeU48(buffer, at, this.#settledStarts[i]!);
        writeU32(buffer, at + 6, this.#settledCounts[i]!);
        at += 10;
      }
      commit.at = at;
    }
    this.#settledStarts.length = 0;
    this.#settledCounts.length = 0;
  }

  #recordReturned(offset: number, attempts: Attempts, readyAtMs: number): void {
    const { commit } = this.#core;
    commit.reserve(21);
    const { buffer, at } = commit;
    buffer[at] = record.returned;
    writeU32(buffer, at + 1, this.id);
    writeU48(buffer, at + 5, offset);
    writeU16(buffer, at + 11, Math.min(attempts.returns, 65_535));
    writeU16(buffer, at + 13, Math.min(attempts.failures, 65_535));
    writeU48(buffer, at + 15, readyAtMs);
    commit.at = at + 21;
  }
}

const neverGone = (): boolean => false;

function createReady(settings: QueueSettings): ReadySource {
  if (settings.mode === "keyed") return new KeyedReady();
  if (settings.maxPriority > 0) return new PriorityReady(settings.maxPriority);
  return new SequentialReady();
}

/** Delay before attempt n + 1, in ms. */
export function retryDelayMs(retry: NonNullable<QueueSettings["retry"]>, attempt: number, chance: number): number {
  const plain = retry.growth === "linear" ? retry.minMs * attempt : retry.minMs * 2 ** Math.min(attempt - 1, 52);
  const bounded = Math.min(plain, retry.maxMs);
  return Math.max(1, Math.round(bounded * (1 - retry.jitter * chance)));
}
