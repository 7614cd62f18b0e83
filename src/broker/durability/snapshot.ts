/**
 * The state that a checkpoint holds: definitions and delivery state, everything but the messages. JSON, because it is
 * small, read once at start, and an operator may want to look at it. The fields are documented in docs/DATA_DIR.md, and
 * how it is written down is in stored-snapshot.ts.
 */
import type { Core } from "../core.ts";
import { headersToJson, type Definition } from "../catalog/definition.ts";
import { type SubscriptionSnapshot, subscriptionSnapshot } from "../subscription/subscription-snapshot.ts";
import { ownSettings } from "../catalog/named-subscriptions.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import { idsToJson } from "../catalog/remembered-ids.ts";
import type { ProducingJson } from "../topic/producing.ts";
import { queueDefinition } from "../catalog/topic-partitions.ts";

export interface QueueSnapshot {
  readonly id: number;
  readonly first: number;
  readonly next: number;
  /** The most offsets that an entry spans, if that is more than one. */
  readonly span?: number;
  /** Offsets of entries that do not outlive the process. */
  readonly fleeting: number[];
  readonly subscription: SubscriptionSnapshot | undefined;
  readonly dedup: [string, number][] | undefined;
  /** Of a compacted log: offsets whose entries a newer one has taken the place of. */
  readonly superseded?: unknown[];
  /** Of a compacted log: [below which offset, by when] passes had seen it. */
  readonly seen?: [number, number][];
  /** Of a log: its named subscriptions, by id. */
  readonly named?: [number, SubscriptionSnapshot][];
  /** Groups and where they stand: offset, committed at, metadata. */
  readonly positions?: [string, number, number, string][];
  /** Who numbers what it appends, and transactions. */
  readonly producing?: ProducingJson;
}

export interface Snapshot {
  readonly lastId: number;
  readonly definitions: Definition[];
  readonly queues: QueueSnapshot[];
  readonly exchangeDedups: [number, [string, number][]][];
  readonly schedule: unknown;
}

/** What is added when the checkpoint is written. */
export interface StoredSnapshot extends Snapshot {
  /** First journal block that is not in it. */
  readonly seq: number;
  readonly nextSegment: number;
  readonly segments: number[];
}

/** `isClean`: nothing will be delivered after it, so exactly what was delivered is flagged as such. */
export function snapshotOf(core: Core, isClean: boolean): Snapshot {
  const definitions: Definition[] = [];
  const exchangeDedups: [number, [string, number][]][] = [];
  for (const namespace of core.namespaceByName.values()) {
    const ns = namespace.name;
    definitions.push({ op: "namespace", name: ns });
    for (const { id, name, settings, declaration, routing, dedup } of namespace.exchangeByName.values()) {
      if (routing === undefined || !settings.durable) continue;
      definitions.push({ op: "exchange", ns, name, id, settings, declaration });
      if (dedup !== undefined) exchangeDedups.push([id, dedup.toJson()]);
    }
    for (const queue of [...namespace.queueByName.values(), ...namespace.hiddenByName.values()]) {
      if (queue.isDurable) definitions.push(queueDefinition(queue));
      if (queue.isDurable && queue.named !== undefined) definitions.push(...namedDefinitions(queue));
    }
    for (const { source, destination, key, args } of namespace.durableBindings()) {
      const to = "queue" in destination ? { queue: destination.queue.name } : { exchange: destination.exchange };
      definitions.push({ op: "bind", ns, source, ...to, key, args: headersToJson(args) });
    }
  }
  for (const [kind, values] of core.definitions)
    for (const [name, value] of values) definitions.push({ op: "put", kind, name, value });
  const queues = [...core.queueById.values()]
    .filter((queue) => queue.isDurable)
    .map((queue) => queueSnapshot(queue, isClean));
  return { lastId: core.lastId, definitions, queues, exchangeDedups, schedule: core.schedule.toJson() };
}

function namedDefinitions(queue: QueueState): Definition[] {
  return [...(queue.named ?? [])].map(([name, { id, settings }]) => {
    return { op: "subscription", queue: queue.id, id, name, settings: ownSettings(settings), start: 0 };
  });
}

function queueSnapshot(queue: QueueState, isClean: boolean): QueueSnapshot {
  const { id, partition, subscription } = queue;
  const producing = queue.producingJson();
  return {
    id,
    first: partition.first,
    next: partition.next,
    ...(partition.maxSpan === 1 ? {} : { span: partition.maxSpan }),
    fleeting: partition.fleeting.toList(),
    subscription: subscription === undefined ? undefined : subscriptionSnapshot(subscription, isClean),
    dedup: idsToJson(queue),
    ...(queue.compaction === undefined
      ? {}
      : { superseded: queue.compaction.superseded.toJson(), seen: queue.compaction.seen.toJson() }),
    ...(queue.named === undefined
      ? {}
      : { named: [...queue.named.values()].map((one) => [one.id, subscriptionSnapshot(one, isClean)]) }),
    ...(producing === undefined ? {} : { producing }),
    ...(queue.positions.byGroup.size === 0 ? {} : { positions: queue.positions.toJson() }),
  };
}
