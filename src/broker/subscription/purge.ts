import type { Subscription } from "./subscription.ts";

/**
 * Settles everything but what is leased (offsets in order), range by range. Answers how many messages were ready. To know what
 * is leased takes a look at all leases that there are.
 */
export function purge(subscription: Subscription, leasedNow: () => readonly number[]): number {
  const { readyCount, scheduledCount, deaths, partition, settled, attempts, ready } = subscription;
  if (readyCount === 0 && scheduledCount === 0 && !deaths.hasLine) return 0;
  const leased = leasedNow();
  const { next } = partition;
  // A message that waits for its retry was taken from its order, and is given up there.
  if (ready.needsScan) for (const [offset, { readyAtMs }] of attempts) if (readyAtMs > 0) ready.settled(offset);
  ready.skipTo(next);
  let start = settled.floor;
  for (const offset of leased) {
    purgeRange(subscription, start, offset);
    start = offset + 1;
  }
  purgeRange(subscription, start, next);
  for (const offset of attempts.keys()) if (settled.has(offset)) attempts.delete(offset);
  subscription.scheduledCount = 0;
  subscription.deaths.purged();
  subscription.readyCount = 0;
  subscription.counting.clear();
  return readyCount;
}

function purgeRange(subscription: Subscription, start: number, end: number): void {
  if (start >= end) return;
  const { partition, settled, journal } = subscription;
  if (!subscription.keepsHistory) partition.removeRange(start, end);
  settled.addRange(start, end);
  journal.noteSettled(start, end - start);
}
