/**
 * What a restart found, held against what was: the parts of the model's look after a crash that need nothing of its own but what
 * anybody may see. Each tells the cut what is there and what is not.
 */
import type { QueueSettings } from "../src/broker/api.ts";
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import type { Copy, ModelQueue } from "./copies.ts";
import { before, type Cut, ensure } from "./cut.ts";
import type { Model } from "./model.ts";

export function recoverSettings(queue: ModelQueue, found: QueueSettings, cut: Cut): void {
  const changed = queue.reconfigured;
  queue.reconfigured = undefined;
  const isNew = JSON.stringify(found) === JSON.stringify(queue.settings);
  const isOld = changed !== undefined && JSON.stringify(found) === JSON.stringify(changed.old);
  ensure(isNew || isOld, `${queue.name} came back with settings that it never had`);
  if (changed === undefined || (isNew && isOld)) return;
  if (isNew) cut.present(changed.when, undefined, `the change of ${queue.name}`);
  else cut.absent(changed.when, undefined, `the change of ${queue.name}`);
  if (!isNew) queue.settings = changed.old;
}

function isStillThere(model: Model, copy: Copy): boolean {
  const state = model.broker.core.queueById.get(copy.queue.id);
  if (state === undefined) return false;
  const { partition, subscription } = state;
  return (
    copy.offset < partition.next && copy.offset >= partition.first && subscription?.settled.has(copy.offset) !== true
  );
}

export function recoverCopy(model: Model, copy: Copy, cut: Cut): void {
  const isLive = isStillThere(model, copy);
  if (!copy.isDurable) {
    if (!copy.queue.isLog) ensure(!isLive, `${copy.text} is not durable and came back`);
    return;
  }
  if (isLive) cut.present(copy.appended, copy.settled, copy.text);
  // A start that looks at each message settles what damage took, whatever was known of it before.
  else if (model.mayLose) return;
  else cut.absent(copy.appended, copy.settled, copy.text);
}

/** A message is where it was or where it went: not in both places, not in neither. */
export function recoverPair(model: Model, copy: Copy): void {
  const { origin } = copy;
  copy.origin = undefined;
  if (origin === undefined || !origin.isDurable || !copy.isDurable) return;
  if (!model.queues.has(origin.queue.id) || origin.queue.deleted !== undefined) return;
  if (origin.settled === undefined || origin.settled.high <= model.durableTicket) return;
  const isHere = isStillThere(model, copy);
  const isThere = isStillThere(model, origin);
  ensure(!isHere || !isThere, `${origin.text} is also ${copy.text}`);
  // What damage took is nowhere.
  const wasThere = origin.appended.high <= model.durableTicket && !model.mayLose;
  ensure(
    isHere || isThere || !wasThere || copy.settled !== undefined,
    `${origin.text} is neither there nor ${copy.text}`,
  );
}

export function forgetGone(model: Model, queue: ModelQueue, isClean: boolean): void {
  for (const copy of queue.copies.values()) {
    if (!copy.isDurable || !isStillThere(model, copy)) {
      queue.copies.delete(copy.offset);
      continue;
    }
    copy.appended = before;
    copy.settled = undefined;
    copy.held = undefined;
    // What a full target had refused is dead on record; what had not got so far is given out again.
    copy.mayDie ||= copy.isDying;
    copy.isDying = false;
    if (!isClean) copy.mayBeFlagged = true;
    copy.returns = -1;
    copy.failures = -1;
  }
}

export function recoverBindings(model: Model, cut: Cut): void {
  const bound = new Set<number>();
  for (const { destination } of model.broker.namespace("/")!.bindingsFrom("fan")) {
    if ("queue" in destination) bound.add((destination.queue as QueueState).id);
  }
  for (const binding of model.bindings.splice(0)) {
    const { queue } = binding;
    if (!model.queues.has(queue.id)) continue;
    const what = `the binding of ${queue.name}`;
    if (!bound.has(queue.id)) {
      cut.absent(binding.bound, binding.unbound, what);
      continue;
    }
    // A queue may be bound, unbound and bound again: only the last counts.
    cut.present(binding.bound, binding.unbound, what);
    model.bindings.push({ queue, bound: before, unbound: undefined });
    bound.delete(queue.id);
  }
  ensure(bound.size === 0, "there is a binding that nobody made");
}
