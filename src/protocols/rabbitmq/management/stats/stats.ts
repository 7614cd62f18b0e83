/**
 * All that the statistics of the management are made of: who samples, what there is to know of the node, and lookups that
 * would be dear if each request made them anew.
 */

import type { LoopDelayMeter } from "../../../../base/loop-delay.ts";
import type { ProcessProbe, ProcessReading } from "../../../../server/process-probe.ts";
import type { RabbitServer } from "../../model/server.ts";
import { nodeMeasures, type NodeColumn } from "./measures.ts";
import { Sampler } from "./sampler.ts";
import { SortedConnections } from "./sorted-connections.ts";
import { SortedQueues } from "./sorted-queues.ts";

export interface StatsOptions {
  readonly sampleIntervalMs: number;
  readonly ratesMode: "basic" | "none";
  readonly memoryHighBytes: number;
  readonly diskFreeBytesMin: number;
  /** Of each port. */
  readonly connectionsMax: number;
  /** Where the data is; empty: in memory. */
  readonly dataDirectory: string;
  readonly configFiles: readonly string[];
  readonly probe: ProcessProbe;
  readonly loopDelay: LoopDelayMeter;
}

const probeAgeMsMax = 1000;

export class Stats {
  readonly server: RabbitServer;
  readonly options: StatsOptions;
  readonly sampler: Sampler;
  readonly queues: SortedQueues;
  readonly connections: SortedConnections;
  #reading: ProcessReading;
  #readAtMs: number;

  constructor(server: RabbitServer, options: StatsOptions) {
    this.server = server;
    this.options = options;
    this.#reading = options.probe();
    this.#readAtMs = server.clock.now();
    this.queues = new SortedQueues();
    this.connections = new SortedConnections(server.live);
    this.sampler = new Sampler({
      server,
      clock: server.clock,
      intervalMs: options.sampleIntervalMs,
      ratesMode: options.ratesMode,
      readNode: (to) => {
        for (const [index, name] of nodeMeasures.names.entries()) to[index] = this.node(name);
      },
    });
  }

  /** At most a second old. */
  process(): ProcessReading {
    const nowMs = this.server.clock.now();
    if (Math.abs(nowMs - this.#readAtMs) > probeAgeMsMax) {
      this.#reading = this.options.probe();
      this.#readAtMs = nowMs;
    }
    return this.#reading;
  }

  /**
   * A number of the node under RabbitMQ's name. Processes are what would be one there: the connections, channels and
   * queues. Of what has no equivalent (Erlang's garbage, Mnesia, the message store) it is 0.
   */
  node(name: NodeColumn): number {
    const { commitMs, commitBytes, diskFreeBytes } = this.server.broker.statistics;
    switch (name) {
      case "mem_used":
        return this.process().residentBytes;
      case "fd_used":
        return this.process().openFiles;
      case "sockets_used":
        return this.socketCount();
      case "proc_used": {
        const { connections, channels, queues } = this.sampler.lastTotals;
        return connections + channels + queues;
      }
      case "disk_free":
        return diskFreeBytes ?? 0;
      case "context_switches":
        return this.process().contextSwitches;
      case "io_read_count":
        return this.process().fileReads;
      case "io_write_count":
      case "io_sync_count":
        return countOf(commitMs.counts);
      case "sync_time_ms":
        return commitMs.sum;
      case "io_write_bytes":
        return commitBytes.sum;
      default:
        return 0;
    }
  }

  /** As set by an operator; else that of the node. */
  get clusterName(): string {
    const named = this.server.parameters.global("cluster_name");
    return typeof named === "string" ? named : this.server.nodeName;
  }

  socketCount(): number {
    let count = 0;
    for (const port of this.server.ports()) count += port.connectionCount;
    return count;
  }

  get uptimeMs(): number {
    return this.server.clock.now() - this.server.startedAtMs;
  }
}

export function countOf(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < counts.length; index++) sum += counts[index]!;
  return sum;
}
