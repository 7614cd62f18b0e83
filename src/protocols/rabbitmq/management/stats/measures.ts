/**
 * What is sampled of each kind of object: the columns of its series, how they are read, and under which names of RabbitMQ's
 * they are shown. `deliver_get` and `messages` are sums of columns.
 */

import type { Exchange, Queue } from "../../../../broker/api.ts";
import type { LiveChannel, LiveConnection } from "../../model/live.ts";
import { leasedCountOf, readyCountOf } from "../../model/work-queue.ts";
import { measure, type Measure } from "./rates.ts";

/** Of channels and of what sums them up. */
export const publishColumns = ["publish", "confirm", "return_unroutable", "drop_unroutable"] as const;
/** Of queues, channels and of what sums them up. */
export const deliverColumns = [
  "get",
  "get_no_ack",
  "deliver",
  "deliver_no_ack",
  "redeliver",
  "ack",
  "get_empty",
] as const;
const lengthColumns = ["messages_ready", "messages_unacknowledged"] as const;
const trafficColumns = ["recv_oct", "send_oct"] as const;
const churnColumns = [
  "connection_created",
  "connection_closed",
  "channel_created",
  "channel_closed",
  "queue_declared",
  "queue_created",
  "queue_deleted",
] as const;

function measures(names: readonly string[], first: number): Measure[] {
  return names.map((name, index) => measure(name, [first + index]));
}

function deliverMeasures(first: number): Measure[] {
  return [...measures(deliverColumns, first), measure("deliver_get", [first, first + 1, first + 2, first + 3])];
}

function lengthMeasures(first: number): Measure[] {
  return [...measures(lengthColumns, first), measure("messages", [first, first + 1])];
}

const publishCount = publishColumns.length;
const deliverCount = deliverColumns.length;

/** publish, deliveries, lengths */
export const queueMeasures = {
  columns: 1 + deliverCount + lengthColumns.length,
  publish: measures(["publish"], 0),
  deliver: deliverMeasures(1),
  lengths: lengthMeasures(1 + deliverCount),
} as const;

export function readQueue(queue: Queue, to: Float64Array): void {
  const { counters } = queue;
  to[0] = counters.published;
  to[1] = counters.got;
  to[2] = counters.gotNoAck;
  to[3] = counters.delivered;
  to[4] = counters.deliveredNoAck;
  to[5] = counters.redelivered;
  to[6] = counters.settled;
  to[7] = counters.getEmpty;
  to[8] = readyCountOf(queue);
  to[9] = leasedCountOf(queue);
}

export const exchangeMeasures = {
  columns: 2,
  publishIn: measures(["publish_in"], 0),
  publishOut: measures(["publish_out"], 1),
} as const;

export function readExchange({ counters }: Exchange, to: Float64Array): void {
  to[0] = counters.publishedIn;
  to[1] = counters.routedOut;
}

export const channelMeasures = {
  columns: publishCount + deliverCount,
  publish: measures(publishColumns, 0),
  deliver: deliverMeasures(publishCount),
} as const;

export function readChannel({ counters }: LiveChannel, to: Float64Array): void {
  to[0] = counters.publish;
  to[1] = counters.confirm;
  to[2] = counters.returnUnroutable;
  to[3] = counters.dropUnroutable;
  to[4] = counters.get;
  to[5] = counters.getNoAck;
  to[6] = counters.deliver;
  to[7] = counters.deliverNoAck;
  to[8] = counters.redeliver;
  to[9] = counters.ack;
  to[10] = counters.getEmpty;
}

export const connectionMeasures = { columns: 2, traffic: measures(trafficColumns, 0) } as const;

export function readConnection({ traffic }: LiveConnection, to: Float64Array): void {
  to[0] = traffic.receivedBytes;
  to[1] = traffic.sentBytes;
}

const lengthsAt = publishCount + deliverCount;
const trafficAt = lengthsAt + lengthColumns.length;

/** Of a virtual host, and of all together. */
export const totalMeasures = {
  columns: trafficAt + trafficColumns.length,
  deliverAt: publishCount,
  lengthsAt,
  trafficAt,
  publish: measures(publishColumns, 0),
  deliver: deliverMeasures(publishCount),
  lengths: lengthMeasures(lengthsAt),
  traffic: measures(trafficColumns, trafficAt),
} as const;

export const churnMeasures = { columns: churnColumns.length, all: measures(churnColumns, 0) } as const;

const nodeColumns = [
  "mem_used",
  "fd_used",
  "sockets_used",
  "proc_used",
  "disk_free",
  "gc_num",
  "gc_bytes_reclaimed",
  "context_switches",
  "io_read_count",
  "io_read_bytes",
  "io_write_count",
  "io_write_bytes",
  "io_sync_count",
  "io_seek_count",
  "io_reopen_count",
  "mnesia_ram_tx_count",
  "mnesia_disk_tx_count",
  "msg_store_read_count",
  "msg_store_write_count",
  "queue_index_write_count",
  "queue_index_read_count",
  // For averages only.
  "sync_time_ms",
] as const;

export type NodeColumn = (typeof nodeColumns)[number];

export const nodeMeasures = {
  columns: nodeColumns.length,
  shown: measures(nodeColumns.slice(0, -1), 0),
  syncCount: measure("count", [nodeColumns.indexOf("io_sync_count")]),
  syncTime: measure("time", [nodeColumns.indexOf("sync_time_ms")]),
  names: nodeColumns,
} as const;
