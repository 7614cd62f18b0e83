// The curves in docs/performance.md: for each a chart of six panels, and the numbers behind it.

import { figure } from "./charts/figure.ts";
import type { LinePanel, Point, Series } from "./charts/line-panel.ts";
import { shortNumber } from "./charts/scale.ts";
import { type Curve, curves } from "./growth.ts";
import type { LoadResult } from "./load-options.ts";
import type { RawRuns } from "./raw-runs.ts";
import { count, limitText, medianOf, ms, table } from "./report-tables.ts";
import { numberOf } from "./run-load.ts";

/** RabbitMQ first, Entrepot, then the limit. */
const names = ["RabbitMQ", "RabbitMQ quorum", "Entrepot", "plain Node"];

type Value = (run: LoadResult) => number;

const rate: Value = (run) => numberOf(run, "rate");
const deliveries: Value = (run) => numberOf(run, "rate") * numberOf(run, "copies");
/** Of a delivery, where a message has several. */
const cpuUs: Value = (run) => (numberOf(run, "brokerCpuSeconds") * 1e6) / (deliveries(run) * numberOf(run, "seconds"));
const rssMb: Value = (run) => numberOf(run, "brokerRssMbMax");
const written: Value = (run) => numberOf(run, "diskBytesPerPublishedByte");

function xsOf(raw: RawRuns, curve: Curve, name: string): number[] {
  const xs = raw.all.flatMap((run) =>
    run.part === "growth" && run.id === curve.id && run.name === name && run.result ? [run.x!] : [],
  );
  return [...new Set(xs)].toSorted((a, b) => a - b);
}

/** A median, and how far the runs go; of the plain process the best, whose ways to write differ. */
function pointOf(runs: readonly LoadResult[], x: number, value: Value, isPlain: boolean): Point {
  const values = runs.map(value).filter((each) => Number.isFinite(each));
  if (values.length === 0) return { x, y: Number.NaN };
  if (isPlain) return { x, y: Math.max(...values) };
  return { x, y: medianOf(values), low: Math.min(...values), high: Math.max(...values) };
}

function seriesOf(raw: RawRuns, curve: Curve, value: Value, suffix = "", hasPlain = false): Series[] {
  return names.flatMap((name) => {
    const isPlain = name === "plain Node";
    const xs = isPlain && !hasPlain ? [] : xsOf(raw, curve, name);
    if (xs.length === 0) return [];
    const points = xs.map((x) => pointOf(raw.of("growth", curve.id, name, x), x, value, isPlain));
    return [{ name: `${name}${suffix}`, points, isDashed: isPlain || suffix === " p99" }];
  });
}

function panelsOf(raw: RawRuns, curve: Curve): LinePanel[] {
  const common = { kind: "lines", xTitle: curve.xTitle, xScale: "log" } as const;
  const x = curve.xUnit === undefined ? common : { ...common, xUnit: curve.xUnit };
  const latency =
    (part: string): Value =>
    (run) =>
      numberOf(run, curve.latency, part) / 1000;
  const isFanout = curve.id === "fanout";
  const each = isFanout ? "delivery" : "message";
  const found: LinePanel[] = [
    {
      ...x,
      title: isFanout ? "deliveries/s" : "messages/s",
      yScale: "log",
      series: seriesOf(raw, curve, deliveries, "", true),
    },
    {
      ...x,
      title: curve.latency === "confirmUs" ? "publish to confirm, ms" : "publish to receipt, ms",
      yScale: "log",
      series: [...seriesOf(raw, curve, latency("p50"), " p50"), ...seriesOf(raw, curve, latency("p99"), " p99")],
    },
    { ...x, title: `broker's processor time, µs a ${each}`, yScale: "log", series: seriesOf(raw, curve, cpuUs) },
    { ...x, title: "most resident memory, MB", yScale: "linear", series: seriesOf(raw, curve, rssMb) },
    { ...x, title: "bytes written for each byte published", yScale: "log", series: seriesOf(raw, curve, written) },
  ];
  if (curve.id !== "size") return found;
  const bodies: Value = (run) => (numberOf(run, "rate") * numberOf(run, "bodyBytes")) / 1e6;
  return [...found, { ...x, title: "bodies, MB/s", yScale: "log", series: seriesOf(raw, curve, bodies, "", true) }];
}

function measuredCurves(raw: RawRuns): Curve[] {
  return curves.filter((curve) => names.some((name) => xsOf(raw, curve, name).length > 0));
}

/** The texts of the curves' charts, by their files' names. */
export function growthFigures(raw: RawRuns): Map<string, string> {
  const { growthPairs, secondsEach } = raw.about;
  const runs = growthPairs === 1 ? "one run each" : `medians of ${growthPairs} runs, bands span them`;
  return new Map(
    measuredCurves(raw).map((curve) => [
      `growth-${curve.id}.svg`,
      figure({
        title: `How it grows with ${curve.title}`,
        subtitle: `durable queues, persistent messages, confirms; measured for ${secondsEach} s; ${runs}`,
        description: `Lines of the table below: what changes with ${curve.title}.`,
        columns: 2,
        panels: panelsOf(raw, curve),
      }),
    ]),
  );
}

function tableOf(raw: RawRuns, curve: Curve): string {
  const head = [curve.xTitle, "broker", "msg/s", "of plain Node", "latency ms p50 / p99", "CPU µs", "RSS MB"];
  head.push("written / published", "limit");
  const body = names.flatMap((name) =>
    xsOf(raw, curve, name).map((x) => {
      const runs = raw.of("growth", curve.id, name, x);
      const plain = Math.max(0, ...raw.of("growth", curve.id, "plain Node", x).map(rate));
      const middle = (value: Value): number => medianOf(runs.map(value));
      const best = name === "plain Node" ? plain : middle(rate);
      const latency = (part: string): string => ms(middle((run) => numberOf(run, curve.latency, part)));
      return [
        shortNumber(x, curve.xUnit),
        name,
        count(best),
        plain > 0 && name !== "plain Node" ? `${Math.round((best / plain) * 100)} %` : "–",
        `${latency("p50")} / ${latency("p99")}`,
        middle(cpuUs).toFixed(2),
        count(middle(rssMb)),
        middle(written).toFixed(2),
        limitText(runs),
      ];
    }),
  );
  return table(head, body);
}

function notMeasured(raw: RawRuns, curve: Curve): string {
  const most = Math.max(...xsOf(raw, curve, "Entrepot"));
  const rabbit = Math.max(...xsOf(raw, curve, "RabbitMQ"));
  const failures = raw.all.filter((run) => run.part === "growth" && run.id === curve.id && run.failure !== undefined);
  const said = failures.map(({ name, x, failure }) => `- failed: ${name} at ${x}: ${failure}`);
  if (rabbit < most && failures.length === 0)
    said.push(`RabbitMQ was measured up to ${shortNumber(rabbit)} only: more takes it long.`);
  const asked = curve.connectionsAt ? Math.max(...curve.full) : 0;
  if (Number.isFinite(most) && most < asked && raw.about.openFilesMax < asked + 500) {
    said.push(
      `More than ${shortNumber(most)} needs more open files than this machine allows (${raw.about.openFilesMax}).`,
    );
  }
  return said.join("\n");
}

/** The section; empty: no curve was measured. */
export function growthText(raw: RawRuns): string {
  const found = measuredCurves(raw);
  if (found.length === 0) return "";
  const parts = [
    "## How it grows",
    "One quantity grows and the rest is held: of all messages at most 10,000, or 16 MB of bodies, are under way (published and not " +
      "confirmed) at once, however many connections, copies or bytes of each; one publisher has at most 1,000. Processor time is for " +
      "each delivery. Each curve begins with fresh brokers, and their memory, which falls seldom, is the most up to that point. The " +
      "plain Node process's rate is the better of its two ways to write.",
  ];
  for (const curve of found) {
    parts.push(
      `### With ${curve.title}`,
      `![Throughput, latency, processor time, memory and written bytes against ${curve.title}](charts/growth-${curve.id}.svg)`,
      `<details><summary>The numbers</summary>\n\n${tableOf(raw, curve)}\n\n</details>`,
      notMeasured(raw, curve),
    );
  }
  return parts.filter((part) => part !== "").join("\n\n");
}
