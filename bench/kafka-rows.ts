// Entrepot against Apache Kafka, in turn: each work of bench/kafka-work.ts by Kafka as it comes, when it answers before anything is on
// disk; by Kafka with flush.messages=1, when it answers as late as Entrepot does; and by Entrepot. Where the ceiling is of
// interest, by a plain Node process as well.
//
// A contestant that is not measured is stopped with SIGSTOP, and the disk is synced before each measurement, so that nobody pays
// for what another has left. One that ended is started again, and the failure is told; what was measured stays.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { diskWrittenBytes } from "./broker-usage.ts";
import type { RunningBroker } from "./brokers.ts";
import { type Here, together } from "./here.ts";
import { apacheKafka, entrepotForKafka, type KafkaContestant, plainLog, resolveKafka } from "./kafka-brokers.ts";
import { KafkaPeer } from "./kafka-peer.ts";
import { prepareStart, startToAcknowledged } from "./kafka-start.ts";
import { round } from "./load-options.ts";
import { compileLoads, type KafkaTools } from "./kafka-tools.ts";
import { createTopic, deleteTopic } from "./kafka-topic.ts";
import { limitOf, peakMemoryMb, resetPeakMemory } from "./kafka-usage.ts";
import {
  type Amounts,
  type Bar,
  type Bench,
  kafkaName,
  kafkaSyncingName,
  type Outcome,
  type Work,
  works,
} from "./kafka-work.ts";

/** What of this can be asked for by name. */
export const kafkaRowIds: readonly string[] = ["start", ...works.map(({ id }) => id)];

export interface KafkaOptions extends Amounts {
  readonly pairs: number;
  /** Some of `kafkaRowIds`; undefined: all. */
  readonly rows?: readonly string[];
  /** Entrepot, built. */
  readonly mainPath: string;
  /** An empty folder on the disk that is to be measured. */
  readonly home: string;
  /** Gets a line for each measurement. */
  readonly say: (line: string) => void;
  /** Gets all rows so far, after each measurement. */
  readonly onRows?: (rows: readonly KafkaRow[]) => void;
}

export interface KafkaUsage {
  readonly limit: string;
  /** Processor time in µs for each message; undefined where the work is none of messages. */
  readonly brokerUsPerMessage: number | undefined;
  readonly clientUsPerMessage: number | undefined;
  readonly rssMbMax: number;
  /** Bytes that the disk was written for each byte of messages published; undefined where nothing was published. */
  readonly writtenPerByte: number | undefined;
  /** p50 and p99; absent where it was not measured. */
  readonly latencyMs?: readonly [number, number];
  /** Taken by other programs; absent in older results, and where a run was too short to say. */
  readonly othersCores?: number;
}

export interface KafkaRow {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
  /** A bar without a ratio to anybody. */
  readonly most?: number;
  /** Runs of each broker before those that count; absent in older results, and for what has none. */
  readonly warmUps?: number;
  /** By the contestant's name, as the next three. */
  readonly runs: Record<string, number[]>;
  /** Of a work with several figures, with the first. */
  readonly usages: Record<string, KafkaUsage[]>;
  /** Of its measurements. */
  readonly failures: Record<string, string[]>;
}

/** What a run of rows has left in its file. */
export interface KafkaMeasured extends Here {
  readonly rows: readonly KafkaRow[];
}

/** What several files have kept; of a row that two of them have, the later file's. Undefined: none is there. */
export function readKafkaMeasured(paths: readonly string[]): KafkaMeasured | undefined {
  const files = paths
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as KafkaMeasured);
  if (files.length === 0) return undefined;
  const rows = files.flatMap((file) => file.rows);
  return {
    ...together(files),
    rows: rows.filter((row, at) => rows.findLastIndex(({ id }) => id === row.id) === at),
  };
}

interface Seat {
  readonly contestant: KafkaContestant;
  readonly dir: string;
  broker?: RunningBroker;
}

/**
 * Runs that are not measured, of work that is bound by the brokers: Kafka's Java compiles what is hot, and its rates rose by up to
 * 1.8 times within five runs.
 */
const warmUps = 2;

export const contestantNames = [kafkaName, kafkaSyncingName, "Entrepot"] as const;

/** Measures all. Errors: Maven, a JDK or Entrepot's build is missing. What else fails is told in its row. */
export async function measureKafka(options: KafkaOptions): Promise<KafkaRow[]> {
  options.say("resolving Apache Kafka from Maven Central");
  const libraries = resolveKafka(options.home);
  const tools = compileLoads(libraries, options.home);
  const seats = [
    apacheKafka(kafkaName, libraries),
    apacheKafka(kafkaSyncingName, libraries, ["log.flush.interval.messages=1"]),
    entrepotForKafka(options.mainPath),
    plainLog,
  ].map((contestant, index): Seat => ({ contestant, dir: join(options.home, `broker-${index}`) }));
  const rows: KafkaRow[] = [];
  const chosen = works.filter(({ id }) => options.rows?.includes(id) ?? true);
  if (options.rows?.includes("start") ?? true) await measureStart(options, seats, rows);
  for (const [index, work] of chosen.entries()) {
    options.say(`Kafka ${index + 1} of ${chosen.length}: ${work.id}`);
    await measureWork(options, tools, work, seats, rows);
  }
  for (const { broker } of seats) await broker?.stop();
  return rows;
}

async function measureWork(
  options: KafkaOptions,
  tools: KafkaTools,
  work: Work,
  seats: readonly Seat[],
  rows: KafkaRow[],
): Promise<void> {
  const warmth = work.limit === undefined ? { warmUps } : {};
  const none = { runs: {}, usages: {}, failures: {} };
  const own = work.figures(options).map((figure): KafkaRow => ({ ...figure, ...warmth, ...structuredClone(none) }));
  rows.push(...own);
  const topics = new Map<Seat, string>();
  for (let pair = -(warmth.warmUps ?? 0); pair < options.pairs; pair++) {
    for (const seat of seats) {
      const { name, isPlain } = seat.contestant;
      if (isPlain && (work.hasCeiling === undefined || pair < 0)) continue;
      try {
        const kept = topics.get(seat);
        const topic = kept ?? `${work.id}-${pair}`;
        const { outcome, usage } = await measureOnce(options, tools, work, seat, pair, topic, kept === undefined);
        if (work.prepare !== undefined) topics.set(seat, topic);
        if (pair < 0) continue;
        for (const [at, row] of own.entries()) (row.runs[name] ??= []).push(outcome.values[at]!);
        (own[0]!.usages[name] ??= []).push(usage);
        const shown = own.map((row, at) => `${outcome.values[at]!.toFixed(2)} ${row.unit}`).join(", ");
        options.say(`  ${pair + 1}/${options.pairs} ${name}: ${shown}; limit: ${usage.limit}`);
      } catch (error) {
        const why = (error as Error).message;
        for (const row of own) (row.failures[name] ??= []).push(why);
        options.say(`  ${pair + 1}/${options.pairs} ${name} failed: ${why}`);
      } finally {
        await leave(seat, work, topics.has(seat) ? undefined : `${work.id}-${pair}`);
        options.onRows?.(rows);
      }
    }
  }
  for (const [seat, topic] of topics) {
    seat.broker?.resume();
    await leave(seat, work, topic);
  }
}

async function measureOnce(
  options: KafkaOptions,
  tools: KafkaTools,
  work: Work,
  seat: Seat,
  turn: number,
  topic: string,
  isNew: boolean,
): Promise<{ outcome: Outcome; usage: KafkaUsage }> {
  const broker = await enter(seat);
  const bench: Bench = { tools, amounts: options, target: { broker, dir: options.home }, turn, topic };
  if (isNew) {
    await KafkaPeer.with(broker.uri, async (peer) => {
      await createTopic(peer, topic, work.partitions(options));
      if (work.hasTarget) await createTopic(peer, `${topic}-to`, 1);
    });
  }
  if (isNew) await work.prepare?.(bench);
  const writtenBefore = diskWrittenBytes(options.home);
  resetPeakMemory(broker.pid);
  const outcome = await work.measure(bench);
  const rssMbMax = peakMemoryMb(broker.pid);
  const written = diskWrittenBytes(options.home) - writtenBefore;
  return { outcome, usage: usageOfRun(work, outcome, rssMbMax, written) };
}

/** The contestant, running and no longer stopped; started if it has not been, or has ended. */
async function enter(seat: Seat): Promise<RunningBroker> {
  if (seat.broker?.isAlive() !== true) seat.broker = await seat.contestant.start(seat.dir);
  seat.broker.resume();
  return seat.broker;
}

/** Removes the topic, and stops the contestant until it is its turn again. */
async function leave(seat: Seat, work: Work, topic: string | undefined): Promise<void> {
  const { broker, contestant } = seat;
  if (broker?.isAlive() !== true) return;
  try {
    if (topic !== undefined) {
      await KafkaPeer.with(broker.uri, async (peer) => {
        await deleteTopic(peer, topic);
        if (work.hasTarget) await deleteTopic(peer, `${topic}-to`);
      });
    }
  } catch (error) {
    process.stderr.write(`${contestant.name} keeps ${topic}: ${(error as Error).message}\n`);
  }
  broker.pause();
}

function usageOfRun(work: Work, outcome: Outcome, rssMbMax: number, written: number): KafkaUsage {
  const { watched, messages, publishedBytes, latencyMs } = outcome;
  const { shares, isMarked } = watched;
  const perMessage = (seconds: number): number | undefined => (messages > 0 ? (seconds * 1e6) / messages : undefined);
  const isOfWindow = isMarked && shares !== undefined;
  return {
    limit: work.limit ?? (shares === undefined ? "too short to say" : limitOf(shares)),
    brokerUsPerMessage: perMessage(isOfWindow ? shares.broker * shares.seconds : watched.brokerCpuSeconds),
    clientUsPerMessage: perMessage(isOfWindow ? shares.client * shares.seconds : watched.clientCpuSeconds),
    rssMbMax,
    writtenPerByte: publishedBytes > 0 ? written / publishedBytes : undefined,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(shares === undefined
      ? {}
      : { othersCores: round(Math.max(0, shares.machine - shares.broker - shares.client), 2) }),
  };
}

async function measureStart(options: KafkaOptions, seats: readonly Seat[], rows: KafkaRow[]): Promise<void> {
  const row: KafkaRow = {
    id: "start",
    title: "start of the process until the first message is acknowledged, to a raw socket that asks each 5 ms",
    unit: "ms",
    bars: [],
    most: 600,
    runs: {},
    usages: {},
    failures: {},
  };
  rows.push(row);
  const prepared = new Set<Seat>();
  for (let pair = 0; pair < options.pairs; pair++) {
    for (const seat of seats) {
      const { name, isPlain } = seat.contestant;
      if (isPlain) continue;
      try {
        const dir = `${seat.dir}-start`;
        if (!prepared.has(seat)) await prepareStart(seat.contestant, dir);
        prepared.add(seat);
        const ms = await startToAcknowledged(seat.contestant, dir);
        (row.runs[name] ??= []).push(ms);
        options.say(`  start ${pair + 1}/${options.pairs} ${name}: ${Math.round(ms)} ms`);
      } catch (error) {
        (row.failures[name] ??= []).push((error as Error).message);
        options.say(`  start ${pair + 1}/${options.pairs} ${name} failed: ${(error as Error).message}`);
      }
      options.onRows?.(rows);
    }
  }
}
