/**
 * Sums over everything: of each virtual host, and of all. Counters of a sum never fall: what a closed channel, a closed
 * connection or a deleted queue had counted stays in it (`Departed`).
 */

import type { Namespace, Queue } from "../../../../broker/api.ts";
import { queueDeclaration, type QueueType } from "../../model/declaration.ts";
import { leasedCountOf, readyCountOf } from "../../model/work-queue.ts";
import type { LiveChannel, LiveConnection, TrafficCounters } from "../../model/live.ts";
import { channelMeasures, deliverColumns, readChannel, readQueue, queueMeasures, totalMeasures } from "./measures.ts";

export const queueTypes = ["classic", "quorum", "stream"] as const satisfies readonly QueueType[];
export const deathReasons = ["expired", "rejected", "maxlen", "delivery_limit"] as const;
/** RabbitMQ's words for what becomes of the dead. */
export const deadLetterStrategies = ["disabled", "at_most_once", "at_least_once"] as const;

const deliverCount = deliverColumns.length;
const { deliverAt, trafficAt } = totalMeasures;

/** What queues of one type count together. */
export class TypeCounters {
  /** As in `deliverColumns`. */
  readonly deliver = new Float64Array(deliverCount);
  /** By reason and strategy. */
  readonly dead = new Float64Array(deathReasons.length * deadLetterStrategies.length);
  published = 0;

  add(queue: Queue, deliver: Float64Array): void {
    for (let column = 0; column < deliverCount; column++) this.deliver[column]! += deliver[1 + column]!;
    const { counters, settings } = queue;
    this.published += counters.published;
    const at = settings.deadLetter === undefined ? 0 : settings.deadLetter.atLeastOnce === true ? 2 : 1;
    const width = deadLetterStrategies.length;
    this.dead[at]! += counters.expired;
    this.dead[width + at]! += counters.rejected;
    this.dead[2 * width + at]! += counters.overflowed;
    this.dead[3 * width + at]! += counters.deliveryLimited;
  }

  addAll(other: TypeCounters): void {
    addTo(this.deliver, other.deliver);
    addTo(this.dead, other.dead);
    this.published += other.published;
  }
}

type ByType = Readonly<Record<QueueType, TypeCounters>>;

function byType(): ByType {
  return { classic: new TypeCounters(), quorum: new TypeCounters(), stream: new TypeCounters() };
}

function addTo(to: Float64Array, from: Float64Array): void {
  for (let index = 0; index < to.length; index++) to[index]! += from[index]!;
}

function addColumns(to: Float64Array, toAt: number, from: Float64Array, fromAt: number, count: number): void {
  for (let column = 0; column < count; column++) to[toAt + column]! += from[fromAt + column]!;
}

const queueScratch = new Float64Array(queueMeasures.columns);
const channelScratch = new Float64Array(channelMeasures.columns);

/** What was counted by objects that are no more. */
export class Departed {
  readonly byVhost = new Map<string, Float64Array>();
  /** Of virtual hosts that are no more themselves. */
  readonly elsewhere = new Float64Array(totalMeasures.columns);
  readonly byType = byType();
  publishedForConfirm = 0;

  /** Virtual hosts that are not there any more keep nothing of their own. */
  forgetVhosts(isThere: (name: string) => boolean): void {
    for (const [name, sums] of this.byVhost) {
      if (isThere(name)) continue;
      addTo(this.elsewhere, sums);
      this.byVhost.delete(name);
    }
  }

  queueDeleted(queue: Queue): void {
    readQueue(queue, queueScratch);
    const sums = this.#of(queue.namespace.name);
    for (let column = 0; column < deliverCount; column++) sums[deliverAt + column]! += queueScratch[1 + column]!;
    this.byType[queueDeclaration(queue).type].add(queue, queueScratch);
  }

  channelClosed(vhost: string, channel: LiveChannel): void {
    readChannel(channel, channelScratch);
    const sums = this.#of(vhost);
    for (let column = 0; column < deliverAt; column++) sums[column]! += channelScratch[column]!;
    if (channel.isConfirming) this.publishedForConfirm += channelScratch[0]!;
  }

  connectionClosed({ vhost, traffic }: LiveConnection): void {
    const sums = this.#of(vhost);
    sums[trafficAt]! += traffic.receivedBytes;
    sums[trafficAt + 1]! += traffic.sentBytes;
  }

  #of(vhost: string): Float64Array {
    let sums = this.byVhost.get(vhost);
    if (sums === undefined) this.byVhost.set(vhost, (sums = new Float64Array(totalMeasures.columns)));
    return sums;
  }
}

/** Of one virtual host, at one time. */
export class VhostTotals {
  /** As in `totalMeasures`. */
  readonly sums = new Float64Array(totalMeasures.columns);
  queues = 0;
  exchanges = 0;
  consumers = 0;
  connections = 0;
  channels = 0;
}

/** Of everything, at one time. Filled by adding each object once. */
export class Totals {
  readonly sums = new Float64Array(totalMeasures.columns);
  readonly byVhost = new Map<string, VhostTotals>();
  readonly byType = byType();
  queues = 0;
  exchanges = 0;
  consumers = 0;
  connections = 0;
  channels = 0;
  /** Channels that have published. */
  publishers = 0;
  /** Messages that came over channels with confirms. */
  publishedForConfirm = 0;
  readyBytes = 0;
  durableMessages = 0;
  scheduled = 0;
  /** ms since 1970 of the oldest message that is ready, of those that are known; Infinity: none. */
  oldestReadyMs = Infinity;
  receivedPackets = 0;
  sentPackets = 0;
  unsentBytes = 0;
  unconfirmed = 0;
  uncommitted = 0;
  uncommittedAcks = 0;
  channelUnacknowledged = 0;
  prefetch = 0;
  globalPrefetch = 0;

  constructor(departed: Departed) {
    this.publishedForConfirm = departed.publishedForConfirm;
    for (const type of queueTypes) this.byType[type].addAll(departed.byType[type]);
    addTo(this.sums, departed.elsewhere);
    for (const [vhost, sums] of departed.byVhost) {
      addTo(this.sums, sums);
      addTo(this.#of(vhost).sums, sums);
    }
  }

  addNamespace(namespace: Namespace): void {
    this.#of(namespace.name);
  }

  /** `values`: as readQueue() gives them. */
  addQueue(queue: Queue, values: Float64Array): void {
    const vhost = this.#of(queue.namespace.name);
    vhost.queues++;
    vhost.consumers += queue.consumerCount;
    this.queues++;
    this.consumers += queue.consumerCount;
    // The lengths follow the deliveries in both.
    addColumns(vhost.sums, deliverAt, values, 1, deliverCount + 2);
    addColumns(this.sums, deliverAt, values, 1, deliverCount + 2);
    this.byType[queueDeclaration(queue).type].add(queue, values);
    this.readyBytes += queue.readyBytes;
    if (queue.settings.durable) this.durableMessages += readyCountOf(queue) + leasedCountOf(queue);
    this.scheduled += queue.scheduledCount;
    this.oldestReadyMs = Math.min(this.oldestReadyMs, queue.oldestReadyMs ?? Infinity);
  }

  addExchange(vhost: string): void {
    this.exchanges++;
    this.#of(vhost).exchanges++;
  }

  addConnection(connection: LiveConnection, traffic: TrafficCounters): void {
    const vhost = this.#of(connection.vhost);
    vhost.connections++;
    this.connections++;
    vhost.sums[trafficAt]! += traffic.receivedBytes;
    vhost.sums[trafficAt + 1]! += traffic.sentBytes;
    this.sums[trafficAt]! += traffic.receivedBytes;
    this.sums[trafficAt + 1]! += traffic.sentBytes;
    this.receivedPackets += traffic.receivedPackets;
    this.sentPackets += traffic.sentPackets;
    this.unsentBytes += connection.unsentBytes;
  }

  /** `values`: as readChannel() gives them. */
  addChannel(vhostName: string, channel: LiveChannel, values: Float64Array): void {
    const vhost = this.#of(vhostName);
    vhost.channels++;
    this.channels++;
    if (values[0]! > 0) this.publishers++;
    if (channel.isConfirming) this.publishedForConfirm += values[0]!;
    addColumns(vhost.sums, 0, values, 0, deliverAt);
    addColumns(this.sums, 0, values, 0, deliverAt);
    this.unconfirmed += channel.unconfirmedCount;
    this.uncommitted += channel.uncommittedCount;
    this.uncommittedAcks += channel.uncommittedAckCount;
    this.channelUnacknowledged += channel.unacknowledgedCount;
    this.prefetch += channel.prefetchCount;
    this.globalPrefetch += channel.globalPrefetchCount;
  }

  #of(vhost: string): VhostTotals {
    let totals = this.byVhost.get(vhost);
    if (totals === undefined) this.byVhost.set(vhost, (totals = new VhostTotals()));
    return totals;
  }
}
