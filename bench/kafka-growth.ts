// The curves under Kafka's protocol: what grows, at which points, and who is measured. The load is bench/kafka-flow.ts for every point,
// and not one of Kafka's clients at those that a client can reach: two loads would give two curves.

import { apacheKafka, entrepotForKafka, type KafkaContestant, plainLog, resolveKafka } from "./kafka-brokers.ts";
import type { Curve } from "./growth.ts";
import { kafkaName, kafkaSyncingName } from "./kafka-work.ts";

/**
 * What each of many partitions holds before, 4 KB and more: the first entry that Kafka makes in a partition's index, behind its
 * first 4 KB, takes 20 ms (a new page of a mapped file), and a thousand partitions, written to in turn, come to it together.
 */
const heldEach = 50;

const common = { scenario: "kafka-flow", latency: "latencyUs" } as const;

export const kafkaCurves: readonly Curve[] = [
  {
    ...common,
    id: "size",
    title: "the size of a message",
    xTitle: "value of a message",
    xUnit: "B",
    quick: [10, 1000, 100_000],
    full: [10, 100, 1000, 10_000, 100_000, 1_000_000],
    args: (x) => ["--body", String(x)],
    setupSeconds: () => 1,
  },
  {
    ...common,
    id: "connections",
    title: "the number of producers",
    xTitle: "producers, each with its connection, on one partition",
    quick: [1, 100, 1000],
    full: [1, 10, 100, 1000, 10_000],
    args: (x) => ["--width", String(x)],
    filesAt: (x) => x,
    setupSeconds: (x) => 1 + x / 500,
  },
  {
    ...common,
    id: "partitions",
    title: "the number of partitions",
    xTitle: "partitions, published to in turn",
    quick: [1, 100, 1000],
    full: [1, 10, 100, 1000, 10_000],
    args: (x) => ["--partitions", String(x), "--held", String(heldEach * x)],
    // A partition of Kafka's has a log open; its indexes are mapped.
    filesAt: (x) => x,
    setupSeconds: (x) => 1 + x / 40,
  },
  {
    ...common,
    id: "backlog",
    title: "the messages that a topic holds",
    xTitle: "messages of 100 B in the topic before",
    quick: [0, 10_000, 100_000],
    full: [0, 10_000, 100_000, 1_000_000, 10_000_000],
    args: (x) => ["--held", String(x)],
    plainMax: 0,
    setupSeconds: (x) => 1 + x / 300_000,
  },
  {
    ...common,
    id: "fanout",
    title: "the consumers that read all of a topic",
    xTitle: "consumers, each reads all",
    quick: [1, 10, 100],
    full: [1, 10, 100, 1000],
    args: (x) => ["--copies", String(x)],
    filesAt: (x) => x,
    setupSeconds: (x) => 1 + x / 500,
  },
];

export const kafkaNames = [kafkaName, kafkaSyncingName, "Entrepot", "plain Node"];

/** Kafka's broker is Java, which is slow until it has compiled what is hot: its rate doubles within some thirty seconds of work. */
export const kafkaWarmupSecondsLeast = 3;
export const kafkaFirstWarmupSeconds = 40;

/** In the order of `kafkaNames`. What they need of Maven is fetched when the first Kafka starts. */
export function kafkaContestants(dir: string, mainPath: string): KafkaContestant[] {
  let libraries: string | undefined;
  const kafka = (name: string, more: readonly string[] = []): KafkaContestant => ({
    name,
    isPlain: false,
    start: (home, port) => apacheKafka(name, (libraries ??= resolveKafka(dir)), more).start(home, port),
  });
  return [
    kafka(kafkaName),
    kafka(kafkaSyncingName, ["log.flush.interval.messages=1"]),
    entrepotForKafka(mainPath),
    { ...plainLog, name: "plain Node" },
  ];
}
