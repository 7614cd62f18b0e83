/** What is known of messages that came back, and when they are tried again. */
import type { Random } from "../../base/random.ts";
import type { DeathReason, RetryPolicy } from "../api.ts";

export interface Attempts {
  returns: number;
  /** Those of the returns that count against the delivery limit. */
  failures: number;
  /** It waits for this time before it is ready again; 0: it does not. Of one that died it says nothing but that it waits. */
  readyAtMs: number;
  /** It died of this, and its dead-letter target was full: it is offered to it again. */
  death: DeathReason | undefined;
}

export function newAttempts(returns: number, failures: number, readyAtMs: number): Attempts {
  return { returns, failures, readyAtMs, death: undefined };
}

/**
 * Counts that it came back. True: that was one failure too many. Who only gives it back ends nothing, however often it
 * failed before: the limit may have been lowered since.
 */
export function failsForGood(attempts: Attempts, isFailure: boolean, deliveryLimit: number): boolean {
  attempts.returns++;
  if (!isFailure) return false;
  attempts.failures++;
  return deliveryLimit >= 0 && attempts.failures > deliveryLimit;
}

/** It died, and waits for nothing but its dead-letter target. */
export function staysDead(attempts: Attempts, reason: DeathReason): void {
  attempts.death = reason;
  attempts.readyAtMs = Math.max(1, attempts.readyAtMs);
}

/** When a message that has just come back is ready again; 0: at once. */
export function retryAtMs(
  retry: RetryPolicy | undefined,
  attempts: Attempts,
  isFailure: boolean,
  world: { now(): number; readonly random: Random },
): number {
  if (retry === undefined || (retry.on !== "all" && (retry.on === "failed") !== isFailure)) return 0;
  const attempt = retry.on === "failed" ? attempts.failures : attempts.returns;
  return world.now() + retryDelayMs(retry, attempt, world.random.next());
}

/** Delay before attempt n + 1, in ms. `chance` is in [0, 1). */
export function retryDelayMs(retry: RetryPolicy, attempt: number, chance: number): number {
  const plain = retry.growth === "linear" ? retry.minMs * attempt : retry.minMs * 2 ** Math.min(attempt - 1, 52);
  const bounded = Math.min(plain, retry.maxMs);
  return Math.max(1, Math.round(bounded * (1 - retry.jitter * chance)));
}
