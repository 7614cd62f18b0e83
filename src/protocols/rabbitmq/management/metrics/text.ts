/**
 * Prometheus' text format, version 0.0.4, made in pieces: each is sent in a turn of its own, so that the metrics of 10,000 queues
 * (some 15 MB) hold up nobody and are never in memory at once.
 */

import type { Distribution } from "../../../../broker/api.ts";

export type MetricType = "counter" | "gauge" | "untyped" | "histogram" | "summary";

export interface Heading {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
}

const pieceCharactersMin = 32_768;

export class MetricsText {
  #text = "";

  /** Begins a metric. `prefix` stands before its name. */
  head(prefix: string, { name, help, type }: Heading): void {
    this.#text += `# TYPE ${prefix}${name} ${type}\n# HELP ${prefix}${name} ${escapedHelp(help)}\n`;
  }

  /** @param labels as labelsOf() makes them; empty: none */
  line(prefix: string, name: string, labels: string, value: number): void {
    this.#text +=
      labels === "" ? `${prefix}${name} ${shown(value)}\n` : `${prefix}${name}{${labels}} ${shown(value)}\n`;
  }

  /** @param before the metric's name and the bracket that opens the labels, of which there is one at least */
  labelledLine(before: string, labels: string, value: number): void {
    this.#text += before + labels + "} " + shown(value) + "\n";
  }

  /**
   * Prometheus counts what is at most the bound; so do we, but for the last digit of a value that is just at it.
   * @param perUnit what a unit of the metric has of those in which was measured
   */
  histogram(prefix: string, heading: Omit<Heading, "type">, labels: string, of: Distribution, perUnit: number): void {
    const { name } = heading;
    this.head(prefix, { ...heading, type: "histogram" });
    const before = labels === "" ? "" : `${labels},`;
    let count = 0;
    for (const [index, bound] of of.bounds.entries()) {
      count += of.counts[index]!;
      this.line(prefix, `${name}_bucket`, `${before}le="${bound / perUnit}"`, count);
    }
    count += of.counts[of.bounds.length] ?? 0;
    this.line(prefix, `${name}_bucket`, `${before}le="+Inf"`, count);
    this.line(prefix, `${name}_sum`, labels, of.sum / perUnit);
    this.line(prefix, `${name}_count`, labels, count);
  }

  /** Whether a piece should be taken. */
  get isFull(): boolean {
    return this.#text.length >= pieceCharactersMin;
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

function shown(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escapedHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** `vhost="/",queue="orders"` */
export function labelsOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapedLabel(value)}"`)
    .join(",");
}

function escapedLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : value;
}
