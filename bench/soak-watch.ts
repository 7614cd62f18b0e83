// What is looked at while a soak runs: the broker's process from outside (/proc), its heap as it says itself, its directory's
// blocks on disk, and the latencies of the streams since the last look. Linux only.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { usageOf } from "./broker-usage.ts";
import type { Histogram } from "./histogram.ts";
import type { PacedStream } from "./soak-amqp.ts";

export interface Sample {
  /** Since the soak began. */
  readonly atMs: number;
  readonly rssMb: number;
  readonly heapMb: number;
  readonly descriptors: number;
  readonly diskMb: number;
  /** Of one core, since the sample before. */
  readonly cpu: number;
  /** Messages a second acknowledged to their publishers, of all streams together, since the sample before. */
  readonly rate: number;
  /** Sent and not received yet, of all streams. */
  readonly waiting: number;
  /** Of each stream, in its order; NaN where there was none. */
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
}

/** Blocks that files take, not their length: the journal reserves room ahead. */
export function diskBytes(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory)) {
    // A file may go between the two calls: a checkpoint removes segments.
    bytes += (statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  return bytes;
}

const heapMetric = /^rabbitmq_memory_other_erlang_process_bytes(?:\{[^}]*\})? (\d+)/m;

async function heapBytes(http: string): Promise<number> {
  const answer = await fetch(`http://${http}/metrics/memory-breakdown`);
  const found = heapMetric.exec(await answer.text());
  if (found === null) throw new Error("/metrics/memory-breakdown does not tell the heap");
  return Number(found[1]);
}

function quantileMs(histogram: Histogram, fraction: number): number {
  return histogram.count === 0 ? Number.NaN : histogram.quantileUs(fraction) / 1000;
}

export class Watch {
  readonly #pid: number;
  readonly #http: string;
  readonly #directory: string;
  readonly #streams: readonly PacedStream[];
  readonly #beganMs = performance.now();
  #lastMs = performance.now();
  #lastCpu: number;
  #lastAcknowledged: number;

  /** @param http host and port of the broker's HTTP */
  constructor(pid: number, http: string, directory: string, streams: readonly PacedStream[]) {
    this.#pid = pid;
    this.#http = http;
    this.#directory = directory;
    this.#streams = streams;
    this.#lastCpu = usageOf(pid).cpuSeconds;
    this.#lastAcknowledged = this.#sum("acknowledged");
  }

  async sample(): Promise<Sample> {
    const heapMb = (await heapBytes(this.#http)) / 1e6;
    const nowMs = performance.now();
    const forSeconds = (nowMs - this.#lastMs) / 1000;
    const { cpuSeconds, rssMb } = usageOf(this.#pid);
    const acknowledged = this.#sum("acknowledged");
    const sample: Sample = {
      atMs: nowMs - this.#beganMs,
      rssMb,
      heapMb,
      descriptors: readdirSync(`/proc/${this.#pid}/fd`).length,
      diskMb: diskBytes(this.#directory) / 1e6,
      cpu: (cpuSeconds - this.#lastCpu) / forSeconds,
      rate: (acknowledged - this.#lastAcknowledged) / forSeconds,
      waiting: this.#sum("sent") - this.#sum("received"),
      p50Ms: this.#streams.map(({ latency }) => quantileMs(latency, 0.5)),
      p99Ms: this.#streams.map(({ latency }) => quantileMs(latency, 0.99)),
    };
    for (const { latency } of this.#streams) latency.clear();
    this.#lastMs = nowMs;
    this.#lastCpu = cpuSeconds;
    this.#lastAcknowledged = acknowledged;
    return sample;
  }

  #sum(field: "sent" | "acknowledged" | "received"): number {
    return this.#streams.reduce((sum, stream) => sum + stream[field], 0);
  }
}
