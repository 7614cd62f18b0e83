// What bench/kafka-rows.ts measures: for each kind of work how it is done, and which bar is set for it.

import { writeFileSync } from "node:fs";
import {
  columnIn,
  compileRdkafka,
  figuresOf,
  type KafkaTools,
  numberIn,
  runLoadProgram,
  runTool,
  runWatched,
  type Target,
  type Watched,
} from "./kafka-tools.ts";

/** How much of it. */
export interface Amounts {
  /** Messages of 100 B that Java's client produces; of 1 KB a fifth. */
  readonly records: number;
  /** For what is measured by time, and before it. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly largeGb: number;
  readonly groupMembers: number;
  readonly partitions: number;
  readonly producers: number;
}

export interface Bench {
  readonly tools: KafkaTools;
  readonly amounts: Amounts;
  readonly target: Target;
  /** Counts the pairs, from 0. */
  readonly turn: number;
  /** This measurement's own; for work that is prepared, the same in each. */
  readonly topic: string;
}

export interface Outcome {
  /** One for each figure of the work. */
  readonly values: readonly number[];
  /** That the values are about: what processor time is divided by. */
  readonly messages: number;
  /** Warming up included. */
  readonly publishedBytes: number;
  /** p50 and p99 of the messages' way, to the acknowledgement, or, of what is received, to that; undefined: not measured. */
  readonly latencyMs?: readonly [number, number];
  readonly watched: Watched;
}

export interface Bar {
  /** Which Kafka: the name of a contestant. */
  readonly against: string;
  /** Of Entrepot's figure to Kafka's: at least for rates, at most for times and sizes. */
  readonly ratio: number;
}

export interface FigureDefinition {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Work {
  readonly id: string;
  readonly partitions: (amounts: Amounts) => number;
  /** A second topic, of one partition, called `<topic>-to`. */
  readonly hasTarget?: true;
  /** What bounds it whoever the broker is; else that is looked for. */
  readonly limit?: string;
  /** The plain Node process takes part. */
  readonly hasCeiling?: true;
  readonly figures: (amounts: Amounts) => readonly FigureDefinition[];
  /** Once for each contestant, not measured. */
  readonly prepare?: (bench: Bench) => Promise<unknown>;
  readonly measure: (bench: Bench) => Promise<Outcome>;
}

export const kafkaName = "Kafka";
export const kafkaSyncingName = "Kafka, flush.messages=1";

const atLeast = (ratio: number): Bar[] => [{ against: kafkaName, ratio }];
const atMost = atLeast;
const one = (): number => 1;

/** Kafka's own ProducerPerformance with its defaults; acks=all and idempotence are the client's. */
function produce({ tools, target, topic }: Bench, count: number, bytes: number): Promise<Watched> {
  const load = ["--topic", topic, "--num-records", count, "--record-size", bytes, "--throughput", -1];
  return runTool(tools, target, "ProducerPerformance", [
    ...load,
    "--producer-props",
    `bootstrap.servers=${target.broker.uri}`,
  ]);
}

async function measureProduce(bench: Bench, count: number, bytes: number): Promise<Outcome> {
  const warmUp = Math.ceil(count / 10);
  await produce(bench, warmUp, bytes);
  const watched = await produce(bench, count, bytes);
  const perSecond = numberIn(watched.lines, /^\d+ records sent, ([\d.]+) records\/sec/);
  const percentile = (which: string): number => numberIn(watched.lines, new RegExp(`([\\d.]+) ms ${which}[,.]`));
  const latencyMs = [percentile("50th"), percentile("99th")] as const;
  return { values: [perSecond], messages: count, publishedBytes: (warmUp + count) * bytes, latencyMs, watched };
}

/** librdkafka with its defaults, as `produce` or `consume`; idempotent. */
function runRdkafka({ tools, target, topic }: Bench, how: string, ...amounts: readonly number[]): Promise<Watched> {
  return runWatched(target, compileRdkafka(tools.home), [how, target.broker.uri, topic, ...amounts.map(String)]);
}

async function measureRdkafka(bench: Bench, count: number, bytes: number): Promise<Outcome> {
  return outcomeOf(await runRdkafka(bench, "produce", count, bytes), "perSecond");
}

/** Kafka's own ConsumerPerformance, without the time that joining its group takes. */
async function measureConsume({ tools, target, topic }: Bench, count: number): Promise<Outcome> {
  const args = ["--bootstrap-server", target.broker.uri, "--topic", topic, "--messages", count, "--timeout", 60_000];
  const watched = await runTool(tools, target, "ConsumerPerformance", args);
  const received = columnIn(watched.lines, "data.consumed.in.nMsg");
  if (received < count) throw new Error(`received ${received} of ${count}`);
  return { values: [columnIn(watched.lines, "fetch.nMsg.sec")], messages: received, publishedBytes: 0, watched };
}

/** Of one of our own loads: the figures that it printed under these names. */
function outcomeOf(watched: Watched, ...names: readonly string[]): Outcome {
  const { messages = 0, publishedBytes = 0, ...figures } = figuresOf(watched);
  const values = names.map((name) => figures[name] ?? Number.NaN);
  if (values.some(Number.isNaN)) throw new Error(`no ${names.join(", ")} in: ${watched.lines.at(-1)}`);
  const { p50Ms, p99Ms } = figures;
  const latency = p50Ms === undefined || p99Ms === undefined ? {} : { latencyMs: [p50Ms, p99Ms] as const };
  return { values, messages, publishedBytes, ...latency, watched };
}

async function measureOwn(
  { tools, target, topic, amounts }: Bench,
  load: string,
  args: readonly (string | number)[],
  names: readonly string[],
  heapMb?: number,
): Promise<Outcome> {
  const time = ["--warm-up-seconds", amounts.warmUpSeconds, "--seconds", amounts.seconds];
  const all = ["--topic", topic, "--bytes", 100, ...time, ...args];
  return outcomeOf(await runLoadProgram(tools, target, load, all, heapMb), ...names);
}

/** So that what comes is read from the disk; where that is not allowed, from memory, for all. */
function dropCaches(): void {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3\n");
  } catch {
    process.stderr.write("the page cache cannot be dropped: catching up is not cold\n");
  }
}

const rate = (id: string, title: string, bars: readonly Bar[]): FigureDefinition[] => [
  { id, title, unit: "msg/s", bars },
];
const smallRecords = ({ records }: Amounts): number => records;
/** librdkafka is some five times as quick as Java's client, so that the same number would be over in a second or two. */
const manySmallRecords = ({ records }: Amounts): number => 5 * records;
const manyLargeRecords = ({ records }: Amounts): number => records;
const largeRecords = ({ records }: Amounts): number => Math.ceil(records / 5);

function producing(
  id: string,
  title: string,
  bars: readonly Bar[],
  bytes: number,
  count: (amounts: Amounts) => number,
  measure: typeof measureProduce,
): Work {
  const figures = (): FigureDefinition[] => rate(id, title, bars);
  return {
    id,
    partitions: one,
    hasCeiling: true,
    figures,
    measure: (bench) => measure(bench, count(bench.amounts), bytes),
  };
}

/** Each producer has its buffer of 32 MB. */
const manyProducersHeapMb = 4096;

function manyProducers(id: string, how: string, keys: "yes" | "no", bars: readonly Bar[]): Work {
  return {
    id,
    partitions: ({ partitions }) => partitions,
    hasCeiling: true,
    figures: ({ partitions, producers }) =>
      rate(id, `${producers} producers, ${partitions.toLocaleString("en-US")} partitions, 100 B, ${how}`, bars),
    measure: (bench) => {
      const args = ["--producers", bench.amounts.producers, "--keys", keys, "--outstanding", 5000];
      return measureOwn(bench, "many-producers", args, ["perSecond"], manyProducersHeapMb);
    },
  };
}

function endToEnd(id: string, how: string, bars: readonly Bar[], more: readonly (string | number)[]): Work {
  const title = `10,000 msg/s of 100 B, from the time due to receipt, ${how}`;
  return {
    id,
    partitions: one,
    hasCeiling: true,
    limit: "the rate that is asked for",
    figures: () => [
      { id: `${id}-p50`, title: `${title}: p50`, unit: "ms", bars },
      { id: `${id}-p99`, title: `${title}: p99`, unit: "ms", bars },
      { id: `${id}-p999`, title: `${title}: p99.9`, unit: "ms", bars: [] },
    ],
    measure: (bench) => measureOwn(bench, "end-to-end", ["--rate", 10_000, ...more], ["p50Ms", "p99Ms", "p999Ms"]),
  };
}

const largeBytes = 1000;
const largeCount = ({ largeGb }: Amounts): number => Math.ceil((largeGb * 1e9) / largeBytes);

const smallBars: readonly Bar[] = [
  { against: kafkaName, ratio: 1.2 },
  { against: kafkaSyncingName, ratio: 5 },
];

export const works: readonly Work[] = [
  producing("produce-100b", "produce 100 B, Java client", smallBars, 100, smallRecords, measureProduce),
  producing("produce-1k", "produce 1 KB, Java client", atLeast(1), 1000, largeRecords, measureProduce),
  producing("produce-100b-librdkafka", "produce 100 B, librdkafka", smallBars, 100, manySmallRecords, measureRdkafka),
  producing("produce-1k-librdkafka", "produce 1 KB, librdkafka", atLeast(1), 1000, manyLargeRecords, measureRdkafka),
  {
    id: "consume",
    partitions: one,
    hasCeiling: true,
    figures: () => rate("consume", "consume 100 B from the first message on, in the page cache", []),
    prepare: (bench) => produce(bench, bench.amounts.records, 100),
    measure: (bench) => measureConsume(bench, bench.amounts.records),
  },
  {
    id: "consume-librdkafka",
    partitions: one,
    hasCeiling: true,
    figures: () => rate("consume-librdkafka", "the same, librdkafka", []),
    prepare: (bench) => runRdkafka(bench, "produce", manySmallRecords(bench.amounts), 100),
    measure: async (bench) =>
      outcomeOf(await runRdkafka(bench, "consume", manySmallRecords(bench.amounts)), "perSecond"),
  },
  {
    id: "tail",
    partitions: one,
    hasCeiling: true,
    figures: () => rate("tail", "consume 100 B at the tail while one client produces all it can", atLeast(1)),
    measure: (bench) => measureOwn(bench, "tail", [], ["perSecond"]),
  },
  {
    id: "catch-up",
    partitions: one,
    figures: ({ largeGb }) => rate("catch-up", `catch up on ${largeGb} GB of 1 KB, cold`, atLeast(1)),
    prepare: (bench) => produce(bench, largeCount(bench.amounts), largeBytes),
    measure: (bench) => {
      dropCaches();
      return measureConsume(bench, largeCount(bench.amounts));
    },
  },
  {
    id: "catch-up-librdkafka",
    partitions: one,
    figures: ({ largeGb }) =>
      rate("catch-up-librdkafka", `catch up on ${largeGb} GB of 1 KB, cold, librdkafka`, atLeast(1)),
    prepare: (bench) => runRdkafka(bench, "produce", largeCount(bench.amounts), largeBytes),
    measure: async (bench) => {
      dropCaches();
      return outcomeOf(await runRdkafka(bench, "consume", largeCount(bench.amounts)), "perSecond");
    },
  },
  endToEnd("end-to-end", "defaults (linger.ms=5)", atMost(0.5), []),
  endToEnd("end-to-end-no-linger", "linger.ms=0", [], ["--producer.linger.ms", 0]),
  manyProducers("many-producers", "keys spread over all", "yes", atLeast(1)),
  manyProducers("many-producers-no-keys", "without keys", "no", atLeast(1)),
  {
    id: "transform",
    partitions: one,
    hasTarget: true,
    figures: () => rate("transform", "consume, transform, produce 100 B in transactions of 100 ms", atLeast(2)),
    measure: (bench) => {
      const args = ["--to", `${bench.topic}-to`, "--records", Math.ceil(bench.amounts.records / 4), "--commit-ms", 100];
      return measureOwn(bench, "transform", args, ["perSecond"]);
    },
  },
  {
    id: "group",
    partitions: ({ groupMembers }) => groupMembers,
    limit: "the waits of the protocol",
    figures: ({ groupMembers }) => [
      {
        id: "group-join",
        title: `${groupMembers} members join a group, until it is stable`,
        unit: "ms",
        bars: atMost(0.5),
      },
      {
        id: "group-leave",
        title: "one of them leaves, until the others own all, on average",
        unit: "ms",
        bars: atMost(0.5),
      },
    ],
    measure: (bench) => {
      const { groupMembers } = bench.amounts;
      const args = ["--members", groupMembers, "--partitions", groupMembers, "--rounds", 3, "--turn", bench.turn];
      return measureOwn(bench, "group", args, ["joinMs", "leaveMs"]);
    },
  },
];
