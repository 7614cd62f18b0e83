// Turns what bench/kafka.ts measured into its section of docs/performance.md, and puts it there; `npm run bench`, which writes
// the rest of that file, leaves the section as it is.

import { cpus, release } from "node:os";
import { median } from "./report.ts";

export interface KafkaRow {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** As the project's issue states it. */
  readonly bar: string;
  /** By the contestant's name. */
  readonly runs: Record<string, number[]>;
}

export interface KafkaReport {
  readonly date: string;
  readonly version: string;
  readonly pairs: number;
  readonly records: number;
  /** Kafka, Kafka that syncs, Entrepot. */
  readonly names: readonly string[];
  readonly rows: readonly KafkaRow[];
}

const heading = "## Against Apache Kafka";

/** The section as it stands in a page; empty: it has none. */
export function kafkaSectionOf(text: string): string {
  const at = text.indexOf(`${heading}\n`);
  if (at < 0) return "";
  const next = text.indexOf("\n## ", at);
  return next < 0 ? text.slice(at) : text.slice(at, next + 1);
}

/** `text`, a page of Markdown, with the section in it replaced, or put at its end. */
export function withSection(text: string, section: string): string {
  const old = kafkaSectionOf(text);
  return old === "" ? `${text.trimEnd()}\n\n${section}` : text.replace(old, () => section);
}

function cells(row: KafkaRow, names: readonly string[]): string[] {
  const medians = names.map((name) => (row.runs[name] === undefined ? Number.NaN : median(row.runs[name])));
  const ours = medians.at(-1)!;
  const shown = (value: number): string =>
    Number.isFinite(value) ? value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 2 : 0 }) : "failed";
  const ratios = medians.slice(0, -1).map((value) => (value > 0 ? `${(ours / value).toFixed(2)} ×` : ""));
  return [row.title, row.unit, ...medians.map(shown), ...ratios, row.bar];
}

export function kafkaText(report: KafkaReport): string {
  const { names } = report;
  const head = ["work", "", ...names, ...names.slice(0, -1).map((name) => `Entrepot / ${name}`), "bar"];
  const lines = [head, head.map(() => "---"), ...report.rows.map((row) => cells(row, names))];
  return `${[
    heading,
    `Written by \`npm run bench:kafka\`, which measures it again. ${report.date.slice(0, 10)}, ${cpus().length} × ` +
      `${cpus()[0]?.model.trim() ?? "unknown"}, Linux ${release()}, Node ${process.version}. Apache Kafka ${report.version}, ` +
      "KRaft, one node, 1 GB of heap, as it comes and with `log.flush.interval.messages=1`; its own load tools " +
      "(ProducerPerformance, ConsumerPerformance, EndToEndLatency) with their defaults on the same machine over loopback, brokers " +
      `in turn, ${report.pairs} runs each of up to ${report.records.toLocaleString("en-US")} messages; medians. Entrepot syncs ` +
      "before it answers.",
    lines.map((line) => `| ${line.join(" | ")} |`).join("\n"),
  ].join("\n\n")}\n`;
}
