// Hours of mixed load, and whether anything grows meanwhile.
//
//     npm run build && npm run soak -- --minutes 120 --load 0.5
//
// It starts a broker of its own (dist/main.js, or ENTREPOT_MAIN; data on the disk of --dir), finds the most that its mix of AMQP and Kafka load
// reaches, and goes on at a share of that while queues, topics, connections and members of groups come and go. In the end it
// says for each thing that it watched whether it stayed where it was, writes the charts and the section of docs/performance.md,
// and ends with status 1 if something does not stay flat, if the rate was not held, or if a message is missing. The samples are kept in DIR/soak.json as they come.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { figure } from "./charts/figure.ts";
import { requireDisk } from "./disk.ts";
import { parseLoadOptions, seconds } from "./load-options.ts";
import { here } from "./here.ts";
import { openFast, openSlow, type PacedStream } from "./soak-amqp.ts";
import { startChurn } from "./soak-churn.ts";
import { openKafka } from "./soak-kafka.ts";
import { findMaximum, Pace } from "./soak-pace.ts";
import { figuresOf, isHeld, meanRate, soakText, verdictTable, verdictsOf, withSoak, type Soak } from "./soak-report.ts";
import { Watch, type Sample } from "./soak-watch.ts";
import { writePage } from "./write-page.ts";

const usage = `soak [options]
  --minutes N       how long (120)              --load N     share of the maximum (0.5)
  --rate N          messages a second, instead of looking for the maximum
  --every SECONDS   between samples (5)         --dir DIR    for data and samples (a new one in the system's for temporary files)
  --from FILE       runs nothing: verdict, charts and section of the samples in a soak.json
  --docs DIR        where performance.md and charts/ are (docs)
  --no-write        only print`;

const root = join(import.meta.dirname, "..");

interface Broker {
  readonly process: ChildProcess;
  readonly amqp: string;
  readonly kafka: string;
  readonly http: string;
  readonly data: string;
}

async function startBroker(dir: string): Promise<Broker> {
  const main = process.env["ENTREPOT_MAIN"] ?? join(root, "dist/main.js");
  if (!existsSync(main)) throw new Error(`there is no ${main}: npm run build makes it`);
  const data = join(dir, "data");
  const listen = ["amqp", "kafka", "http"].flatMap((name) => ["--listen", `${name}=127.0.0.1:0`]);
  const child = spawn(process.execPath, [main, "start", "--data", data, ...listen, "--set", "log.level=warn"], {
    stdio: ["ignore", "pipe", "inherit"],
    // Its configuration is what stands here.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ENTREPOT_"))),
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  while (!printed.includes("\n")) {
    if (child.exitCode !== null) throw new Error(`the broker ended with ${child.exitCode}`);
    await seconds(0.05);
  }
  const addresses = JSON.parse(printed.replace(/^ready /, "")) as { amqp: string; kafka: string; http: string };
  return { process: child, data, ...addresses };
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

function fail(why: Error): void {
  say(`the soak is over: ${why.stack ?? why.message}`);
  process.exit(1);
}

/** After the streams have stopped sending: until everything arrived, or for a minute and a half: longer than clients wait for an answer. */
async function missingOf(streams: readonly PacedStream[]): Promise<number> {
  // A group that was handed partitions anew may have read some twice: that must not hide what another stream lacks.
  const missing = (): number => streams.reduce((sum, { sent, received }) => sum + Math.max(0, sent - received), 0);
  for (let waited = 0; waited < 90 && missing() > 0; waited += 0.25) await seconds(0.25);
  for (const { name, sent, acknowledged, received } of streams) {
    say(`${name}: ${sent} sent, ${acknowledged} acknowledged, ${received} received`);
  }
  return missing();
}

function progress(sample: Sample, totalMinutes: number): void {
  const { atMs, rssMb, heapMb, descriptors, diskMb, rate, cpu, waiting } = sample;
  const p99 = sample.p99Ms.map((ms) => (Number.isFinite(ms) ? ms.toFixed(1) : "-")).join(" ");
  say(
    `${(atMs / 60_000).toFixed(1)} of ${totalMinutes} min: ${Math.round(rate)}/s, cpu ${cpu.toFixed(2)}, rss ${Math.round(rssMb)} MB, heap ` +
      `${Math.round(heapMb)} MB, ${descriptors} descriptors, disk ${Math.round(diskMb)} MB, ${waiting} waiting, p99 ${p99} ms`,
  );
}

/** Says what came of it, and writes it; whether all stayed flat, the rate was held, and nothing is missing. */
function judge(soak: Soak, docs: string | undefined): boolean {
  const verdicts = verdictsOf(soak);
  console.log(verdictTable(verdicts));
  console.log(`sent and not received: ${soak.missing ?? "not known, since it was interrupted"}`);
  if (docs !== undefined) {
    const charts = figuresOf(soak).map(([name, chart]): [string, string] => [name, figure(chart)]);
    const path = join(docs, "performance.md");
    writePage(docs, withSoak(existsSync(path) ? readFileSync(path, "utf8") : "", soakText(soak)), charts);
  }
  if (!isHeld(soak)) console.log(`${Math.round(meanRate(soak))} messages a second are less than was asked for`);
  return (
    soak.missing === 0 &&
    isHeld(soak) &&
    verdicts.every(({ isShownOnly, trend }) => isShownOnly || trend.verdict === "flat")
  );
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const options = { minutes: text, load: text, rate: text, every: text, dir: text, docs: text, from: text };
  const { values } = parseArgs({ options: { ...options, "no-write": { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help === true) {
    console.log(usage);
    return 0;
  }
  const docs = values["no-write"] === true ? undefined : (values.docs ?? join(root, "docs"));
  if (values.from !== undefined) return judge(JSON.parse(readFileSync(values.from, "utf8")) as Soak, docs) ? 0 : 1;
  const numberOf = (name: "minutes" | "load" | "rate" | "every", otherwise: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!(value > 0)) throw new Error(`--${name} is ${values[name]}, which is no number above zero`);
    return value;
  };
  const minutes = numberOf("minutes", 120);
  const load = numberOf("load", 0.5);
  const every = numberOf("every", 5);
  const dir = values.dir ?? join(tmpdir(), `entrepot-soak-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  requireDisk(dir);
  rmSync(join(dir, "data"), { recursive: true, force: true });
  const broker = await startBroker(dir);
  broker.process.once("exit", (status) => fail(new Error(`the broker ended with ${status}`)));
  process.once("exit", () => broker.process.kill("SIGKILL"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fail(new Error(signal)));

  const uri = `amqp://guest:guest@${broker.amqp}`;
  const { options: amqp } = parseLoadOptions(["soak", "--uri", uri]);
  const streams = [await openFast(uri, amqp), await openSlow(uri, fail), await openKafka(broker.kafka, fail)];
  const pace = new Pace(streams);
  const maximum = values.rate === undefined ? await findMaximum(pace, say) : numberOf("rate", 0) / load;
  pace.rate = maximum * load;
  say(
    `the maximum is ${Math.round(maximum)}/s; ${minutes} minutes at ${Math.round(maximum * load)}/s begin, data in ${dir}`,
  );
  const churn = startChurn(uri, broker.kafka, fail);
  // What the search for the maximum has left behind is taken first.
  await seconds(Math.min(30, minutes * 6));

  const watch = new Watch(broker.process.pid!, broker.http, broker.data, streams);
  await watch.sample();
  const samples: Sample[] = [];
  const soakOf = (missing?: number): Soak => ({
    ...here(),
    minutes: (samples.at(-1)?.atMs ?? 0) / 60_000,
    load,
    maximum,
    streams: streams.map(({ name }) => name),
    samples,
    churn: churn.counts,
    ...(missing === undefined ? {} : { missing }),
  });
  const untilMs = performance.now() + minutes * 60_000;
  while (performance.now() < untilMs) {
    await seconds(every);
    samples.push(await watch.sample());
    if (samples.length % 12 === 0) {
      progress(samples.at(-1)!, minutes);
      writeFileSync(join(dir, "soak.json"), JSON.stringify(soakOf()));
    }
  }
  await churn.ended();
  pace.stop();
  const missing = await missingOf(streams);
  const soak = soakOf(missing);
  writeFileSync(join(dir, "soak.json"), JSON.stringify(soak));
  const isWell = judge(soak, docs);

  for (const stream of streams) await stream.close();
  broker.process.removeAllListeners("exit");
  broker.process.kill("SIGTERM");
  const [status] = (await once(broker.process, "exit")) as [number | null];
  if (status !== 0) say(`the broker ended with ${status}`);
  if (values.dir === undefined) rmSync(dir, { recursive: true });
  return isWell && status === 0 ? 0 : 1;
}

process.exit(await main());
