// Turns results into the table that is printed and into docs/performance.md. Only measured numbers: what was not
// measured in this run is not in the file, but for the section of bench/management.ts, which has a date of its own.

import { cpus, release, totalmem } from "node:os";
import type { LoadResult } from "./load-options.ts";
import { numberOf } from "./run-load.ts";
import type { Row } from "./rows.ts";
import type { SequentialRate } from "./disk.ts";

type Name = "RabbitMQ" | "Entrepot";

export interface RowRuns {
  readonly row: Row;
  readonly runs: Readonly<Record<Name, LoadResult[]>>;
  readonly failures: string[];
}

export interface Special {
  readonly start: Partial<Record<Name, LoadResult[]>>;
  readonly backlog: Partial<Record<Name, LoadResult>>;
  delayed?: LoadResult;
  latency: Partial<Record<Name, LoadResult[]>>;
  perfTest: string[];
}

export interface BenchReport {
  readonly date: string;
  readonly versions: Partial<Record<Name, string>>;
  readonly pairs: number;
  readonly secondsEach: number;
  readonly disk: readonly SequentialRate[];
  readonly rows: readonly RowRuns[];
  readonly special: Special;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function medianOf(results: readonly LoadResult[] | undefined, name: string, part?: string): number {
  return median((results ?? []).map((result) => numberOf(result, name, part)));
}

function count(value: number): string {
  return value === 0 ? "–" : Math.round(value).toLocaleString("en-US");
}

function ms(us: number): string {
  return us === 0 ? "–" : us < 10_000 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(0);
}

function range(results: readonly LoadResult[]): string {
  const rates = results.map((result) => numberOf(result, "rate"));
  if (rates.length < 2) return "";
  return `${count(Math.min(...rates))} to ${count(Math.max(...rates))}`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

/** Entrepot's median rate over RabbitMQ's; 0 where one is missing. */
export function ratioOf({ runs }: RowRuns): number {
  const other = medianOf(runs.RabbitMQ, "rate");
  return other === 0 ? 0 : medianOf(runs.Entrepot, "rate") / other;
}

export function ratesTable(rows: readonly RowRuns[]): string {
  const head = ["work", "durability", "RabbitMQ msg/s", "Entrepot msg/s", "ratio", "bar"];
  return table(
    head,
    rows.map((each) => {
      const ratio = ratioOf(each);
      return [
        each.row.title,
        each.row.durability,
        count(medianOf(each.runs.RabbitMQ, "rate")),
        count(medianOf(each.runs.Entrepot, "rate")),
        ratio === 0 ? "–" : `${ratio.toFixed(1)} ×`,
        each.row.bar,
      ];
    }),
  );
}

function detailTable(rows: readonly RowRuns[]): string {
  const head = ["work", "broker", "runs, msg/s", "latency ms p50 / p99", "confirm ms p50 / p99"];
  head.push("broker CPU µs/msg", "load CPU µs/msg", "RSS MB", "disk bytes / body bytes published", "cores of others");
  const body: string[][] = [];
  for (const { row, runs } of rows) {
    for (const name of ["RabbitMQ", "Entrepot"] as const) {
      const of = (field: string, part?: string): number => medianOf(runs[name], field, part);
      if (runs[name].length === 0) continue;
      const messages = of("rate") * of("seconds");
      body.push([
        row.id,
        name,
        range(runs[name]),
        `${ms(of("latencyUs", "p50"))} / ${ms(of("latencyUs", "p99"))}`,
        `${ms(of("confirmUs", "p50"))} / ${ms(of("confirmUs", "p99"))}`,
        ((of("brokerCpuSeconds") / messages) * 1e6).toFixed(2),
        ((of("loadCpuSeconds") / messages) * 1e6).toFixed(2),
        count(of("brokerRssMbMax")),
        of("diskBytesPerPublishedByte").toFixed(2),
        of("othersCores").toFixed(2),
      ]);
    }
  }
  return table(head, body);
}

/** What two of the bars ask beyond a ratio: the bytes of a fan-out, and the share of the disk's own rate. */
function claims(report: BenchReport): string {
  const of = (id: string, field: string): number =>
    medianOf(report.rows.find(({ row }) => row.id === id)?.runs.Entrepot, field);
  const bytes = of("fanout-10", "diskBytesPerPublishedByte") / of("fanout-1", "diskBytesPerPublishedByte");
  const megabytes = (of("durable-16k", "rate") * 16384) / 1e6;
  const disk = report.disk.at(-1)?.megabytesPerSecond ?? 0;
  const said: string[] = [];
  if (Number.isFinite(bytes) && bytes > 0) {
    said.push(`Fan-out to 10 queues wrote ${bytes.toFixed(2)} × the bytes of fan-out to one (bar 2).`);
  }
  if (megabytes > 0 && disk > 0) {
    const share = Math.round((megabytes / disk) * 100);
    said.push(
      `16 KB messages: ${Math.round(megabytes)} MB/s of bodies, ${share} % of the disk's rate in blocks of 1 MB.`,
    );
  }
  return said.join(" ");
}

function latencyTable(latency: Special["latency"]): string {
  const head = ["", "p50 ms", "p99 ms"];
  const body: string[][] = [];
  const add = (title: string, results: readonly LoadResult[] | undefined, field: string): void => {
    if (!results?.length) return;
    body.push([title, ms(medianOf(results, field, "p50")), ms(medianOf(results, field, "p99"))]);
  };
  add("RabbitMQ, confirm", latency.RabbitMQ, "confirmUs");
  add("Entrepot, confirm", latency.Entrepot, "confirmUs");
  const either = latency.Entrepot ?? latency.RabbitMQ;
  add("the disk: one synced write of 4 KB into a preallocated file", either, "syncedWriteUs");
  add("the disk: the same by a thread that was asleep, as a server's is", either, "wokenWriteUs");
  add("the disk: 100 B appended, then fdatasync", either, "appendUs");
  add("RabbitMQ, the same to a transient queue (no disk)", latency.RabbitMQ, "loopUs");
  add("Entrepot, the same to a transient queue (no disk)", latency.Entrepot, "loopUs");
  const ratio = (field: string): string => medianOf(latency.Entrepot, field).toFixed(2);
  const claim = latency.Entrepot?.length
    ? `\n\nEntrepot's confirm costs ${ratio("p50OfSyncedWrite")} × one synced write at p50 (bar 1.5) and ` +
      `${ratio("p99OfSyncedWrite")} × at p99 (bar 3); of one by a thread that was asleep, ${ratio("p50OfWokenWrite")} × ` +
      `and ${ratio("p99OfWokenWrite")} ×.`
    : "";
  return table(head, body) + claim;
}

function backlogTable(backlog: Special["backlog"]): string {
  const names = (["RabbitMQ", "Entrepot"] as const).filter((name) => backlog[name] !== undefined);
  const line = (title: string, field: string): string[] => [
    title,
    ...names.map((name) => Math.round(numberOf(backlog[name], field)).toLocaleString("en-US")),
  ];
  return table(
    ["", ...names],
    [
      line("messages of 100 B, persistent, confirmed", "messages"),
      line("filled, msg/s", "fillRate"),
      line("most resident memory while filling, MB", "rssMbMaxFilling"),
      line("kill -9 to ready, ms", "readyAfterKillMs"),
      line("drained, msg/s", "drainRate"),
      line("most resident memory while draining, MB", "rssMbMaxDraining"),
      line("missing afterwards", "missing"),
      line("out of order", "disordered"),
    ],
  );
}

function startTable(start: Special["start"]): string {
  const names = (["RabbitMQ", "Entrepot"] as const).filter((name) => start[name]?.length);
  return table(
    ["", ...names],
    [
      ["process start to ready, ms", ...names.map((name) => count(medianOf(start[name], "readyMs")))],
      ["idle resident memory, MB", ...names.map((name) => count(medianOf(start[name], "idleRssMb")))],
    ],
  );
}

function delayedText(result: LoadResult): string {
  const late = (part: string): string => ms(numberOf(result, "lateUs", part));
  const share = numberOf(result, "rate") / Math.max(1, numberOf(result, "plainRate"));
  return (
    `${count(numberOf(result, "messages"))} messages with delays spread at random from 20 s to an hour were accepted at ` +
    `${count(numberOf(result, "rate"))}/s, ${Math.round(share * 100)} % of the plain rate of ` +
    `${count(numberOf(result, "plainRate"))}/s in the same run (bar 50 %). Most resident memory: ` +
    `${count(numberOf(result, "brokerRssMbMax"))} MB. Of the ${count(numberOf(result, "observed"))} that fell due in the ` +
    `time watched, ${numberOf(result, "early")} came early and ${numberOf(result, "beyond50ms")} more than 50 ms from ` +
    `their time; lateness p50 ${late("p50")} ms, p99 ${late("p99")} ms, max ${late("max")} ms.`
  );
}

function machineText(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? "unknown";
  return `${processors.length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, Node ${process.version}`;
}

function othersText(rows: readonly RowRuns[]): string {
  const all = rows.flatMap(({ runs }) => [...runs.RabbitMQ, ...runs.Entrepot]);
  const others = all.map((result) => numberOf(result, "othersCores"));
  return `Cores taken by other work on the machine during the runs: median ${median(others).toFixed(2)}, most ${Math.max(0, ...others).toFixed(2)}.`;
}

/** Faults of any run: a number above was reached by a broker that lost or doubled nothing, or it is said here. */
export function faults(rows: readonly RowRuns[]): string[] {
  const found: string[] = [];
  for (const { row, runs, failures } of rows) {
    found.push(...failures.map((failure) => `${row.id}: ${failure}`));
    for (const name of ["RabbitMQ", "Entrepot"] as const) {
      for (const field of ["missing", "disordered", "redelivered", "refused"]) {
        const counts = runs[name].map((result) => numberOf(result, field)).filter((value) => value !== 0);
        if (counts.length > 0) found.push(`${row.id}, ${name}: ${field} ${counts.join(", ")}`);
      }
    }
  }
  return found;
}

export function performanceText(report: BenchReport): string {
  const { versions, special, rows } = report;
  const parts = [
    "# Performance",
    `Written by \`npm run bench\`, which measures it again. ${report.date.slice(0, 10)}, ${machineText()}. ` +
      `RabbitMQ ${versions.RabbitMQ ?? "not measured"}, Entrepot ${versions.Entrepot ?? "not measured"}. The same load ` +
      "program (one Node thread, its own frames, alone able to do over two million messages a second), broker and load on " +
      `the same machine over loopback, brokers in turn, ${report.pairs} runs each of ${report.secondsEach} s after a ` +
      "second of warming up; medians. " +
      othersText(rows),
    "Durable means: durable queue, persistent message, publisher confirms with at most 1,000 outstanding, each message " +
      "acknowledged by the consumer on its own, prefetch 1,000 (with 200 connections: 100 and 100). Entrepot syncs before it " +
      "confirms and before it delivers. RabbitMQ's classic queue (storage version 1, its default) delivers before it " +
      "confirms; under the first row's load, strace saw it call fsync some 17 times a second. A rate is the lesser " +
      "of confirmed and delivered in the measured time.",
    "## Rates",
    ratesTable(rows),
  ];
  const found = faults(rows);
  parts.push(
    found.length === 0
      ? "In no run was a message missing, doubled, redelivered, refused or out of order."
      : `Faults seen:\n\n${found.map((fault) => `- ${fault}`).join("\n")}`,
    claims(report),
    "## Behind the rates",
    detailTable(rows),
    "## Disk",
    table(
      ["sequential synced writes (O_DSYNC, preallocated)", "MB/s", "one write, ms p50", "p99"],
      report.disk.map((rate) => [
        `${rate.blockBytes / 1024} KB`,
        count(rate.megabytesPerSecond),
        ms(rate.writeUs.p50),
        ms(rate.writeUs.p99),
      ]),
    ),
  );
  const latency = Object.keys(special.latency).length > 0;
  if (latency) parts.push("## One publish at a time", latencyTable(special.latency));
  if (Object.keys(special.backlog).length > 0) parts.push("## A backlog and a crash", backlogTable(special.backlog));
  if (special.delayed) parts.push("## Delayed messages", delayedText(special.delayed));
  if (Object.keys(special.start).length > 0) parts.push("## Start", startTable(special.start));
  if (special.perfTest.length > 0)
    parts.push("## RabbitMQ's own PerfTest", `\`\`\`\n${special.perfTest.join("\n")}\n\`\`\``);
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
