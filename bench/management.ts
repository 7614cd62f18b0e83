// What watching costs: throughput, and the broker's processor time a message, while metrics and the management API are read,
// compared with nobody reading. Writes its section of docs/performance.md.
//
//     node bench/management.ts [--rows metrics,per-object,dashboard,all-pages] [--pairs 30] [--minutes 20] [--others 0.2]
//                              [--queues 10000] [--connections 2000] [--main dist/main.js] [--dir DIR] [--no-write]
//
// One broker, one load that never stops, and phases in which somebody watches or nobody does, side by side in pairs and in random
// order. Two runs, each with a load of its own, differ by up to a third on a shared machine; two phases of one stream by less, and
// what is left is told as an interval. Since a round of reading each five seconds costs less than any such noise, rounds come more
// often while they are measured, and what they cost is divided by that. 30 pairs of a row take under three minutes,
// if no pair is spoilt by other programs (which take more than --others cores). --dir as in bench/run.ts.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, loadavg, setPriority, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import { connect, type ChannelModel } from "amqplib";
import { machineCpuSeconds, usageOf } from "./broker-usage.ts";
import { killAll, startEntrepot, type StartedEntrepot } from "./brokers.ts";
import { round, seconds } from "./load-options.ts";
import { here } from "./here.ts";
import { type Pair, type Phase, type WatchedRow, type WatchingReport } from "./report-watching.ts";
import { watchingText, withWatching } from "./report-watching.ts";
import type { LoadCounters, LoadFaults } from "./steady-load.ts";
import { Reader, roundIntervalMs, type Watcher, watchers } from "./watchers.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    rows: { ...text, default: watchers.map(({ id }) => id).join(",") },
    pairs: { ...text, default: "30" },
    minutes: { ...text, default: "20" },
    others: { ...text, default: "0.2" },
    queues: { ...text, default: "10000" },
    connections: { ...text, default: "2000" },
    main: { ...text, default: join(import.meta.dirname, "..", "dist", "main.js") },
    dir: text,
    "no-write": { type: "boolean", default: false },
  },
});
const queueCount = Number(values.queues);
const connectionCount = Number(values.connections);
const phaseSeconds = 2.5;
const othersCpuMax = Number(values.others);
/** With fewer pairs of a row, its interval would say nothing. */
const pairsMin = Math.min(8, Number(values.pairs));
/** Between two phases, so that what one left behind is not the other's. */
const settleSeconds = 0.2;
const home = mkdtempSync(join(values.dir ?? tmpdir(), "entrepot-watching-"));

function say(line: object): void {
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

async function populate(broker: StartedEntrepot): Promise<ChannelModel[]> {
  const connections: ChannelModel[] = [];
  while (connections.length < connectionCount) {
    const few = Array.from({ length: Math.min(50, connectionCount - connections.length) }, async () => {
      const connection = await connect(`${broker.uri}?heartbeat=0`);
      await connection.createChannel();
      return connection;
    });
    connections.push(...(await Promise.all(few)));
  }
  const last = await connect(broker.uri);
  const channel = await last.createConfirmChannel();
  for (let index = 0; index < queueCount; index++) {
    const name = `watched-${String(index).padStart(5, "0")}`;
    await channel.assertQueue(name, { durable: true });
    if (index % 10 === 0) channel.sendToQueue(name, Buffer.alloc(10));
  }
  await channel.waitForConfirms();
  await last.close();
  return connections;
}

class Load {
  readonly pid: number;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(uri: string) {
    const program = join(import.meta.dirname, "steady-load.ts");
    this.#child = spawn(process.execPath, [program, "--uri", uri], { stdio: ["pipe", "pipe", "inherit"] });
    this.pid = this.#child.pid!;
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async counters(): Promise<LoadCounters> {
    this.#child.stdin.write("\n");
    return JSON.parse(await this.#line()) as LoadCounters;
  }

  async stop(): Promise<LoadFaults> {
    this.#child.stdin.end();
    return JSON.parse(await this.#line()) as LoadFaults;
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the load ended");
    return line.value;
  }
}

interface Mark {
  readonly load: LoadCounters;
  readonly brokerCpuSeconds: number;
  readonly readerCpuSeconds: number;
  readonly machineCpuSeconds: number;
}

async function mark(broker: StartedEntrepot, load: Load): Promise<Mark> {
  const counters = await load.counters();
  const { user, system } = process.cpuUsage();
  return {
    load: counters,
    brokerCpuSeconds: usageOf(broker.pid).cpuSeconds,
    readerCpuSeconds: (user + system) / 1e6,
    machineCpuSeconds: machineCpuSeconds(),
  };
}

function phaseOf(from: Mark, to: Mark): Phase {
  const passed = (to.load.atMs - from.load.atMs) / 1000;
  const messages = Math.min(to.load.confirmed - from.load.confirmed, to.load.received - from.load.received);
  const broker = to.brokerCpuSeconds - from.brokerCpuSeconds;
  const load = (to.load.cpuMs - from.load.cpuMs) / 1000;
  const reader = to.readerCpuSeconds - from.readerCpuSeconds;
  const all = to.machineCpuSeconds - from.machineCpuSeconds;
  return {
    seconds: passed,
    rate: messages / passed,
    brokerCpuUsPerMessage: (broker * 1e6) / messages,
    brokerCpu: broker / passed,
    loadCpu: load / passed,
    readerCpu: reader / passed,
    othersCpu: Math.max(0, all - broker - load - reader) / passed,
  };
}

interface Reading {
  readonly watcher: Watcher;
  readonly reader: Reader;
  readonly requests: AsyncGenerator<boolean, never>;
}

/** Reads for the time of a phase, and answers how many rounds that was. What was begun is read to its end. */
async function readOn({ watcher, requests }: Reading): Promise<number> {
  const startMs = performance.now();
  const everyMs = roundIntervalMs / watcher.speed / watcher.requests;
  let done = 0;
  for (let dueMs = 0; dueMs < phaseSeconds * 1000; dueMs = Math.max(dueMs + everyMs, performance.now() - startMs)) {
    const waitMs = dueMs - (performance.now() - startMs);
    if (waitMs >= 1) await seconds(waitMs / 1000);
    await requests.next();
    done++;
  }
  return done / watcher.requests;
}

interface Passed {
  readonly phase: Phase;
  readonly rounds: number;
}

async function pass(broker: StartedEntrepot, load: Load, reading: Reading | undefined): Promise<Passed> {
  await seconds(settleSeconds);
  const from = await mark(broker, load);
  const [, rounds] = await Promise.all([seconds(phaseSeconds), reading === undefined ? 0 : readOn(reading)]);
  return { phase: phaseOf(from, await mark(broker, load)), rounds };
}

async function measurePair(broker: StartedEntrepot, load: Load, reading: Reading): Promise<Pair> {
  const isWatchedFirst = Math.random() < 0.5;
  const first = await pass(broker, load, isWatchedFirst ? reading : undefined);
  const second = await pass(broker, load, isWatchedFirst ? undefined : reading);
  const [watching, { phase: alone }] = isWatchedFirst ? [first, second] : [second, first];
  return { rounds: watching.rounds, watched: watching.phase, alone };
}

interface RowPairs {
  readonly reading: Reading;
  readonly pairs: Pair[];
  dropped: number;
  slowestMs: number;
}

/**
 * A pair of each row in turn, until all have theirs or the time is over. Pairs in which other programs took too much of the
 * machine are of no use: they are counted, and taken again.
 */
async function measureRows(broker: StartedEntrepot, load: Load, readings: readonly Reading[]): Promise<RowPairs[]> {
  const rows = readings.map((reading): RowPairs => ({ reading, pairs: [], dropped: 0, slowestMs: 0 }));
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  const wanted = Number(values.pairs);
  for (;;) {
    const open = rows.filter(({ pairs }) => pairs.length < wanted);
    if (open.length === 0) return rows;
    for (const row of open) {
      if (performance.now() > endMs) return rows;
      const { reader, watcher } = row.reading;
      reader.slowestMs = 0;
      const pair = await measurePair(broker, load, row.reading);
      const { watched, alone, rounds } = pair;
      const others = round(Math.max(watched.othersCpu, alone.othersCpu), 2);
      if (others > othersCpuMax) row.dropped++;
      else {
        row.pairs.push(pair);
        row.slowestMs = Math.max(row.slowestMs, reader.slowestMs);
      }
      const cpu = round(watched.brokerCpuUsPerMessage / alone.brokerCpuUsPerMessage, 3);
      const line = { row: watcher.id, watched: round(watched.rate), alone: round(alone.rate) };
      say({ ...line, ratio: round(watched.rate / alone.rate, 3), cpu, rounds: round(rounds, 2), others });
    }
  }
}

const idleRounds = 10;

/** Processor ms and bytes of one round while nothing else happens. */
async function measureIdle({ pid }: StartedEntrepot, { reader, requests }: Reading): Promise<[number, number]> {
  const readRounds = async (count: number): Promise<void> => {
    for (let done = 0; done < count;) if ((await requests.next()).value) done++;
  };
  await readRounds(3);
  reader.bytes = 0;
  const from = usageOf(pid).cpuSeconds;
  await readRounds(idleRounds);
  return [((usageOf(pid).cpuSeconds - from) * 1000) / idleRounds, reader.bytes / idleRounds];
}

async function main(): Promise<void> {
  const loadAverage = loadavg()[0]!;
  const asked = values.rows.split(",");
  const chosen = watchers.filter(({ id }) => asked.includes(id));
  if (chosen.length !== asked.length) throw new Error(`--rows: ${watchers.map(({ id }) => id).join(",")}`);
  const listen = ["--listen", "http=127.0.0.1:0", "--set", "log.level=warn"];
  const broker = await startEntrepot(resolve(values.main), join(home, "data"), listen);
  const connections = await populate(broker);
  const reader = new Reader(`http://${broker.addresses["http"]}`);
  const readings = chosen.map((watcher): Reading => ({ watcher, reader, requests: watcher.read(reader) }));
  const idle = new Map<Watcher, [number, number]>();
  await seconds(10);
  const sampledFrom = usageOf(broker.pid).cpuSeconds;
  await seconds(10);
  const samplingPercent = (usageOf(broker.pid).cpuSeconds - sampledFrom) * 10;
  for (const reading of readings) {
    const [cpuMs, bytes] = await measureIdle(broker, reading);
    idle.set(reading.watcher, [cpuMs, bytes]);
    say({ row: reading.watcher.id, idleRoundMs: round(cpuMs), bytes });
  }
  const load = new Load(broker.uri);
  // From here on: broker and load go before this process, which reads.
  setPriority(constants.priority.PRIORITY_LOW);
  await seconds(8);
  const measured = await measureRows(broker, load, readings);
  const rows = measured.map(({ reading: { watcher }, pairs, dropped, slowestMs }): WatchedRow => {
    const [idleRoundMs, roundBytes] = idle.get(watcher)!;
    return { watcher, idleRoundMs, roundBytes, slowestMs, pairs, dropped };
  });
  const faults = await load.stop();
  if (Object.values(faults).some((count) => count !== 0)) throw new Error(`the load: ${JSON.stringify(faults)}`);
  reader.close();
  await Promise.all(connections.map((connection) => connection.close()));
  await broker.stop();
  for (const { watcher, pairs, dropped } of rows) {
    if (pairs.length >= pairsMin) continue;
    throw new Error(`${watcher.id}: ${pairs.length} pairs, ${dropped} spoilt by other programs; nothing is written`);
  }
  const counts = { queues: queueCount, connections: connectionCount, intervalMs: roundIntervalMs, phaseSeconds };
  const report: WatchingReport = { ...here(), ...counts, othersCpuMax, samplingPercent, loadAverage, rows };
  const section = watchingText(report);
  console.log(section);
  if (values["no-write"]) return;
  const path = join(import.meta.dirname, "..", "docs", "performance.md");
  writeFileSync(path, withWatching(readFileSync(path, "utf8"), section));
}

function cleanUp(): void {
  killAll();
  rmSync(home, { recursive: true, force: true });
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(code);
  });
}
try {
  await main();
} finally {
  cleanUp();
}
