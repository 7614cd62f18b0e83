// Turns what bench/kafka-rows.ts measured into its section of docs/performance.md, and puts it there; `npm run bench`, which writes
// the rest of that file, leaves the section as it is.

import type { Here } from "./here.ts";
import { kafkaCharts } from "./kafka-charts.ts";
import { contestantNames, type KafkaRow, type KafkaUsage } from "./kafka-rows.ts";
import { usualLimit } from "./kafka-usage.ts";
import { works } from "./kafka-work.ts";
import { median } from "./report.ts";

export interface KafkaReport extends Here {
  readonly version: string;
  readonly rows: readonly KafkaRow[];
}

const heading = "## Against Apache Kafka";
export const notMeasured = "Works that were not measured: ";
const ours = "Entrepot";
const ceiling = "plain Node process";
/** Where a message is when it is acknowledged. */
const acknowledgedWhere: Readonly<Record<string, string>> = { Kafka: "page cache" };
const otherwiseWhere = "disk";

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

function shown(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

/** The median, and from where to where the runs go. */
function runsText(row: KafkaRow, name: string): string {
  const runs = row.runs[name] ?? [];
  const failed = row.failures[name]?.length ?? 0;
  const note = failed > 0 ? `${failed} failed` : "";
  if (runs.length === 0) return note;
  const spread = runs.length > 1 ? ` (${shown(Math.min(...runs))} to ${shown(Math.max(...runs))})` : "";
  return `${shown(median(runs))}${spread}${note === "" ? "" : `, ${note}`}`;
}

/** Entrepot's median to the other's; NaN where one is missing. */
export function ratioTo(row: KafkaRow, name: string): number {
  const theirs = median(row.runs[name] ?? []);
  const own = median(row.runs[ours] ?? []);
  return theirs > 0 && own > 0 ? own / theirs : Number.NaN;
}

const isRate = ({ unit }: KafkaRow): boolean => unit.endsWith("/s");

/** Each bar of a row in words, and whether it is met. */
export function barsText(row: KafkaRow): string {
  const sign = isRate(row) ? "≥" : "≤";
  const judged = (isMet: boolean): string => (isMet ? "met" : "**not met**");
  const texts = row.bars.map(({ against, ratio }) => {
    const measured = ratioTo(row, against);
    const verdict = Number.isNaN(measured)
      ? "not measured"
      : judged(isRate(row) ? measured >= ratio : measured <= ratio);
    return `${sign} ${ratio} × ${against}: ${verdict}`;
  });
  if (row.most !== undefined) {
    const own = median(row.runs[ours] ?? []);
    texts.push(`≤ ${row.most} ${row.unit}: ${own > 0 ? judged(own <= row.most) : "not measured"}`);
  }
  return texts.join("; ");
}

const memoryId = "memory";

/** The most of all works, by contestant: what they need under all of them. */
export function memoryRow(rows: readonly KafkaRow[]): KafkaRow {
  const runs: Record<string, number[]> = {};
  for (const name of contestantNames) {
    const peaks = rows.flatMap((row) => row.usages[name] ?? []).map(({ rssMbMax }) => rssMbMax);
    if (peaks.length > 0) runs[name] = [Math.max(...peaks)];
  }
  const title = "most resident memory in any of the works";
  return { id: memoryId, title, unit: "MB", bars: [{ against: "Kafka", ratio: 0.5 }], runs, usages: {}, failures: {} };
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

/** Or it is a figure that is bound by the protocol's waits, or by the rate that was asked for. */
function isWarm(row: KafkaRow): boolean {
  return row.warmUps !== undefined || !isRate(row);
}

function figuresTable(rows: readonly KafkaRow[]): string {
  const others = contestantNames.filter((name) => name !== ours);
  const head = ["work", "", "runs", ...contestantNames, ceiling, ...others.map((name) => `Entrepot / ${name}`), "bar"];
  const wheres = [...contestantNames, ceiling].map((name) => acknowledgedWhere[name] ?? otherwiseWhere);
  const durability = ["acknowledged when it is in or on the", "", "", ...wheres, ...others.map(() => ""), ""];
  const body = rows.map((row) => [
    row.title,
    row.unit,
    row.id === memoryId ? "" : `${runsCount([row])}${isWarm(row) ? "" : ", not warm"}`,
    ...contestantNames.map((name) => runsText(row, name)),
    runsText(row, ceiling),
    ...others.map((name) => (Number.isNaN(ratioTo(row, name)) ? "" : `${ratioTo(row, name).toFixed(2)} ×`)),
    barsText(row),
  ]);
  return table(head, [durability, ...body]);
}

/** Of the work's first figure. */
function limitText({ runs }: KafkaRow, name: string, usages: readonly KafkaUsage[]): string {
  const figures = runs[name] ?? [];
  const told = usages.map(({ limit }, at) => ({ told: limit, figure: figures[at] ?? Number.NaN }));
  return usualLimit(told, median(figures)) ?? "";
}

function usageTable(rows: readonly KafkaRow[]): string {
  const middle = (usages: readonly KafkaUsage[], pick: (usage: KafkaUsage) => number | undefined): string => {
    const values = usages.map(pick).filter((value) => value !== undefined);
    return values.length === 0 ? "" : shown(median(values));
  };
  const head = [
    "work",
    "broker",
    "limit",
    "broker CPU µs/msg",
    "client CPU µs/msg",
    "RSS MB",
    "disk bytes / byte published",
    "latency ms p50 / p99",
    "cores of others, median / most",
  ];
  const body = rows.flatMap((row) =>
    Object.entries(row.usages).map(([name, usages]) => [
      row.id,
      name,
      limitText(row, name, usages),
      middle(usages, ({ brokerUsPerMessage }) => brokerUsPerMessage),
      middle(usages, ({ clientUsPerMessage }) => clientUsPerMessage),
      shown(Math.max(...usages.map(({ rssMbMax }) => rssMbMax))),
      middle(usages, ({ writtenPerByte }) => writtenPerByte),
      [0, 1]
        .map((at) => middle(usages, ({ latencyMs }) => latencyMs?.[at]))
        .join(" / ")
        .replace(/^ \/ $/, ""),
      othersText(usages),
    ]),
  );
  return table(head, body);
}

/** What other programs took; empty in results that have not kept it. */
function othersText(usages: readonly KafkaUsage[]): string {
  const cores = usages.map(({ othersCores }) => othersCores).filter((each) => each !== undefined);
  return cores.length === 0 ? "" : `${median(cores).toFixed(2)} / ${Math.max(...cores).toFixed(2)}`;
}

/** Works that could be measured and are not among `rows`; empty: none. */
function notMeasuredText(rows: readonly KafkaRow[]): string {
  const measured = new Set(rows.map(({ id }) => id));
  const ids = works
    .filter(({ id }) => ![id, `${id}-p50`, `${id}-join`].some((each) => measured.has(each)))
    .map(({ id }) => id);
  return ids.length === 0 ? "" : `${notMeasured}${ids.join(", ")} (bench/kafka-work.ts).`;
}

function images(rows: readonly KafkaRow[]): string {
  return [...kafkaCharts(rows).keys()].map((name) => `![${name.replace(".svg", "")}](charts/${name})`).join("\n\n");
}

function failuresText(rows: readonly KafkaRow[]): string {
  const lines = rows.flatMap(({ id, failures }) =>
    Object.entries(failures).flatMap(([name, whys]) =>
      whys.map((why) => `- ${id}, ${name}: ${why.replaceAll(/\s+/g, " ").slice(0, 300)}`),
    ),
  );
  return lines.length === 0 ? "" : `What failed:\n\n${lines.join("\n")}`;
}

const explanation = `Durability: Kafka as it comes answers when the message is in the page cache, and a power cut takes what it has
acknowledged; Kafka with \`log.flush.interval.messages=1\` and Entrepot answer when it is on the disk. The clients are Kafka's Java
client and librdkafka with their defaults (acks=all; idempotent), Kafka's own ProducerPerformance and ConsumerPerformance where
they measure the work, and small programs in bench/kafka-load where they do not. Each topic has one partition unless it says otherwise.

- The plain Node process only moves the bytes from a socket to a synced file, all that wait in one write, and back: about what a
  broker in Node could reach (one can pass it: it does not wait for the requests that come with the first, and reads what it serves from the
  file), and, where it is no faster than the brokers, the client is the limit ([what holds the figures back](performance-limits.md)).
- Before a rate is measured, each broker does the work twice: Java compiles what is hot, and Kafka's rates rose by up to 1.8 × within
  five runs. Rows that say "not warm" are older, and their medians are kind to Entrepot by that.
- End to end: with the defaults of Kafka 4's client a message waits up to 5 ms for others (linger.ms=5), 2.5 ms in the middle, whoever
  the broker is. The row with linger.ms=0 is about the brokers.
- A group: Kafka waits 3 s for more members before the first assignment (group.initial.rebalance.delay.ms) and again as long as
  some come; Entrepot until none has come for 1 s (kafka.groupInitialRebalanceQuietMs), at most as long as Kafka. Who stays in a
  group that one leaves learns of it by the answer to a heartbeat, sent each 3 s: Kafka answers at once, so that most learn of it by
  their next; Entrepot lets the answer wait until there is something to tell (kafka.groupHeartbeatHoldMaxMs).
- Latency, where it is not the figure itself, is that from send() to the acknowledgement at as many messages as there is room for (of the
  tail: to receipt), most of it waiting in the client's own buffer.
- Processor time is all of the broker's and of the client's, for each message; for Kafka's own tools with the client's start in it.
  Memory is the most that was resident. The limit is that of most runs, with the figures of the one among these that is next to the median;
  of the start nothing but the time is measured. What other programs on the machine took is not in older results: its cells are empty. Kafka's heap is 1 GB (-Xms1G -Xmx1G), as in its own start script.`;

/** "3", or "1 to 5" where rows have more and less. */
function runsCount(rows: readonly KafkaRow[]): string {
  const counts = rows.flatMap(({ runs }) => Object.values(runs).map(({ length }) => length));
  if (counts.length === 0) return "0";
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${most}` : `${least} to ${most}`;
}

export function kafkaText(report: KafkaReport): string {
  const rows = [...report.rows, memoryRow(report.rows)];
  const parts = [
    heading,
    `Written by \`npm run bench:kafka\`, which measures it again. ${report.date}, ${report.machine}. Apache Kafka ` +
      `${report.version}, KRaft, one node, on the same machine over loopback, brokers in turn; medians of ${runsCount(report.rows)} runs, and from where to where they go.`,
    figuresTable(rows),
    notMeasuredText(report.rows),
    images(report.rows),
    explanation,
    "### Behind the figures",
    usageTable(report.rows),
    failuresText(report.rows),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
