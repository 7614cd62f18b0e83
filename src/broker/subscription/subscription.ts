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
 * Settlements are collected as ranges and written once per block.
 */
import { assert } from "../../base/assert.ts";
import type { ConsumeRefusal, DeathReason, QueueSettings, Settlement } from "../api.ts";
import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { QueueCounts } from "../measures.ts";
import type { Partition, Wakeable } from "../topic/partition.ts";
import type { ConsumerState, Source } from "./consumer-state.ts";
import { ConsumerSet } from "./consumer-set.ts";
import { Expiry } from "./expiry.ts";
import { Gets } from "./gets.ts";
import type { GetDone, LeaseOwner } from "./lease-owner.ts";
import { createReady, type ReadySource, SequentialReady } from "./ready.ts";
import { type Attempts, failsForGood, newAttempts, retryAtMs } from "./attempts.ts";
import { Deaths } from "./deaths.ts";
import { Departures } from "./departures.ts";
import { LengthLimit } from "./length-limit.ts";
import { Missing } from "./missing.ts";
import { purge } from "./purge.ts";
import { ReadyBytes } from "./ready-bytes.ts";
import { countBytes } from "./scan.ts";
import type { SessionState } from "./session.ts";
import { SettledSet } from "./settled-set.ts";
import { horizonStep, SubscriptionJournal } from "./subscription-journal.ts";
import { Undecided } from "./undecided.ts";

/** Messages that one look at who may have what lets die at most: the rest waits, so that nobody else starves. */
const deathsPerTurn = 1024;

export class Subscription implements Wakeable, LeaseOwner, Source {
  readonly id: number;
  readonly partition: Partition;
  settings: QueueSettings;
  readonly counters: QueueCounts;
  settled = new SettledSet();
  ready: ReadySource;
  readyCount = 0;
  readyBytes = 0;
  readonly counting = new ReadyBytes(this);
  /** False: since the last start, readyBytes is about right. */
  areBytesExact = true;
  leasedCount = 0;
  scheduledCount = 0;
  /** Attempts of messages that came back at least once. */
  readonly attempts = new Map<number, Attempts>();
  /** Offsets below may have been delivered before the last crash. */
  redeliveredBelow = 0;
  /** Offsets below may be delivered now. */
  horizon: number;
  /** Called when the last consumer has left. */
  onUnused: () => void = () => undefined;
  /** Instead of becoming ready, messages leave when their time has come. */
  departures: Departures | undefined;
  isDeleted = false;
  /** Its order is still being read together: nothing is delivered yet. */
  isBuilding = false;
  /** Of the core: on the list of what is looked at at the end of this turn. */
  isWoken = false;
  readonly #core: Core;
  readonly #entry = new EntryCursor();
  readonly #consumers: ConsumerSet;
  readonly journal: SubscriptionJournal;
  readonly missing: Missing;
  readonly undecided: Undecided;
  readonly #expiry: Expiry;
  readonly lengthLimit: LengthLimit;
  readonly deaths: Deaths;
  /** Few queues are ever asked for one message. */
  #gets: Gets | undefined;
  /** Some message here has, or may have, a time to live. */
  mayExpire = false;
  #isDispatching = false;
  /** Goes on in a later turn. Few ever have to. */
  #goOn: (() => void) | undefined;
  /** Messages that this dispatch may still let die. */
  #deathsLeft = 0;
  /** Their time has come, and they are not durable yet. */
  #early: number[] = [];

  constructor(id: number, partition: Partition, settings: QueueSettings, counters: QueueCounts, core: Core) {
    this.id = id;
    this.counters = counters;
    this.partition = partition;
    this.settings = settings;
    this.#core = core;
    this.#consumers = new ConsumerSet(settings.mode === "failover");
    this.journal = new SubscriptionJournal(core, this);
    this.missing = new Missing(this);
    this.undecided = new Undecided(this);
    this.#expiry = new Expiry(core, this);
    this.lengthLimit = new LengthLimit(core, this);
    this.deaths = new Deaths(core, this, this.#entry);
    this.ready = createReady(settings);
    this.horizon = partition.isDurable ? 0 : Infinity;
    this.mayExpire = settings.ttlMs >= 0;
    partition.readers.add(this);
  }

  /** Settled entries stay readable for a while. */
  get keepsHistory(): boolean {
    const { retention } = this.settings;
    return retention.maxAgeMs > 0 || retention.maxBytes > 0 || retention.maxCount > 0 || !retention.untilSettled;
  }

  get consumerCount(): number {
    return this.#consumers.all.length;
  }

  /** A consumer has room. */
  get isAwaited(): boolean {
    return this.#consumers.next() !== undefined;
  }

  get consumers(): readonly ConsumerState[] {
    return this.#consumers.all;
  }

  /** `leave` gets each scheduled message when its time has come; then it is settled. */
  departBy(leave: (entry: EntryCursor) => void): void {
    this.departures = new Departures(this.#core, this, this.#entry, leave);
  }

  configure(settings: QueueSettings): void {
    this.settings = settings;
    if (settings.ttlMs >= 0) this.mayExpire = true;
    if (settings.maxLengthBytes >= 0) {
      countBytes(this.#core, this);
      this.counting.countAll();
    }
    this.lengthLimit.enforce();
    this.wake();
  }

  // ---- what comes in

  /** The partition has a new entry. `deliverAtMs` 0: ready at once; else it is later than the entry's timestamp. */
  appended(
    offset: number,
    priority: number,
    key: string | undefined,
    bodyLength: number,
    deliverAtMs: number,
    ttlMs: number,
  ): void {
    if (ttlMs >= 0) this.mayExpire = true;
    if (this.undecided.isHolding) return this.undecided.holdBack(bodyLength, deliverAtMs);
    if (deliverAtMs > 0) {
      this.scheduledCount++;
      return this.#core.schedule.add(deliverAtMs, this.id, offset);
    }
    if (this.ready.needsScan) this.ready.appended(offset, priority, key);
    this.readyCount++;
    this.readyBytes += bodyLength;
    const { maxLength, maxLengthBytes } = this.settings;
    if ((maxLength >= 0 && this.readyCount > maxLength) || (maxLengthBytes >= 0 && this.readyBytes > maxLengthBytes)) {
      this.lengthLimit.exceeded();
    }
  }

  /** Of the schedule: what leaves when its time has come waits for room. */
  holdBackDue(): boolean {
    return this.departures !== undefined && this.departures.holdBackDue();
  }

  /** The time of a message that was published for later has come. */
  due(offset: number): void {
    // One that came back was delivered: its time had come before the crash that made the schedule forget it.
    if (this.isDeleted || this.settled.has(offset) || this.attempts.has(offset)) return;
    if (offset >= this.partition.visibleEnd) return void this.#early.push(offset);
    this.scheduledCount--;
    if (this.departures === undefined) this.becomeReady(offset);
    else this.departures.due(offset);
  }

  /** The time of a message that came back has come. */
  retryDue(offset: number): void {
    const attempts = this.attempts.get(offset);
    if (this.isDeleted || attempts === undefined || attempts.readyAtMs === 0) return;
    attempts.readyAtMs = 0;
    this.scheduledCount--;
    if (this.settled.has(offset)) return void this.attempts.delete(offset);
    this.becomeReady(offset);
  }

  becomeReady(offset: number): void {
    const { needsScan } = this.ready;
    if (needsScan && !this.#look(offset, false)) return this.withEntry(offset, () => this.becomeReady(offset));
    this.readyCount++;
    this.counting.add(offset);
    if (needsScan) this.ready.due(offset, this.#entry.priority, this.#entry.key());
    else if (!this.ready.isAhead(offset)) this.ready.due(offset, 0, undefined);
    // A consumer that waits gets it before it is one too many.
    this.lengthLimit.isWaiting = true;
    this.wake();
  }

  // ---- consumers

  attach(consumer: ConsumerState): ConsumeRefusal | undefined {
    const refusal = this.#consumers.add(consumer);
    this.wake();
    return refusal;
  }

  regained(consumer: ConsumerState): void {
    this.#consumers.regained(consumer);
    this.wake();
  }

  detach(consumer: ConsumerState): void {
    if (!this.#consumers.remove(consumer)) return;
    this.wake();
    if (this.consumerCount === 0 && !this.isDeleted) this.onUnused();
  }

  /**
   * The queue is gone: its consumers are told. Whoever waits for one message is told when all that goes with it is done, at
   * the end of the turn: not in the middle of this, while others do not know of it yet.
   */
  delete(): void {
    this.isDeleted = true;
    this.#expiry.stop();
    this.deaths.stop();
    this.partition.readers.delete(this);
    for (const consumer of [...this.#consumers.all]) {
      consumer.cancel();
      consumer.receiver.ended("queue-deleted");
    }
    if (this.#gets !== undefined) this.wake();
  }

  /** Something may be deliverable: looked at once at the end of this turn. */
  wake(): void {
    this.#core.wake(this);
  }

  get(session: SessionState, noAck: boolean, done: GetDone): void {
    this.#gets ??= new Gets(this, this.#entry);
    this.#gets.add(session, noAck, done);
    this.dispatch();
  }

  // ---- delivery

  dispatch(): void {
    if (this.isDeleted) return this.#gets?.end();
    if (this.#isDispatching || this.isBuilding) return;
    this.#isDispatching = true;
    this.#deathsLeft = deathsPerTurn;
    if (this.#early.length > 0) for (const offset of this.#early.splice(0)) this.due(offset);
    this.deaths.run();
    this.#gets?.answer();
    this.departures?.run();
    for (;;) {
      const consumer = this.#consumers.next();
      if (consumer === undefined) break;
      const offset = this.takeReady(true);
      if (offset < 0) break;
      this.#consumers.served(consumer);
      this.#hand(offset, consumer);
    }
    this.#isDispatching = false;
    this.lengthLimit.dispatched();
    // What waits for its delay begins to live when it has arrived where it is to.
    if (this.mayExpire && this.departures === undefined) this.#expiry.run();
  }

  /** Takes the next message that can be delivered and moves #entry onto it; -1: none now. */
  takeReady(isForConsumer: boolean): number {
    const { partition, ready } = this;
    if (this.deaths.isLineLong) return -1;
    for (;;) {
      const offset = ready.peek(this.undecided.end);
      if (offset < 0) return -1;
      if (offset >= this.horizon) {
        this.journal.announce(offset);
        return -1;
      }
      if (this.keepsHistory && this.settled.has(offset)) {
        this.#passOver(offset);
        continue;
      }
      if (!this.#look(offset, true)) {
        if (this.settled.has(offset)) this.#passOver(offset);
        // What is in memory and not to be seen is in a batch for later.
        else if (partition.look(offset, this.#entry) || !this.missing.load(offset)) return -1;
        continue;
      }
      ready.take();
      if (this.#isScheduled(offset, this.#entry)) {
        if (ready.needsScan && this.settled.has(offset)) ready.settled(offset);
        continue;
      }
      if (this.mayExpire && this.#expiry.isExpired(this.#entry, isForConsumer)) {
        this.noLongerReady(offset);
        this.deaths.dieInTurn(offset, "expired");
        if (this.deaths.isLineLong) return -1;
        if (--this.#deathsLeft > 0) continue;
        this.wake();
        return -1;
      }
      if (this.horizon - offset < horizonStep / 2 && this.horizon < partition.visibleEnd) this.journal.announce(offset);
      assert(offset < partition.visibleEnd && offset < this.horizon, "what is handed over is durable and announced");
      return offset;
    }
  }

  /** It was settled while it waited in the order. */
  #passOver(offset: number): void {
    const { ready, settled } = this;
    ready.take();
    if (ready.needsScan) ready.settled(offset);
    else if (ready instanceof SequentialReady) ready.cursor = settled.endFrom(ready.cursor);
  }

  /** The entry at #entry is about to be handed over, or to die. */
  noLongerReady(offset: number): void {
    this.readyCount--;
    this.counting.remove(offset, this.#entry.bodyEnd - this.#entry.bodyStart);
  }

  /** The cursor passes over it: the schedule will bring it, or the end of its transaction, or it was aborted. */
  #isScheduled(offset: number, entry: EntryCursor): boolean {
    if (this.departures?.isUnderWay(offset) === true) return true;
    if (this.partition.transactions !== undefined && this.undecided.passes(offset)) return true;
    const attempts = this.attempts.size > 0 ? this.attempts.get(offset) : undefined;
    if (attempts !== undefined) return attempts.readyAtMs > 0;
    return entry.deliverAtMs > entry.timestampMs && !this.#core.schedule.hasFired(this.id, entry.deliverAtMs, offset);
  }

  /**
   * Moves #entry onto the message. False: it is not in memory, or there is none, and it is settled now; or, if it is looked
   * for because it comes next (`isReady`), its batch is for a later turn, when this goes on.
   */
  #look(offset: number, isReady: boolean): boolean {
    const { partition } = this;
    const entry = this.#entry;
    const { unpacked } = this.#core;
    if (unpacked.lookAgain(partition, offset, entry)) return true;
    if (!partition.look(offset, entry)) return false;
    if (!entry.isBatch) return true;
    if (isReady && unpacked.isForLater(partition, entry)) {
      unpacked.share.wait((this.#goOn ??= (): void => this.dispatch()));
      return false;
    }
    const last = entry.offset;
    const found = unpacked.seek(partition, entry, offset);
    if (found === offset) return true;
    const end = found < 0 ? last + 1 : found;
    if (isReady) this.missing.headIsNowhere(offset, end);
    else this.missing.vanished(offset, end, false);
    return false;
  }

  #hand(offset: number, consumer: ConsumerState): void {
    const { noAck } = consumer.options;
    this.noLongerReady(offset);
    const attempts = this.attempts.size > 0 ? this.attempts.get(offset) : undefined;
    const isRedelivered = attempts !== undefined || offset < this.redeliveredBelow;
    const lease = consumer.session.grant(noAck ? undefined : this, offset, consumer.holder);
    if (!noAck) this.leasedCount++;
    this.counters.handed(noAck, isRedelivered);
    consumer.receiver.deliver(lease, this.#entry, isRedelivered, attempts?.returns ?? 0, attempts?.failures ?? 0);
    if (noAck) this.finish(offset);
  }

  // ---- settlement

  settle(offset: number, settlement: Settlement, consumer: ConsumerState | undefined): void {
    if (this.isDeleted) return;
    this.leasedCount--;
    if (consumer !== undefined) {
      if (consumer.branches === undefined) this.#consumers.regained(consumer);
      else consumer.regained();
      if (this.readyCount > 0) this.wake();
    }
    // A log that is compacted may have given it up meanwhile.
    if (this.keepsHistory && this.settled.has(offset)) return this.#forget(offset);
    if (settlement === "accept") {
      this.counters.settled++;
      this.finish(offset);
    } else if (settlement === "reject") this.deaths.dieUnseen(offset, "rejected");
    else this.#giveBack(offset, settlement === "fail");
  }

  /** Gone for good. */
  finish(offset: number): void {
    const isNew = this.settled.add(offset);
    assert(isNew, "a message is settled once");
    this.#forget(offset);
    this.journal.noteSettled(offset, 1);
    if (!this.keepsHistory) this.partition.remove(offset);
  }

  /** It was taken from its order, and is settled. */
  #forget(offset: number): void {
    if (this.attempts.size > 0) this.attempts.delete(offset);
    if (!this.ready.needsScan) return;
    this.ready.settled(offset);
    // Others of its key may have waited for it.
    if (this.readyCount > 0) this.wake();
  }

  #giveBack(offset: number, isFailure: boolean): void {
    let attempts = this.attempts.get(offset);
    if (attempts === undefined) this.attempts.set(offset, (attempts = newAttempts(0, 0, 0)));
    const { deliveryLimit, retry } = this.settings;
    if (failsForGood(attempts, isFailure, deliveryLimit)) return this.deaths.dieUnseen(offset, "delivery_limit");
    const readyAtMs = retryAtMs(retry, attempts, isFailure, this.#core);
    attempts.readyAtMs = readyAtMs;
    if (this.partition.isDurable) this.journal.recordReturned(offset, attempts);
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
    this.counting.add(offset);
    this.lengthLimit.exceeded();
    this.wake();
  }

  /** Moves #entry onto the message, if it is in memory. */
  hasEntry(offset: number): boolean {
    return this.#look(offset, false);
  }

  /** Runs `run` with #entry on the entry; what cannot be read back is gone, as what was purged by then: then `orElse`. */
  withEntry(offset: number, run: () => void, orElse?: () => void): void {
    if (this.#look(offset, false)) return run();
    const isGone = (): void => {
      orElse?.();
      this.#forget(offset);
    };
    if (this.settled.has(offset)) return isGone();
    this.partition.load(offset, true, (coveredEnd) => {
      if (this.isDeleted) return;
      if (!this.settled.has(offset)) {
        if (this.#look(offset, false)) return run();
        if (coveredEnd <= offset) return this.withEntry(offset, run, orElse);
        this.missing.vanished(offset, offset + 1, false);
      }
      isGone();
    });
  }

  // ---- expiry, length, purge

  /** Lets those die whose time is over; #entry is on this message, and stays there. */
  expireBeside(offset: number): void {
    if (!this.mayExpire) return;
    this.#expiry.run();
    this.#look(offset, false);
  }

  /** It was taken from the head of its order: its time is over, or there are more than are allowed. */
  headDies(offset: number, reason: DeathReason): void {
    const isInMemory = this.#look(offset, true);
    assert(isInMemory, "a head that was looked at is in memory");
    this.noLongerReady(offset);
    this.deaths.die(offset, reason);
  }

  /** Takes away a head that was settled, or that the schedule will bring. */
  passOverHead(offset: number): boolean {
    const { settled } = this;
    const isScheduled = !settled.has(offset) && this.#look(offset, true) && this.#isScheduled(offset, this.#entry);
    const isSettled = settled.has(offset);
    if (!isSettled && !isScheduled) return false;
    this.ready.takeHead(offset);
    if (isSettled && this.ready.needsScan) this.ready.settled(offset);
    return true;
  }

  /** Drops what is ready and what is scheduled; what is leased stays. Answers how many were ready. */
  purge(): number {
    return purge(this, () => this.undecided.addTo(this.#core.leasedOf(this)));
  }
}
