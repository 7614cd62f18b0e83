// The command line of `npm run bench`, and the plan that it asks for.

import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { curves } from "./growth.ts";
import { kafkaCurves } from "./kafka-growth.ts";
import { kafkaRowIds } from "./kafka-rows.ts";
import { listOf, numberOf } from "./option-values.ts";
import type { Part } from "./raw-runs.ts";
import { rows } from "./rows.ts";

const rowIds = rows.map(({ id }) => id);
const curveIds = [...new Set([...curves, ...kafkaCurves].map(({ id }) => id))];

export const usage = `npm run bench -- [options]
Ten minutes without options: five pairs of the rows that say most, and three points of a curve. docs/performance.md is
written anew, with what was measured, and says what was not.

  --full               hours: all rows, all points of all curves, five pairs everywhere (two of
                       points that take half a minute to set up), longer runs
  --parts LIST         disk,rows,growth,latency,start,backlog,delayed,perf-test,kafka,kafka-growth
                       (all; perf-test, delayed and kafka-growth with --full only)
  --rows LIST          some of ${rowIds.join(", ")}
  --curves LIST        some of ${curveIds.join(", ")}
  --kafka-rows LIST    some of ${kafkaRowIds.join(", ")}
  --pairs N            runs of each row (5)           --growth-pairs N  runs of each point of a curve (1; full: 5)
  --seconds N          measured in a run (1; full: 3) --warmup N        before it (0.5; full: 1)
  --backlog N          messages (10000000)            --backlog-rabbitmq N (100000; full: 1000000); once, full: in pairs
  --delayed N          messages (1000000)
  --only NAME          RabbitMQ or Entrepot
  --json FILE          where each run is appended as it ends (a file in the system's temporary directory)
  --from FILE,...      measure nothing; make the page of what such files say. A page has what was measured in one run, or in
                       all of these
  --docs DIR           where performance.md and charts/ go (docs)      --no-write   print the page instead
  --dir DIR            where the brokers' data goes: choose a real disk, or the durable rows measure memory
  --main FILE          Entrepot, built (dist/main.js)
  --install            apt-get install what is missing, as root`;

export type BenchPart = Part | "kafka";

const allParts: readonly BenchPart[] = [
  "disk",
  "rows",
  "growth",
  "latency",
  "start",
  "backlog",
  "delayed",
  "perf-test",
  "kafka-growth",
  "kafka",
];

export interface BenchOptions {
  readonly isFull: boolean;
  readonly parts: ReadonlySet<BenchPart>;
  readonly rows: readonly string[] | undefined;
  readonly curves: readonly string[] | undefined;
  readonly kafkaRows: readonly string[] | undefined;
  readonly pairs: number;
  readonly growthPairs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly backlog: Readonly<Record<string, number>>;
  readonly delayed: number;
  readonly only: string | undefined;
  readonly json: string | undefined;
  readonly from: readonly string[] | undefined;
  readonly docs: string;
  readonly doesWrite: boolean;
  readonly dir: string;
  readonly main: string;
  readonly doesInstall: boolean;
  /** Nothing is to be done but to say what could be. */
  readonly asksForHelp: boolean;
}

/** Those that take long, or say little that others do not. */
const fullParts: readonly BenchPart[] = ["delayed", "kafka-growth", "perf-test"];

/** What is measured unless somebody names something else, or asks for all. */
const quick = {
  rows: ["durable-100b", "transient-100b", "durable-1k", "connections-200"],
  curves: ["size"],
  kafkaRows: ["produce-100b"],
};

const repository = join(import.meta.dirname, "..");
const text = { type: "string" } as const;
const yes = { type: "boolean", default: false } as const;

/** Errors: an unknown option or part, row or curve, or a value that is no number where one is due. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: yes,
      parts: text,
      rows: text,
      curves: text,
      "kafka-rows": text,
      pairs: text,
      "growth-pairs": text,
      seconds: text,
      warmup: text,
      backlog: text,
      "backlog-rabbitmq": text,
      delayed: text,
      only: text,
      json: text,
      from: text,
      docs: text,
      "no-write": yes,
      dir: text,
      main: text,
      install: yes,
      help: yes,
    },
  });
  const isFull = values.full;
  const number = (
    name: "pairs" | "growth-pairs" | "seconds" | "warmup" | "backlog" | "backlog-rabbitmq" | "delayed",
    otherwise: number,
  ): number => numberOf(name, values[name], otherwise);
  const otherwise = isFull ? undefined : quick;
  return {
    isFull,
    parts: new Set(
      listOf("parts", values.parts, allParts) ?? allParts.filter((part) => isFull || !fullParts.includes(part)),
    ),
    rows: listOf("rows", values.rows, rowIds) ?? otherwise?.rows,
    curves: listOf("curves", values.curves, curveIds) ?? otherwise?.curves,
    kafkaRows: listOf("kafka-rows", values["kafka-rows"], kafkaRowIds) ?? otherwise?.kafkaRows,
    pairs: Math.max(1, number("pairs", 5)),
    growthPairs: Math.max(1, number("growth-pairs", isFull ? 5 : 1)),
    seconds: number("seconds", isFull ? 3 : 1),
    warmupSeconds: number("warmup", isFull ? 1 : 0.5),
    backlog: {
      Entrepot: number("backlog", 10_000_000),
      RabbitMQ: number("backlog-rabbitmq", isFull ? 1_000_000 : 100_000),
    },
    delayed: number("delayed", 1_000_000),
    only: values.only,
    json: values.json,
    from: values.from?.split(","),
    docs: resolve(values.docs ?? join(repository, "docs")),
    doesWrite: !values["no-write"],
    dir: values.dir ?? tmpdir(),
    main: resolve(values.main ?? join(repository, "dist", "main.js")),
    doesInstall: values.install,
    asksForHelp: values.help,
  };
}
