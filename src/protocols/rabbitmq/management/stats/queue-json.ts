/**
 * Queues as `/api/queues` shows them. Lengths and counters are those of this moment (RabbitMQ's are up to five seconds old),
 * rates those of the sampler's last interval.
 *
 * What has no equivalent is there with a neutral value, since tools read the keys: no queue is a process, so `memory` and
 * `reductions` are 0; messages lie in one cache with a budget of its own, so none is told of a single queue (`messages_ram`
 * and its kin are 0). Bytes are those of ready bodies: those of unacknowledged ones are not summed up. Messages of a durable
 * queue count as persistent. `head_message_timestamp` is when the broker took the oldest ready message, whatever its
 * publisher wrote into it: so it is always there, and its age is true.
 */

import type { Queue } from "../../../../broker/api.ts";
import { queueDeclaration } from "../../model/declaration.ts";
import { jsonOfTable } from "../../model/json-table.ts";
import { isTopic, leasedCountOf, readyCountOf } from "../../model/work-queue.ts";
import { consumerJson, type ConsumersByQueue } from "./consumer-json.ts";
import { queueMeasures, readQueue } from "./measures.ts";
import type { PolicyView } from "./policy-view.ts";
import type { Fields, Measure, SampleRanges, SampleView } from "./rates.ts";
import type { Stats } from "./stats.ts";

export interface QueueShowing {
  readonly stats: Stats;
  readonly policies: PolicyView;
  readonly consumers: ConsumersByQueue;
  readonly ranges: SampleRanges;
}

/** Read and shown within one turn, queue by queue: one for all. */
const values = new Float64Array(queueMeasures.columns);
const currentValue = ({ columns }: Measure): number => {
  let sum = 0;
  for (const column of columns) sum += values[column]!;
  return sum;
};

function isSome(first: number, end: number): boolean {
  for (let column = first; column < end; column++) if (values[column]! > 0) return true;
  return false;
}

/** What is true of a queue without looking at its messages. */
export function plainQueueJson(queue: Queue, node: string): Fields {
  const declaration = queueDeclaration(queue);
  return {
    arguments: jsonOfTable(declaration.arguments),
    auto_delete: declaration.autoDelete,
    durable: declaration.durable,
    exclusive: declaration.exclusive,
    name: queue.name,
    node,
    type: declaration.type,
    vhost: queue.namespace.name,
    ...(declaration.type !== "classic" && { leader: node, members: [node], online: [node] }),
  };
}

/** As with disable_stats and enable_queue_totals. */
export function queueTotalsJson(queue: Queue, node: string): Fields {
  return {
    ...plainQueueJson(queue, node),
    messages: readyCountOf(queue) + leasedCountOf(queue),
    messages_ready: readyCountOf(queue),
    messages_unacknowledged: leasedCountOf(queue),
    state: "running",
  };
}

/**
 * As in lists. One literal, and fields that are named in the code: what is put together of parts (spread, Object.assign, computed
 * names) becomes a hash table in V8 past a dozen fields, and JSON of such takes four times as long.
 */
export function queueJson(queue: Queue, showing: QueueShowing): Fields {
  const { stats, ranges } = showing;
  const node = stats.server.nodeName;
  const view = stats.sampler.viewOf(queue);
  const { readyBytes } = queue;
  const readyCount = readyCountOf(queue);
  const leasedCount = leasedCountOf(queue);
  const durableCount = queue.settings.durable ? readyCount + leasedCount : 0;
  const declaration = queueDeclaration(queue);
  readQueue(queue, values);
  const lengths: Fields = {};
  view.add(lengths, queueMeasures.lengths, currentValue, ranges.lengths);
  const policies = showing.policies.ofQueue(queue);
  const capacity = consumerCapacity(queue, view, stats);
  const fields: Fields = {
    arguments: jsonOfTable(declaration.arguments),
    auto_delete: declaration.autoDelete,
    durable: declaration.durable,
    exclusive: declaration.exclusive,
    name: queue.name,
    node,
    type: declaration.type,
    vhost: queue.namespace.name,
    messages: lengths["messages"],
    messages_details: lengths["messages_details"],
    messages_ready: lengths["messages_ready"],
    messages_ready_details: lengths["messages_ready_details"],
    messages_unacknowledged: lengths["messages_unacknowledged"],
    messages_unacknowledged_details: lengths["messages_unacknowledged_details"],
    policy: policies["policy"],
    operator_policy: policies["operator_policy"],
    effective_policy_definition: policies["effective_policy_definition"],
    consumers: queue.consumerCount,
    consumer_capacity: capacity,
    consumer_utilisation: capacity,
    garbage_collection: noCollector,
    memory: 0,
    reductions: 0,
    reductions_details: noRate,
    state: "running",
    message_bytes: readyBytes,
    message_bytes_persistent: queue.settings.durable ? readyBytes : 0,
    message_bytes_ram: 0,
    message_bytes_ready: readyBytes,
    message_bytes_unacknowledged: 0,
    messages_persistent: durableCount,
    messages_ram: 0,
  };
  if (isSome(0, 8)) fields["message_stats"] = messageStats(view, ranges);
  addOfType(fields, queue, node, view, showing);
  const idleSince = idleSinceMs(view, stats);
  if (idleSince !== undefined) fields["idle_since"] = shownTime(idleSince);
  return fields;
}

const noRate = { rate: 0 };

/** Of what is in `values`. */
function messageStats(view: SampleView, ranges: SampleRanges): Fields {
  const fields: Fields = {};
  if (isSome(0, 1)) view.add(fields, queueMeasures.publish, currentValue, ranges.messageRates);
  if (isSome(1, 8)) view.add(fields, queueMeasures.deliver, currentValue, ranges.messageRates);
  return fields;
}

/** As for one queue. */
export function detailedQueueJson(queue: Queue, showing: QueueShowing): Fields {
  const node = showing.stats.server.nodeName;
  const placed = showing.consumers.of(queue);
  return {
    ...queueJson(queue, showing),
    ...(queueDeclaration(queue).exclusive && { owner_pid_details: ownerOf(queue, showing.stats) }),
    consumer_details: placed.map((placed) => consumerJson(placed, node)),
    // Filled in RabbitMQ's rates mode `detailed` only.
    deliveries: [],
    incoming: [],
  };
}

/** Each process of Erlang has one; the keys are looked for. */
export const noCollector = {
  fullsweep_after: 0,
  max_heap_size: 0,
  min_bin_vheap_size: 0,
  min_heap_size: 0,
  minor_gcs: 0,
};

function addOfType(fields: Fields, queue: Queue, node: string, view: SampleView, { consumers }: QueueShowing): void {
  const { type } = queueDeclaration(queue);
  const placed = consumers.of(queue);
  const active = placed.find(({ consumer }) => consumer.activityStatus === "single_active")?.consumer.tag ?? null;
  if (type !== "classic") {
    fields["leader"] = node;
    fields["members"] = [node];
    fields["online"] = [node];
    fields["open_files"] = { [node]: 0 };
    if (type === "quorum") {
      fields["message_bytes_dlx"] = 0;
      fields["messages_dlx"] = 0;
      fields["single_active_consumer_ctag"] = active;
    } else {
      fields["readers"] = { [node]: queue.consumerCount };
      fields["segments"] = 0;
      if (isTopic(queue)) fields["partitions"] = queue.partitions.length;
    }
    return;
  }
  const oldestMs = queue.oldestReadyMs;
  fields["backing_queue_status"] = backingQueue(queue, view);
  fields["exclusive_consumer_tag"] = placed.find(({ consumer }) => consumer.exclusive)?.consumer.tag ?? null;
  fields["head_message_timestamp"] = oldestMs === undefined ? null : Math.floor(oldestMs / 1000);
  fields["message_bytes_paged_out"] = 0;
  fields["messages_paged_out"] = 0;
  fields["messages_ready_ram"] = 0;
  fields["messages_unacknowledged_ram"] = 0;
  fields["recoverable_slaves"] = null;
  fields["single_active_consumer_tag"] = active;
}

/** The queue of RabbitMQ that keeps messages in lists of its own; ours has one. */
function backingQueue(queue: Queue, view: SampleView): Fields {
  const [published] = queueMeasures.publish;
  const taken = queueMeasures.deliver.find(({ name }) => name === "deliver_get")!;
  const acknowledged = queueMeasures.deliver.find(({ name }) => name === "ack")!;
  return {
    avg_ack_egress_rate: view.rate(acknowledged),
    avg_ack_ingress_rate: view.rate(taken),
    avg_egress_rate: view.rate(taken),
    avg_ingress_rate: view.rate(published!),
    delta: ["delta", "undefined", 0, 0, "undefined"],
    len: queue.readyCount,
    mode: "default",
    next_deliver_seq_id: queue.nextOffset - queue.readyCount,
    next_seq_id: queue.nextOffset,
    q1: 0,
    q2: 0,
    q3: 0,
    q4: queue.readyCount,
    target_ram_count: "infinity",
    version: 1,
  };
}

/** Whose connection it is. */
function ownerOf(queue: Queue, { server }: Stats): Fields {
  for (const connection of server.live.all()) {
    if (!connection.owns(queue)) continue;
    const { remoteAddress, remotePort } = connection.address;
    return { name: connection.name, peer_host: remoteAddress, peer_port: remotePort };
  }
  return {};
}

/** The share of the last minute's passes at which nothing waited, so that a message would have gone to a consumer at once. */
function consumerCapacity(queue: Queue, view: SampleView, { sampler }: Stats): number {
  if (queue.consumerCount === 0) return 0;
  const { lastMs } = sampler.passes;
  const ready = queueMeasures.lengths[0]!;
  const share = view.shareAtZero(ready, lastMs - 60_000, lastMs, sampler.intervalMs);
  return share ?? (queue.readyCount === 0 ? 1 : 0);
}

/** Undefined: it does something, or too little is known yet. */
export function idleSinceMs(view: SampleView, { sampler, server }: Stats): number | undefined {
  const { beforeMs } = sampler.passes;
  if (beforeMs === 0 || view.changedAtMs >= beforeMs) return undefined;
  return Math.max(view.changedAtMs, server.startedAtMs);
}

let shownMs = NaN;
let shownText = "";

/** `2026-11-22T05:45:20.414+00:00`. Many queues have been idle since the start: the last text is kept. */
export function shownTime(ms: number): string {
  if (ms !== shownMs) {
    shownText = new Date(ms).toISOString().replace("Z", "+00:00");
    shownMs = ms;
  }
  return shownText;
}
