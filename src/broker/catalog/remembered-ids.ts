/** What a queue remembers of the ids of its messages: those that it saw lately, or those that it holds, as it is told to. */
import { must } from "../../base/assert.ts";
import type { Publication } from "../api.ts";
import type { Core } from "../core.ts";
import { DedupWindow, isUntil } from "../dedup-window.ts";
import { HeldIds } from "../held-ids.ts";
import type { UndecidedIds } from "../topic/undecided-ids.ts";
import { dedupIdOf } from "../way.ts";
import type { QueueState } from "./queue-state.ts";

/** Begins to remember as its settings say, or goes on. */
export function applyDedup(queue: QueueState): void {
  const { dedup } = queue.settings;
  if (dedup === "until-settled") {
    queue.heldIds ??= new HeldIds(must(queue.subscription, "a log settles nothing"));
    queue.dedup = undefined;
    return;
  }
  queue.heldIds = undefined;
  // Its first partition's: an id is seen in a topic, wherever the message went.
  if (queue.topic !== queue) queue.dedup = queue.topic.dedup;
  else if (dedup === undefined) queue.dedup = undefined;
  else if (queue.dedup === undefined) queue.dedup = new DedupWindow(dedup);
  else queue.dedup.policy = dedup;
}

/**
 * Whether the queue has, or lately had, a message with the id of this one. `comesBack`: the message was in a queue before. It
 * may have been in this one, so that it was seen says nothing.
 */
export function isDuplicateIn(core: Core, queue: QueueState, p: Publication, comesBack: boolean): boolean {
  if (queue.settings.dedup === undefined) return false;
  const dedupId = dedupIdOf(core, p);
  if (dedupId === undefined) return false;
  if (idsNowOf(queue)?.has(dedupId, core.now()) === true) return true;
  if (queue.dedup !== undefined) return !comesBack && queue.dedup.has(dedupId, core.now());
  return queue.topic.partitions.some(({ heldIds }) => heldIds?.has(dedupId) === true);
}

/** As restoreId() takes it. */
export function idsToJson(queue: QueueState): [string, number][] | undefined {
  if (queue.heldIds !== undefined) return queue.heldIds.toJson();
  return queue.topic === queue ? queue.dedup?.toJson() : undefined;
}

/** `at`: when it was seen, or the offset of its message, as its settings want it. */
export function restoreId(queue: QueueState, dedupId: string, at: number): void {
  queue.heldIds?.add(dedupId, at);
  queue.dedup?.add(dedupId, at);
}

/** The transaction of its message is committed, now: so it is seen now, but for one that says itself until when. */
export function commitId(queue: QueueState, dedupId: string, at: number, nowMs: number): void {
  queue.heldIds?.add(dedupId, at);
  queue.dedup?.add(dedupId, isUntil(at) ? at : nowMs);
}

/** How many ids of one transaction are to be remembered. */
export function idsMaxOf({ dedup, heldIds }: QueueState): number {
  return heldIds === undefined ? (dedup?.policy.maxIds ?? 0) : Infinity;
}

/** Where ids go that are seen just now: they are a transaction's own until it is committed. */
export function idsNowOf({ subscription }: QueueState): UndecidedIds | undefined {
  return subscription?.undecided.idsNow;
}
