// What watching costs: throughput while the management API and the metrics are read, compared with nobody reading.
//
//     node bench/management.ts [--queues 10000] [--connections 2000] [--rounds 5] [--seconds 4] [--dir DIR]
//
// One Entrepot with so many queues and idle connections. The same load (durable-100b) runs in turn A B C D A B C D with nobody
// watching (A), with /metrics scraped each five seconds (B), with queues and connections listed page by page, as a dashboard that
// is open does (C: a page of 100 of each, the overview and the nodes every five seconds), and with all pages of both lists one
// after the other each five seconds (D). The ratio of each round to its own A is what counts: a shared machine's mood is the
// larger error. Beside it stands what does not depend on the mood: the broker's processor time for one round of each watcher while
// nothing else happens, in percent of a core when it comes each five seconds.

import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect, type ChannelModel } from "amqplib";
import { round, seconds } from "./load-options.ts";
import { numberOf, runLoad } from "./run-load.ts";
import type { RunningBroker } from "./brokers.ts";

const { values } = parseArgs({
  options: {
    queues: { type: "string", default: "10000" },
    connections: { type: "string", default: "2000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    dir: { type: "string", default: "." },
    program: { type: "string", default: join(import.meta.dirname, "..", "dist", "main.js") },
  },
});
const queueCount = Number(values.queues);
const connectionCount = Number(values.connections);
const intervalMs = 5000;
const pageSize = 100;

interface Watched extends RunningBroker {
  readonly http: string;
}

async function startBroker(dir: string): Promise<Watched> {
  const args = ["start", "--data", dir, "--listen", "amqp=127.0.0.1:0", "--listen", "http=127.0.0.1:0"];
  args.push("--set", "log.level=warn");
  const child = spawn(process.execPath, [values.program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`Entrepot ended with ${code}`)));
    child.stdout.on("data", (chunk: Buffer) => {
      const ready = /ready (\{.*\})/.exec(chunk.toString());
      if (ready !== null) resolve(ready[1]!);
    });
  });
  const addresses = JSON.parse(line) as { readonly amqp: string; readonly http: string };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.removeAllListeners("exit");
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  };
  return {
    uri: `amqp://guest:guest@${addresses.amqp}`,
    http: `http://${addresses.http}`,
    pid: child.pid!,
    readyMs: 0,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    isAlive: () => child.exitCode === null,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

async function populate(broker: Watched): Promise<ChannelModel[]> {
  const connections: ChannelModel[] = [];
  while (connections.length < connectionCount) {
    const few = Array.from({ length: Math.min(50, connectionCount - connections.length) }, async () => {
      const connection = await connect(`${broker.uri}?heartbeat=0`);
      connection.on("error", () => undefined);
      await connection.createChannel();
      return connection;
    });
    connections.push(...(await Promise.all(few)));
  }
  const first = connections[0] ?? (await connect(broker.uri));
  const channel = await first.createChannel();
  for (let index = 0; index < queueCount; index++) {
    await channel.assertQueue(`watched-${String(index).padStart(5, "0")}`, { durable: true });
    if (index % 10 === 0) channel.sendToQueue(`watched-${String(index).padStart(5, "0")}`, Buffer.alloc(10));
  }
  return connections;
}

let requests = 0;
let bytes = 0;
let slowestMs = 0;

async function read(broker: Watched, path: string): Promise<unknown> {
  const startMs = performance.now();
  const response = await fetch(broker.http + path, { headers: { authorization: `Basic ${btoa("guest:guest")}` } });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
  requests++;
  bytes += text.length;
  slowestMs = Math.max(slowestMs, performance.now() - startMs);
  return path.startsWith("/api") ? JSON.parse(text) : undefined;
}

async function page(broker: Watched, list: string, number: number): Promise<number> {
  const found = (await read(broker, `/api/${list}?page=${number}&page_size=${pageSize}&name=&use_regex=false`)) as {
    readonly page_count: number;
  };
  return found.page_count;
}

const watchers: Readonly<Record<string, (broker: Watched) => Promise<void>>> = {
  scraper: async (broker) => void (await read(broker, "/metrics")),
  "scraper-per-object": async (broker) => void (await read(broker, "/metrics/per-object")),
  dashboard: async (broker) => {
    await read(broker, "/api/overview?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5");
    await read(broker, "/api/nodes");
    await page(broker, "queues", 3);
    await page(broker, "connections", 3);
  },
  "all-pages": async (broker) => {
    for (const list of ["queues", "connections"]) {
      let pages = 1;
      for (let number = 1; number <= pages; number++) pages = await page(broker, list, number);
    }
  },
};

async function watched(broker: Watched, watch: ((broker: Watched) => Promise<void>) | undefined): Promise<number> {
  const state = { isOver: false };
  const watching = watch === undefined ? undefined : keepWatching(broker, watch, state);
  const result = await runLoad(broker, "durable-100b", ["--seconds", values.seconds, "--warmup", "1"]);
  state.isOver = true;
  await watching;
  return numberOf(result, "rate");
}

async function keepWatching(
  broker: Watched,
  watch: (broker: Watched) => Promise<void>,
  state: { readonly isOver: boolean },
): Promise<void> {
  while (!state.isOver) {
    const startMs = performance.now();
    await watch(broker);
    while (!state.isOver && performance.now() - startMs < intervalMs) await seconds(0.05);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const dir = join(values.dir, `management-${process.pid}`);
const broker = await startBroker(dir);
const connections = await populate(broker);
/** Processor ms of the process until now. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const costRounds = 10;
await seconds(12);
const idleFromMs = cpuMs(broker.pid);
await seconds(10);
const idleMs = cpuMs(broker.pid) - idleFromMs;
console.log(JSON.stringify({ name: "sampler", percentOfCore: round(idleMs / 100, 2) }));
for (const [name, watch] of Object.entries(watchers)) {
  await watch(broker);
  requests = bytes = slowestMs = 0;
  const fromMs = cpuMs(broker.pid);
  for (let index = 0; index < costRounds; index++) await watch(broker);
  const perRoundMs = (cpuMs(broker.pid) - fromMs) / costRounds;
  const line = { name, cpuMs: perRoundMs, percentOfCore: round((perRoundMs * 100) / intervalMs, 2) };
  console.log(JSON.stringify({ ...line, bytes: bytes / costRounds, slowestMs: round(slowestMs) }));
}

const ratios = new Map<string, number[]>(Object.keys(watchers).map((name) => [name, []]));
for (let index = 0; index < Number(values.rounds); index++) {
  for (const [name, watch] of Object.entries(watchers)) {
    const alone = await watched(broker, undefined);
    requests = bytes = slowestMs = 0;
    const rate = await watched(broker, watch);
    ratios.get(name)!.push(rate / alone);
    const line = { name, alone: round(alone), watched: round(rate), ratio: round(rate / alone, 3), requests, bytes };
    console.log(JSON.stringify({ ...line, slowestMs: round(slowestMs) }));
  }
}
for (const [name, all] of ratios) {
  console.log(
    JSON.stringify({ name, queues: queueCount, connections: connectionCount, medianRatio: round(median(all), 3) }),
  );
}
await Promise.all(connections.map((connection) => connection.close().catch(() => undefined)));
await broker.stop();
rmSync(dir, { recursive: true, force: true });
