// The plan of a benchmark: each run a step, in an order in which the contestants take turns, and what it adds to the raw runs.

import { join } from "node:path";
import { type BrokerKind, plainProcess } from "./brokers.ts";
import { sequentialRate } from "./disk.ts";
import { type Curve, curves, isMeasured, openFilesMax } from "./growth.ts";
import type { House } from "./house.ts";
import type { LoadResult } from "./load-options.ts";
import { kafkaContestants, kafkaCurves, kafkaFirstWarmupSeconds, kafkaWarmupSecondsLeast } from "./kafka-growth.ts";
import { perfTestSeconds, resolvePerfTest, runPerfTest } from "./perf-test.ts";
import type { Step } from "./progress.ts";
import type { Part, RawRun, RawRuns } from "./raw-runs.ts";
import { type Row, rows } from "./rows.ts";
import { numberOf } from "./run-load.ts";
import { measureBacklog, measureDelayed, measureStart } from "./special.ts";

export interface Plan {
  readonly parts: ReadonlySet<Part>;
  /** Ids; undefined: all. */
  readonly rows: readonly string[] | undefined;
  readonly curves: readonly string[] | undefined;
  readonly isFull: boolean;
  readonly pairs: number;
  readonly growthPairs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Messages of the backlog row, by the contestant's name. */
  readonly backlog: Readonly<Record<string, number>>;
  readonly delayed: number;
  /** Entrepot, built: Kafka's contestants are started with other listeners than `kinds`. */
  readonly main: string;
  /** A directory on the disk that is measured. */
  readonly dir: string;
  readonly kinds: readonly BrokerKind[];
  /** Nobody else is measured. */
  readonly only: string | undefined;
}

/** What a run takes beside the time that is measured: a process, connections, queues, waiting for the rest. */
const overheadSeconds = 1.6;
const startSeconds = { RabbitMQ: 7, other: 1 };

/** Who is measured on a row, and how often: RabbitMQ, Entrepot, RabbitMQ's other kind of queues, and the limit. */
interface Contestant {
  readonly name: string;
  readonly kind: Pick<BrokerKind, "start">;
  readonly scenario: string;
  readonly args: readonly string[];
  readonly runs: number;
}

const plain = [plainProcess(false), plainProcess(true)];

function contestantsOf(row: Row, plan: Plan): Contestant[] {
  const own = { scenario: row.scenario, args: row.args };
  const found = plan.kinds.map((kind): Contestant => ({ name: kind.name, kind, ...own, runs: plan.pairs }));
  const rabbit = plan.kinds.find(({ name }) => name === "RabbitMQ");
  if (rabbit && row.hasQuorum === true) {
    const args = [...row.args, "--queue-type", "quorum"];
    found.push({ ...own, name: "RabbitMQ quorum", kind: rabbit, args, runs: plan.pairs });
  }
  const bytes = {
    name: "plain Node",
    scenario: "plain-bytes",
    args: row.plainArgs,
    runs: Math.min(plan.pairs, plan.isFull ? 2 : 1),
  };
  return [...found, ...plain.map((kind): Contestant => ({ ...bytes, kind }))];
}

/** Steps, and what they need beside the plan. */
class Steps {
  readonly steps: Step[] = [];
  readonly plan: Plan;
  readonly house: House;
  readonly raw: RawRuns;

  constructor(plan: Plan, house: House, raw: RawRuns) {
    this.plan = plan;
    this.house = house;
    this.raw = raw;
  }

  /** A step whose result, or failure, is added to the raw runs. */
  add(
    run: Omit<RawRun, "result" | "failure">,
    estimateSeconds: number,
    measure: () => Promise<LoadResult>,
    shown: (result: LoadResult) => string,
  ): void {
    const { id, x, name } = run;
    const title = `${id}${x === undefined ? "" : ` at ${x.toLocaleString("en-US")}`}, ${name}`;
    const take = async (): Promise<string> => {
      try {
        const result = await measure();
        this.raw.add({ ...run, result });
        return shown(result);
      } catch (error) {
        this.raw.add({ ...run, failure: (error as Error).message });
        throw error;
      }
    };
    this.steps.push({ title, estimateSeconds, run: take });
  }

  /** A step that measures nothing. */
  pause(title: string, run: () => Promise<unknown>, estimateSeconds = 2): void {
    this.steps.push({ title, estimateSeconds, run: () => run().then(() => "done") });
  }
}

const shownRate = (result: LoadResult): string =>
  `${numberOf(result, "rate").toLocaleString("en-US")}/s, limit: ${String(result["limit"])}`;

function timing({ seconds, warmupSeconds }: Pick<Plan, "seconds" | "warmupSeconds">): string[] {
  return ["--seconds", String(seconds), "--warmup", String(warmupSeconds)];
}

function addRows(all: Steps): void {
  const { plan, house } = all;
  const expected = plan.seconds + plan.warmupSeconds + overheadSeconds;
  for (const row of rows) {
    if (plan.rows?.includes(row.id) === false) continue;
    const contestants = contestantsOf(row, plan);
    for (let turn = 0; turn < plan.pairs; turn++) {
      for (const { name, kind, scenario, args, runs } of contestants) {
        if (turn >= runs) continue;
        const measure = (): Promise<LoadResult> => house.measure(kind, scenario, [...timing(plan), ...args], expected);
        all.add({ part: "rows", id: row.id, name }, expected, measure, shownRate);
      }
    }
  }
  all.pause("brokers end", () => house.close());
}

/** A point that takes so long to set up is measured twice at most. */
const longSetupSeconds = 30;

function turnsAt({ setupSeconds }: Pick<Curve, "setupSeconds">, x: number, { growthPairs }: Plan): number {
  return setupSeconds(x) > longSetupSeconds ? Math.min(2, growthPairs) : growthPairs;
}

/** Whose turn it is at a point. */
type ContestantsAt = (x: number, turn: number) => Omit<Contestant, "runs">[];

function addCurve(
  all: Steps,
  part: Part,
  curve: Curve,
  contestantsAt: ContestantsAt,
  warmupSeconds: number = all.plan.warmupSeconds,
): void {
  const { plan, house } = all;
  const filesMax = openFilesMax();
  const published = new Map<string, number>();
  const time = timing({ ...plan, warmupSeconds });
  for (const x of plan.isFull ? curve.full : curve.quick) {
    for (let turn = 0; turn < turnsAt(curve, x, plan); turn++) {
      for (const { name, kind, scenario, args } of contestantsAt(x, turn)) {
        if (!isMeasured(curve, x, name, filesMax)) continue;
        const setup = curve.setupSeconds(x) * (name.startsWith("RabbitMQ") ? 4 : 1);
        const expected = plan.seconds + warmupSeconds + overheadSeconds + setup;
        const measure = async (): Promise<LoadResult> => {
          const first = ["--first", String(published.get(name) ?? 0)];
          // Taken back where the run fails: the broker that knew them is then gone.
          published.delete(name);
          const result = await house.measure(kind, scenario, [...time, ...first, ...args], expected);
          published.set(name, numberOf(result, "publishedEver"));
          return result;
        };
        all.add({ part, id: curve.id, x, name }, expected, measure, shownRate);
      }
    }
  }
  // Each curve begins with fresh brokers: their memory is that of its own work.
  all.pause("brokers end", () => house.close());
}

function amqpContestantsAt(plan: Plan, curve: Curve): ContestantsAt {
  const rabbit = plan.kinds.find(({ name }) => name === "RabbitMQ");
  return (x, turn) => {
    const { scenario } = curve;
    const args = curve.args(x);
    const found = plan.kinds.map((kind): Omit<Contestant, "runs"> => ({ name: kind.name, kind, scenario, args }));
    if (rabbit && curve.hasQuorum === true)
      found.push({ name: "RabbitMQ quorum", kind: rabbit, scenario, args: [...args, "--queue-type", "quorum"] });
    if (curve.plainArgs && turn === 0) {
      const plainArgs = curve.plainArgs(x);
      found.push(...plain.map((kind) => ({ name: "plain Node", kind, scenario: "plain-bytes", args: plainArgs })));
    }
    return found;
  };
}

/** The best of so many runs of the plain process stands for it. */
const kafkaPlainRuns = 2;

function addKafkaCurves(all: Steps): void {
  const { plan, house } = all;
  const warmupSeconds = Math.max(kafkaWarmupSecondsLeast, plan.warmupSeconds);
  const contestants = kafkaContestants(plan.dir, plan.main).filter(
    ({ name }) => plan.only === undefined || name === plan.only,
  );
  for (const curve of kafkaCurves) {
    if (plan.curves?.includes(curve.id) === false) continue;
    const contestantsAt: ContestantsAt = (x, turn) =>
      contestants
        .filter(({ isPlain }) => !isPlain || turn < kafkaPlainRuns)
        .map((kind) => ({ name: kind.name, kind, scenario: curve.scenario, args: curve.args(x) }));
    for (const kind of contestants) {
      if (kind.isPlain) continue;
      const args = [...timing({ seconds: 1, warmupSeconds: kafkaFirstWarmupSeconds }), ...curve.args(curve.full[0]!)];
      const expected = kafkaFirstWarmupSeconds + overheadSeconds + 1;
      all.pause(`${kind.name} warms up`, () => house.measure(kind, curve.scenario, args, expected), expected);
    }
    addCurve(all, "kafka-growth", curve, contestantsAt, warmupSeconds);
  }
}

function addLatency(all: Steps): void {
  const { plan, house } = all;
  const messages = plan.isFull ? 5000 : 1000;
  for (let turn = 0; turn < plan.pairs; turn++) {
    for (const kind of plan.kinds) {
      const measure = (): Promise<LoadResult> =>
        house.measure(kind, "confirm-latency", ["--messages", String(messages)], messages / 400);
      const shown = (result: LoadResult): string => `p50 ${numberOf(result, "confirmUs", "p50")} µs`;
      all.add({ part: "latency", id: "latency", name: kind.name }, messages / 400, measure, shown);
    }
  }
  all.pause("brokers end", () => house.close());
}

/** As many messages as everybody is given, and its own number, if that is another. */
function backlogsOf(name: string, { backlog }: Plan): number[] {
  const own = backlog[name] ?? 0;
  const common = Math.min(...Object.values(backlog));
  return [...new Set([common, own])].filter((each) => each > 0);
}

function addSpecials(all: Steps): void {
  const { plan } = all;
  const has = (part: Part): boolean => plan.parts.has(part);
  const inWords = (result: LoadResult): string => JSON.stringify(result);
  // A run of these takes a minute or more.
  const longTurns = plan.isFull ? plan.pairs : 1;
  for (let turn = 0; has("start") && turn < plan.pairs; turn++) {
    for (const kind of plan.kinds) {
      const expected = 3 + (kind.name === "RabbitMQ" ? startSeconds.RabbitMQ : startSeconds.other);
      all.add({ part: "start", id: "start", name: kind.name }, expected, () => measureStart(kind, plan.dir), inWords);
    }
  }
  for (let turn = 0; turn < longTurns; turn++) {
    for (const kind of plan.kinds) {
      const { name } = kind;
      const perSecond = name === "RabbitMQ" ? 12_000 : 200_000;
      for (const x of has("backlog") ? backlogsOf(name, plan) : []) {
        const measure = (): Promise<LoadResult> => measureBacklog(kind, plan.dir, x);
        all.add({ part: "backlog", id: "backlog", x, name }, x / perSecond + 20, measure, inWords);
      }
      // RabbitMQ delays only with a plug-in that Debian does not have.
      if (has("delayed") && name === "Entrepot") {
        const measure = (): Promise<LoadResult> => measureDelayed(kind, plan.dir, plan.delayed);
        all.add({ part: "delayed", id: "delayed", name }, 60, measure, inWords);
      }
    }
  }
}

function addPerfTest(all: Steps): void {
  const { plan } = all;
  let classPath = "";
  for (let turn = 0; turn < plan.pairs; turn++) {
    for (const kind of plan.kinds) {
      const { name } = kind;
      const measure = async (): Promise<LoadResult> => {
        if (classPath === "") classPath = resolvePerfTest(plan.dir);
        const broker = await kind.start(join(plan.dir, `perf-test-${name}-${turn}`));
        try {
          return runPerfTest(classPath, broker.uri, perfTestSeconds);
        } finally {
          await broker.stop();
        }
      };
      const shown = (result: LoadResult): string => `${numberOf(result, "receivedRate").toLocaleString("en-US")}/s`;
      all.add({ part: "perf-test", id: "perf-test", name }, perfTestSeconds + 12, measure, shown);
    }
  }
}

/** The steps of `plan`, which add what they measure to `raw`. */
export function stepsOf(plan: Plan, house: House, raw: RawRuns): Step[] {
  const all = new Steps(plan, house, raw);
  const { parts } = plan;
  if (parts.has("disk")) {
    for (const bytes of [64 << 10, 1 << 20]) {
      const measure = (): Promise<LoadResult> => {
        const { blockBytes, megabytesPerSecond, writeUs } = sequentialRate(plan.dir, bytes, 2);
        return Promise.resolve({ blockBytes, megabytesPerSecond, writeUs });
      };
      const shown = (result: LoadResult): string => `${numberOf(result, "megabytesPerSecond")} MB/s`;
      all.add({ part: "disk", id: "disk", x: bytes, name: "the disk" }, 4, measure, shown);
    }
  }
  if (parts.has("rows")) addRows(all);
  if (parts.has("growth")) {
    for (const curve of curves) {
      if (plan.curves?.includes(curve.id) === false) continue;
      addCurve(all, "growth", curve, amqpContestantsAt(plan, curve));
    }
  }
  if (parts.has("kafka-growth")) addKafkaCurves(all);
  if (parts.has("latency")) addLatency(all);
  addSpecials(all);
  if (parts.has("perf-test")) addPerfTest(all);
  return all.steps;
}
