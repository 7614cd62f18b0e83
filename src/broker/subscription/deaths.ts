/**
 * How messages go that nobody has accepted: dropped, or dead-lettered and settled in one step.
 *
 * What is dead-lettered takes room (durability/room.ts). While there is none the heads of the order are left there, and who
 * was taken from it already, above all what consumers reject, waits in a line, a few bytes each and nothing of its message in
 * memory. It is not settled until its turn comes: a crash finds it where it was. So consumers may settle whatever they hold,
 * for as long as they like; they are given no more while the line is long. What has to be read back is in the same line, one
 * at a time, however many are rejected at once.
 *
 * Where dead-lettering is at least once and a target is full, the dead stay where they are: out of the order, counted as
 * scheduled, and on record, so that nobody is given them again, over a restart neither. They are offered anew in rounds, one
 * a second. A round goes on for as long as its messages are taken, some in each turn, and ends with its hundredth refusal:
 * a million dead before a full target cost no more than a hundred. Where all go the same way the next round begins with the
 * oldest again, so that they keep their order; where each goes by its own key it begins with those that were not asked.
 */
import type { TimerHandle } from "../../base/clock.ts";
import { NumberRing } from "../../base/number-ring.ts";
import { OffsetHeap } from "../../base/offset-heap.ts";
import type { DeathReason } from "../api.ts";
import type { Core } from "../core.ts";
import { isDropped } from "../dead-letter.ts";
import type { EntryCursor } from "../entry.ts";
import { newAttempts, staysDead } from "./attempts.ts";
import type { Subscription } from "./subscription.ts";
import { deathNumberOf, deathReasonOf } from "./subscription-journal.ts";

/** The dead that were refused are offered again after this. */
const againMs = 1000;
/** Messages that one turn offers at most, and takes from the line. */
const offersPerTurn = 1024;
/** With so many in the line nothing more is handed out. */
const lineMax = 16_384;
/** A round ends with so many refusals. */
const refusalsMax = 100;

export class Deaths {
  readonly #core: Core;
  readonly #subscription: Subscription;
  /** Of the subscription: withEntry() and die() find the message there. */
  readonly #entry: EntryCursor;
  /** The dead that their target refused, and that stay here until it takes them; and their bytes, as far as they are known. */
  keptCount = 0;
  keptBytes = 0;
  /** The dead that were refused, in the order in which they are offered again. Few queues ever have some. */
  #refused: OffsetHeap | undefined;
  /** Those that the round at hand was refused. */
  readonly #again: number[] = [];
  #round = 0;
  #isOffering = false;
  #isOfferHeldBack = false;
  /** The dead that wait for room or are to be read back: offset and reason by turns. Few queues ever have some. */
  #line: NumberRing | undefined;
  /** The first of the line is being looked at, or read back. */
  #isLineMoving = false;
  #timer: TimerHandle | undefined;

  constructor(core: Core, subscription: Subscription, entry: EntryCursor) {
    this.#core = core;
    this.#subscription = subscription;
    this.#entry = entry;
  }

  /** A message that nobody has looked at just now: its bytes are needed only if somebody wants them. */
  dieUnseen(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (subscription.settings.deadLetter === undefined) return this.#dead(offset, reason);
    if (this.#core.commit.isAtomic) return this.#dieAtOnce(offset, reason);
    this.#lineUp(offset, reason);
    if (this.#line!.size === 2) this.#moveLine();
  }

  /** It is one with what is done beside it: where it would have to be read back first, it is on record as dead until then. */
  #dieAtOnce(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (!subscription.settled.has(offset) && subscription.hasEntry(offset)) this.die(offset, reason);
    // Or nowhere, as has just been seen.
    else if (subscription.settled.has(offset)) subscription.withEntry(offset, () => undefined);
    else this.#keep(offset, reason);
  }

  /** As die(), or as soon as there is room. */
  dieInTurn(offset: number, reason: DeathReason): void {
    if (this.mustWait()) this.#lineUp(offset, reason);
    else this.die(offset, reason);
  }

  /** Some that were taken from the order are not dead yet. */
  get hasLine(): boolean {
    return this.#isLineMoving || (this.#line !== undefined && this.#line.size > 0);
  }

  /** There is no room for one more of the dead: the subscription is dispatched when there is. */
  mustWait(): boolean {
    const { settings, partition } = this.#subscription;
    if (settings.deadLetter === undefined || !this.#core.room.holdsBack(this.#subscription)) return false;
    return !isDropped(this.#core.queueById.get(partition.id), settings.deadLetter);
  }

  /** So many wait for room that nothing more may be handed out. */
  get isLineLong(): boolean {
    return this.#line !== undefined && this.#line.size >= 2 * lineMax;
  }

  /** There may be room again. */
  run(): void {
    if (this.#line !== undefined) this.#moveLine();
    if (!this.#isOfferHeldBack) return;
    this.#isOfferHeldBack = false;
    this.#offer();
  }

  /** The message at the subscription's entry dies: dead-lettered and settled in one batch, or kept if its target refuses it. */
  die(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (subscription.settings.deadLetter === undefined) return this.#dead(offset, reason);
    this.#core.commit.atomically(() => {
      if (this.#core.deadLetter(subscription, this.#entry, reason)) this.#dead(offset, reason);
      else this.#keep(offset, reason);
    });
  }

  /** Recovery: one that was refused before. */
  restore(offset: number): void {
    this.keptCount++;
    this.#noteRefused(0, offset);
    this.#arm();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#core.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #lineUp(offset: number, reason: DeathReason): void {
    this.#line ??= new NumberRing();
    this.#line.push(offset);
    this.#line.push(deathNumberOf(reason));
  }

  #moveLine(): void {
    if (this.#isLineMoving) return;
    this.#isLineMoving = true;
    const line = this.#line!;
    for (let deaths = 0; line.size > 0 && !this.#subscription.isDeleted && !this.mustWait(); deaths++) {
      if (deaths === offersPerTurn) {
        this.#subscription.wake();
        break;
      }
      if (!this.#endFirst(line)) return;
    }
    this.#isLineMoving = false;
  }

  /** False: when it was read back the line goes on. */
  #endFirst(line: NumberRing): boolean {
    const subscription = this.#subscription;
    const offset = line.shift();
    const reason = deathReasonOf(line.shift());
    if (line.size === 2 * lineMax - 2) subscription.wake();
    // It was purged meanwhile.
    if (subscription.settled.has(offset)) {
      if (subscription.ready.needsScan) subscription.ready.settled(offset);
      subscription.wake();
      return true;
    }
    let isOver = false;
    let isSync = true;
    const goOn = (): void => {
      isOver = true;
      if (isSync) return;
      this.#isLineMoving = false;
      this.#moveLine();
    };
    const die = (): void => {
      this.die(offset, reason);
      goOn();
    };
    subscription.withEntry(offset, die, goOn);
    isSync = false;
    return isOver;
  }

  #dead(offset: number, reason: DeathReason): void {
    this.#subscription.counters.died(reason);
    this.#subscription.finish(offset);
  }

  #keep(offset: number, reason: DeathReason): void {
    const { attempts, partition, journal } = this.#subscription;
    const known = attempts.get(offset) ?? newAttempts(0, 0, 0);
    staysDead(known, reason);
    attempts.set(offset, known);
    this.#subscription.scheduledCount++;
    this.keptCount++;
    this.keptBytes += Math.max(0, partition.bodyLength(offset));
    if (partition.isDurable) journal.recordDied(offset, reason);
    this.#putBack(offset);
    this.#arm();
  }

  #putBack(offset: number): void {
    const isOneWay = this.#subscription.settings.deadLetter?.routingKey !== undefined;
    this.#noteRefused(isOneWay ? 0 : this.#round, offset);
  }

  #noteRefused(round: number, offset: number): void {
    this.#refused ??= new OffsetHeap();
    this.#refused.push(round, offset);
  }

  #arm(): void {
    if (this.#isOffering || this.#timer !== undefined) return;
    this.#timer = this.#core.clock.setDelay(againMs, () => {
      this.#timer = undefined;
      if (this.#core.isRecovering) return this.#arm();
      this.#isOffering = true;
      this.#round++;
      this.#offer();
    });
  }

  readonly #offer = (): void => {
    for (let offers = 0; offers < offersPerTurn; offers++) {
      this.#isOfferHeldBack = this.mustWait();
      if (this.#isOfferHeldBack || !this.#offerNext()) return;
    }
    this.#core.clock.defer(this.#offer);
  };

  /** False: the round is over, or goes on when a message was read back. */
  #offerNext(): boolean {
    const subscription = this.#subscription;
    if (subscription.isDeleted) return false;
    const refused = this.#refused;
    if (refused === undefined || refused.size === 0 || this.#again.length === refusalsMax) return this.#endRound();
    const offset = refused.peekValue();
    refused.pop();
    const reason = subscription.attempts.get(offset)?.death;
    // It was purged meanwhile.
    if (reason === undefined || subscription.settled.has(offset)) return true;
    let isOffered = false;
    let isSync = true;
    const goOn = (): void => {
      isOffered = true;
      if (!isSync) this.#offer();
    };
    const offer = (): void => {
      this.#core.commit.atomically(() => this.#offerOne(offset, reason));
      goOn();
    };
    const passOver = (): void => {
      // Nowhere to be found; a purge would have forgotten it, and counted anew.
      if (subscription.attempts.get(offset)?.death !== undefined) this.#noLongerKept(0);
      goOn();
    };
    subscription.withEntry(offset, offer, passOver);
    isSync = false;
    return isOffered;
  }

  #offerOne(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (!this.#core.deadLetter(subscription, this.#entry, reason)) return void this.#again.push(offset);
    this.#noLongerKept(this.#entry.bodyEnd - this.#entry.bodyStart);
    this.#dead(offset, reason);
  }

  #noLongerKept(bytes: number): void {
    this.#subscription.scheduledCount--;
    this.keptCount--;
    this.keptBytes = this.keptCount === 0 ? 0 : Math.max(0, this.keptBytes - bytes);
  }

  /** The queue was purged, and all of them with it. */
  purged(): void {
    this.keptCount = 0;
    this.keptBytes = 0;
  }

  #endRound(): false {
    for (const offset of this.#again.splice(0)) this.#putBack(offset);
    this.#isOffering = false;
    if (this.#refused?.size === 0) this.#refused = undefined;
    if (this.#refused !== undefined) this.#arm();
    return false;
  }
}
