import { assert } from "../../base/assert.ts";
import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Partition } from "../topic/partition.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Looks at each message that waits: orders other than that of offsets are built from what the messages say, and a
 * limit of bytes needs their exact sum. What is appended meanwhile is not looked at, nor what is `leased`.
 */
export async function scan(core: Core, subscription: Subscription, leased = new Set<number>()): Promise<void> {
  const { id, partition, settled, attempts, ready, undecided, counting } = subscription;
  const { next } = partition;
  const cursor = new EntryCursor();
  const { missing } = subscription;
  counting.beginCounting();
  let offset = settled.floor;
  while (offset < next && !subscription.isDeleted) {
    if (settled.has(offset) || leased.has(offset) || undecided.has(offset)) offset++;
    else if (partition.look(offset, cursor)) {
      if (cursor.isBatch) {
        if (core.unpacked.isForLater(partition, cursor)) {
          await unpackLater(core, partition, offset);
          continue;
        }
        const last = cursor.offset;
        const found = core.unpacked.seek(partition, cursor, offset);
        if (found !== offset) {
          const end = found < 0 ? last + 1 : found;
          missing.vanished(offset, end, true);
          offset = end;
          continue;
        }
      }
      const isDelayed =
        cursor.deliverAtMs > cursor.timestampMs && !core.schedule.hasFired(id, cursor.deliverAtMs, offset);
      const tried = attempts.get(offset);
      if (tried !== undefined && tried.readyAtMs > 0) ready.heldBack(offset, cursor.priority, cursor.key());
      else if (tried !== undefined || !isDelayed) {
        ready.appended(offset, cursor.priority, cursor.key());
        counting.counted(offset, cursor.bodyEnd - cursor.bodyStart);
      }
      offset++;
    } else {
      const at = offset;
      // Before it is read and not after: what has just come must be there to be looked at.
      core.evict();
      const coveredEnd = await new Promise<number>((resolve) => {
        partition.load(at, false, resolve);
      });
      // Holes end where something was read back: a damaged entry must not hide those behind it.
      offset = partition.firstInMemory(at, Math.min(coveredEnd, next));
      missing.nowhere(Math.max(at, ready.knownFrom), offset);
    }
  }
  if (subscription.isDeleted) return;
  counting.endCounting();
  subscription.areBytesExact = true;
}

/** Unpacks the batch that holds the offset in a turn that has room for that: whoever looks then finds it unpacked. */
function unpackLater(core: Core, partition: Partition, offset: number): Promise<void> {
  const { unpacked } = core;
  return new Promise((resolve) => {
    unpacked.share.wait(() => {
      const cursor = new EntryCursor();
      if (partition.look(offset, cursor) && cursor.isBatch) unpacked.seek(partition, cursor, offset);
      resolve();
    });
  });
}

/** The subscription's log has a new batch. */
export function appendedBatch(
  core: Core,
  subscription: Subscription,
  lastOffset: number,
  count: number,
  bodyLength: number,
): void {
  const { partition, ready, missing } = subscription;
  subscription.readyCount += count;
  subscription.readyBytes += bodyLength;
  if (!ready.needsScan) return;
  const cursor = new EntryCursor();
  for (let offset = lastOffset - count + 1; offset <= lastOffset; offset++) {
    const isHere = partition.lookAt(lastOffset, cursor);
    assert(isHere, "what was just appended is in memory");
    const found = core.unpacked.seek(partition, cursor, offset);
    missing.vanished(offset, found < 0 ? lastOffset + 1 : found, true);
    if (found < 0) return;
    ready.appended(found, cursor.priority, cursor.key());
    offset = found;
  }
}

/**
 * Nobody had asked for exact bytes since the start, and now there is a limit of them: it must not take what it need not.
 * Nothing is delivered until they are known.
 */
export function countBytes(core: Core, subscription: Subscription): void {
  if (subscription.areBytesExact || subscription.isBuilding || core.isRecovering) return;
  subscription.isBuilding = true;
  void scan(core, subscription, new Set(core.leasedOf(subscription))).then(() => {
    subscription.isBuilding = false;
    subscription.wake();
  }, core.fatal);
}
