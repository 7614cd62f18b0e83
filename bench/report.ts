// Turns raw runs into the table that is printed, docs/performance.md and its charts. Only measured numbers: what was not
// measured in this run is not in the file, but for the sections of bench/management.ts and bench/kafka.ts, which have dates of
// their own.

import type { LoadResult } from "./load-options.ts";
import { curves } from "./growth.ts";
import { busyPercentMin, coresPercentMin } from "./kafka-usage.ts";
import { calmRunsMin, isDisturbed, othersCoresMax, type Part, type RawRuns } from "./raw-runs.ts";
import { rowFigures } from "./report-figures.ts";
import { growthFigures, growthText } from "./report-growth.ts";
import { perfTestSeconds } from "./perf-test.ts";
import { count, limitText, medianOf, ms, runsText, shownRuns, table } from "./report-tables.ts";
import { rows, synced } from "./rows.ts";
import { numberOf } from "./run-load.ts";

export function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : medianOf(values);
}

function middle(results: readonly LoadResult[], name: string, part?: string): number {
  return medianOf(results.map((result) => numberOf(result, name, part)));
}

function range(results: readonly LoadResult[]): string {
  const rates = results.map((result) => numberOf(result, "rate"));
  if (rates.length < 2) return "";
  return `${count(Math.min(...rates))} to ${count(Math.max(...rates))}`;
}

function ceilingOf(raw: RawRuns, id: string): number {
  return Math.max(0, ...raw.of("rows", id, "plain Node").map((run) => numberOf(run, "rate")));
}

const measuredRows = (raw: RawRuns): typeof rows =>
  rows.filter(({ id }) => raw.all.some((run) => run.part === "rows" && run.id === id && run.result));

export function ratesTable(raw: RawRuns): string {
  const head = ["work", "durability", "RabbitMQ msg/s", "Entrepot msg/s", "Entrepot / RabbitMQ", "bar"];
  head.push(
    "RabbitMQ quorum msg/s",
    "Entrepot / quorum",
    "plain Node msg/s",
    "Entrepot of plain Node",
    "Entrepot's limit",
  );
  return table(
    head,
    measuredRows(raw).map(({ id, title, durability, bar, ratioMin }) => {
      const runs = (name: string): LoadResult[] => raw.of("rows", id, name);
      const ours = middle(runs("Entrepot"), "rate");
      const ratio = ours / middle(runs("RabbitMQ"), "rate");
      const quorum = middle(runs("RabbitMQ quorum"), "rate");
      const times = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(1)} ×` : "–");
      const ceiling = ceilingOf(raw, id);
      return [
        title,
        durability,
        count(middle(runs("RabbitMQ"), "rate")),
        count(ours),
        times(ratio),
        ratioMin === undefined || !Number.isFinite(ratio)
          ? bar
          : `${bar}: ${ratio >= ratioMin ? "met" : "**not met**"}`,
        count(quorum),
        times(ours / quorum),
        count(ceiling),
        ceiling > 0 && Number.isFinite(ours) ? `${Math.round((ours / ceiling) * 100)} %` : "–",
        limitText(runs("Entrepot")),
      ];
    }),
  );
}

/** Against which of RabbitMQ's queues a ratio is, and why one is missing. */
function ratiosText(raw: RawRuns): string {
  const without = measuredRows(raw).filter(({ id }) => raw.of("rows", id, "RabbitMQ quorum").length === 0);
  const titles = (isDurable: boolean): string =>
    without
      .filter(({ durability }) => (durability === synced) === isDurable)
      .map(({ title }) => title)
      .join("; ");
  const transient = titles(false);
  const durable = titles(true);
  return [
    "The bars are against RabbitMQ's classic queue, its default, as they were set. Its quorum queue, which promises what Entrepot " +
      "does (see below), is the column beside.",
    transient === "" ? "" : `A quorum queue is durable always, so there is none for: ${transient}.`,
    durable === "" ? "" : `It was not measured for: ${durable}.`,
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

const usPerMessage = (run: LoadResult, field: string): number =>
  (numberOf(run, field) * 1e6) / (numberOf(run, "rate") * numberOf(run, "seconds"));

function detailTable(raw: RawRuns): string {
  const head = [
    "work",
    "broker",
    "runs",
    "from where to where, msg/s",
    "latency ms p50 / p99",
    "confirm ms p50 / p99",
    "broker CPU µs/msg",
  ];
  head.push("load CPU µs/msg", "RSS MB", "disk bytes / body bytes published", "limit", "cores of others");
  const body: string[][] = [];
  for (const { id } of measuredRows(raw)) {
    for (const name of ["RabbitMQ", "RabbitMQ quorum", "Entrepot", "plain Node"]) {
      const counted = raw.of("rows", id, name);
      const runs = shownRuns(counted, name === "plain Node");
      const of = (field: string, part?: string): number => middle(runs, field, part);
      const usOf = (field: string): string => medianOf(runs.map((run) => usPerMessage(run, field))).toFixed(2);
      if (runs.length === 0) continue;
      body.push([
        id,
        name,
        runsText(counted, raw.allOf("rows", id, name)),
        range(counted),
        `${ms(of("latencyUs", "p50"))} / ${ms(of("latencyUs", "p99"))}`,
        `${ms(of("confirmUs", "p50"))} / ${ms(of("confirmUs", "p99"))}`,
        usOf("brokerCpuSeconds"),
        usOf("loadCpuSeconds"),
        count(of("brokerRssMbMax")),
        of("diskBytesPerPublishedByte").toFixed(2),
        limitText(runs),
        of("othersCores").toFixed(2),
      ]);
    }
  }
  return table(head, body);
}

/** What two of the bars ask beyond a ratio: the bytes of a fan-out, and the share of the disk's own rate. */
function claims(raw: RawRuns): string {
  const of = (id: string, field: string): number => middle(raw.of("rows", id, "Entrepot"), field);
  const bytes = of("fanout-10", "diskBytesPerPublishedByte") / of("fanout-1", "diskBytesPerPublishedByte");
  const megabytes = (of("durable-16k", "rate") * 16384) / 1e6;
  const disk = middle(raw.of("disk", "disk", "the disk", 1 << 20), "megabytesPerSecond");
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

function diskTable(raw: RawRuns): string {
  const runs = raw.all.flatMap(({ part, result }) => (part === "disk" && result ? [result] : []));
  if (runs.length === 0) return "";
  const body = runs.map((run) => [
    `${numberOf(run, "blockBytes") / 1024} KB`,
    count(numberOf(run, "megabytesPerSecond")),
    ms(numberOf(run, "writeUs", "p50")),
    ms(numberOf(run, "writeUs", "p99")),
  ]);
  const head = ["sequential synced writes (O_DSYNC, preallocated)", "MB/s", "one write, ms p50", "p99"];
  return `## Disk\n\n${table(head, body)}`;
}

/** The median, and from where to where the runs go. */
function spread(values: readonly number[], shown: (value: number) => string): string {
  const middleText = shown(medianOf(values));
  if (values.length < 2) return middleText;
  return `${middleText} (${shown(Math.min(...values))} to ${shown(Math.max(...values))})`;
}

const spreadMs = (results: readonly LoadResult[], field: string, part: string): string =>
  spread(
    results.map((result) => numberOf(result, field, part)),
    ms,
  );

function latencyText(raw: RawRuns): string {
  const rabbit = raw.of("latency", "latency", "RabbitMQ");
  const ours = raw.of("latency", "latency", "Entrepot");
  if (rabbit.length + ours.length === 0) return "";
  const body: string[][] = [];
  const add = (title: string, durability: string, results: readonly LoadResult[], field: string): void => {
    if (results.length === 0) return;
    body.push([
      title,
      durability,
      String(results.length),
      spreadMs(results, field, "p50"),
      spreadMs(results, field, "p99"),
    ]);
  };
  add("RabbitMQ, confirm", classicQueue, rabbit, "confirmUs");
  add("Entrepot, confirm", synced, ours, "confirmUs");
  const either = ours.length > 0 ? ours : rabbit;
  add("the disk: one synced write of 4 KB into a preallocated file", "synced", either, "syncedWriteUs");
  add("the disk: the same by a thread that was asleep, as a server's is", "synced", either, "wokenWriteUs");
  add("the disk: 100 B appended, then fdatasync", "synced", either, "appendUs");
  add("RabbitMQ, the same to a transient queue", "memory", rabbit, "loopUs");
  add("Entrepot, the same to a transient queue", "memory", ours, "loopUs");
  const ratio = (field: string): string => middle(ours, field).toFixed(2);
  const claim =
    ours.length > 0
      ? `\n\nEntrepot's confirm costs ${ratio("p50OfSyncedWrite")} × one synced write at p50 (bar 1.5) and ` +
        `${ratio("p99OfSyncedWrite")} × at p99 (bar 3); of one by a thread that was asleep, ${ratio("p50OfWokenWrite")} × ` +
        `and ${ratio("p99OfWokenWrite")} ×.`
      : "";
  const said =
    "Persistent messages of 100 B; each is sent when the one before it is confirmed, so the limit is latency, and the rows of the disk " +
    "say which part of it is the disk's. How busy threads and cores were meanwhile is not measured.";
  return `## One publish at a time\n\n${said}\n\n${table(["", "durability", "runs", "p50 ms", "p99 ms"], body)}${claim}`;
}

/** A column for each contestant, and for each amount that it was given. */
function sideBySide(
  raw: RawRuns,
  part: "backlog" | "start",
  heading: string,
  about: string,
  lines: readonly (readonly [string, string])[],
): string {
  const columns = ["RabbitMQ", "Entrepot"].flatMap((name) => {
    const xs = new Set(raw.all.flatMap((run) => (run.part === part && run.name === name && run.result ? [run.x] : [])));
    return [...xs].map((x) => ({ name, runs: raw.of(part, part, name, x) }));
  });
  if (columns.length === 0) return "";
  const shown = (value: number): string => Math.round(value).toLocaleString("en-US");
  const body = lines.map(([title, field]) => [
    title,
    ...columns.map(({ runs }) => {
      if (field.endsWith("Limit")) return limitText(runs, field, field.replace("Limit", "Rate"));
      const values = runs.map((run) => numberOf(run, field));
      return new Set(values).size < 2 ? shown(values[0]!) : spread(values, shown);
    }),
  ]);
  body.unshift(["runs", ...columns.map(({ runs }) => String(runs.length))]);
  const said = `Medians, and from where to where the runs go. ${about}`;
  return `${heading}\n\n${said}\n\n${table(["", ...columns.map(({ name }) => name)], body)}`;
}

function perfTestText(raw: RawRuns): string {
  const body = ["RabbitMQ", "Entrepot"].flatMap((name) => {
    const runs = raw.of("perf-test", "perf-test", name);
    if (runs.length === 0) return [];
    const rates = runs.map((run) => numberOf(run, "receivedRate"));
    const times = (field: string): string => `${ms(middle(runs, field, "p50"))} / ${ms(middle(runs, field, "p99"))}`;
    const [least, most] = [Math.min(...rates), Math.max(...rates)];
    const spread = runs.length > 1 ? ` (${count(least)} to ${count(most)})` : "";
    const own = [
      name,
      name === "Entrepot" ? synced : classicQueue,
      String(runs.length),
      count(middle(runs, "sentRate")),
      `${count(medianOf(rates))}${spread}`,
    ];
    return [[...own, times("latencyUs"), times("confirmUs")]];
  });
  if (body.length === 0) return "";
  const head = [
    "",
    "durability",
    "runs",
    "sent msg/s",
    "received msg/s",
    "latency ms p50 / p99",
    "confirm ms p50 / p99",
  ];
  const said =
    "Persistent messages of 100 B to a durable queue, confirms with at most 1,000 outstanding, each acknowledged, " +
    `${perfTestSeconds} s a run with its warming up. What the limit was is not measured: PerfTest is a process of its own, with its ` +
    "Java client's threads beside the broker on the same cores, and tells rates and latencies only.";
  return `## RabbitMQ's own PerfTest\n\n${said}\n\n${table(head, body)}`;
}

const backlogAbout =
  `Persistent messages in a durable queue, at most 1,000 of them not confirmed: Entrepot's are ${synced}, RabbitMQ's as its classic ` +
  "queue has it. The start after the kill is not measured but for its time.";

const startAbout =
  "Over an empty directory, so nothing is made durable but what a broker writes of itself. Which resource was the limit is not measured.";

const backlogLines = [
  ["messages of 100 B, persistent, confirmed", "messages"],
  ["filled, msg/s", "fillRate"],
  ["limit while filling", "fillLimit"],
  ["most resident memory while filling, MB", "rssMbMaxFilling"],
  ["kill -9 to ready, ms", "readyAfterKillMs"],
  ["drained, msg/s", "drainRate"],
  ["limit while draining", "drainLimit"],
  ["most resident memory while draining, MB", "rssMbMaxDraining"],
  ["missing afterwards", "missing"],
  ["out of order", "disordered"],
] as const;

const startLines = [
  ["process start to ready, ms", "readyMs"],
  ["idle resident memory, MB", "idleRssMb"],
] as const;

function delayedText(raw: RawRuns): string {
  const runs = raw.of("delayed", "delayed", "Entrepot");
  // Of several, the one whose rate is in the middle.
  const result = runs.toSorted((a, b) => numberOf(a, "rate") - numberOf(b, "rate"))[runs.length >> 1];
  if (result === undefined) return "";
  const late = (part: string): string => ms(numberOf(result, "lateUs", part));
  const share = numberOf(result, "rate") / Math.max(1, numberOf(result, "plainRate"));
  const cpuUs = (numberOf(result, "brokerCpuSeconds") * 1e6) / Math.max(1, numberOf(result, "messages"));
  const cores = (cpuUs * numberOf(result, "rate")) / 1e6;
  return (
    `## Delayed messages\n\n${runs.length > 1 ? `Of ${runs.length} runs, the one in the middle. ` : ""}` +
    `${count(numberOf(result, "messages"))} messages with delays spread at random from 20 s to an hour were accepted at ` +
    `${count(numberOf(result, "rate"))}/s, ${Math.round(share * 100)} % of the plain rate of ` +
    `${count(numberOf(result, "plainRate"))}/s in the same run (bar 50 %), persistent and ${synced}, at most 1,000 of them not ` +
    `confirmed. The broker took ${cpuUs.toFixed(2)} µs of processor time a message, ${cores.toFixed(2)} cores; how busy its threads, the ` +
    `load's and the disk were, and so what the limit was, is not measured. Most resident memory: ` +
    `${count(numberOf(result, "brokerRssMbMax"))} MB. Of the ${count(numberOf(result, "observed"))} that fell due in the ` +
    `time watched, ${numberOf(result, "early")} came early and ${numberOf(result, "beyond50ms")} more than 50 ms from ` +
    `their time; lateness p50 ${late("p50")} ms, p99 ${late("p99")} ms, max ${late("max")} ms.`
  );
}

function othersText(raw: RawRuns): string {
  const results = raw.all.flatMap(({ result }) =>
    result && typeof result["othersCores"] === "number" ? [result] : [],
  );
  if (results.length === 0) return "";
  const others = results.map((result) => numberOf(result, "othersCores"));
  const disturbed = results.filter(isDisturbed).length;
  return (
    `Cores taken by other work on the machine during the runs: median ${median(others).toFixed(2)}, most ${Math.max(...others).toFixed(2)}. ` +
    `A run is disturbed if it was more than ${othersCoresMax} (${disturbed} of ${results.length} were). Where ${calmRunsMin} or more ` +
    "others of its kind remain it is left out of every figure (runs: 4 of 5); where not, all count, and the table says how many were disturbed."
  );
}

/** Of a page that has not everything; what it names can be asked for by `--rows`, `--curves`, `--parts`. */
export const partialPage = "**Not all was measured for this page.**";

const partIds: Record<Exclude<Part, "rows" | "growth">, true> = {
  "kafka-growth": true,
  latency: true,
  start: true,
  backlog: true,
  delayed: true,
  disk: true,
  "perf-test": true,
};

/** Empty: all parts, rows and curves are there. */
function partialText(raw: RawRuns): string {
  const missing = (option: string, part: Part, ids: readonly string[]): string => {
    const left = ids.filter((id) => !raw.all.some((run) => run.part === part && run.id === id && run.result));
    return left.length === 0 ? "" : `\`--${option} ${left.join()}\``;
  };
  const parts = Object.keys(partIds).filter((id) => !raw.all.some((run) => run.part === id && run.result));
  const all = [
    missing(
      "rows",
      "rows",
      rows.map(({ id }) => id),
    ),
    missing(
      "curves",
      "growth",
      curves.map(({ id }) => id),
    ),
    parts.length === 0 ? "" : `\`--parts ${parts.join()}\``,
  ].filter((each) => each !== "");
  if (all.length === 0) return "";
  return `${partialPage} \`npm run bench -- --full\` takes hours and measures the rest as well: ${all.join(", ")}.`;
}

/** Faults of any run: a number was reached by a broker that lost or doubled nothing, or it is said here. */
export function faults(raw: RawRuns): string[] {
  return raw.all.flatMap(({ part, id, x, name, result, failure }) => {
    const where = `${id}${x === undefined ? "" : ` at ${x}`}, ${name}`;
    if (failure !== undefined) return [`${where}: ${failure.replaceAll(/\s+/g, " ").slice(0, 300)}`];
    if (part !== "rows" && part !== "growth" && part !== "kafka-growth") return [];
    const wrong = ["missing", "disordered", "redelivered", "refused"].filter((field) => numberOf(result, field) !== 0);
    return wrong.map((field) => `${where}: ${field} ${numberOf(result, field)}`);
  });
}

function faultsText(raw: RawRuns): string {
  const found = faults(raw);
  if (found.length > 0) return `Faults seen:\n\n${found.map((fault) => `- ${fault}`).join("\n")}`;
  return "In no run was a message missing, doubled, redelivered, refused or out of order.";
}

function introduction(raw: RawRuns): string {
  const { about } = raw;
  const { versions } = about;
  const them = `RabbitMQ ${versions["RabbitMQ"] ?? "not measured"}, Entrepot ${versions["Entrepot"] ?? "not measured"}`;
  return (
    `Written by \`npm run bench\`, which measures it again. ${about.date}, ${about.machine}. ${them}. The same load ` +
    "program (one Node thread, its own frames, alone able to do over two million messages a second), broker and load on the same " +
    `machine over loopback, brokers in turn, up to ${about.pairs} runs each (the tables say how many) of ${about.secondsEach} s after ` +
    `warming up; medians. ${othersText(raw)}`
  );
}

const classicQueue = "as a classic queue confirms";

const howToRead = `## How to read this

**Durable** means: durable queue, persistent message, publisher confirms with at most 1,000 outstanding, each message acknowledged by
the consumer on its own, prefetch 1,000 (with 200 connections: 100 and 100). What a confirm promises differs:

- Entrepot syncs before it confirms, and before it delivers.
- RabbitMQ's classic queue (storage version 1, its default) delivers before it confirms; under the first row's load, strace saw it
  call fsync some 17 times a second.
- RabbitMQ's quorum queue, here with one node, syncs its log before it confirms. Its production checklist advises it where data
  matter; it is what Entrepot's promise is to be compared with.
- The plain Node process writes with O_DSYNC before it answers; on rows whose durability is "memory" it writes nothing.

**RabbitMQ** runs with what its production checklist and its guides to networking and monitoring advise: memory watermark 0.6, a
limit of free disk, as many open files as the machine allows, no plug-ins, quiet logs, statistics once a minute, socket buffers of
192 KB, Nagle's algorithm off. **A rate** is the lesser of confirmed and delivered in the measured time.

**Plain Node** is the ceiling: a Node process that only moves the bytes that AMQP's publishes have from a socket to a synced file, all
that have come in one write, and back to the consumer; the best run of two ways to write (bench/plain-socket-file.ts), and its row is that
run's. It reads no frame. It is a plain program and no bound of nature: with bodies of 10 KB to 100 KB more than 100 % of it is reached, since it
and its load let Node read each chunk of a socket into new memory, which the collector has to take back, while the broker
(src/server/shared-reading.ts) and AMQP's load read all into one buffer: compare the load's processor time.

**The limit** is what was busy: a broker's or the load's busiest thread or the disk (${busyPercentMin} % and more), or all cores of the machine
(${coresPercentMin} % and more of them); *latency × window* where none of them was: each waited for the other, and more messages under way
would give more. It is that of most runs, with the figures of the one among these whose rate is next to the median.

**Disk bytes** are all that the disk was written in the time, with what others wrote; **RSS** is the most seen at five looks a second.`;

const chart = (name: string, words: string): string => `![${words}](charts/${name}.svg)`;

/** The charts' texts, by their files' names. */
export function figuresOf(raw: RawRuns): Map<string, string> {
  return new Map([...rowFigures(raw), ...growthFigures(raw)]);
}

export function performanceText(raw: RawRuns): string {
  const parts = ["# Performance", introduction(raw), partialText(raw), faultsText(raw)];
  if (measuredRows(raw).length > 0) {
    parts.push(
      "## Rates",
      chart("rates", "Messages a second of RabbitMQ, Entrepot and a plain Node process"),
      ratesTable(raw),
      ratiosText(raw),
      claims(raw),
      howToRead,
      "## Behind the rates",
      chart("latency", "Latencies at these rates"),
      chart("cost", "Processor time, memory and written bytes"),
      detailTable(raw),
    );
  }
  parts.push(
    growthText(raw),
    diskTable(raw),
    latencyText(raw),
    sideBySide(raw, "backlog", "## A backlog and a crash", backlogAbout, backlogLines),
    delayedText(raw),
    sideBySide(raw, "start", "## Start", startAbout, startLines),
    perfTestText(raw),
  );
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
