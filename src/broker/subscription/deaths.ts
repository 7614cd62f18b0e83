/**
 * How messages go that nobody has accepted: dropped, or dead-lettered and settled in one step.
 *
 * Where dead-lettering is at least once and a target is full, the dead stay where they are: out of the order, counted as
 * scheduled, and on record, so that nobody is given them again, over a restart neither. They are offered anew in rounds, one
 * a second. A round goes on for as long as its messages are taken, some in each turn, and ends with its hundredth refusal:
 * a million dead before a full target cost no more than a hundred. Where all go the same way the next round begins with the
 * oldest again, so that they keep their order; where each goes by its own key it begins with those that were not asked.
 */
import type { TimerHandle } from "../../base/clock.ts";
import { OffsetHeap } from "../../base/offset-heap.ts";
import type { DeathReason } from "../api.ts";
import type { Core } from "../core.ts";
import type { EntryCursor } from "../entry.ts";
import { newAttempts, staysDead } from "./attempts.ts";
import type { Subscription } from "./subscription.ts";

/** The dead that were refused are offered again after this. */
const againMs = 1000;
/** Messages that one turn offers at most. */
const offersPerTurn = 1024;
/** A round ends with so many refusals. */
const refusalsMax = 100;

export class Deaths {
  readonly #core: Core;
  readonly #subscription: Subscription;
  /** Of the subscription: withEntry() and die() find the message there. */
  readonly #entry: EntryCursor;
  /** The dead that were refused, in the order in which they are offered again. Few queues ever have some. */
  #refused: OffsetHeap | undefined;
  /** Those that the round at hand was refused. */
  readonly #again: number[] = [];
  #round = 0;
  #isOffering = false;
  #timer: TimerHandle | undefined;

  constructor(core: Core, subscription: Subscription, entry: EntryCursor) {
    this.#core = core;
    this.#subscription = subscription;
    this.#entry = entry;
  }

  /** A message that nobody has looked at just now: its bytes are needed only if somebody wants them. */
  dieUnseen(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (subscription.settings.deadLetter === undefined) this.#dead(offset, reason);
    else subscription.withEntry(offset, () => this.die(offset, reason));
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
    this.#noteRefused(0, offset);
    this.#arm();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#core.clock.clearTimer(this.#timer);
    this.#timer = undefined;
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
    for (let offers = 0; offers < offersPerTurn; offers++) if (!this.#offerNext()) return;
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
      if (subscription.attempts.get(offset)?.death !== undefined) subscription.scheduledCount--;
      goOn();
    };
    subscription.withEntry(offset, offer, passOver);
    isSync = false;
    return isOffered;
  }

  #offerOne(offset: number, reason: DeathReason): void {
    const subscription = this.#subscription;
    if (!this.#core.deadLetter(subscription, this.#entry, reason)) return void this.#again.push(offset);
    subscription.scheduledCount--;
    this.#dead(offset, reason);
  }

  #endRound(): false {
    for (const offset of this.#again.splice(0)) this.#putBack(offset);
    this.#isOffering = false;
    if (this.#refused?.size === 0) this.#refused = undefined;
    if (this.#refused !== undefined) this.#arm();
    return false;
  }
}
