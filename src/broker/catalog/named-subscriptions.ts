/**
 * Further subscriptions of a log: each takes every entry, shares it out among its own consumers, and keeps its own
 * delivery state, so that a log is a work queue too (settled one by one, retried, dead-lettered) for as many as want it.
 *
 * They hold nothing back: the log's retention says how long entries stay, and what it takes is over for them as well.
 * A queue that keeps entries until they are settled has its one subscription and no others: who wants several of those
 * binds several queues to one exchange, and their bytes are stored once. Rejected: entries that go when the last of
 * several subscriptions has settled them, since that is what those queues do already.
 */
import { assert, must } from "../../base/assert.ts";
import type { QueueSettings, SubscriptionSettings, SubscriptionView } from "../api.ts";
import type { Core } from "../core.ts";
import { scan } from "../subscription/scan.ts";
import { Subscription } from "../subscription/subscription.ts";
import { isEqual } from "./is-equal.ts";
import type { QueueState } from "./queue-state.ts";
import { sumOf } from "./sum-of.ts";

/** On all partitions of the topic, or, if there is one of this name, on none: false. */
export function subscribe(
  core: Core,
  topic: QueueState,
  name: string,
  settings: SubscriptionSettings,
  startAt: "first" | "next" | { offset: number },
): boolean {
  assert(topic.subscription === undefined, "only a log has further subscriptions");
  if (topic.named?.has(name) === true) return false;
  core.commit.atomically(() => {
    for (const queue of topic.partitions) {
      const { first, next } = queue.partition;
      const start =
        startAt === "first" ? first : startAt === "next" ? next : Math.max(first, Math.min(startAt.offset, next));
      const id = core.nextId();
      const subscription = addNamedSubscription(core, queue, id, name, settings, start);
      if (queue.isDurable) core.define({ op: "subscription", queue: queue.id, id, name, settings, start });
      beginNamedSubscription(core, subscription, start);
    }
  });
  return true;
}

export function unsubscribe(core: Core, topic: QueueState, name: string): boolean {
  if (topic.named?.has(name) !== true) return false;
  core.commit.atomically(() => {
    for (const queue of topic.partitions) {
      removeNamedSubscription(core, queue, name);
      if (queue.isDurable) core.define({ op: "subscription-deleted", queue: queue.id, name });
    }
  });
  return true;
}

/** Holds for what is there too. Its mode and its priorities stay. */
export function configureNamed(core: Core, topic: QueueState, name: string, settings: SubscriptionSettings): void {
  const now = must(topic.named?.get(name), "the subscription exists").settings;
  const { mode, maxPriority } = settings;
  assert(mode === now.mode && maxPriority === now.maxPriority, "a subscription stays what it was made as");
  if (isEqual(settings, ownSettings(now))) return;
  core.commit.atomically(() => {
    for (const queue of topic.partitions) {
      configureOne(queue, name, settings);
      if (queue.isDurable) core.define({ op: "subscription-settings", queue: queue.id, name, settings });
    }
  });
}

export function configureOne(queue: QueueState, name: string, settings: SubscriptionSettings): void {
  queue.named?.get(name)?.configure(settingsOf(queue, settings));
}

/** Of all partitions. */
export function namedView(topic: QueueState, name: string): SubscriptionView | undefined {
  const first = topic.named?.get(name);
  if (first === undefined || topic.partitions.length === 1) return first;
  const named = ({ named: all }: QueueState): Subscription => all!.get(name)!;
  return {
    readyCount: sumOf(topic, (partition) => named(partition).readyCount),
    leasedCount: sumOf(topic, (partition) => named(partition).leasedCount),
    scheduledCount: sumOf(topic, (partition) => named(partition).scheduledCount),
    consumerCount: first.consumerCount,
  };
}

/** Adds it without a word to the journal. Entries below `start` are not for it. */
export function addNamedSubscription(
  core: Core,
  queue: QueueState,
  id: number,
  name: string,
  settings: SubscriptionSettings,
  start: number,
): Subscription {
  const subscription = new Subscription(id, queue.partition, settingsOf(queue, settings), queue.counters, core);
  subscription.onUnused = (): void => queue.consumersLeft();
  subscription.settled.addRange(0, start);
  subscription.ready.skipTo(start);
  queue.named ??= new Map();
  queue.named.set(name, subscription);
  core.subscriptionById.set(id, subscription);
  core.schedule.register(id, subscription);
  return subscription;
}

/** What the log holds from `start` on is its first work. */
function beginNamedSubscription(core: Core, subscription: Subscription, start: number): void {
  const { partition, ready } = subscription;
  subscription.readyCount = partition.next - start;
  if (!ready.needsScan || start === partition.next) return subscription.wake();
  subscription.isBuilding = true;
  void scan(core, subscription).then(() => {
    subscription.isBuilding = false;
    subscription.wake();
  }, core.fatal);
}

/** Its consumers are told. */
export function removeNamedSubscription(core: Core, queue: QueueState, name: string): void {
  const subscription = queue.named?.get(name);
  if (subscription === undefined) return;
  queue.named!.delete(name);
  if (queue.named!.size === 0) queue.named = undefined;
  core.subscriptionById.delete(subscription.id);
  subscription.delete();
  core.schedule.unregister(subscription.id);
}

/** What was said of it when it was made. */
export function ownSettings({ mode, ...settings }: QueueSettings): SubscriptionSettings {
  const { maxPriority, deadLetter, deliveryLimit, retry } = settings;
  return { mode: mode === "offset" ? "shared" : mode, maxPriority, deadLetter, deliveryLimit, retry };
}

/** What is not the subscription's to say is the log's, or nothing. */
function settingsOf(queue: QueueState, settings: SubscriptionSettings): QueueSettings {
  const { durable, retention } = queue.settings;
  return {
    ...settings,
    durable,
    retention,
    ttlMs: -1,
    expiresMs: 0,
    maxLength: -1,
    maxLengthBytes: -1,
    overflow: "drop-head",
    dedup: undefined,
    autoDelete: false,
  };
}
