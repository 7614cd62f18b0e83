// The charts of docs/performance.md but those of the curves: rates, latencies, and what each message costs.

import type { BarGroup, BarPanel } from "./charts/bar-panel.ts";
import { figure } from "./charts/figure.ts";
import type { RawRuns } from "./raw-runs.ts";
import { medianOf } from "./report-tables.ts";
import { type Row, rows } from "./rows.ts";
import { numberOf } from "./run-load.ts";

const brokers = ["RabbitMQ", "RabbitMQ quorum", "Entrepot"];

interface Measure {
  readonly field: string;
  readonly part?: string;
  /** What the number is multiplied with. */
  readonly factor?: number;
  /** Divided by the messages of the measured time, and so for each message. */
  readonly isPerMessage?: boolean;
}

function groupsOf(raw: RawRuns, names: readonly string[], measure: Measure, parts?: readonly string[]): BarGroup[] {
  return measured(raw).map((row) => {
    const bars = names.flatMap((name) => {
      const runs = raw.of("rows", row.id, name);
      if (runs.length === 0) return [];
      return (parts ?? [measure.part]).map((part) => {
        const values = runs.map((run) => {
          const value = numberOf(run, measure.field, part) * (measure.factor ?? 1);
          return measure.isPerMessage === true ? value / (numberOf(run, "rate") * numberOf(run, "seconds")) : value;
        });
        // Of the plain process the better of its ways to write counts.
        const value = name === "plain Node" ? Math.max(...values) : medianOf(values);
        return { name: parts ? `${name} ${part}` : name, value, low: Math.min(...values), high: Math.max(...values) };
      });
    });
    return { title: row.title, bars };
  });
}

function measured(raw: RawRuns): Row[] {
  return rows.filter(({ id }) => raw.all.some((run) => run.part === "rows" && run.id === id && run.result));
}

function bars(title: string, groups: readonly BarGroup[], scale: BarPanel["scale"]): BarPanel {
  return { kind: "bars", title, scale, groups };
}

/** The texts of the charts, by their files' names; none where nothing was measured. */
export function rowFigures(raw: RawRuns): Map<string, string> {
  const figures = new Map<string, string>();
  if (measured(raw).length === 0) return figures;
  const { pairs } = raw.about;
  const subtitle =
    pairs === 1 ? "one run of each" : `medians of ${pairs} runs, brokers in turn; a thin line spans the runs`;
  const rate = groupsOf(raw, [...brokers, "plain Node"], { field: "rate" });
  figures.set(
    "rates.svg",
    figure({
      title: "Messages a second, end to end",
      subtitle: `${subtitle}; the plain Node process only moves the bytes`,
      description: "Bars of the first table of this page: messages a second of RabbitMQ, Entrepot and a plain process.",
      columns: 1,
      panels: [bars("messages/s", rate, "linear")],
    }),
  );
  const latency = groupsOf(raw, brokers, { field: "latencyUs", factor: 1e-3 }, ["p50", "p99"]);
  figures.set(
    "latency.svg",
    figure({
      title: "From publish to receipt at these rates",
      subtitle: `p50 and p99; ${subtitle}`,
      description: "Bars of the latencies in the table behind the rates, on a logarithmic scale.",
      columns: 1,
      panels: [bars("latency, ms, logarithmic", latency, "log")],
    }),
  );
  const cpu = groupsOf(raw, brokers, { field: "brokerCpuSeconds", factor: 1e6, isPerMessage: true });
  const memory = groupsOf(raw, brokers, { field: "brokerRssMbMax" });
  const written = groupsOf(raw, brokers, { field: "diskBytesPerPublishedByte" });
  figures.set(
    "cost.svg",
    figure({
      title: "What it costs",
      subtitle,
      description: "Bars of processor time, memory and written bytes in the table behind the rates.",
      columns: 2,
      panels: [
        bars("broker's processor time, µs a message, logarithmic", cpu, "log"),
        bars("most resident memory, MB", memory, "linear"),
        bars("bytes written for each byte published, logarithmic", written, "log"),
      ],
    }),
  );
  return figures;
}
