/**
 * The metrics under the names of RabbitMQ's plug-in, in its families: those are what `/metrics/detailed?family=` names. Only what
 * means the same here is here: nothing of Erlang's processes, of Raft, of Mnesia.
 *
 * A metric of an object can be told of each (`/metrics/per-object`, `/metrics/detailed`) or of all together (`/metrics`).
 */

import type { Queue } from "../../../../broker/api.ts";
import type { LiveChannel, LiveConnection } from "../../model/live.ts";
import { leasedCountOf, readyCountOf } from "../../model/work-queue.ts";
import { churnMeasures, totalMeasures } from "../stats/measures.ts";
import { bufferBytes } from "../stats/node-json.ts";
import type { Stats } from "../stats/stats.ts";
import type { Heading, MetricType } from "./text.ts";
import type { Snapshot } from "./snapshot.ts";

export interface TotalMetric extends Heading {
  readonly total: (snapshot: Snapshot) => number;
}

export interface ObjectMetric<T> extends TotalMetric {
  readonly value: (object: T, snapshot: Snapshot) => number;
}

export interface Family<M> {
  readonly name: string;
  readonly metrics: readonly M[];
}

export interface PlacedChannel {
  readonly connection: LiveConnection;
  readonly channel: LiveChannel;
}

function total(name: string, type: MetricType, help: string, of: (snapshot: Snapshot) => number): TotalMetric {
  return { name, type, help, total: of };
}

function each<T>(
  name: string,
  type: MetricType,
  help: string,
  value: (object: T, snapshot: Snapshot) => number,
  of: (snapshot: Snapshot) => number,
): ObjectMetric<T> {
  return { name, type, help, value, total: of };
}

const churnHelp = [
  ["connections_opened_total", "Total number of connections opened"],
  ["connections_closed_total", "Total number of connections closed or terminated"],
  ["channels_opened_total", "Total number of channels opened"],
  ["channels_closed_total", "Total number of channels closed"],
  ["queues_declared_total", "Total number of queues declared"],
  ["queues_created_total", "Total number of queues created"],
  ["queues_deleted_total", "Total number of queues deleted"],
] as const;

const node =
  (of: (stats: Stats) => number) =>
  ({ stats }: Snapshot): number =>
    of(stats);

/** Of the node: one line each, wherever they are asked for. */
export const nodeFamilies: readonly Family<TotalMetric>[] = [
  {
    name: "connection_churn_metrics",
    metrics: churnMeasures.all.map(({ columns }, index) =>
      total(
        churnHelp[index]![0],
        "counter",
        churnHelp[index]![1],
        ({ stats }) => stats.sampler.churn.counts[columns[0]!]!,
      ),
    ),
  },
  {
    name: "node_coarse_metrics",
    metrics: [
      total(
        "process_open_fds",
        "gauge",
        "Open file descriptors",
        node((stats) => stats.node("fd_used")),
      ),
      total(
        "process_open_tcp_sockets",
        "gauge",
        "Open TCP sockets",
        node((stats) => stats.node("sockets_used")),
      ),
      total(
        "process_resident_memory_bytes",
        "gauge",
        "Memory used in bytes",
        node((stats) => stats.node("mem_used")),
      ),
      total(
        "disk_space_available_bytes",
        "gauge",
        "Disk space available in bytes",
        node((stats) => stats.node("disk_free")),
      ),
    ],
  },
  {
    name: "node_metrics",
    metrics: [
      total(
        "process_max_fds",
        "gauge",
        "Open file descriptors limit",
        node((stats) => stats.process().openFilesMax),
      ),
      total(
        "process_max_tcp_sockets",
        "gauge",
        "Open TCP sockets limit",
        node((stats) => stats.process().openFilesMax),
      ),
      total(
        "resident_memory_limit_bytes",
        "gauge",
        "Memory high watermark in bytes",
        node((stats) => stats.options.memoryHighBytes),
      ),
      total(
        "disk_space_available_limit_bytes",
        "gauge",
        "Free disk space low watermark in bytes",
        node((stats) => stats.options.diskFreeBytesMin),
      ),
      total(
        "erlang_uptime_seconds",
        "gauge",
        "Node uptime",
        node((stats) => stats.uptimeMs / 1000),
      ),
    ],
  },
  {
    name: "node_persister_metrics",
    metrics: [
      total(
        "io_read_ops_total",
        "counter",
        "Total number of I/O read operations",
        node((stats) => stats.node("io_read_count")),
      ),
      total(
        "io_write_ops_total",
        "counter",
        "Total number of I/O write operations",
        node((stats) => stats.node("io_write_count")),
      ),
      total(
        "io_write_bytes_total",
        "counter",
        "Total number of I/O bytes written",
        node((stats) => stats.node("io_write_bytes")),
      ),
      total(
        "io_sync_ops_total",
        "counter",
        "Total number of I/O sync operations",
        node((stats) => stats.node("io_sync_count")),
      ),
      total(
        "io_sync_time_seconds_total",
        "counter",
        "Total I/O sync time",
        ({ stats }) => stats.server.broker.statistics.commitMs.sum / 1000,
      ),
    ],
  },
];

const ready = totalMeasures.lengthsAt;
const unacknowledged = totalMeasures.lengthsAt + 1;
const sum =
  (column: number) =>
  ({ totals }: Snapshot): number =>
    totals.sums[column]!;

export const queueFamilies: readonly Family<ObjectMetric<Queue>>[] = [
  {
    name: "queue_coarse_metrics",
    metrics: [
      each("queue_messages_ready", "gauge", "Messages ready to be delivered to consumers", readyCountOf, sum(ready)),
      each(
        "queue_messages_unacked",
        "gauge",
        "Messages delivered to consumers but not yet acknowledged",
        leasedCountOf,
        sum(unacknowledged),
      ),
      each(
        "queue_messages",
        "gauge",
        "Sum of ready and unacknowledged messages - total queue depth",
        (queue) => readyCountOf(queue) + leasedCountOf(queue),
        ({ totals }) => totals.sums[ready]! + totals.sums[unacknowledged]!,
      ),
    ],
  },
  {
    name: "queue_consumer_count",
    metrics: [
      each(
        "queue_consumers",
        "gauge",
        "Consumers on a queue",
        (queue) => queue.consumerCount,
        ({ totals }) => totals.consumers,
      ),
    ],
  },
  {
    name: "queue_metrics",
    metrics: [
      each(
        "queue_messages_persistent",
        "gauge",
        "Persistent messages",
        (queue) => (queue.settings.durable ? readyCountOf(queue) + leasedCountOf(queue) : 0),
        ({ totals }) => totals.durableMessages,
      ),
      each(
        "queue_messages_ready_bytes",
        "gauge",
        "Size in bytes of ready messages",
        (queue) => queue.readyBytes,
        ({ totals }) => totals.readyBytes,
      ),
    ],
  },
  {
    name: "channel_queue_exchange_metrics",
    metrics: [
      each(
        "queue_messages_published_total",
        "counter",
        "Total number of messages published to queues",
        (queue) => queue.counters.published,
        ({ totals: { byType } }) => byType.classic.published + byType.quorum.published + byType.stream.published,
      ),
    ],
  },
];

export const channelFamilies: readonly Family<ObjectMetric<PlacedChannel>>[] = [
  {
    name: "channel_metrics",
    metrics: [
      each(
        "channel_consumers",
        "gauge",
        "Consumers on a channel",
        ({ channel }) => channel.consumerCount,
        ({ totals }) => totals.consumers,
      ),
      each(
        "channel_messages_unacked",
        "gauge",
        "Delivered but not yet acknowledged messages",
        ({ channel }) => channel.unacknowledgedCount,
        ({ totals }) => totals.channelUnacknowledged,
      ),
      each(
        "channel_messages_unconfirmed",
        "gauge",
        "Published but not yet confirmed messages",
        ({ channel }) => channel.unconfirmedCount,
        ({ totals }) => totals.unconfirmed,
      ),
      each(
        "channel_messages_uncommitted",
        "gauge",
        "Messages received in a transaction but not yet committed",
        ({ channel }) => channel.uncommittedCount,
        ({ totals }) => totals.uncommitted,
      ),
      each(
        "channel_acks_uncommitted",
        "gauge",
        "Message acknowledgements in a transaction not yet committed",
        ({ channel }) => channel.uncommittedAckCount,
        ({ totals }) => totals.uncommittedAcks,
      ),
      each(
        "consumer_prefetch",
        "gauge",
        "Limit of unacknowledged messages for each consumer",
        ({ channel }) => channel.prefetchCount,
        ({ totals }) => totals.prefetch,
      ),
      each(
        "channel_prefetch",
        "gauge",
        "Total limit of unacknowledged messages for all consumers on a channel",
        ({ channel }) => channel.globalPrefetchCount,
        ({ totals }) => totals.globalPrefetch,
      ),
    ],
  },
  {
    name: "channel_exchange_metrics",
    metrics: [
      each(
        "channel_messages_published_total",
        "counter",
        "Total number of messages published into an exchange on a channel",
        ({ channel }) => channel.counters.publish,
        sum(0),
      ),
      each(
        "channel_messages_confirmed_total",
        "counter",
        "Total number of messages published into an exchange and confirmed on the channel",
        ({ channel }) => channel.counters.confirm,
        sum(1),
      ),
      each(
        "channel_messages_unroutable_returned_total",
        "counter",
        "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable",
        ({ channel }) => channel.counters.returnUnroutable,
        sum(2),
      ),
      each(
        "channel_messages_unroutable_dropped_total",
        "counter",
        "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
        ({ channel }) => channel.counters.dropUnroutable,
        sum(3),
      ),
    ],
  },
  {
    name: "channel_queue_metrics",
    metrics: [
      each(
        "channel_get_ack_total",
        "counter",
        "Total number of messages fetched with basic.get in manual acknowledgement mode",
        ({ channel }) => channel.counters.get,
        sum(4),
      ),
      each(
        "channel_get_total",
        "counter",
        "Total number of messages fetched with basic.get in automatic acknowledgement mode",
        ({ channel }) => channel.counters.getNoAck,
        sum(5),
      ),
      each(
        "channel_messages_delivered_ack_total",
        "counter",
        "Total number of messages delivered to consumers in manual acknowledgement mode",
        ({ channel }) => channel.counters.deliver,
        sum(6),
      ),
      each(
        "channel_messages_delivered_total",
        "counter",
        "Total number of messages delivered to consumers in automatic acknowledgement mode",
        ({ channel }) => channel.counters.deliverNoAck,
        sum(7),
      ),
      each(
        "channel_messages_redelivered_total",
        "counter",
        "Total number of messages redelivered to consumers",
        ({ channel }) => channel.counters.redeliver,
        sum(8),
      ),
      each(
        "channel_messages_acked_total",
        "counter",
        "Total number of messages acknowledged by consumers",
        ({ channel }) => channel.counters.ack,
        sum(9),
      ),
      each(
        "channel_get_empty_total",
        "counter",
        "Total number of times basic.get operations fetched no message",
        ({ channel }) => channel.counters.getEmpty,
        sum(10),
      ),
    ],
  },
];

export const connectionFamilies: readonly Family<ObjectMetric<LiveConnection>>[] = [
  {
    name: "connection_coarse_metrics",
    metrics: [
      each(
        "connection_incoming_bytes_total",
        "counter",
        "Total number of bytes received on a connection",
        ({ traffic }) => traffic.receivedBytes,
        sum(totalMeasures.trafficAt),
      ),
      each(
        "connection_outgoing_bytes_total",
        "counter",
        "Total number of bytes sent on a connection",
        ({ traffic }) => traffic.sentBytes,
        sum(totalMeasures.trafficAt + 1),
      ),
    ],
  },
  {
    name: "connection_metrics",
    metrics: [
      each(
        "connection_incoming_packets_total",
        "counter",
        "Total number of packets received on a connection",
        ({ traffic }) => traffic.receivedPackets,
        ({ totals }) => totals.receivedPackets,
      ),
      each(
        "connection_outgoing_packets_total",
        "counter",
        "Total number of packets sent on a connection",
        ({ traffic }) => traffic.sentPackets,
        ({ totals }) => totals.sentPackets,
      ),
      each(
        "connection_channels",
        "gauge",
        "Channels on a connection",
        ({ channelCount }) => channelCount,
        ({ totals }) => totals.channels,
      ),
    ],
  },
];

/** How many there are. */
export const countMetrics: readonly TotalMetric[] = [
  total("connections", "gauge", "Connections currently open", ({ totals }) => totals.connections),
  total("channels", "gauge", "Channels currently open", ({ totals }) => totals.channels),
  total("consumers", "gauge", "Consumers currently connected", ({ totals }) => totals.consumers),
  total("queues", "gauge", "Queues available", ({ totals }) => totals.queues),
];

export const alarmMetrics: readonly TotalMetric[] = [
  total("file_descriptor_limit", "untyped", "is 1 if file descriptor limit alarm is in effect", () => 0),
  total("free_disk_space_watermark", "untyped", "is 1 if free disk space watermark alarm is in effect", ({ stats }) =>
    Number(stats.server.broker.pressure.disk),
  ),
  total("memory_used_watermark", "untyped", "is 1 if VM memory watermark alarm is in effect", ({ stats }) =>
    Number(stats.server.broker.pressure.memory),
  ),
];

/** Where memory goes: see memoryJson(). */
export const memoryMetrics: readonly TotalMetric[] = [
  total(
    "memory_classic_queue_erlang_process_bytes",
    "gauge",
    "Classic queue processes footprint in bytes",
    ({ stats }) => stats.server.broker.statistics.cacheBytes,
  ),
  total("memory_binary_heap_bytes", "gauge", "Binary heap size in bytes", ({ stats }) =>
    Math.max(0, bufferBytes(stats) - stats.server.broker.statistics.cacheBytes),
  ),
  total(
    "memory_other_erlang_process_bytes",
    "gauge",
    "Other processes footprint in bytes",
    ({ stats }) => stats.process().heapUsedBytes,
  ),
  total(
    "memory_runtime_allocated_unused_bytes",
    "gauge",
    "Runtime allocated but unused blocks size in bytes",
    ({ stats }) => stats.process().heapTotalBytes - stats.process().heapUsedBytes,
  ),
  total("memory_other_system_bytes", "gauge", "Other runtime footprint in bytes", ({ stats }) => {
    const { residentBytes, heapTotalBytes } = stats.process();
    return Math.max(0, residentBytes - heapTotalBytes - bufferBytes(stats));
  }),
];
