/**
 * A broker in a process of its own, for tests that look at it from outside: real clients, SIGKILL, bad input.
 *
 * It runs src/main.ts as it stands in the tree, so that no test passes on yesterday's build; ENTREPOT_MAIN names another
 * program (`dist/main.js`, to try what is shipped). A test that only needs a listener asks for `brokerUnderTest`, which
 * takes the address in ENTREPOT_AMQP instead if there is one: so the same tests run against RabbitMQ, and show whether
 * it is they that are wrong.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface BrokerOptions {
  /** Where data lives; without it everything is in memory. */
  readonly dataDir?: string;
  /** Protocol to HOST:PORT; AMQP on a free port if left out. */
  readonly listen?: Readonly<Record<string, string>>;
  readonly set?: Readonly<Record<string, string>>;
  /** Files and sockets that the system lets it have. */
  readonly openFilesMax?: number;
  /** How long it may take until it is ready. */
  readonly readyWithinMs?: number;
}

export interface BrokerProcess {
  readonly pid: number;
  /** Protocol to HOST:PORT, as the ready line has it. */
  readonly addresses: Readonly<Record<string, string>>;
  /** HOST:PORT of AMQP. */
  readonly amqp: string;
  /** From the start of the process to its ready line. */
  readonly readyAfterMs: number;
  /** Sends the signal and waits for the end; gives the exit status, or null if the signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** The end of the process, whatever brings it about: its exit status, or null if it was a signal. */
  readonly ended: Promise<number | null>;
  /** What it wrote to standard error so far. */
  log(): string;
}

const root = new URL("../..", import.meta.url);
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a broker and waits for its ready line. Throws what it wrote to standard error if it ends before. */
export async function spawnBroker(options: BrokerOptions = {}): Promise<BrokerProcess> {
  const began = performance.now();
  const command = [...limited(options.openFilesMax), process.execPath, ...brokerArguments(options)];
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const ended = once(child, "exit").finally(() => running.delete(child));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));

  const addresses = await readyLine(child, ended, options.readyWithinMs ?? 30_000).catch((error: Error) => {
    child.kill("SIGKILL");
    throw new Error(`the broker did not get ready: ${error.message}\n${log}`);
  });
  return {
    pid: child.pid!,
    addresses,
    amqp: addresses["amqp"] ?? "",
    readyAfterMs: performance.now() - began,
    ended: ended.then(([status]) => status as number | null),
    log: () => log,
    async kill(signal) {
      child.kill(signal);
      const [status] = (await ended) as [number | null];
      return status;
    },
  };
}

/** What makes the command behind it one that has no more files; it keeps its process id. */
function limited(openFilesMax: number | undefined): string[] {
  return openFilesMax === undefined ? [] : ["sh", "-c", `ulimit -n ${openFilesMax} && exec "$0" "$@"`];
}

function brokerArguments(options: BrokerOptions): string[] {
  const program = process.env["ENTREPOT_MAIN"] ?? "src/main.ts";
  const args = [fileURLToPath(new URL(program, root)), "start"];
  if (options.dataDir === undefined) args.push("--memory");
  else args.push("--data", options.dataDir);
  for (const [protocol, at] of Object.entries(options.listen ?? { amqp: "127.0.0.1:0" })) {
    args.push("--listen", `${protocol}=${at}`);
  }
  for (const [key, value] of Object.entries(options.set ?? {})) args.push("--set", `${key}=${value}`);
  return args;
}

async function readyLine(
  child: ChildProcess,
  ended: Promise<unknown[]>,
  withinMs: number,
): Promise<Record<string, string>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, string>>();
  const timer = setTimeout(() => reject(new Error(`no ready line within ${withinMs} ms`)), withinMs);
  ended.then(([status, signal]) => reject(new Error(`it ended with ${String(status ?? signal)}`)), reject);
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const ready = /^ready (\{.*\})$/m.exec(output);
    if (ready !== null) resolve(JSON.parse(ready[1]!) as Record<string, string>);
  });
  return promise.finally(() => clearTimeout(timer));
}

/** The listener in ENTREPOT_AMQP, or else a broker in memory; `stop` ends what was started here. */
export async function brokerUnderTest(
  set: Readonly<Record<string, string>> = {},
): Promise<{ amqp: string; pid: number | undefined; stop(): Promise<void> }> {
  const given = process.env["ENTREPOT_AMQP"];
  if (given !== undefined) return { amqp: given, pid: undefined, stop: async () => undefined };
  const broker = await spawnBroker({ set });
  return { amqp: broker.amqp, pid: broker.pid, stop: async () => void (await broker.kill("SIGTERM")) };
}

/** Resident memory of a process in bytes; undefined where the system does not say. */
export function residentBytes(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== "linux") return undefined;
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
