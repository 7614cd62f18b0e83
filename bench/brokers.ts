// Starts and stops the brokers that are compared, and the plain process that is their ceiling, each with its own ports and data
// directory, loopback only.
//
// RabbitMQ is set up as its own documentation recommends (rabbitSettings says what from where). Its data directory is on the same
// disk as Entrepot's.
// A broker that is not measured is stopped with SIGSTOP, so both can be up in turn A B A B without taking CPU time
// from each other, and a row's runs lie close together in time: a shared machine's mood is the larger error.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { seconds } from "./load-options.ts";
import { Peer } from "./peer.ts";

export interface RunningBroker {
  readonly uri: string;
  readonly pid: number;
  /** From the start of the process until it accepts connections, in ms. */
  readonly readyMs: number;
  pause(): void;
  resume(): void;
  isAlive(): boolean;
  /** Ends it at once, as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Ends it gracefully and waits until it is gone. */
  stop(): Promise<void>;
}

export interface BrokerKind {
  readonly name: string;
  /** The version, or undefined where the broker is not installed. */
  version(): string | undefined;
  /** Starts over `dir`, which may hold the data of an earlier start. Errors: it is not ready within five minutes. */
  start(dir: string): Promise<RunningBroker>;
}

/** What to do once a started process is gone, by its id. */
const cleanUpByPid = new Map<number, () => void>();

/** Kills whatever was started here and still runs: for an interrupted or failed benchmark. */
export function killAll(): void {
  for (const [pid, cleanUp] of cleanUpByPid) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    cleanUp();
  }
  cleanUpByPid.clear();
}

const readyMsMax = 300_000;
const stopMsMax = 60_000;

export function running(pid: number, uri: string, readyMs: number, onGone: () => void = () => {}): RunningBroker {
  cleanUpByPid.set(pid, onGone);
  const isAlive = (): boolean => existsSync(`/proc/${pid}`) && !isZombie(pid);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isAlive()) {
      process.kill(pid, "SIGCONT");
      process.kill(pid, signal);
    }
    const startMs = performance.now();
    while (isAlive()) {
      if (performance.now() - startMs > stopMsMax) process.kill(pid, "SIGKILL");
      await seconds(0.02);
    }
    cleanUpByPid.delete(pid);
    onGone();
  };
  return {
    uri,
    pid,
    readyMs,
    pause: () => process.kill(pid, "SIGSTOP"),
    resume: () => process.kill(pid, "SIGCONT"),
    isAlive,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

function isZombie(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

// --- RabbitMQ

const serverPaths = [
  "/usr/lib/rabbitmq/bin/rabbitmq-server",
  "/usr/sbin/rabbitmq-server",
  "/usr/local/sbin/rabbitmq-server",
  "/opt/rabbitmq/sbin/rabbitmq-server",
];

/** Distribution packages keep the versioned libraries beside the program. */
function rabbitVersion(): string | undefined {
  const path = serverPaths.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  try {
    const text = execFileSync("dpkg-query", ["-W", "-f", "${Version}", "rabbitmq-server"], { stdio: "pipe" });
    return text.toString().trim();
  } catch {
    return "of unknown version";
  }
}

/**
 * Of its production checklist: the memory's watermark at the upper end of what it advises (0.4 to 0.7), a limit of free disk, no
 * plug-in that is not used, as many open files as this program may have (it asks for 50,000), quiet logs, and a data directory that
 * is on a disk. Of its networking guide: larger socket buffers, a longer backlog of connections and Nagle's algorithm off; of its
 * monitoring guide: statistics once a minute. Queues of both kinds that the checklist speaks of are measured: classic, its default,
 * and quorum, which it advises where data matter.
 */
const rabbitSettings = (port: number): string => `listeners.tcp.1 = 127.0.0.1:${port}
collect_statistics_interval = 60000
vm_memory_high_watermark.relative = 0.6
disk_free_limit.absolute = 1GB
tcp_listen_options.backlog = 4096
tcp_listen_options.nodelay = true
tcp_listen_options.sndbuf = 196608
tcp_listen_options.recbuf = 196608
log.file.level = warning
log.console = false
`;

async function startRabbit(dir: string): Promise<RunningBroker> {
  const server = serverPaths.find((candidate) => existsSync(candidate));
  if (server === undefined) throw new Error("RabbitMQ is not installed");
  mkdirSync(dir, { recursive: true });
  const [port, distPort, epmdPort] = (await freePorts(3)) as [number, number, number];
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const pidFile = file("pid", "");
  const environment = {
    PATH: process.env["PATH"],
    HOME: dir,
    RABBITMQ_NODENAME: "bench@localhost",
    RABBITMQ_DIST_PORT: String(distPort),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    // Lets the port mapper be ended although it has not noticed yet that its node was killed.
    ERL_EPMD_RELAXED_COMMAND_CHECK: "true",
    RABBITMQ_MNESIA_BASE: join(dir, "mnesia"),
    RABBITMQ_LOG_BASE: join(dir, "log"),
    RABBITMQ_PID_FILE: pidFile,
    RABBITMQ_CONFIG_FILE: file("rabbitmq.conf", rabbitSettings(port)),
    RABBITMQ_CONF_ENV_FILE: file("rabbitmq-env.conf", ""),
    RABBITMQ_ENABLED_PLUGINS_FILE: file("enabled_plugins", "[].\n"),
  };
  const startMs = performance.now();
  const child = spawn(server, { env: environment, stdio: "ignore", cwd: dir });
  // The script around the broker is not waited for: the broker itself is, by its id.
  child.unref();
  let hasEnded = false;
  child.once("exit", () => (hasEnded = true));
  const uri = `amqp://127.0.0.1:${port}`;
  while (!(await handshakes(uri))) {
    if (hasEnded) throw new Error(`RabbitMQ ended while it started; see ${join(dir, "log")}`);
    if (performance.now() - startMs > readyMsMax) throw new Error("RabbitMQ is not ready");
    await seconds(0.01);
  }
  const readyMs = performance.now() - startMs;
  const pid = Number(readFileSync(pidFile, "utf8"));
  const killPortMapper = (): void => {
    // It may need a moment to see that its node is gone, and refuses until then.
    for (let attempt = 0; attempt < 5; attempt++) {
      const { status } = spawnSync("epmd", ["-port", String(epmdPort), "-kill"], { stdio: "ignore" });
      if (status === 0) return;
    }
  };
  return running(pid, uri, readyMs, killPortMapper);
}

export const rabbit: BrokerKind = { name: "RabbitMQ", version: rabbitVersion, start: startRabbit };

// --- Entrepot

/** Entrepot as built at `mainPath`; its standard error goes to a file in the data directory's parent. */
export function entrepot(mainPath: string): BrokerKind {
  return {
    name: "Entrepot",
    version: () => (existsSync(mainPath) ? packageVersion() : undefined),
    start: (dir) => startEntrepot(mainPath, dir),
  };
}

/** bench/plain-socket-file.ts; `isSameThread` as described there. */
export function plainProcess(isSameThread: boolean): BrokerKind {
  return {
    name: isSameThread ? "plain Node, same thread" : "plain Node",
    version: () => process.version,
    start: (dir) => startPlain(dir, isSameThread),
  };
}

async function startPlain(dir: string, isSameThread: boolean): Promise<RunningBroker> {
  mkdirSync(dir, { recursive: true });
  const startMs = performance.now();
  const args = [join(import.meta.dirname, "plain-socket-file.ts"), "--dir", dir];
  if (isSameThread) args.push("--same-thread");
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the plain process ended with ${code}`)));
    child.stdout.on("data", (chunk: Buffer) => resolve(chunk.toString().replace("ready", "").trim()));
  });
  return running(child.pid!, `plain://${address}`, performance.now() - startMs);
}

function packageVersion(): string {
  const text = readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Where each listener is: `host:port`, by its name. */
export interface StartedEntrepot extends RunningBroker {
  readonly addresses: Readonly<Record<string, string>>;
}

/** @param more arguments of `entrepot start` beside the data directory and the AMQP listener */
export async function startEntrepot(
  mainPath: string,
  dir: string,
  more: readonly string[] = [],
): Promise<StartedEntrepot> {
  const startMs = performance.now();
  const args = [mainPath, "start", "--data", dir, "--listen", "amqp=127.0.0.1:0", ...more];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  const line = await readyLine(child, () => errors);
  const readyMs = performance.now() - startMs;
  const addresses = JSON.parse(line.slice("ready ".length)) as Record<string, string>;
  return { ...running(child.pid!, `amqp://${addresses["amqp"]}`, readyMs), addresses };
}

function readyLine(child: ChildProcess, errors: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error("Entrepot is not ready")), readyMsMax);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`Entrepot ended with ${code} while it started: ${errors()}`));
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const line = text.split("\n").find((candidate) => candidate.startsWith("ready {"));
      if (line === undefined || !text.includes("}\n")) return;
      clearTimeout(timer);
      resolve(line);
    });
  });
}

// --- ports

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

/** Whether a connection can be opened: RabbitMQ accepts sockets, and resets them, before it is ready. */
async function handshakes(uri: string): Promise<boolean> {
  try {
    const peer = await Peer.open(uri);
    await peer.close();
    return true;
  } catch {
    return false;
  }
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
