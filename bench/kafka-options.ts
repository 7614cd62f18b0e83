// The command line of `npm run bench:kafka`.

import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { kafkaRowIds } from "./kafka-rows.ts";
import type { Amounts } from "./kafka-work.ts";
import { listOf, numberOf } from "./option-values.ts";

export const usage = `npm run bench:kafka -- [options]
Entrepot against Apache Kafka, in turn, under Kafka's clients: prints the section of docs/performance.md and writes it there.

  --rows LIST          some of ${kafkaRowIds.slice(0, 5).join(", ")},
                       ${kafkaRowIds.slice(5, 11).join(", ")},
                       ${kafkaRowIds.slice(11).join(", ")} (all)
  --pairs N            runs of each row that count (5)
  --records N          of 100 B by Java's client; of 1 KB a fifth (2000000)
  --seconds N          measured of what is measured by time (10)    --warm-up-seconds N  before it (5)
  --large-gb N         of the topic that is caught up on (2)        --group-members N    (100)
  --partitions N       of many producers (1000)                     --producers N        (100)
  --json FILE          where the runs go, anew after each measurement
  --from FILE,...      measure nothing; make the section of what such files have kept: of a row that two have, the later's
  --no-write           only print
  --dir DIR            where the brokers' data goes: choose a real disk
  --main FILE          Entrepot, built (dist/main.js)`;

export interface KafkaBenchOptions {
  readonly amounts: Amounts;
  readonly pairs: number;
  readonly rows: readonly string[] | undefined;
  readonly json: string | undefined;
  readonly from: readonly string[] | undefined;
  readonly doesWrite: boolean;
  readonly dir: string;
  readonly main: string;
  /** Nothing is to be done but to say what could be. */
  readonly asksForHelp: boolean;
}

const text = { type: "string" } as const;
const yes = { type: "boolean", default: false } as const;

/** Errors: an unknown option or row, or a value that is no number where one is due. */
export function parseKafkaOptions(args: readonly string[]): KafkaBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: text,
      pairs: text,
      records: text,
      seconds: text,
      "warm-up-seconds": text,
      "large-gb": text,
      "group-members": text,
      partitions: text,
      producers: text,
      json: text,
      from: text,
      "no-write": yes,
      dir: text,
      main: text,
      help: yes,
    },
  });
  return {
    amounts: {
      records: numberOf("records", values.records, 2_000_000),
      seconds: numberOf("seconds", values.seconds, 10),
      warmUpSeconds: numberOf("warm-up-seconds", values["warm-up-seconds"], 5),
      largeGb: numberOf("large-gb", values["large-gb"], 2),
      groupMembers: numberOf("group-members", values["group-members"], 100),
      partitions: numberOf("partitions", values.partitions, 1000),
      producers: numberOf("producers", values.producers, 100),
    },
    pairs: Math.max(1, numberOf("pairs", values.pairs, 5)),
    rows: listOf("rows", values.rows, kafkaRowIds),
    json: values.json,
    from: values.from?.split(","),
    doesWrite: !values["no-write"],
    dir: values.dir ?? tmpdir(),
    main: resolve(values.main ?? join(import.meta.dirname, "..", "dist", "main.js")),
    asksForHelp: values.help,
  };
}
