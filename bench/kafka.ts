// `npm run bench:kafka`: Entrepot against Apache Kafka, in turn, under Kafka's clients; prints the section and writes it into
// docs/performance.md, with charts in docs/charts. What it takes on the command line: kafka-options.ts.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { killAll } from "./brokers.ts";
import { requireDisk } from "./disk.ts";
import { here } from "./here.ts";
import { kafkaVersion } from "./kafka-brokers.ts";
import { kafkaCharts } from "./kafka-charts.ts";
import { type KafkaBenchOptions, parseKafkaOptions, usage } from "./kafka-options.ts";
import { kafkaText, withSection } from "./kafka-report.ts";
import { type KafkaMeasured, measureKafka, readKafkaMeasured } from "./kafka-rows.ts";
import { messageOf } from "./option-values.ts";
import { writePage } from "./write-page.ts";

function show(options: KafkaBenchOptions, found: KafkaMeasured): void {
  const section = kafkaText({ ...found, version: kafkaVersion });
  console.log(section);
  if (!options.doesWrite) return;
  const docs = join(import.meta.dirname, "..", "docs");
  const path = join(docs, "performance.md");
  writePage(docs, withSection(existsSync(path) ? readFileSync(path, "utf8") : "", section), kafkaCharts(found.rows));
}

async function measure(options: KafkaBenchOptions): Promise<void> {
  requireDisk(options.dir);
  const home = mkdtempSync(join(options.dir, "entrepot-bench-kafka-"));
  const measuredHere = here();
  let soFar: KafkaMeasured = { ...measuredHere, rows: [] };
  const cleanUp = (): void => {
    killAll();
    rmSync(home, { recursive: true, force: true });
  };
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      if (soFar.rows.length > 0) show({ ...options, doesWrite: false }, soFar);
      cleanUp();
      process.exit(status);
    });
  }
  try {
    const rows = await measureKafka({
      ...options.amounts,
      pairs: options.pairs,
      ...(options.rows === undefined ? {} : { rows: options.rows }),
      mainPath: options.main,
      home,
      say: (line) => process.stderr.write(`${line}\n`),
      onRows(rowsSoFar) {
        soFar = { ...measuredHere, rows: rowsSoFar };
        if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(soFar, null, 1)}\n`);
      },
    });
    show(options, { ...measuredHere, rows });
  } finally {
    cleanUp();
  }
}

async function main(): Promise<void> {
  const options = parseKafkaOptions(process.argv.slice(2));
  if (options.asksForHelp) {
    console.log(usage);
    return;
  }
  if (options.from === undefined) return measure(options);
  const kept = readKafkaMeasured(options.from);
  if (kept === undefined) throw new Error(`there is no ${options.from.join(", ")}`);
  show(options, kept);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${messageOf(error, usage)}\n`);
  process.exitCode = 1;
}
