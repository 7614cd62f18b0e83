// Entrepot against Apache Kafka, in turn, under Kafka's own load tools; prints its section and writes it into
// docs/performance.md.
//
//     npm run bench:kafka -- [--pairs 3] [--records 5000000] [--large-gb 2] [--rows produce-100b,...] [--main dist/main.js]
//                         [--dir DIR] [--no-write]
//
// Kafka runs twice: as it comes, when it answers before
// anything is on disk, and with flush.messages=1, when it answers as late as Entrepot does. A broker that is not measured is
// stopped with SIGSTOP. --dir is where their data goes; choose a real disk.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { killAll, type RunningBroker } from "./brokers.ts";
import { usageOf } from "./broker-usage.ts";
import {
  apacheKafka,
  entrepotForKafka,
  type KafkaContestant,
  kafkaVersion,
  resolveKafka,
  runTool,
} from "./kafka-brokers.ts";
import { kafkaText, withSection, type KafkaRow } from "./kafka-report.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    pairs: { ...text, default: "3" },
    records: { ...text, default: "5000000" },
    "large-gb": { ...text, default: "2" },
    rows: text,
    main: { ...text, default: join(import.meta.dirname, "..", "dist", "main.js") },
    dir: text,
    "no-write": { type: "boolean", default: false },
  },
});
const pairs = Number(values.pairs);
const records = Number(values.records);
const toolMsMax = 1_800_000;
const home = mkdtempSync(join(values.dir ?? tmpdir(), "entrepot-bench-kafka-"));
const classPath = resolveKafka(home);

type Measure = (broker: RunningBroker, topic: string) => number | Promise<number>;

interface RowDefinition extends Pick<KafkaRow, "id" | "title" | "unit" | "bar"> {
  readonly measure: Measure;
}

const tool = (name: string, ...args: readonly (string | number)[]): string[] =>
  runTool(classPath, name, args.map(String), toolMsMax);

function numberIn(lines: readonly string[], pattern: RegExp): number {
  const found = lines.map((line) => pattern.exec(line)?.[1]).findLast((each) => each !== undefined);
  if (found === undefined) throw new Error(`no ${pattern} in: ${lines.join(" | ").slice(-500)}`);
  return Number(found);
}

function createTopic({ uri }: RunningBroker, topic: string, partitions: number): void {
  const args = ["--create", "--topic", topic, "--partitions", partitions, "--replication-factor", 1];
  tool("TopicCommand", "--bootstrap-server", uri, ...args);
}

/** Messages a second. */
function produce({ uri }: RunningBroker, topic: string, count: number, bytes: number, ...more: string[]): number {
  const load = ["--topic", topic, "--num-records", count, "--record-size", bytes, "--throughput", -1, ...more];
  const lines = tool("ProducerPerformance", ...load, "--producer-props", `bootstrap.servers=${uri}`, "acks=all");
  return numberIn(lines, /([\d.]+) records\/sec/);
}

/** Messages a second, without the time that joining its group takes. */
function consume({ uri }: RunningBroker, topic: string, count: number): number {
  const args = ["--bootstrap-server", uri, "--topic", topic, "--messages", count, "--timeout", 60_000];
  const [head = "", ...rest] = tool("ConsumerPerformance", ...args);
  const at = head.split(", ").indexOf("fetch.nMsg.sec");
  return Number(rest.at(-1)!.split(", ")[at]);
}

const largeBytes = Number(values["large-gb"]) * 1e9;

const rows: readonly RowDefinition[] = [
  {
    id: "produce-100b",
    title: "produce 100 B, acks=all, idempotent",
    unit: "msg/s",
    bar: "1.2 ×; 5 × Kafka that syncs",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1);
      return produce(broker, topic, records, 100);
    },
  },
  {
    id: "produce-1k",
    title: "produce 1 KB, acks=all, idempotent",
    unit: "msg/s",
    bar: "1 ×",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1);
      return produce(broker, topic, Math.ceil(records / 5), 1000);
    },
  },
  {
    id: "produce-1000-partitions",
    title: "produce 100 B to 1,000 partitions",
    unit: "msg/s",
    bar: "1 ×",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1000);
      return produce(broker, topic, Math.ceil(records / 5), 100);
    },
  },
  {
    id: "produce-transactions",
    title: "produce 100 B in transactions of 100 ms",
    unit: "msg/s",
    bar: "2 × (with consuming)",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1);
      const more = ["--transactional-id", topic, "--transaction-duration-ms", "100"];
      return produce(broker, topic, Math.ceil(records / 5), 100, ...more);
    },
  },
  {
    id: "consume",
    title: "consume 100 B from the first message on, just produced",
    unit: "msg/s",
    bar: "1 ×",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1);
      produce(broker, topic, records, 100);
      return consume(broker, topic, records);
    },
  },
  {
    id: "catch-up",
    title: `catch up on ${values["large-gb"]} GB of 1 KB`,
    unit: "msg/s",
    bar: "1 × (10 GB, cold)",
    measure: (broker, topic) => {
      createTopic(broker, topic, 1);
      const count = Math.ceil(largeBytes / 1000);
      produce(broker, topic, count, 1000);
      dropCaches();
      return consume(broker, topic, count);
    },
  },
  {
    id: "end-to-end",
    title: "one message at a time, from send to receipt, p99",
    unit: "ms",
    bar: "0.5 × (at 10,000/s)",
    measure: ({ uri }, topic) => {
      const lines = tool("EndToEndLatency", uri, topic, Math.min(records, 5000), "all", 100);
      return numberIn(lines, /99th = ([\d.]+)/);
    },
  },
  {
    id: "memory",
    title: "resident memory after all of the above",
    unit: "MB",
    bar: "0.5 ×",
    measure: ({ pid }) => usageOf(pid).rssMb,
  },
];

/** So that what comes is read from the disk; where that is not allowed, from memory, for both. */
function dropCaches(): void {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3\n");
  } catch {
    process.stderr.write("the page cache cannot be dropped: catching up is not cold\n");
  }
}

async function measureAll(contestants: readonly KafkaContestant[]): Promise<KafkaRow[]> {
  const results: KafkaRow[] = [];
  const start: KafkaRow = {
    id: "start",
    title: "start of the process to a listening port",
    unit: "ms",
    bar: "600 ms",
    runs: {},
  };
  const brokers = new Map<KafkaContestant, RunningBroker>();
  for (const contestant of contestants) {
    const broker = await contestant.start(join(home, `broker-${brokers.size}`));
    start.runs[contestant.name] = [broker.readyMs];
    broker.pause();
    brokers.set(contestant, broker);
  }
  for (const { measure, ...row } of rows) {
    if (values.rows !== undefined && !values.rows.split(",").includes(row.id)) continue;
    const result: KafkaRow = { ...row, runs: {} };
    for (let pair = 0; pair < pairs; pair++) {
      for (const [{ name }, broker] of brokers) {
        broker.resume();
        try {
          const value = await measure(broker, `${row.id}-${pair}`);
          (result.runs[name] ??= []).push(value);
          process.stderr.write(`${row.id} ${name} ${Math.round(value)} ${row.unit}\n`);
        } catch (error) {
          process.stderr.write(`${row.id} ${name} failed: ${(error as Error).message}\n`);
        }
        broker.pause();
      }
    }
    results.push(result);
  }
  for (const broker of brokers.values()) await broker.stop();
  return [...results, start];
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    killAll();
    rmSync(home, { recursive: true, force: true });
    process.exit(status);
  });
}
try {
  const contestants = [
    apacheKafka("Kafka", classPath),
    apacheKafka("Kafka, flush.messages=1", classPath, ["log.flush.interval.messages=1"]),
    entrepotForKafka(resolve(values.main)),
  ];
  const measured = await measureAll(contestants);
  const section = kafkaText({
    date: new Date().toISOString(),
    version: kafkaVersion,
    pairs,
    records,
    names: contestants.map(({ name }) => name),
    rows: measured,
  });
  console.log(section);
  const path = join(import.meta.dirname, "..", "docs", "performance.md");
  if (!values["no-write"])
    writeFileSync(path, withSection(existsSync(path) ? readFileSync(path, "utf8") : "", section));
} finally {
  killAll();
  rmSync(home, { recursive: true, force: true });
}
