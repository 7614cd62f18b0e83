// The curves under Kafka's clients: what grows, at which points, and how a point is measured (bench/kafka-load/Growth.java).

import { join } from "node:path";
import { diskWrittenBytes } from "./broker-usage.ts";
import type { BrokerKind } from "./brokers.ts";
import type { Curve } from "./growth.ts";
import type { House } from "./house.ts";
import { apacheKafka, entrepotForKafka, type KafkaContestant, resolveKafka } from "./kafka-brokers.ts";
import { compileLoads, figuresOf, type KafkaTools, runLoadProgram } from "./kafka-tools.ts";
import { createTopic, deleteTopics } from "./kafka-topics.ts";
import { limitOf, peakMemoryMb, resetPeakMemory } from "./kafka-usage.ts";
import { kafkaName, kafkaSyncingName } from "./kafka-work.ts";
import { type LoadResult, round } from "./load-options.ts";

/** What a point of Growth.java's work is; absent: as in the first row, one of each and 100 B. */
interface Shape {
  readonly bytes?: number;
  readonly partitions?: number;
  readonly producers?: number;
  readonly readers?: number;
  readonly held?: number;
}

export interface KafkaCurve extends Omit<Curve, "scenario" | "args" | "plainArgs" | "rabbitMax" | "hasQuorum"> {
  readonly shapeAt: (x: number) => Shape;
}

export const kafkaCurves: readonly KafkaCurve[] = [
  {
    id: "size",
    title: "the size of a message",
    xTitle: "value of a message",
    xUnit: "B",
    quick: [10, 1000, 100_000],
    full: [10, 100, 1000, 10_000, 100_000, 1_000_000],
    shapeAt: (bytes) => ({ bytes }),
    latency: "latencyUs",
    setupSeconds: () => 3,
  },
  {
    id: "connections",
    title: "the number of producers",
    xTitle: "producers, each with its connection, on one partition",
    quick: [1, 10, 100],
    full: [1, 10, 100, 1000],
    shapeAt: (producers) => ({ producers }),
    latency: "latencyUs",
    setupSeconds: (x) => 3 + x / 50,
  },
  {
    id: "partitions",
    title: "the number of partitions",
    xTitle: "partitions, published to in turn",
    quick: [1, 100, 1000],
    full: [1, 10, 100, 1000, 10_000],
    shapeAt: (partitions) => ({ partitions }),
    latency: "latencyUs",
    // A partition of Kafka's has a log and its indexes open.
    filesAt: (x) => 3 * x,
    setupSeconds: (x) => 3 + x / 200,
  },
  {
    id: "backlog",
    title: "the messages that a topic holds",
    xTitle: "messages of 100 B in the topic before",
    quick: [0, 10_000, 100_000],
    full: [0, 10_000, 100_000, 1_000_000, 10_000_000],
    shapeAt: (held) => ({ held }),
    latency: "latencyUs",
    setupSeconds: (x) => 3 + x / 200_000,
  },
  {
    id: "fanout",
    title: "the consumers that read all of a topic",
    xTitle: "consumers, each reads all",
    quick: [1, 10],
    full: [1, 10, 100],
    shapeAt: (readers) => ({ readers }),
    latency: "latencyUs",
    setupSeconds: (x) => 3 + x / 10,
  },
];

export const kafkaNames = [kafkaName, kafkaSyncingName, "Entrepot"];

/** Room for the buffers of a thousand producers. */
const heapMb = 3072;
/** Java is slow until it has compiled what is hot. */
export const javaWarmUpSeconds = 3;
const underWayMax = 10_000;
const underWayBytesMax = 16_000_000;

/** Measures points; what it needs of Maven and the compiler it gets when the first is measured. */
export class KafkaGrowth {
  readonly #dir: string;
  readonly #mainPath: string;
  readonly #house: House;
  #tools: KafkaTools | undefined;
  #contestants: readonly KafkaContestant[] = [];
  #topics = 0;

  constructor(dir: string, mainPath: string, house: House) {
    this.#dir = dir;
    this.#mainPath = mainPath;
    this.#house = house;
  }

  #prepare(): KafkaTools {
    if (this.#tools === undefined) {
      const libraries = resolveKafka(this.#dir);
      this.#tools = compileLoads(libraries, join(this.#dir, "growth"));
      this.#contestants = [
        apacheKafka(kafkaName, libraries),
        apacheKafka(kafkaSyncingName, libraries, ["log.flush.interval.messages=1"]),
        entrepotForKafka(this.#mainPath),
      ];
    }
    return this.#tools;
  }

  /** Errors: a JDK, Maven or Entrepot's build is missing; the load failed. */
  async measure(
    name: string,
    shape: Shape,
    time: { readonly seconds: number; readonly warmupSeconds: number },
  ): Promise<LoadResult> {
    const tools = this.#prepare();
    const contestant: Pick<BrokerKind, "start"> = this.#contestants.find((each) => each.name === name)!;
    const { bytes = 100, partitions = 1, producers = 1, readers = 1, held = 0 } = shape;
    const topic = `growth-${this.#topics++}`;
    const outstanding = Math.max(1, Math.floor(Math.min(underWayMax, underWayBytesMax / bytes) / readers));
    const args = ["--topic", topic, "--bytes", bytes, "--partitions", partitions, "--producers", producers];
    args.push("--readers", readers, "--held", held, "--outstanding", outstanding);
    // The client's limit of a request, which is as large as the greatest message here.
    args.push("--producer.max.request.size", 2_000_000);
    const warmUp = Math.max(javaWarmUpSeconds, Math.ceil(time.warmupSeconds));
    args.push("--warm-up-seconds", warmUp, "--seconds", Math.ceil(time.seconds));
    return this.#house.use(contestant, async (broker) => {
      await createTopic(broker.uri, topic, partitions);
      const writtenBefore = diskWrittenBytes(this.#dir);
      resetPeakMemory(broker.pid);
      const watched = await runLoadProgram(tools, { broker, dir: this.#dir }, "growth", args, heapMb);
      const figures = figuresOf(watched);
      const figure = (each: string): number => figures[each] ?? Number.NaN;
      const written = diskWrittenBytes(this.#dir) - writtenBefore;
      const rssMb = peakMemoryMb(broker.pid);
      await deleteTopics(broker.uri, [topic]);
      if (watched.shares === undefined) throw new Error("the load did not say when it was measured");
      const { shares } = watched;
      return {
        rate: round(figure("perSecond") / readers),
        copies: readers,
        bodyBytes: bytes,
        latencyUs: { p50: figure("receiptP50Us"), p99: figure("receiptP99Us") },
        confirmUs: { p50: figure("ackP50Us"), p99: figure("ackP99Us") },
        brokerCpuSeconds: round(shares.broker * shares.seconds, 2),
        loadCpuSeconds: round(shares.client * shares.seconds, 2),
        othersCores: round(Math.max(0, shares.machine - shares.broker - shares.client), 2),
        seconds: round(shares.seconds, 2),
        brokerRssMbMax: round(rssMb, 1),
        diskBytesPerPublishedByte: round(written / figure("publishedBytes"), 2),
        limit: limitOf(shares),
      };
    });
  }
}
