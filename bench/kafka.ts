// `npm run bench:kafka`: Entrepot against Apache Kafka, in turn, under Kafka's clients; prints the section and writes it into
// docs/performance.md, with charts in docs/charts.
//
//     npm run bench:kafka -- [--pairs 5] [--records 2000000] [--seconds 10] [--warm-up-seconds 5] [--large-gb 2]
//                         [--rows produce-100b,start,...] [--json FILE] [--main dist/main.js] [--dir DIR] [--no-write]
//
//     npm run bench:kafka -- --from a.json,b.json [--no-write]
//
// --dir is where the brokers' data goes; choose a real disk. The raw runs go to --json after each measurement, and --from makes
// the section of what several runs have kept there; of a row that two of them have, the later file's.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { killAll } from "./brokers.ts";
import { requireDisk } from "./disk.ts";
import { here } from "./here.ts";
import { kafkaVersion } from "./kafka-brokers.ts";
import { kafkaCharts } from "./kafka-charts.ts";
import { kafkaText, withSection } from "./kafka-report.ts";
import { type KafkaMeasured, type KafkaRow, measureKafka, readKafkaMeasured } from "./kafka-rows.ts";
import { writePage } from "./write-page.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    pairs: { ...text, default: "5" },
    records: { ...text, default: "2000000" },
    seconds: { ...text, default: "10" },
    "warm-up-seconds": { ...text, default: "5" },
    "large-gb": { ...text, default: "2" },
    "group-members": { ...text, default: "100" },
    partitions: { ...text, default: "1000" },
    producers: { ...text, default: "100" },
    rows: text,
    json: text,
    from: text,
    main: { ...text, default: join(import.meta.dirname, "..", "dist", "main.js") },
    dir: text,
    "no-write": { type: "boolean", default: false },
  },
});
const root = values.dir ?? tmpdir();
if (values.from === undefined) requireDisk(root);
const home = mkdtempSync(join(root, "entrepot-bench-kafka-"));
const pairs = Number(values.pairs);

const sectionOf = (measured: KafkaMeasured): string => kafkaText({ ...measured, version: kafkaVersion });

function kept(paths: readonly string[]): KafkaMeasured {
  const found = readKafkaMeasured(paths);
  if (found === undefined) throw new Error(`there is no ${paths.join(", ")}`);
  return found;
}

function writeDocs(rows: readonly KafkaRow[], section: string): void {
  const docs = join(import.meta.dirname, "..", "docs");
  const path = join(docs, "performance.md");
  writePage(docs, withSection(existsSync(path) ? readFileSync(path, "utf8") : "", section), kafkaCharts(rows));
}

const measuredHere = here();
let soFar: readonly KafkaRow[] = [];
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    if (soFar.length > 0) console.log(sectionOf({ ...measuredHere, rows: soFar }));
    killAll();
    rmSync(home, { recursive: true, force: true });
    process.exit(status);
  });
}
try {
  const found = values.from === undefined ? { ...measuredHere, rows: await measured() } : kept(values.from.split(","));
  const section = sectionOf(found);
  console.log(section);
  if (!values["no-write"]) writeDocs(found.rows, section);
} finally {
  killAll();
  rmSync(home, { recursive: true, force: true });
}

function measured(): Promise<KafkaRow[]> {
  return measureKafka({
    pairs,
    records: Number(values.records),
    seconds: Number(values.seconds),
    warmUpSeconds: Number(values["warm-up-seconds"]),
    largeGb: Number(values["large-gb"]),
    groupMembers: Number(values["group-members"]),
    partitions: Number(values.partitions),
    producers: Number(values.producers),
    ...(values.rows === undefined ? {} : { rows: values.rows.split(",") }),
    mainPath: resolve(values.main),
    home,
    say: (line) => process.stderr.write(`${line}\n`),
    onRows(rows) {
      soFar = rows;
      if (values.json !== undefined)
        writeFileSync(values.json, `${JSON.stringify({ ...measuredHere, rows } satisfies KafkaMeasured, null, 1)}\n`);
    },
  });
}
