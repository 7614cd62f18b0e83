// Runs one load against a broker, one of Kafka's own tools or one of bench/kafka-load, and watches both while it lasts.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { usageOf } from "./broker-usage.ts";
import type { RunningBroker } from "./brokers.ts";
import { type Moment, momentOf, type Shares, sharesBetween, workingShares } from "./kafka-usage.ts";

const sources = join(import.meta.dirname, "kafka-load");

/** The longest that one load may take: one that waits for ever must not stop the benchmark. */
const loadMsMax = 1_800_000;

/** A tool that gives no sign when it has warmed up is watched from so long after its start on: what a JVM needs to start. */
const startMs = 1500;
const lookMs = 250;

export interface KafkaTools {
  readonly classPath: string;
  /** What is compiled goes here. */
  readonly home: string;
}

/** Kafka's libraries, and our own Java loads compiled against them. Errors: no JDK. */
export function compileLoads(libraries: string, home: string): KafkaTools {
  const classes = join(home, "classes");
  mkdirSync(classes, { recursive: true });
  const files = readdirSync(sources).filter((name) => name.endsWith(".java"));
  execFileSync("javac", ["-d", classes, "-cp", libraries, ...files.map((name) => join(sources, name))], {
    stdio: "pipe",
  });
  return { classPath: `${classes}${delimiter}${libraries}`, home };
}

/** Errors, with what to install: no compiler, or no librdkafka to compile against. */
export function compileRdkafka(home: string): string {
  const program = join(home, "rdkafka-load");
  try {
    execFileSync("cc", ["-O2", "-o", program, join(sources, "rdkafka-load.c"), "-lrdkafka"], { stdio: "pipe" });
  } catch (cause) {
    throw new Error("needs a C compiler and librdkafka: apt-get install gcc librdkafka-dev", { cause });
  }
  return program;
}

export interface Watched {
  /** Of standard output, without `begin` and `end`. */
  readonly lines: readonly string[];
  /** While it was measured; else while it worked. Undefined: it was over too soon. */
  readonly shares: Shares | undefined;
  /** Processor time from its start to its end, warming up included. */
  readonly brokerCpuSeconds: number;
  readonly clientCpuSeconds: number;
  /** The load said when it was measured. */
  readonly isMarked: boolean;
}

export interface Target {
  readonly broker: RunningBroker;
  readonly dir: string;
}

/** Of children that have ended and were waited for. */
function childrenCpuSeconds(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Errors: the load failed, with the end of what it said, or took too long. */
export async function runWatched({ broker, dir }: Target, command: string, args: readonly string[]): Promise<Watched> {
  const brokerBefore = usageOf(broker.pid).cpuSeconds;
  const childrenBefore = childrenCpuSeconds();
  const child = spawn(command, args, { stdio: "pipe", timeout: loadMsMax, killSignal: "SIGKILL" });
  const pid = child.pid ?? 0;
  const now = (): Moment => momentOf(broker.pid, pid, dir);
  const marked: Moment[] = [];
  const looks: Moment[] = [];
  let timer: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    timer = setInterval(() => {
      if (marked.length === 0) looks.push(now());
    }, lookMs);
  }, startMs);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (marked.length === 0 && /^begin$/m.test(output)) marked.push(now());
    if (child.stdin.writable && /^end$/m.test(output)) {
      if (marked.length === 1) marked.push(now());
      // It waits for that: of threads that have ended nobody knows what they did.
      child.stdin.end();
    }
  });
  child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)));
  const code = await new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (status, signal) => resolve(status ?? `signal ${signal}`));
  });
  clearTimeout(first);
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output.slice(-300)}${errors.slice(0, 600)}`);
  return {
    lines: output.split("\n").filter((line) => line !== "" && line !== "begin" && line !== "end"),
    shares: marked.length === 2 ? sharesBetween(marked[0]!, marked[1]!) : workingShares(looks),
    brokerCpuSeconds: usageOf(broker.pid).cpuSeconds - brokerBefore,
    clientCpuSeconds: childrenCpuSeconds() - childrenBefore,
    isMarked: marked.length === 2,
  };
}

/** Of the JVM of Kafka's tools, as in their start scripts. */
const toolHeapMb = 512;

const java = (classPath: string, main: string, args: readonly (string | number)[], heapMb = toolHeapMb): string[] => [
  `-Xmx${heapMb}M`,
  "-cp",
  classPath,
  main,
  ...args.map(String),
];

/** One of Kafka's own, of org.apache.kafka.tools. */
export function runTool(
  tools: KafkaTools,
  target: Target,
  tool: string,
  args: readonly (string | number)[],
): Promise<Watched> {
  return runWatched(target, "java", java(tools.classPath, `org.apache.kafka.tools.${tool}`, args));
}

/** One of bench/kafka-load's, by its name. */
export function runLoadProgram(
  tools: KafkaTools,
  target: Target,
  load: string,
  args: readonly (string | number)[],
  heapMb?: number,
): Promise<Watched> {
  const all = [load, "--bootstrap", target.broker.uri, ...args];
  return runWatched(target, "java", java(tools.classPath, "Load", all, heapMb));
}

/** The figures that one of our own loads ends with. */
export function figuresOf({ lines }: Watched): Record<string, number> {
  return JSON.parse(lines.at(-1) ?? "{}") as Record<string, number>;
}

/** The last number that `pattern` finds. Errors: none. */
export function numberIn(lines: readonly string[], pattern: RegExp): number {
  const found = lines.map((line) => pattern.exec(line)?.[1]).findLast((each) => each !== undefined);
  if (found === undefined) throw new Error(`no ${pattern} in: ${lines.join(" | ").slice(-500)}`);
  return Number(found);
}

/** A column of the last line of a table with commas, by its head. */
export function columnIn(lines: readonly string[], head: string): number {
  const at = (lines[0] ?? "").split(", ").indexOf(head);
  const value = Number(lines.at(-1)?.split(", ")[at]);
  if (at < 0 || lines.length < 2 || !Number.isFinite(value)) throw new Error(`no ${head} in: ${lines.join(" | ")}`);
  return value;
}
