/** Delivery state on its way into checkpoints and back, and what journal records change in it. */
import type { DeathReason } from "../api.ts";
import type { Subscription } from "./subscription.ts";
import { newAttempts, staysDead } from "./attempts.ts";
import { SequentialReady } from "./ready.ts";
import { SettledSet } from "./settled-set.ts";

export interface SubscriptionSnapshot {
  readonly settled: unknown[];
  readonly horizon: number;
  readonly redeliveredBelow: number;
  readonly readyBytes: number;
  readonly mayExpire: boolean;
  /** Offset, returns, failures, ready again at (0: now), and what it died of if its dead-letter target was full. */
  readonly attempts: [number, number, number, number, DeathReason?][];
}

/** `isClean`: all sessions are closed and nothing will be delivered any more, so `attempts` says what was delivered. */
export function subscriptionSnapshot(subscription: Subscription, isClean: boolean): SubscriptionSnapshot {
  const { settled, redeliveredBelow, readyBytes, mayExpire, attempts, journal, leasedCount, deaths } = subscription;
  // What is rejected and not dead yet was delivered, and nothing else says so.
  const isSaid = isClean && leasedCount === 0 && !deaths.hasLine;
  return {
    settled: settled.toJson(),
    horizon: isSaid ? redeliveredBelow : journal.horizonWritten,
    redeliveredBelow,
    readyBytes,
    mayExpire,
    attempts: [...attempts].map(([offset, { returns, failures, readyAtMs, death }]) =>
      death === undefined ? [offset, returns, failures, readyAtMs] : [offset, returns, failures, readyAtMs, death],
    ),
  };
}

export function restoreSubscription(subscription: Subscription, json: SubscriptionSnapshot): void {
  subscription.settled = SettledSet.fromJson(json.settled);
  restoreHorizon(subscription, json.horizon);
  subscription.readyBytes = json.readyBytes;
  subscription.mayExpire ||= json.mayExpire;
  for (const [offset, returns, failures, readyAtMs, death] of json.attempts) {
    subscription.attempts.set(offset, newAttempts(returns, failures, readyAtMs));
    if (death !== undefined) restoreDeath(subscription, offset, death);
  }
}

export function restoreSettled(subscription: Subscription, start: number, count: number): void {
  const { partition, settled, attempts } = subscription;
  // Whatever lies between was never durable, or its block would have come before.
  if (start > partition.next) settled.addRange(partition.next, start);
  if (!subscription.settings.retention.untilSettled) {
    // Of a log. Batches that have no messages are settled whole, and may span any number of offsets.
    settled.addRange(start, start + count);
    if (count <= attempts.size) for (let offset = start; offset < start + count; offset++) attempts.delete(offset);
    else for (const offset of attempts.keys()) if (offset >= start && offset < start + count) attempts.delete(offset);
  } else {
    for (let offset = start; offset < start + count; offset++) {
      if (!settled.add(offset)) continue;
      attempts.delete(offset);
      subscription.readyBytes -= Math.max(0, partition.bodyLength(offset));
      if (!subscription.keepsHistory) partition.forget(offset);
    }
  }
  if (start + count > partition.next) partition.next = start + count;
}

export function restoreHorizon(subscription: Subscription, horizon: number): void {
  const { journal } = subscription;
  if (horizon > journal.horizonWritten) journal.horizonWritten = horizon;
  if (subscription.horizon !== Infinity) subscription.horizon = Math.max(subscription.horizon, horizon);
  subscription.redeliveredBelow = Math.max(subscription.redeliveredBelow, horizon);
}

export function restoreAttempts(
  subscription: Subscription,
  offset: number,
  returns: number,
  failures: number,
  readyAtMs: number,
): void {
  if (!subscription.settled.has(offset)) subscription.attempts.set(offset, newAttempts(returns, failures, readyAtMs));
}

export function restoreDeath(subscription: Subscription, offset: number, reason: DeathReason): void {
  const { settled, attempts } = subscription;
  if (settled.has(offset)) return;
  const known = attempts.get(offset) ?? newAttempts(0, 0, 0);
  staysDead(known, reason);
  attempts.set(offset, known);
}

/** Everything is read: cursor and counts. `scheduled`: messages that wait for the time that they were published for. */
export function finishRestore(
  subscription: Subscription,
  scheduled: number,
  addRetry: (readyAtMs: number, offset: number) => void,
): void {
  const { partition, settled, journal, ready } = subscription;
  if (settled.floor > partition.next) partition.next = settled.floor;
  if (journal.horizonWritten > partition.next) {
    settled.addRange(partition.next, journal.horizonWritten);
    partition.next = journal.horizonWritten;
  }
  if (!subscription.keepsHistory) partition.runs.recount();
  if (ready instanceof SequentialReady) ready.cursor = Math.max(ready.cursor, settled.floor);
  let retries = 0;
  for (const [offset, { readyAtMs, death }] of subscription.attempts) {
    // It did not outlive the crash.
    const isGone = settled.has(offset) || offset >= partition.next;
    if (isGone) subscription.attempts.delete(offset);
    if (readyAtMs === 0 || isGone) continue;
    retries++;
    if (death === undefined) addRetry(readyAtMs, offset);
    else subscription.deaths.restore(offset);
  }
  subscription.scheduledCount = scheduled + retries;
  subscription.undecided.restore();
  subscription.readyBytes -= subscription.undecided.bytes;
  const waiting = subscription.scheduledCount + subscription.undecided.count;
  subscription.readyCount = partition.next - settled.floor - settled.above - waiting;
  if (subscription.readyCount === 0 || subscription.readyBytes < 0) subscription.readyBytes = 0;
}
