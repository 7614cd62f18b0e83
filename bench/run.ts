// `npm run bench`: Entrepot against RabbitMQ, in turn A B A B, under the same load; prints the table and writes
// docs/performance.md.
//
//     npm run bench -- [--pairs 3] [--seconds 4] [--rows durable-100b,fanout-10] [--skip start,latency,backlog,delayed]
//                      [--backlog 10000000] [--backlog-rabbitmq 1000000] [--delayed 1000000] [--perf-test]
//                      [--main dist/main.js] [--dir DIR] [--only RabbitMQ|Entrepot] [--no-write]
//
// A whole run takes about ten minutes. --dir is where the brokers' data goes (default: a directory in the system's
// temporary one); choose a real disk, or the durable rows measure memory.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type BrokerKind, entrepot, killAll, rabbit, type RunningBroker } from "./brokers.ts";
import { sequentialRate } from "./disk.ts";
import { kafkaSectionOf, withSection } from "./kafka-report.ts";
import type { LoadResult } from "./load-options.ts";
import { resolvePerfTest, runPerfTest } from "./perf-test.ts";
import { type BenchReport, faults, performanceText, ratesTable, type RowRuns, type Special } from "./report.ts";
import { watchingOf, withWatching } from "./report-watching.ts";
import { type Row, rows } from "./rows.ts";
import { numberOf, runLoad } from "./run-load.ts";
import { measureBacklog, measureDelayed, measureStart } from "./special.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    pairs: { ...text, default: "3" },
    seconds: { ...text, default: "4" },
    rows: text,
    skip: { ...text, default: "" },
    backlog: { ...text, default: "10000000" },
    "backlog-rabbitmq": { ...text, default: "1000000" },
    delayed: { ...text, default: "1000000" },
    "perf-test": { type: "boolean", default: false },
    main: { ...text, default: join(import.meta.dirname, "..", "dist", "main.js") },
    dir: text,
    only: text,
    "no-write": { type: "boolean", default: false },
  },
});
const pairs = Number(values.pairs);
const skipped = new Set(values.skip.split(","));
const chosenRows = values.rows?.split(",");
const home = mkdtempSync(join(values.dir ?? tmpdir(), "entrepot-bench-"));

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function kindsHere(): BrokerKind[] {
  const kinds = [rabbit, entrepot(resolve(values.main))].filter(
    ({ name }) => values.only === undefined || values.only === name,
  );
  return kinds.filter((kind) => {
    if (kind.version() !== undefined) return true;
    if (kind.name === "RabbitMQ") {
      say(
        "RabbitMQ is missing, so there is nothing to compare with. On Debian or Ubuntu: apt-get install rabbitmq-server",
      );
    } else say("Entrepot is not built: npm run build");
    return false;
  });
}

/** Declaring, measuring, draining and removing take well under a minute on a slow machine. */
const rowMsMax = 150_000 + Number(values.seconds) * 1000;

/** A broker that is up for the rows, paused whenever another is measured. */
class Contestant {
  readonly kind: BrokerKind;
  #broker: RunningBroker | undefined;
  #starts = 0;

  constructor(kind: BrokerKind) {
    this.kind = kind;
  }

  async run(row: Row): Promise<LoadResult> {
    if (!this.#broker?.isAlive()) {
      this.#broker = await this.kind.start(join(home, `${this.kind.name}-${this.#starts++}`));
    }
    this.#broker.resume();
    try {
      const args = ["--seconds", values.seconds, "--warmup", "1", "--dir", home, ...row.args];
      return await runLoad(this.#broker, row.scenario, args, rowMsMax);
    } catch (error) {
      // What a failed load leaves behind is not a fair start for the next row.
      await this.#broker.kill();
      throw error;
    } finally {
      if (this.#broker.isAlive()) this.#broker.pause();
    }
  }

  async stop(): Promise<void> {
    if (this.#broker?.isAlive()) await this.#broker.stop();
  }
}

const latencyRow: Row = {
  id: "confirm-latency",
  title: "one publish at a time",
  durability: "confirmed when synced",
  scenario: "confirm-latency",
  args: ["--messages", "5000"],
  bar: "1.5 × and 3 × one synced write",
};

async function runRow(row: Row, contestants: readonly Contestant[]): Promise<RowRuns> {
  const result: RowRuns = { row, runs: { RabbitMQ: [], Entrepot: [] }, failures: [] };
  for (let pair = 0; pair < pairs; pair++) {
    for (const contestant of contestants) {
      const { name } = contestant.kind;
      try {
        const run = await contestant.run(row);
        result.runs[name].push(run);
        say(`${row.id} ${name} ${numberOf(run, "rate")}/s, others ${numberOf(run, "othersCores")} cores`);
      } catch (error) {
        result.failures.push(`${name}: ${(error as Error).message}`);
        say(`${row.id} ${name} failed: ${(error as Error).message}`);
      }
    }
  }
  return result;
}

async function runSpecials(kinds: readonly BrokerKind[], special: Special): Promise<void> {
  for (const kind of kinds) {
    const attempt = async (name: string, measure: () => Promise<void>): Promise<void> => {
      if (skipped.has(name)) return;
      try {
        await measure();
      } catch (error) {
        say(`${name} ${kind.name} failed: ${(error as Error).message}`);
      }
    };
    await attempt("start", async () => {
      const starts: LoadResult[] = [];
      for (let turn = 0; turn < pairs; turn++) starts.push(await measureStart(kind, home));
      special.start[kind.name] = starts;
      say(`start ${kind.name} ${JSON.stringify(starts)}`);
    });
    await attempt("backlog", async () => {
      const count = Number(kind.name === "RabbitMQ" ? values["backlog-rabbitmq"] : values.backlog);
      special.backlog[kind.name] = await measureBacklog(kind, home, count);
      say(`backlog ${kind.name} ${JSON.stringify(special.backlog[kind.name])}`);
    });
    // RabbitMQ delays only with a plug-in that Debian does not have.
    if (kind.name === "Entrepot") {
      await attempt("delayed", async () => {
        special.delayed = await measureDelayed(kind, home, Number(values.delayed));
        say(`delayed ${JSON.stringify(special.delayed)}`);
      });
    }
  }
}

async function runPerfTests(kinds: readonly BrokerKind[], special: Special): Promise<void> {
  const classPath = resolvePerfTest(home);
  for (const kind of kinds) {
    const broker = await kind.start(join(home, `perf-test-${kind.name}`));
    const lines = runPerfTest(classPath, broker.uri, 10);
    special.perfTest.push(...lines.map((line) => `${kind.name}: ${line}`));
    await broker.stop();
  }
}

async function main(): Promise<void> {
  const kinds = kindsHere();
  const special: Special = { start: {}, backlog: {}, latency: {}, perfTest: [] };
  say("the disk");
  const disk = skipped.has("disk") ? [] : [64 << 10, 1 << 20].map((bytes) => sequentialRate(home, bytes, 2));
  const contestants = kinds.map((kind) => new Contestant(kind));
  const results: RowRuns[] = [];
  for (const row of rows) {
    if (chosenRows && !chosenRows.includes(row.id)) continue;
    results.push(await runRow(row, contestants));
  }
  if (!skipped.has("latency")) {
    const { runs } = await runRow(latencyRow, contestants);
    for (const { name } of kinds) special.latency[name] = runs[name];
  }
  for (const contestant of contestants) await contestant.stop();
  await runSpecials(kinds, special);
  if (values["perf-test"]) await runPerfTests(kinds, special);
  const report: BenchReport = {
    date: new Date().toISOString(),
    versions: Object.fromEntries(kinds.map((kind) => [kind.name, kind.version() ?? ""])),
    pairs,
    secondsEach: Number(values.seconds),
    disk,
    rows: results,
    special,
  };
  console.log(ratesTable(results));
  for (const fault of faults(results)) console.log(`fault: ${fault}`);
  const written = performanceText(report);
  if (values["no-write"]) console.log(written);
  else {
    const docs = join(import.meta.dirname, "..", "docs");
    mkdirSync(docs, { recursive: true });
    const path = join(docs, "performance.md");
    const old = existsSync(path) ? readFileSync(path, "utf8") : "";
    const [watching, kafka] = [watchingOf(old), kafkaSectionOf(old)];
    const watched = watching === "" ? written : withWatching(written, watching);
    writeFileSync(path, kafka === "" ? watched : withSection(watched, kafka));
  }
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    killAll();
    rmSync(home, { recursive: true, force: true });
    process.exit(code);
  });
}
try {
  await main();
} finally {
  killAll();
  rmSync(home, { recursive: true, force: true });
}
