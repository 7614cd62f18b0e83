// `npm run bench`: Entrepot against RabbitMQ and Kafka, in turn A B A B, under the same load; prints the table of rates and writes
// docs/performance.md with its charts. What it takes on the command line: bench-options.ts.
//
// Each run is appended to a file as it ends (--json); who interrupts keeps it, and --from makes the page of it.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchOptions, type BenchPart, parseBenchOptions, usage } from "./bench-options.ts";
import { type BrokerKind, killAll, rabbit } from "./brokers.ts";
import { requireDisk } from "./disk.ts";
import { openFilesMax } from "./growth.ts";
import { here } from "./here.ts";
import { House } from "./house.ts";
import { builtEntrepot, hasProgram, howToInstall, installMissing, missingPackages } from "./installed.ts";
import { kafkaVersion } from "./kafka-brokers.ts";
import { kafkaCharts } from "./kafka-charts.ts";
import { kafkaSectionOf, kafkaText, withSection } from "./kafka-report.ts";
import { type KafkaMeasured, measureKafka, readKafkaMeasured } from "./kafka-rows.ts";
import { messageOf } from "./option-values.ts";
import { type Plan, stepsOf } from "./plan.ts";
import { runSteps, shortTime } from "./progress.ts";
import { type About, RawRuns, readRawRuns } from "./raw-runs.ts";
import { faults, figuresOf, performanceText, ratesTable } from "./report.ts";
import { watchingOf, withWatching } from "./report-watching.ts";
import { killLoads } from "./run-load.ts";
import { soakSectionOf, withSoak } from "./soak-report.ts";
import { writePage } from "./write-page.ts";

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function kindsOf(options: BenchOptions): BrokerKind[] {
  if (options.doesInstall) installMissing(say);
  const missing = missingPackages();
  if (missing.length > 0) say(`Not here: ${missing.join(", ")}. What needs them is left out. ${howToInstall(missing)}`);
  const kinds = [...(rabbit.version() === undefined ? [] : [rabbit]), builtEntrepot(options.main)];
  return kinds.filter(({ name }) => options.only === undefined || name === options.only);
}

/** The parts that can be measured here. */
function partsOf(options: BenchOptions): Set<BenchPart> {
  const hasMaven = hasProgram("javac") && hasProgram("mvn");
  const needMaven: readonly BenchPart[] = ["perf-test", "kafka", "kafka-growth"];
  return new Set([...options.parts].filter((part) => hasMaven || !needMaven.includes(part)));
}

function aboutOf(options: BenchOptions, kinds: readonly BrokerKind[]): About {
  return {
    ...here(),
    versions: Object.fromEntries(kinds.map((kind) => [kind.name, kind.version() ?? ""])),
    pairs: options.pairs,
    growthPairs: options.growthPairs,
    secondsEach: options.seconds,
    openFilesMax: Math.min(openFilesMax(), Number.MAX_SAFE_INTEGER),
  };
}

/** Kafka's rows have a file of their own beside the raw runs, written anew after each measurement. */
const kafkaPathOf = (rawPath: string): string => `${rawPath}.kafka.json`;

async function runKafka(options: BenchOptions, home: string, rawPath: string): Promise<void> {
  const { isFull, pairs } = options;
  const dir = join(home, "kafka");
  mkdirSync(dir);
  const amounts = isFull
    ? {
        records: 2_000_000,
        seconds: 10,
        warmUpSeconds: 5,
        largeGb: 10,
        groupMembers: 100,
        partitions: 1000,
        producers: 100,
      }
    : { records: 500_000, seconds: 3, warmUpSeconds: 2, largeGb: 1, groupMembers: 20, partitions: 100, producers: 20 };
  const measured = here();
  await measureKafka({
    ...amounts,
    pairs,
    ...(options.kafkaRows ? { rows: options.kafkaRows } : {}),
    mainPath: options.main,
    home: dir,
    say,
    onRows: (rows) =>
      writeFileSync(kafkaPathOf(rawPath), JSON.stringify({ ...measured, rows } satisfies KafkaMeasured)),
  });
}

/**
 * Makes the page and its charts. Of what was not measured this time, the sections on watching, Kafka and the soak stay as they are:
 * they have a date and a machine of their own. Of all else a page has what was measured this time, and says what it has not.
 */
function write(options: BenchOptions, raw: RawRuns, rawPaths: readonly string[]): void {
  if (raw.all.some(({ part }) => part === "rows")) console.log(ratesTable(raw));
  for (const fault of faults(raw)) console.log(`fault: ${fault}`);
  const path = join(options.docs, "performance.md");
  const old = existsSync(path) ? readFileSync(path, "utf8") : "";
  let page = raw.all.length > 0 ? performanceText(raw) : old;
  const watching = watchingOf(old);
  if (watching !== "" && watchingOf(page) === "") page = withWatching(page, watching);
  const measured = readKafkaMeasured(rawPaths.map(kafkaPathOf));
  const kafka = measured === undefined ? kafkaSectionOf(old) : kafkaText({ ...measured, version: kafkaVersion });
  if (kafka !== "") page = withSection(page, kafka);
  const soak = soakSectionOf(old);
  if (soak !== "") page = withSoak(page, soak);
  if (!options.doesWrite) {
    console.log(page);
    return;
  }
  writePage(options.docs, page, [...figuresOf(raw), ...kafkaCharts(measured?.rows ?? [])]);
}

async function measure(options: BenchOptions, rawPath: string, home: string): Promise<RawRuns> {
  const kinds = kindsOf(options);
  const parts = partsOf(options);
  const raw = new RawRuns(aboutOf(options, kinds), rawPath);
  const plan: Plan = {
    ...options,
    parts: new Set([...parts].filter((part) => part !== "kafka")),
    dir: home,
    kinds,
  };
  const house = new House(home);
  const steps = stepsOf(plan, house, raw);
  const expected = steps.reduce((sum, { estimateSeconds }) => sum + estimateSeconds, 0);
  say(
    `${steps.length} runs, about ${shortTime(expected)}${parts.has("kafka") ? ", and then Kafka" : ""}; raw runs: ${rawPath}`,
  );
  await runSteps(steps, say, () => {});
  await house.close();
  if (parts.has("kafka")) {
    try {
      await runKafka(options, home, rawPath);
    } catch (error) {
      say(`Kafka failed: ${(error as Error).message}`);
    }
  }
  return raw;
}

async function main(): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options.asksForHelp) {
    console.log(usage);
    return;
  }
  if (options.from !== undefined) {
    write(options, readRawRuns(options.from), options.from);
    return;
  }
  requireDisk(options.dir);
  const home = mkdtempSync(join(options.dir, "entrepot-bench-"));
  const rawPath = options.json ?? join(tmpdir(), `entrepot-bench-${Date.now()}.jsonl`);
  const cleanUp = (): void => {
    killLoads();
    killAll();
    rmSync(home, { recursive: true, force: true });
  };
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.once(signal, () => {
      cleanUp();
      say(`interrupted; what was measured is in ${rawPath}: npm run bench -- --from ${rawPath}`);
      process.exit(code);
    });
  }
  try {
    write(options, await measure(options, rawPath, home), [rawPath]);
  } finally {
    cleanUp();
  }
}

try {
  await main();
} catch (error) {
  say(messageOf(error, usage));
  process.exitCode = 1;
}
