import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Looks at each message that waits: orders other than that of offsets are built from what the messages say, and a
 * limit of bytes needs their exact sum. What is appended meanwhile is not looked at.
 */
export async function scan(core: Core, subscription: Subscription): Promise<void> {
  const { id, partition, settled, attempts, ready } = subscription;
  const { next } = partition;
  const cursor = new EntryCursor();
  subscription.readyBytes = 0;
  let offset = settled.floor;
  while (offset < next) {
    if (settled.has(offset)) offset++;
    else if (partition.look(offset, cursor)) {
      const isDelayed =
        cursor.deliverAtMs > cursor.timestampMs && !core.schedule.hasFired(id, cursor.deliverAtMs, offset);
      const tried = attempts.get(offset);
      if (tried !== undefined && tried.readyAtMs > 0) ready.heldBack(offset, cursor.priority, cursor.key());
      else if (tried !== undefined || !isDelayed) {
        ready.appended(offset, cursor.priority, cursor.key());
        subscription.readyBytes += cursor.bodyEnd - cursor.bodyStart;
      }
      offset++;
    } else {
      const at = offset;
      // Before it is read and not after: what has just come must be there to be looked at.
      core.evict();
      const coveredEnd = await new Promise<number>((resolve) => {
        partition.load(at, false, resolve);
      });
      if (!partition.look(at, cursor)) offset = Math.max(at + 1, Math.min(coveredEnd, next));
    }
    if (subscription.isDeleted) return;
  }
}
