// Turns what watching cost into its section of docs/performance.md, and puts it there; `npm run bench`, which writes the rest
// of that file, leaves the section as it is.

import type { Here } from "./here.ts";
import { type Estimate, estimate } from "./paired.ts";
import { median } from "./report.ts";
import type { Watcher } from "./watchers.ts";

/** What a phase of some seconds saw. */
export interface Phase {
  readonly seconds: number;
  /** Messages a second, confirmed and delivered. */
  readonly rate: number;
  readonly brokerCpuUsPerMessage: number;
  /** In cores. */
  readonly brokerCpu: number;
  readonly loadCpu: number;
  readonly readerCpu: number;
  readonly othersCpu: number;
}

export interface Pair {
  /** Rounds that were read in the watched phase; a part of one is a fraction. */
  readonly rounds: number;
  readonly watched: Phase;
  readonly alone: Phase;
}

export interface WatchedRow {
  readonly watcher: Watcher;
  /** Processor ms of the broker for one round while nothing else happens. */
  readonly idleRoundMs: number;
  readonly roundBytes: number;
  /** The slowest request under load. */
  readonly slowestMs: number;
  readonly pairs: readonly Pair[];
  /** Pairs that others on the machine have spoilt. */
  readonly dropped: number;
}

export interface WatchingReport extends Here {
  readonly queues: number;
  readonly connections: number;
  readonly intervalMs: number;
  readonly phaseSeconds: number;
  /** Cores that others may take of a pair that counts. */
  readonly othersCpuMax: number;
  /** What the broker's own sampling takes while nothing else happens, in percent of a core. */
  readonly samplingPercent: number;
  readonly loadAverage: number;
  readonly rows: readonly WatchedRow[];
}

const heading = "## What watching costs";

/** `text`, a page of Markdown, with the section in it replaced, or put at its end. */
export function withWatching(text: string, section: string): string {
  const old = watchingOf(text);
  return old === "" ? `${text.trimEnd()}\n\n${section}` : text.replace(old, () => section);
}

/** The section as it stands in a page; empty: it has none. */
export function watchingOf(text: string): string {
  const at = text.indexOf(`${heading}\n`);
  if (at < 0) return "";
  const next = text.indexOf("\n## ", at);
  return next < 0 ? text.slice(at) : text.slice(at, next + 1);
}

/** Of one round each interval. */
interface Costs {
  /** By how much less was delivered, percent. */
  readonly throughput: Estimate;
  /** By how much more processor time the broker spent a message, percent. */
  readonly cpu: Estimate;
}

/** How many times as often as each interval rounds were read. */
function speedOf({ rounds, watched }: Pair, intervalMs: number): number {
  return (rounds * intervalMs) / 1000 / watched.seconds;
}

function costsOf({ pairs }: WatchedRow, intervalMs: number): Costs {
  const costs = (ratio: (pair: Pair) => number): Estimate =>
    estimate(
      pairs.map((pair) => (ratio(pair) * 100) / speedOf(pair, intervalMs)),
      Math.random,
    );
  return {
    throughput: costs(({ watched, alone }) => 1 - watched.rate / alone.rate),
    cpu: costs(({ watched, alone }) => watched.brokerCpuUsPerMessage / alone.brokerCpuUsPerMessage - 1),
  };
}

function percent({ median, low, high }: Estimate): string {
  const shown = (value: number): string => value.toFixed(Math.max(Math.abs(low), Math.abs(high)) < 1 ? 2 : 1);
  return `${shown(median)} % (${shown(low)} to ${shown(high)})`;
}

function cells(row: WatchedRow, intervalMs: number): string[] {
  const { watcher, pairs, dropped, idleRoundMs, roundBytes, slowestMs } = row;
  const costs = costsOf(row, intervalMs);
  const reader = median(pairs.map((pair) => pair.watched.readerCpu / speedOf(pair, intervalMs)));
  return [
    watcher.title,
    watcher.bar,
    percent(costs.throughput),
    percent(costs.cpu),
    `${median(pairs.map((pair) => speedOf(pair, intervalMs))).toFixed(1)} ×`,
    `${idleRoundMs.toFixed(0)} ms = ${((idleRoundMs / intervalMs) * 100).toFixed(2)} %`,
    (roundBytes / 1000).toFixed(0),
    slowestMs.toFixed(0),
    (reader * 100).toFixed(2),
    dropped === 0 ? String(pairs.length) : `${pairs.length} of ${pairs.length + dropped}`,
  ];
}

export function watchingText(report: WatchingReport): string {
  const all = report.rows.flatMap(({ pairs }) => pairs);
  const alone = all.map((pair) => pair.alone);
  const of = (field: keyof Phase): string => median(alone.map((phase) => phase[field])).toFixed(2);
  const head = ["what is read each 5 s", "bar", "less throughput", "more broker CPU a message", "read how often"];
  head.push("broker CPU of a round while idle, of a core", "KB", "slowest request, ms", "reader's CPU, %", "pairs");
  const lines = [head, head.map(() => "---"), ...report.rows.map((row) => cells(row, report.intervalMs))];
  const rate = Math.round(median(alone.map((phase) => phase.rate))).toLocaleString("en-US");
  return `${[
    heading,
    `Written by \`node bench/management.ts\`, which measures it again. ${report.date}, ` +
      `${report.machine}; load average before: ` +
      `${report.loadAverage.toFixed(2)}. One broker with ${report.queues.toLocaleString("en-US")} queues and ` +
      `${report.connections.toLocaleString("en-US")} connections, and one stream of durable messages of 100 B (as in the first ` +
      `row above) that never stops. Phases of ${report.phaseSeconds} s, one watched and one not in random order, are a pair. ` +
      "In a watched phase rounds come more often than each 5 s, as the table says, and what they cost is divided by that: so a " +
      "cost far below the noise of the machine can be seen. Costs are medians of the pairs, with the bootstrap's 95 % interval in " +
      "brackets; below zero: the watched phase did better. The reader runs at the lowest priority beside broker and load; its own " +
      "processor time is shown, and counted in neither column of the broker. Pairs in which other programs took more than " +
      `${report.othersCpuMax} cores were dropped.`,
    `Nobody watching: ${rate} messages a second, broker ${of("brokerCpu")} cores, load ${of("loadCpu")}, others ` +
      `${of("othersCpu")}. Sampling, which is part of both phases: ${report.samplingPercent.toFixed(1)} % of a core.`,
    lines.map((line) => `| ${line.join(" | ")} |`).join("\n"),
  ].join("\n\n")}\n`;
}
