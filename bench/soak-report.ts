// What a soak saw, as charts, and as a section of docs/performance.md, which `npm run bench` leaves as it is.

import type { Here } from "./here.ts";
import type { Figure } from "./charts/figure.ts";
import type { Point, Series } from "./charts/line-panel.ts";
import type { ChurnCounts } from "./soak-churn.ts";
import { trendOf, type Trend } from "./soak-statistics.ts";
import type { Sample } from "./soak-watch.ts";

export interface Soak extends Here {
  readonly minutes: number;
  /** Share of the maximum. */
  readonly load: number;
  /** Messages a second. */
  readonly maximum: number;
  /** As in a sample's p50Ms. */
  readonly streams: readonly string[];
  readonly samples: readonly Sample[];
  readonly churn: ChurnCounts;
  /** Undefined: it was interrupted before everything could arrive. */
  readonly missing?: number;
}

/** Of its samples the first tenth is warming up: caches fill, code is compiled, retention begins to remove. */
const warmUpShare = 0.1;
const heading = "## Soak";
/** Of a line in a chart. */
const pointsMax = 120;

interface Quantity {
  readonly name: string;
  readonly unit: string;
  /** Share of the median by which it may rise and still be flat. */
  readonly riseAllowed: number;
  /** It is shown, and what it does decides nothing. */
  readonly isShownOnly?: true;
  of(sample: Sample): number;
}

function quantitiesOf({ streams }: Soak): Quantity[] {
  const latencies = streams.flatMap((stream, index): Quantity[] => [
    { name: `p50, ${stream}`, unit: "ms", riseAllowed: 0.1, of: ({ p50Ms }) => p50Ms[index]! },
    { name: `p99, ${stream}`, unit: "ms", riseAllowed: 0.1, of: ({ p99Ms }) => p99Ms[index]! },
  ]);
  return [
    { name: "resident memory", unit: "MB", riseAllowed: 0.05, of: ({ rssMb }) => rssMb },
    { name: "heap in use", unit: "MB", riseAllowed: 0.05, of: ({ heapMb }) => heapMb },
    { name: "descriptors", unit: "", riseAllowed: 0.05, of: ({ descriptors }) => descriptors },
    { name: "disk", unit: "MB", riseAllowed: 0.05, of: ({ diskMb }) => diskMb },
    { name: "processor", unit: "cores", riseAllowed: 0.05, isShownOnly: true, of: ({ cpu }) => cpu },
    ...latencies,
  ];
}

export interface Verdict {
  readonly name: string;
  readonly unit: string;
  readonly isShownOnly: boolean;
  readonly trend: Trend;
}

export function verdictsOf(soak: Soak): Verdict[] {
  const from = (soak.samples.at(-1)?.atMs ?? 0) * warmUpShare;
  const warm = soak.samples.filter(({ atMs }) => atMs >= from);
  const atMs = warm.map((sample) => sample.atMs);
  return quantitiesOf(soak).map(({ name, unit, riseAllowed, isShownOnly = false, of }) => {
    return { name, unit, isShownOnly, trend: trendOf({ atMs, values: warm.map(of) }, riseAllowed) };
  });
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

function percent(share: number): string {
  return `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`;
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(
    ({ name, unit, isShownOnly, trend: { first, last, rise, riseLow, riseHigh, verdict } }) => {
      const cells = [`${name}${unit === "" ? "" : `, ${unit}`}`, shown(first), shown(last), percent(rise)];
      const judged = verdict === "flat" || isShownOnly ? verdict : `**${verdict}**`;
      return `| ${[...cells, `${percent(riseLow)} to ${percent(riseHigh)}`, judged].join(" | ")} |`;
    },
  );
  const head =
    "| | the line begins at | and ends at | rise over the run | its 95 % interval | |\n| --- | --- | --- | --- | --- | --- |";
  return [head, ...lines].join("\n");
}

/** A mean below this share of the rate that was asked for, and the rate was not held. */
const heldShareMin = 0.97;

export function meanRate({ samples }: Soak): number {
  return samples.reduce((sum, sample) => sum + sample.rate, 0) / Math.max(1, samples.length);
}

export function isHeld(soak: Soak): boolean {
  return meanRate(soak) >= soak.load * soak.maximum * heldShareMin;
}

export function soakText(soak: Soak): string {
  const { churn, minutes, load, maximum, missing } = soak;
  const rate = Math.round(meanRate(soak));
  const number = (value: number): string => Math.round(value).toLocaleString("en-US");
  const asked = load * maximum;
  const short = isHeld(soak)
    ? ""
    : ` That is ${(rate / maximum).toFixed(2)} × the maximum: ${number(asked)} were asked for, and a stream that has as much under ` +
      "way as its window allows sends no more, so its latency is that of its own limit.";
  const charts = figuresOf(soak).map(([name, { description }]) => `![${description}](charts/${name})`);
  return `${[
    heading,
    `Written by \`npm run soak\`, which measures it again. ${soak.date}, ${soak.machine}.`,
    `${number(minutes)} minutes at ${load} × the maximum that this mix reached on this machine, load and broker together ` +
      `(${number(maximum)} messages a second): ${number(rate)} messages a second, all durable, confirmed and consumed.${short} The mix: ` +
      `${soak.streams.join("; ")}. A slow consumer, of either protocol, takes nothing for 10 s of each 30. Meanwhile ` +
      `${number(churn.connections)} connections came and went, a third of them without a good-bye, ${number(churn.queues)} queues of ` +
      `all types and ${number(churn.topics)} topics were declared, used and deleted, and ${number(churn.members)} members joined a ` +
      `group and left it. Sent and not received in the end: ${missing === undefined ? "not known, since it was interrupted" : number(missing)}. Latency is ` +
      "from sending to receipt; of the slow consumer's stream to the confirm, since its messages wait on purpose.",
    "The first tenth, in which caches fill and retention begins, is in the charts and not in the table. A line is put through " +
      "medians of twenty stretches of the rest; something rises if the interval of its rise lies above zero and the rise is " +
      "5 % or more (latency: 10 %). Too noisy: it does not, but the interval reaches beyond five times as much. Processor time is shown, " +
      `and decides nothing. A line of the charts goes through medians of neighbouring samples, ${pointsMax} of them or fewer; the band around ` +
      "it spans all samples, so that a spike is to be seen.",
    verdictTable(verdictsOf(soak)),
    ...charts,
  ].join("\n\n")}\n`;
}

/** The section as it stands in a page; empty: it has none. */
export function soakSectionOf(page: string): string {
  const at = page.indexOf(`${heading}\n`);
  if (at < 0) return "";
  const next = page.indexOf("\n## ", at);
  return next < 0 ? page.slice(at) : page.slice(at, next + 1);
}

/** The page with this section in the place of its old one, or at its end. */
export function withSoak(page: string, section: string): string {
  const old = soakSectionOf(page);
  if (old === "") return `${page.trimEnd()}\n\n${section}`;
  return page.replace(old, () => (old.endsWith("\n\n") ? `${section}\n` : section));
}

/** By the names of their files. */
export function figuresOf(soak: Soak): [string, Figure][] {
  const minuteOf = ({ atMs }: Sample): number => atMs / 60_000;
  const line = (name: string, of: (sample: Sample) => number): Series => {
    const points = soak.samples.map((sample) => ({ x: minuteOf(sample), y: of(sample) }));
    return { name, points: thinned(points.filter(({ y }) => Number.isFinite(y))) };
  };
  const panel = (title: string, series: readonly Series[], yScale: "linear" | "log" = "linear") =>
    ({ kind: "lines", title, xTitle: "minutes", xScale: "linear", yScale, series }) as const;
  const make = (name: string, title: string, panels: Figure["panels"]): [string, Figure] => [
    `soak-${name}.svg`,
    { title, description: `${title} over ${Math.round(soak.minutes)} minutes of mixed load`, columns: 1, panels },
  ];
  const latencies = (of: "p50Ms" | "p99Ms"): Series[] =>
    soak.streams.map((stream, index) => line(stream.split(/, (?=fast|slow|two)/)[0]!, (sample) => sample[of][index]!));
  return [
    make("memory", "Memory", [
      panel("resident memory and heap in use, MB", [
        line("resident", ({ rssMb }) => rssMb),
        line("heap", ({ heapMb }) => heapMb),
      ]),
    ]),
    make("descriptors", "Descriptors", [
      panel("open descriptors", [line("descriptors", ({ descriptors }) => descriptors)]),
    ]),
    make("disk", "Disk", [panel("blocks of the data directory, MB", [line("disk", ({ diskMb }) => diskMb)])]),
    make("latency", "Latency", [
      panel("half of the messages within, ms", latencies("p50Ms"), "log"),
      panel("99 of 100 within, ms", latencies("p99Ms"), "log"),
    ]),
    make("rate", "Rate", [panel("messages acknowledged, each second", [line("rate", ({ rate }) => rate)])]),
  ];
}

/** Medians of a few neighbours, with the least and the greatest of them: two hours of samples are more than a chart has pixels. */
function thinned(points: readonly { x: number; y: number }[]): Point[] {
  const each = Math.ceil(points.length / pointsMax);
  if (each <= 1) return [...points];
  const out: Point[] = [];
  for (let at = 0; at < points.length; at += each) {
    const few = points.slice(at, at + each).toSorted((a, b) => a.y - b.y);
    const { x } = points[Math.min(points.length - 1, at + (each >> 1))]!;
    out.push({ x, y: few[few.length >> 1]!.y, low: few[0]!.y, high: few.at(-1)!.y });
  }
  return out;
}
