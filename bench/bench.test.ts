import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseBenchOptions } from "./bench-options.ts";
import { readElements } from "./charts/read-elements.ts";
import { requireDisk } from "./disk.ts";
import { curves, isMeasured } from "./growth.ts";
import { House } from "./house.ts";
import { kafkaCurves, kafkaNames } from "./kafka-growth.ts";
import { type KafkaMeasured, type KafkaRow, readKafkaMeasured } from "./kafka-rows.ts";
import { missingPackages } from "./installed.ts";
import type { LoadResult } from "./load-options.ts";
import { summaryIn } from "./perf-test.ts";
import { stepsOf } from "./plan.ts";
import { Publisher } from "./publisher.ts";
import { runSteps, secondsLeft, type Step } from "./progress.ts";
import { type About, RawRuns, readRawRuns } from "./raw-runs.ts";
import { faults, figuresOf, partialPage, performanceText, ratesTable } from "./report.ts";
import { limitText } from "./report-tables.ts";
import { rows } from "./rows.ts";
import { writePage } from "./write-page.ts";

const about: About = {
  date: "2026-01-01",
  machine: "a machine",
  versions: { RabbitMQ: "3", Entrepot: "1" },
  pairs: 2,
  growthPairs: 1,
  secondsEach: 1,
  openFilesMax: 1024,
};

function result(rate: number, more: LoadResult = {}): LoadResult {
  const latencyUs = { p50: 1000, p99: 20_000 };
  const costs = { brokerCpuSeconds: 0.5, brokerRssMbMax: 100, diskBytesPerPublishedByte: 2, seconds: 1, copies: 1 };
  return { rate, latencyUs, confirmUs: latencyUs, bodyBytes: 100, ...costs, limit: "the disk (busy 90 %)", ...more };
}

function example(): RawRuns {
  const raw = new RawRuns(about);
  const row = { part: "rows", id: "durable-100b" } as const;
  for (const rate of [900, 1100]) raw.add({ ...row, name: "RabbitMQ", result: result(rate) });
  for (const rate of [9000, 11_000]) raw.add({ ...row, name: "Entrepot", result: result(rate) });
  for (const rate of [20_000, 40_000]) raw.add({ ...row, name: "plain Node", result: result(rate) });
  const growth = { part: "growth", id: "size" } as const;
  for (const x of [10, 1000]) {
    raw.add({ ...growth, x, name: "RabbitMQ", result: result(1e6 / x) });
    raw.add({ ...growth, x, name: "Entrepot", result: result(1e7 / x) });
  }
  raw.add({ part: "backlog", id: "backlog", name: "Entrepot", result: { messages: 10_000_000, drainRate: 5 } });
  const summary = { sentRate: 60_000, receivedRate: 60_000, latencyUs: { p50: 1000, p99: 2000 } };
  for (const receivedRate of [50_000, 60_000])
    raw.add({
      part: "perf-test",
      id: "perf-test",
      name: "Entrepot",
      result: { ...summary, receivedRate, confirmUs: summary.latencyUs },
    });
  return raw;
}

test("the table of rates has medians, their ratio, and the share of the better of the plain process's runs", () => {
  const line = ratesTable(example()).split("\n")[2]!;
  const cells = line.split("|").map((cell) => cell.trim());
  assert.deepEqual(cells.slice(3, 6), ["1,000", "10,000", "10.0 ×"]);
  assert.deepEqual(cells.slice(8, 12), ["–", "40,000", "25 %", "the disk (busy 90 %)"]);
});

test("beside the classic queue's ratio stands the quorum queue's, and who has none is named with the reason", () => {
  const raw = example();
  const transient = { part: "rows", id: "transient-100b", name: "Entrepot", result: result(5) } as const;
  raw.add(transient);
  raw.add({ ...transient, id: "fanout-1" });
  raw.add({ part: "rows", id: "durable-100b", name: "RabbitMQ quorum", result: result(4000) });
  const page = performanceText(raw);
  assert.match(page, /\| 10\.0 × \| 10 ×: met \| 4,000 \| 2\.5 × \|/);
  assert.match(
    page,
    /there is none for: transient queue, transient 100 B\. It was not measured for: fanout exchange, 1 /,
  );
});

test("a disturbed run is left out where two others are, and else is counted and told of", () => {
  const raw = new RawRuns(about);
  const point = { part: "growth", id: "size", x: 10, name: "Entrepot" } as const;
  const add = (rate: number, othersCores: number, name = point.name as string): void =>
    raw.add({ ...point, name, result: result(rate, { othersCores }) });
  for (const rate of [1000, 2000, 4000]) add(rate, 0.5);
  for (const rate of [10, 20]) add(rate, 0.51);
  assert.deepEqual(
    [raw.of("growth", "size", "Entrepot", 10).length, raw.allOf("growth", "size", "Entrepot", 10).length],
    [3, 5],
  );
  add(100, 1.2, "RabbitMQ");
  add(300, 0, "RabbitMQ");
  const page = performanceText(raw);
  assert.match(page, /\| 10 B \| Entrepot \| 3 of 5 \| 2,000 \(1,000 to 4,000\) \|/);
  assert.match(page, /\| 10 B \| RabbitMQ \| 2, \*\*1 disturbed\*\* \| 200 \(100 to 300\) \|/);
  assert.match(page, /more than 0\.5 \(3 of 7 were\)/);
});

test("the limit is told by the run in the middle among those of most, and 85 % is a thread's whenever it was judged", () => {
  const limits = [
    "a broker's thread (99 %)",
    "a broker's thread (90 %)",
    "the disk (busy 86 %)",
    "a broker's thread (91 %)",
  ];
  const runs = limits.map((limit, at) => result(at + 1, { limit }));
  assert.equal(limitText(runs), "a broker's thread (90 %)");
  const told = (limit: string): string => limitText([result(1, { limit })]);
  const far = "client's thread 32 %, broker's 85 %, disk 25 %, 1.4 of 2 cores";
  assert.equal(told(`latency × window (${far})`), "a broker's thread (85 %)");
  assert.equal(told(`latency × window (${far.replace("85", "84")})`), `latency × window (${far.replace("85", "84")})`);
  assert.equal(
    told("latency × window (client's thread 4 %, broker's 12 %, disk 85 %, 1 of 2 cores)"),
    "the disk (busy 85 %)",
  );
  assert.equal(limitText([]), "–");
});

test("a page says which rows, curves and parts it has not, and one that has all says nothing", () => {
  const partial = performanceText(example());
  assert.ok(partial.includes(partialPage));
  assert.match(
    partial,
    /as well: `--rows transient-100b,durable-1k,.*`, `--curves connections,.*`, `--parts kafka-growth,latency,/,
  );
  const raw = example();
  for (const { id } of rows) raw.add({ part: "rows", id, name: "Entrepot", result: result(1) });
  for (const { id } of curves) raw.add({ part: "growth", id, x: 1, name: "Entrepot", result: result(1) });
  for (const part of ["kafka-growth", "latency", "start", "delayed", "disk"] as const)
    raw.add({ part, id: part === "kafka-growth" ? "size" : part, x: 1, name: "nobody", result: {} });
  assert.ok(!performanceText(raw).includes(partialPage));
});

test("charts that the page no longer shows are removed, and the others stay", () => {
  const docs = mkdtempSync(join(tmpdir(), "entrepot-page-"));
  try {
    const shown = (...names: string[]): string => names.map((name) => `![words](charts/${name})\n`).join("");
    writePage(docs, shown("a.svg", "b.svg"), [
      ["a.svg", "1"],
      ["b.svg", "1"],
    ]);
    writePage(docs, shown("b.svg", "c.svg"), [["c.svg", "2"]]);
    assert.deepEqual(readdirSync(join(docs, "charts")).toSorted(), ["b.svg", "c.svg"]);
    assert.equal(readFileSync(join(docs, "performance.md"), "utf8"), shown("b.svg", "c.svg"));
  } finally {
    rmSync(docs, { recursive: true });
  }
});

test("the page has a section and a chart for all that was measured, each well-formed, and none for what was not", () => {
  const raw = example();
  const page = performanceText(raw);
  const figures = figuresOf(raw);
  const named = [...page.matchAll(/\(charts\/([\w-]+\.svg)\)/g)].map(([, name]) => name);
  assert.deepEqual(new Set(named), new Set(figures.keys()));
  for (const [name, text] of figures) assert.ok(readElements(text).length > 20, name);
  assert.match(page, /### With the size of a message/);
  assert.doesNotMatch(page, /### With the number of connections|## Delayed|NaN|undefined|Infinity/);
  assert.match(page, /\| messages of 100 B, persistent, confirmed \| 10,000,000 \|/);
  assert.match(
    page,
    /\| Entrepot \| confirmed when synced \| 2 \| 60,000 \| 55,000 \(50,000 to 60,000\) \| 1.00 \/ 2.00 \|/,
  );
});

test("what PerfTest prints is read, and what is no summary is an error", () => {
  const printed = `id: bench, sending rate avg: 22631 msg/s
id: bench, receiving rate avg: 22615 msg/s
id: bench, consumer latency min/median/75th/95th/99th 584/21366/28243/38435/47826 µs
id: bench, confirm latency min/median/75th/95th/99th 2406/36254/44813/60770/75902 µs
`;
  assert.deepEqual(summaryIn(printed), {
    sentRate: 22_631,
    receivedRate: 22_615,
    latencyUs: { p50: 21_366, p99: 47_826 },
    confirmUs: { p50: 36_254, p99: 75_902 },
  });
  assert.throws(() => summaryIn("connection refused"), /sending rate.*connection refused/s);
});

test("a fault of any run, and a run that failed, are said", () => {
  const raw = example();
  raw.add({ part: "rows", id: "durable-100b", name: "Entrepot", result: result(1, { missing: 3 }) });
  raw.add({ part: "growth", id: "size", x: 10, name: "RabbitMQ", failure: "no answer" });
  assert.deepEqual(faults(raw), ["durable-100b, Entrepot: missing 3", "size at 10, RabbitMQ: no answer"]);
  assert.match(performanceText(raw), /- durable-100b, Entrepot: missing 3\n- size at 10, RabbitMQ: no answer/);
  const ofKafka = new RawRuns(about);
  ofKafka.add({ part: "kafka-growth", id: "fanout", x: 10, name: "Entrepot", result: result(1, { missing: 7 }) });
  assert.match(performanceText(ofKafka), /- fanout at 10, Entrepot: missing 7/);
});

test("a confirm of many is as late for each of them as it is", () => {
  const shape = { channel: 1, exchange: "", routingKeys: ["q"], persistent: true, bodyBytes: 10, window: 16, limit: 0 };
  const publisher = new Publisher({ write: () => {}, frameBytesMax: 131_072 }, shape);
  publisher.allow(15);
  const untilMs = performance.now() + 20;
  while (performance.now() < untilMs);
  publisher.allow(1);
  publisher.confirm(16, true, false);
  assert.equal(publisher.confirmLatency.count, 16);
  assert.ok(publisher.confirmLatency.quantileUs(0.5) > 19_000);
});

test("of Kafka's rows in several files all are kept, the later of two, with all days and machines", () => {
  const dir = mkdtempSync(join(tmpdir(), "entrepot-kafka-rows-"));
  try {
    const row = (id: string, title: string): KafkaRow => {
      return { id, title, unit: "ms", bars: [], runs: {}, usages: {}, failures: {} };
    };
    const paths = ["a", "b", "none"].map((name) => join(dir, name));
    const write = (path: string, measured: KafkaMeasured): void => writeFileSync(path, JSON.stringify(measured));
    write(paths[0]!, { date: "2026-01-02", machine: "a", rows: [row("x", "old"), row("y", "y")] });
    write(paths[1]!, { date: "2026-01-03", machine: "b", rows: [row("x", "new")] });
    const found = readKafkaMeasured(paths)!;
    assert.deepEqual([found.date, found.machine], ["2026-01-02 and 2026-01-03", "a and b"]);
    assert.deepEqual(
      found.rows.map(({ title }) => title),
      ["y", "new"],
    );
    assert.equal(readKafkaMeasured([paths[2]!]), undefined);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a folder in memory is refused where a disk is to be measured", (t) => {
  requireDisk(import.meta.dirname);
  if (!existsSync("/dev/shm") || statfsSync("/dev/shm").type !== 0x01021994) return t.skip("there is none in memory");
  assert.throws(() => requireDisk("/dev/shm"), /in memory/);
});

test("what was appended is read back and makes the same page", () => {
  const dir = mkdtempSync(join(tmpdir(), "entrepot-raw-"));
  try {
    const path = join(dir, "raw.jsonl");
    const raw = new RawRuns(about, path);
    for (const run of example().all) raw.add(run);
    assert.equal(performanceText(readRawRuns([path])), performanceText(example()));
    const other = join(dir, "other.jsonl");
    const later = new RawRuns({ ...about, date: "2026-01-02" }, other);
    later.add({ part: "start", id: "start", name: "Entrepot", result: { readyMs: 100, idleRssMb: 50 } });
    const both = readRawRuns([path, other]);
    assert.equal(both.about.date, "2026-01-01 and 2026-01-02");
    assert.equal(both.all.length, raw.all.length + 1);
    writeFileSync(other, `${JSON.stringify({ ...about, pairs: 5 })}\n`);
    assert.throws(() => readRawRuns([path, other]), /pairs: 2 in .*, 5 in /);
    writeFileSync(path, '{"part":"rows"}\n');
    assert.throws(() => readRawRuns([path]), /is not of a benchmark/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the time that is left stretches with what was done, and a step that fails does not end the rest", async () => {
  assert.equal(secondsLeft([10, 10, 20], 0, 0), 40);
  assert.equal(secondsLeft([10, 10, 20], 2, 40), 40);
  const done: string[] = [];
  const step = (title: string, run: () => Promise<string>): Step => ({ title, estimateSeconds: 1, run });
  const lines: string[] = [];
  const failed: string[] = [];
  await runSteps(
    [step("a", () => Promise.reject(new Error("no"))), step("b", () => Promise.resolve(String(done.push("b"))))],
    (line) => lines.push(line),
    ({ title }) => failed.push(title),
  );
  assert.deepEqual([done, failed, lines.length], [["b"], ["a"], 2]);
  assert.match(lines[0]!, /^\[1\/2, .* left\] a: failed: no$/);
});

test("contestants take turns on a row, and a curve has no point that the machine forbids", () => {
  const options = parseBenchOptions(["--rows", "durable-100b", "--curves", "connections", "--pairs", "2"]);
  const kind = (name: string) => ({ name, version: () => "1", start: () => Promise.reject(new Error("not here")) });
  const kinds = [kind("RabbitMQ"), kind("Entrepot")];
  const plan = { ...options, parts: new Set(["rows" as const]), dir: "/nowhere", kinds };
  const titles = stepsOf(plan, new House("/nowhere"), new RawRuns(about)).map(({ title }) => title);
  const pair = ["RabbitMQ", "Entrepot", "RabbitMQ quorum", "plain Node", "plain Node"];
  const all = [...pair, ...pair.slice(0, 3)].map((name) => `durable-100b, ${name}`);
  assert.deepEqual(titles, [...all, "brokers end"]);
  const curve = curves.find(({ id }) => id === "connections")!;
  const at = (x: number, name: string, files: number): boolean => isMeasured(curve, x, name, files);
  assert.deepEqual(
    [at(1000, "Entrepot", 1024), at(1000, "Entrepot", 2000), at(1000, "plain Node", 2000)],
    [false, true, false],
  );
});

test("Kafka's curves go to ten thousand where the machine has the files, with the plain process where it is another", () => {
  const at = (id: string, x: number, name: string, files: number): boolean =>
    isMeasured(
      kafkaCurves.find((curve) => curve.id === id)!,
      x,
      name,
      files,
    );
  for (const name of kafkaNames) {
    assert.ok(at("connections", 10_000, name, 20_000), name);
    assert.ok(!at("connections", 10_000, name, 10_000), name);
    assert.ok(at("fanout", 1000, name, 2000), name);
    assert.ok(at("partitions", 10_000, name, 20_000) && at("backlog", 0, name, 1024), name);
    assert.equal(at("backlog", 1e7, name, 20_000), name !== "plain Node", name);
  }
  const options = parseBenchOptions(["--full", "--parts", "kafka-growth", "--curves", "fanout", "--growth-pairs", "3"]);
  const plan = { ...options, parts: new Set(["kafka-growth" as const]), dir: "/nowhere", kinds: [] };
  const steps = stepsOf(plan, new House("/nowhere"), new RawRuns(about));
  const first = steps.slice(0, 14).map(({ title }) => title.replace("fanout at 1, ", ""));
  const brokers = kafkaNames.slice(0, 3);
  const warming = brokers.map((name) => `${name} warms up`);
  assert.deepEqual(first, [...warming, ...kafkaNames, ...kafkaNames, ...brokers]);
});

test("where the plain process is measured at the first point only, it stands for all", () => {
  const raw = new RawRuns(about);
  const growth = { part: "kafka-growth", id: "backlog" } as const;
  for (const x of [0, 1000]) raw.add({ ...growth, x, name: "Entrepot", result: result(100_000 / (x + 1)) });
  raw.add({ ...growth, x: 0, name: "plain Node", result: result(200_000) });
  const page = performanceText(raw);
  assert.match(page, /\| 0 \| Entrepot \| 1 \| 100,000 \| 50 % \|/);
  assert.match(page, /\| 1k \| Entrepot \| 1 \| 100 \| 0 % \|/);
  assert.doesNotMatch(page, /was measured up to/);
  for (const x of [1, 1000])
    raw.add({ ...growth, id: "connections", x, name: "Entrepot", result: result(100_000 / x) });
  raw.add({ ...growth, id: "connections", x: 1, name: "plain Node", result: result(200_000) });
  assert.match(performanceText(raw), /plain Node was measured up to 1: .* open files .* \(1,024\)/);
});

test("an unknown part, row or curve, and what is no number, are refused with what is known", () => {
  assert.throws(() => parseBenchOptions(["--parts", "rows,colour"]), /--parts colour: known are disk, rows/);
  assert.throws(() => parseBenchOptions(["--rows", "x"]), /known are durable-100b/);
  assert.throws(() => parseBenchOptions(["--pairs", "many"]), /--pairs many: a number is needed/);
  assert.deepEqual([...parseBenchOptions(["--full"]).parts].includes("delayed"), true);
});

test("a machine with no more than Java's runtime lacks what compiles the loads of Kafka's clients", () => {
  assert.deepEqual(
    missingPackages(() => true),
    [],
  );
  assert.deepEqual(
    missingPackages((need) => need === "rabbitmq" || need === "mvn"),
    ["default-jdk-headless", "gcc", "libc6-dev", "librdkafka-dev"],
  );
});
