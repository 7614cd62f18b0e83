/**
 * Since when the message waits that a consumer would get next: the figure to alert on. What a log holds waits for nobody, and is
 * as old as its retention lets it be; what its work queues have ready does.
 */

import { EntryCursor } from "../entry.ts";
import type { Subscription } from "../subscription/subscription.ts";
import type { QueueState } from "./queue-state.ts";

/** Statistics ask this of ten thousand queues at a time: nothing is made for one. */
const scratch = new EntryCursor();

/** ms since 1970, of all partitions the earliest; undefined: nothing waits, or it is not known just now. */
export function oldestReadyMs({ partitions }: QueueState): number | undefined {
  let oldestMs = Infinity;
  for (const { subscription, named } of partitions) {
    if (subscription !== undefined) oldestMs = Math.min(oldestMs, headMs(subscription));
    if (named !== undefined) for (const each of named.values()) oldestMs = Math.min(oldestMs, headMs(each));
  }
  return oldestMs === Infinity ? undefined : oldestMs;
}

function headMs({ partition, ready, readyCount, undecided }: Subscription): number {
  if (readyCount === 0) return Infinity;
  const next = ready.peek(undecided.end);
  if (next < 0) return Infinity;
  // What retention has taken is over, though nobody may have passed over it yet.
  const offset = Math.max(next, partition.first);
  if (offset >= undecided.end) return Infinity;
  return (partition.look(offset, scratch) ? scratch.timestampMs : partition.timestampNear(offset)) ?? Infinity;
}
