/**
 * The one node, as `/api/nodes` shows it. True are memory, files, sockets, disk, writes and syncs, what comes and goes, and the
 * limits. What belongs to Erlang or to a cluster (its processes' garbage, Mnesia, Raft, partitions, links) has no equivalent,
 * and is there as 0 or empty.
 */

import type { OpenPort } from "../../../../server/protocol.ts";
import type { ExchangeType } from "../../model/declare-exchange.ts";
import { spokenVersion } from "../../model/server.ts";
import { churnMeasures, nodeMeasures, type NodeColumn } from "./measures.ts";
import type { Fields, Measure, SampleRange, SampleRanges } from "./rates.ts";
import type { Stats } from "./stats.ts";

interface Named {
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
}

const plugins = ["rabbitmq_management", "rabbitmq_prometheus"];

/** In the order of their names. */
const descriptionByType: Readonly<Record<ExchangeType, string>> = {
  direct: "AMQP direct exchange, as per the AMQP specification",
  fanout: "AMQP fanout exchange, as per the AMQP specification",
  headers: "AMQP headers exchange, as per the AMQP specification",
  topic: "AMQP topic exchange, as per the AMQP specification",
  "x-consistent-hash": "Consistent Hashing Exchange",
  "x-delayed-message": "Delayed Message Exchange.",
  "x-event": "Topic exchange, by the name that the event exchange had at first",
  "x-local-random": "Random Exchange: one of the classic queues that are bound, all of which are local",
  "x-message-deduplication": "Message Deduplication Exchange.",
  "x-modulus-hash": "Modulus Hashing Exchange",
  "x-random": "Random Exchange: one of all that are bound, whatever the key",
  "x-recent-history": "Recent History Exchange.",
};

export const exchangeTypes: readonly Named[] = Object.entries(descriptionByType).map(([name, description]) => ({
  name,
  description,
  enabled: true,
}));

const authMechanisms: readonly Named[] = [
  { name: "PLAIN", description: "SASL PLAIN authentication mechanism", enabled: true },
  { name: "AMQPLAIN", description: "QPid AMQPLAIN mechanism", enabled: true },
  { name: "ANONYMOUS", description: "SASL ANONYMOUS authentication mechanism", enabled: true },
  { name: "EXTERNAL", description: "SASL EXTERNAL: offered to who has shown a certificate over TLS", enabled: true },
];

export function nodeJson(stats: Stats, ranges: SampleRanges): Fields {
  const { server, options, sampler } = stats;
  const { broker } = server;
  const reading = stats.process();
  const fields: Fields = {
    name: server.nodeName,
    type: "disc",
    running: true,
    os_pid: String(reading.pid),
    partitions: [],
    fd_total: reading.openFilesMax,
    sockets_total: reading.openFilesMax,
    proc_total: 1_048_576,
    mem_limit: options.memoryHighBytes,
    mem_alarm: broker.pressure.memory,
    mem_calculation_strategy: "rss",
    disk_free_limit: options.diskFreeBytesMin,
    disk_free_alarm: broker.pressure.disk,
    rates_mode: options.ratesMode,
    uptime: stats.uptimeMs,
    run_queue: 0,
    processors: reading.processors,
    exchange_types: exchangeTypes,
    auth_mechanisms: authMechanisms,
    applications: [
      { name: "rabbit", description: "RabbitMQ", version: spokenVersion },
      { name: "entrepot", description: "Entrepot", version: server.version },
    ],
    contexts: httpContexts(server.ports()).map(({ node: _node, ssl_opts: _opts, ...context }) => context),
    log_files: ["<stdout>"],
    db_dir: options.dataDirectory,
    config_files: options.configFiles,
    net_ticktime: 60,
    enabled_plugins: plugins,
    ra_open_file_metrics: { ra_log_wal: 0, ra_log_segment_writer: 0 },
    cluster_links: [],
    metrics_gc_queue_length: {
      connection_closed: 0,
      channel_closed: 0,
      consumer_deleted: 0,
      exchange_deleted: 0,
      queue_deleted: 0,
      vhost_deleted: 0,
      node_node_deleted: 0,
      channel_consumer_deleted: 0,
    },
  };
  const now = ({ name }: Measure): number => stats.node(name as NodeColumn);
  sampler.viewOfNode.add(fields, nodeMeasures.shown, now, ranges.node);
  addAverages(fields, stats, ranges.node);
  sampler.viewOfChurn.add(fields, churnMeasures.all, ({ columns }) => sampler.churn.counts[columns[0]!]!, ranges.node);
  return fields;
}

/** ms an operation took on average, since the start. A write and its sync are one call here. */
function addAverages(fields: Fields, stats: Stats, range: SampleRange | undefined): void {
  const average = (timeMs: number, count: number): number => (count === 0 ? 0 : timeMs / count);
  const commitAverage = average(stats.node("sync_time_ms"), stats.node("io_sync_count"));
  const sums: Fields = {};
  stats.sampler.viewOfNode.add(sums, [nodeMeasures.syncTime, nodeMeasures.syncCount], () => 0, range);
  const times = (sums["time_details"] as SampleDetails).samples;
  const counts = (sums["count_details"] as SampleDetails).samples;
  const samples = times?.map(({ sample, timestamp }, index) => ({
    sample: average(sample, counts![index]!.sample),
    timestamp,
  }));
  for (const name of ["io_read", "io_write", "io_sync", "io_seek"]) {
    const isCommit = name === "io_write" || name === "io_sync";
    const ms = isCommit ? commitAverage : 0;
    fields[`${name}_avg_time`] = ms;
    fields[`${name}_avg_time_details`] =
      samples === undefined
        ? { rate: ms }
        : {
            samples: isCommit ? samples : samples.map(({ timestamp }) => ({ sample: 0, timestamp })),
            rate: ms,
            avg_rate: ms,
            avg: ms,
          };
  }
}

interface SampleDetails {
  readonly samples?: readonly { readonly sample: number; readonly timestamp: number }[];
}

/** Of buffers: what the runtime counts outside its heap, and the memory of messages that it does not count. */
export function bufferBytes(stats: Stats): number {
  return stats.process().externalBytes + stats.server.broker.statistics.lastingCacheBytes;
}

/** Where memory goes, in the parts of RabbitMQ that have something like themselves here; all are bytes. */
export function memoryJson(stats: Stats): Fields {
  const reading = stats.process();
  const { cacheBytes } = stats.server.broker.statistics;
  const buffers = bufferBytes(stats);
  const runtime = Math.max(0, reading.residentBytes - reading.heapTotalBytes - buffers);
  const parts: Record<string, number> = {};
  for (const name of memoryParts) parts[name] = 0;
  // Buffers that hold messages, other buffers, what lives on the heap, what the heap holds for later, code and stacks.
  parts["binary"] = Math.max(0, buffers - cacheBytes);
  parts["queue_procs"] = cacheBytes;
  parts["other_proc"] = reading.heapUsedBytes;
  parts["allocated_unused"] = reading.heapTotalBytes - reading.heapUsedBytes;
  parts["other_system"] = runtime;
  return {
    ...parts,
    strategy: "rss",
    total: {
      erlang: reading.heapUsedBytes + buffers,
      rss: reading.residentBytes,
      allocated: reading.heapTotalBytes + buffers,
    },
  };
}

/** In percent of the whole. */
export function relativeMemoryJson(stats: Stats): Fields {
  const { total, strategy: _strategy, ...parts } = memoryJson(stats);
  const whole = (total as { readonly rss: number }).rss || 1;
  const shares = Object.entries(parts).map(([name, bytes]) => [name, Math.ceil((Number(bytes) * 100) / whole)]);
  return { total: 100, ...Object.fromEntries(shares) };
}

const memoryParts = [
  "connection_readers",
  "connection_writers",
  "connection_channels",
  "connection_other",
  "queue_procs",
  "queue_slave_procs",
  "quorum_queue_procs",
  "quorum_queue_dlx_procs",
  "stream_queue_procs",
  "stream_queue_replica_reader_procs",
  "stream_queue_coordinator_procs",
  "plugins",
  "other_proc",
  "metrics",
  "mgmt_db",
  "mnesia",
  "quorum_ets",
  "other_ets",
  "binary",
  "msg_index",
  "code",
  "atom",
  "other_system",
  "allocated_unused",
  "reserved_unallocated",
] as const;

const httpPorts = new Set(["http", "https", "prometheus"]);

/** What answers HTTP, and where. */
export function httpContexts(ports: readonly OpenPort[], node?: string): Fields[] {
  return ports
    .filter(({ name }) => httpPorts.has(name))
    .map((port) => ({
      ssl_opts: [],
      ...(node !== undefined && { node }),
      description: port.name === "prometheus" ? "RabbitMQ Prometheus" : "RabbitMQ Management",
      path: "/",
      cowboy_opts: "[]",
      ip: port.host,
      port: String(port.port),
      ...(port.name === "prometheus" && { protocol: "'http/prometheus'" }),
    }));
}

/** A port's protocol in RabbitMQ's words. */
export function listenerProtocol({ name }: OpenPort): string {
  switch (name) {
    case "amqps":
      return "amqp/ssl";
    case "prometheus":
      return "http/prometheus";
    default:
      return name;
  }
}
