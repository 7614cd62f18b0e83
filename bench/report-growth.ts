// The curves in docs/performance.md: for each a chart of six panels, and the numbers behind it.

import { figure } from "./charts/figure.ts";
import type { LinePanel, Point, Series } from "./charts/line-panel.ts";
import { shortNumber } from "./charts/scale.ts";
import { type Curve, curves } from "./growth.ts";
import { kafkaVersion } from "./kafka-brokers.ts";
import { kafkaCurves, kafkaNames } from "./kafka-growth.ts";
import type { LoadResult } from "./load-options.ts";
import type { Part, RawRuns } from "./raw-runs.ts";
import { count, limitText, medianOf, ms, runsText, shownRuns, table } from "./report-tables.ts";
import { numberOf } from "./run-load.ts";

type Shown = Pick<Curve, "id" | "title" | "xTitle" | "xUnit" | "latency" | "full" | "plainMax">;

/** The curves of one protocol. */
interface Family {
  readonly part: Part;
  readonly curves: readonly Shown[];
  /** In the order of the tables; the limit last. */
  readonly names: readonly string[];
  /** Before a curve's id in its file's name. */
  readonly prefix: string;
  readonly heading: string;
  readonly subtitle: string;
  readonly explanation: string;
}

const amqp: Family = {
  part: "growth",
  curves,
  names: ["RabbitMQ", "RabbitMQ quorum", "Entrepot", "plain Node"],
  prefix: "growth",
  heading: "How it grows",
  subtitle: "durable queues, persistent messages, confirms",
  explanation:
    "All of it is durable, as above. One quantity grows and the rest is held: of all messages at most 10,000, or 16 MB of bodies, are under way (published and not " +
    "confirmed) at once, however many connections, copies or bytes of each; one publisher has at most 1,000. Processor time is for " +
    "each delivery. Each curve begins with fresh brokers, and their memory, which falls seldom, is the most up to that point. The " +
    "plain Node process's row is the better of its two ways to write; it is passed with bodies of 10 kB to 100 kB, since it and its load read from sockets into new memory each time.",
};

const kafka: Family = {
  part: "kafka-growth",
  curves: kafkaCurves,
  names: kafkaNames,
  prefix: "kafka-growth",
  heading: "How it grows under Kafka's protocol",
  subtitle: "idempotent producers, acks=all, tail read by consumers; sockets and requests made by hand",
  explanation:
    "One Node thread produces, and reads what it produces at the tail (bench/kafka-flow.ts): each producer and each consumer is a socket, " +
    `and its requests are made by hand, of the oldest versions that Kafka ${kafkaVersion} serves (Produce 3, Fetch 4; of several ` +
    "partitions Fetch 7 with a session). A client of Kafka's has threads and megabytes of its own, so that ten thousand do not fit into a machine; the tables " +
    "against Apache Kafka are about the real clients. A producer is idempotent, with acks=all, and has at most five requests under way, " +
    "each of one batch of at most 16 KB of messages, as Java's client has it; to several partitions the same messages in as many " +
    "batches. At most 10,000 messages, or 16 MB, are under way (sent, and not yet acknowledged and read by all; times the " +
    "consumers, where there are several), and each of many producers has its share: of a hundred, five requests of 20 messages; of ten " +
    "thousand, one of one. Every answer is checked: error codes, offsets without a gap, the length of each batch. Processor time is for " +
    "each delivery. Kafka as it comes answers when a message is in the page cache; with flush.messages=1, Entrepot and the plain Node " +
    "process, when it is on the disk. Each curve begins with fresh brokers, which work for 40 s before its " +
    "first point, since Java compiles what is hot (not yet so in the curves by size and by producers, whose first points are kind to Entrepot by that), " +
    "and their memory is the most up to that point. Of many partitions each holds 4 KB before: with those Kafka's index " +
    "gets its first page, for which it stands still for 20 ms. The plain Node process (bench/plain-log.ts) writes the same bytes to a file and serves them from it, under the same load; its row is the " +
    "better of two runs. It is passed where batches are small, by what its code does: it writes the first request that it has read at once, and those which came " +
    "with it wait for the next write, while the broker writes what a turn of the event loop has brought as one block " +
    "([decision 4](decisions/04-one-block-per-turn-and-one-ticket.md)); it reads each fetch from the file and not from memory " +
    "([decision 6](decisions/06-the-block-buffer-is-the-cache.md)), and each read of a socket goes to new memory. What a topic holds from before is nothing to it: there its first point stands for all.",
};

const plainName = "plain Node";

type Value = (run: LoadResult) => number;

const rate: Value = (run) => numberOf(run, "rate");
const deliveries: Value = (run) => numberOf(run, "rate") * numberOf(run, "copies");
/** Of a delivery, where a message has several. */
const cpuUs: Value = (run) => (numberOf(run, "brokerCpuSeconds") * 1e6) / (deliveries(run) * numberOf(run, "seconds"));
const rssMb: Value = (run) => numberOf(run, "brokerRssMbMax");
const written: Value = (run) => numberOf(run, "diskBytesPerPublishedByte");

function xsOf(raw: RawRuns, { part }: Family, curve: Shown, name: string): number[] {
  const xs = raw.all.flatMap((run) =>
    run.part === part && run.id === curve.id && run.name === name && run.result ? [run.x!] : [],
  );
  return [...new Set(xs)].toSorted((a, b) => a - b);
}

/** Of the plain process: those at `x`, or those that stand for them. */
function plainRuns(raw: RawRuns, { part }: Family, { id, plainMax }: Shown, x: number): readonly LoadResult[] {
  return raw.of(part, id, plainName, Math.min(x, plainMax ?? x));
}

/** Where the plain process's line goes: also to where its last point stands for others. */
function plainXs(raw: RawRuns, family: Family, curve: Shown): number[] {
  const own = xsOf(raw, family, curve, plainName);
  if (own.length === 0 || curve.plainMax === undefined) return own;
  const all = family.names.flatMap((name) => xsOf(raw, family, curve, name));
  return [...new Set(all)].toSorted((a, b) => a - b);
}

/** A median, and how far the runs go; of the plain process the best, whose ways to write differ. */
function pointOf(runs: readonly LoadResult[], x: number, value: Value, isPlain: boolean): Point {
  const values = runs.map(value).filter((each) => Number.isFinite(each));
  if (values.length === 0) return { x, y: Number.NaN };
  if (isPlain) return { x, y: Math.max(...values) };
  return { x, y: medianOf(values), low: Math.min(...values), high: Math.max(...values) };
}

function seriesOf(raw: RawRuns, family: Family, curve: Shown, value: Value, suffix = "", hasPlain = false): Series[] {
  return family.names.flatMap((name) => {
    const isPlain = name === plainName;
    if (isPlain && !hasPlain) return [];
    const xs = isPlain ? plainXs(raw, family, curve) : xsOf(raw, family, curve, name);
    if (xs.length === 0) return [];
    const runsAt = (x: number): readonly LoadResult[] =>
      isPlain ? plainRuns(raw, family, curve, x) : raw.of(family.part, curve.id, name, x);
    const points = xs.map((x) => pointOf(runsAt(x), x, value, isPlain));
    return [{ name: `${name}${suffix}`, points, isDashed: isPlain || suffix === " p99" }];
  });
}

function panelsOf(raw: RawRuns, family: Family, curve: Shown): LinePanel[] {
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
      series: seriesOf(raw, family, curve, deliveries, "", true),
    },
    {
      ...x,
      title: curve.latency === "confirmUs" ? "publish to confirm, ms" : "publish to receipt, ms",
      yScale: "log",
      series: [
        ...seriesOf(raw, family, curve, latency("p50"), " p50"),
        ...seriesOf(raw, family, curve, latency("p99"), " p99"),
      ],
    },
    {
      ...x,
      title: `broker's processor time, µs a ${each}`,
      yScale: "log",
      series: seriesOf(raw, family, curve, cpuUs),
    },
    { ...x, title: "most resident memory, MB", yScale: "linear", series: seriesOf(raw, family, curve, rssMb) },
    {
      ...x,
      title: "bytes written for each byte published",
      yScale: "log",
      series: seriesOf(raw, family, curve, written),
    },
  ];
  if (curve.id !== "size") return found;
  const bodies: Value = (run) => (numberOf(run, "rate") * numberOf(run, "bodyBytes")) / 1e6;
  return [
    ...found,
    { ...x, title: "bodies, MB/s", yScale: "log", series: seriesOf(raw, family, curve, bodies, "", true) },
  ];
}

function measuredCurves(raw: RawRuns, family: Family): Shown[] {
  return family.curves.filter((curve) => family.names.some((name) => xsOf(raw, family, curve, name).length > 0));
}

/** The texts of the curves' charts, by their files' names. */
export function growthFigures(raw: RawRuns): Map<string, string> {
  const { growthPairs, secondsEach } = raw.about;
  const runs = growthPairs === 1 ? "one run each" : `medians of up to ${growthPairs} runs, bands span them`;
  return new Map(
    [amqp, kafka].flatMap((family) =>
      measuredCurves(raw, family).map((curve): [string, string] => [
        `${family.prefix}-${curve.id}.svg`,
        figure({
          title: `${family.heading}, with ${curve.title}`,
          subtitle: `${family.subtitle}; measured for ${secondsEach} s; ${runs}`,
          description: `Lines of the table below: what changes with ${curve.title}.`,
          columns: 2,
          panels: panelsOf(raw, family, curve),
        }),
      ]),
    ),
  );
}

/** The median, and from where to where the runs go. */
function rateText(runs: readonly LoadResult[]): string {
  const rates = runs.map(rate);
  if (rates.length < 2) return count(rates[0] ?? Number.NaN);
  return `${count(medianOf(rates))} (${count(Math.min(...rates))} to ${count(Math.max(...rates))})`;
}

function tableOf(raw: RawRuns, family: Family, curve: Shown): string {
  const head = [curve.xTitle, "broker", "runs", "msg/s", "of plain Node", "latency ms p50 / p99", "CPU µs", "RSS MB"];
  head.push("written / published", "limit");
  const body = family.names.flatMap((name) =>
    xsOf(raw, family, curve, name).map((x) => {
      const counted = raw.of(family.part, curve.id, name, x);
      const runs = shownRuns(counted, name === plainName);
      const plain = Math.max(0, ...plainRuns(raw, family, curve, x).map(rate));
      const middle = (value: Value): number => medianOf(runs.map(value));
      const best = name === plainName ? plain : middle(rate);
      const latency = (part: string): string => ms(middle((run) => numberOf(run, curve.latency, part)));
      return [
        shortNumber(x, curve.xUnit),
        name,
        runsText(counted, raw.allOf(family.part, curve.id, name, x)),
        name === plainName ? count(best) : rateText(runs),
        plain > 0 && name !== plainName ? `${Math.round((best / plain) * 100)} %` : "–",
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

/** What failed, and why a contestant's line ends before the others'. */
function notMeasured(raw: RawRuns, family: Family, curve: Shown): string {
  const said = raw.all.flatMap(({ part, id, name, x, failure }) =>
    part === family.part && id === curve.id && failure !== undefined
      ? [`- failed: ${name} at ${x}: ${failure.replaceAll(/\s+/g, " ")}`]
      : [],
  );
  if (said.length > 0) return said.join("\n");
  const ends = family.names.flatMap((name) => {
    if (name === plainName && curve.plainMax !== undefined) return [];
    const last = xsOf(raw, family, curve, name).at(-1);
    return last === undefined ? [] : [{ name, last }];
  });
  const most = Math.max(...ends.map(({ last }) => last));
  const early = ends
    .filter(({ last }) => last < most)
    .map(({ name, last }) => `${name} was measured up to ${shortNumber(last)}`);
  const files = raw.about.openFilesMax.toLocaleString("en-US");
  const why = `: more takes it too long, or more open files than a process on this machine may have (${files}).`;
  return early.length === 0 ? "" : `${early.join("; ")}${why}`;
}

/** The sections; empty: no curve was measured. */
export function growthText(raw: RawRuns): string {
  return [amqp, kafka]
    .map((family) => familyText(raw, family))
    .filter((part) => part !== "")
    .join("\n\n");
}

function familyText(raw: RawRuns, family: Family): string {
  const found = measuredCurves(raw, family);
  if (found.length === 0) return "";
  const parts = [`## ${family.heading}`, family.explanation];
  for (const curve of found) {
    const words = `Throughput, latency, processor time, memory and written bytes against ${curve.title}`;
    parts.push(
      `### With ${curve.title}`,
      `![${words}](charts/${family.prefix}-${curve.id}.svg)`,
      `<details><summary>The numbers</summary>\n\n${tableOf(raw, family, curve)}\n\n</details>`,
      notMeasured(raw, family, curve),
    );
  }
  return parts.filter((part) => part !== "").join("\n\n");
}
