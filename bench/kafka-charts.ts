// The figures of bench/kafka-rows.ts as charts: each a file for docs/charts.

import type { BarGroup, BarPanel } from "./charts/bar-panel.ts";
import { figure } from "./charts/figure.ts";
import type { KafkaRow, KafkaUsage } from "./kafka-rows.ts";
import { median } from "./report.ts";

/** The text of each SVG by the name of its file; only of what was measured. */
export function kafkaCharts(rows: readonly KafkaRow[]): Map<string, string> {
  const measured = rows.filter(({ runs }) => Object.keys(runs).length > 0);
  const rates = measured.filter(({ unit }) => unit === "msg/s").map(groupOf);
  const times = measured.filter(({ unit }) => unit === "ms").map(groupOf);
  const charts = new Map<string, string>();
  const add = (name: string, title: string, ...panels: readonly BarPanel[]): void => {
    const filled = panels.filter(({ groups }) => groups.length > 0);
    if (filled.length === 0) return;
    const description = `${title}; the numbers are in the tables of docs/performance.md`;
    charts.set(name, figure({ title, description, columns: filled.length === 1 ? 1 : 2, panels: filled }));
  };
  const bars = (title: string, groups: readonly BarGroup[]): BarPanel => ({
    kind: "bars",
    title,
    scale: "linear",
    groups,
  });
  add("kafka-rates.svg", "Kafka's clients: throughput", bars("messages/s", rates));
  // From a few ms to many seconds.
  add("kafka-times.svg", "Kafka's clients: latency, groups and start", { ...bars("ms", times), scale: "log" });
  add(
    "kafka-costs.svg",
    "What Kafka's clients cost the broker",
    bars(
      "processor time, µs/message",
      usageGroups(rows, ({ brokerUsPerMessage }) => brokerUsPerMessage),
    ),
    bars(
      "most resident memory, MB",
      usageGroups(rows, ({ rssMbMax }) => rssMbMax),
    ),
    bars(
      "bytes written for each byte published",
      usageGroups(rows, ({ writtenPerByte }) => writtenPerByte),
    ),
  );
  return charts;
}

function barOf(name: string, values: readonly number[]): BarGroup["bars"][number] {
  return { name, value: median(values), low: Math.min(...values), high: Math.max(...values) };
}

function groupOf({ title, runs }: KafkaRow): BarGroup {
  return { title, bars: Object.entries(runs).map(([name, values]) => barOf(name, values)) };
}

function usageGroups(rows: readonly KafkaRow[], pick: (usage: KafkaUsage) => number | undefined): BarGroup[] {
  const groups = rows.map(({ id, usages }): BarGroup => {
    const named = Object.entries(usages).map(
      ([name, each]) => [name, each.map(pick).filter((value) => value !== undefined)] as const,
    );
    return {
      title: id,
      bars: named.filter(([, values]) => values.length > 0).map(([name, values]) => barOf(name, values)),
    };
  });
  return groups.filter(({ bars }) => bars.length > 0);
}
