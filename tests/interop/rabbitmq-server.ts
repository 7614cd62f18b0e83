/**
 * The original, for tests that want it at the other end: RabbitMQ as Debian's package installs it, with nothing of the
 * system's own instance. ENTREPOT_RABBITMQ_SERVER names another program.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const program = process.env["ENTREPOT_RABBITMQ_SERVER"] ?? "/usr/lib/rabbitmq/bin/rabbitmq-server";

export const hasRabbit = existsSync(program);

export interface RabbitProcess {
  /** HOST:PORT */
  readonly amqp: string;
  /** Ends it at once, with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Ends it, and what it left running. */
  end(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) killGroup(child);
});

/** Starts one with its data in `directory`. */
export async function spawnRabbit(directory: string): Promise<RabbitProcess> {
  const [port, distributionPort, mapperPort] = [await freePort(), await freePort(), await freePort()];
  mkdirSync(join(directory, "home"), { recursive: true });
  writeFileSync(join(directory, "enabled_plugins"), "[].\n");
  const env = {
    ...process.env,
    HOME: join(directory, "home"),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_EPMD_PORT: String(mapperPort),
    RABBITMQ_NODENAME: "shovel@localhost",
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(directory, "mnesia"),
    RABBITMQ_LOG_BASE: join(directory, "logs"),
    RABBITMQ_PID_FILE: join(directory, "pid"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "enabled_plugins"),
    RABBITMQ_CONFIG_FILE: join(directory, "rabbitmq"),
  };
  // Its own mapper of names: one that a node starts for itself outlives it, and serves others.
  const mapper = spawn("epmd", [], { env, detached: true, stdio: "ignore" });
  running.add(mapper);
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(program, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    await started(child);
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    killGroup(child);
    await ended;
    running.delete(child);
  };
  await start();
  return {
    amqp: `127.0.0.1:${port}`,
    start,
    kill,
    end: async () => {
      await kill();
      killGroup(mapper);
      running.delete(mapper);
    },
  };
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function started(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let output = "";
  const read = (text: string): void => {
    output += text;
    if (/completed with \d+ plugins/.test(output)) resolve();
  };
  child.stdout!.setEncoding("utf8").on("data", read);
  child.stderr!.setEncoding("utf8").on("data", read);
  child.once("exit", (status) => reject(new Error(`RabbitMQ ended with ${status}\n${output}`)));
  await promise;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
