/** The contract of the command line and of `startBroker`, kept by the real program as a process. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startBroker } from "../src/start-broker.ts";

const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));

function run(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
}

/** Whether somebody accepts a connection there. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test("start prints ready and its addresses as its only line, accepts there, and SIGTERM ends it with status 0", async () => {
  const data = mkdtempSync(join(tmpdir(), "entrepot-start-"));
  const child = spawn(process.execPath, [program, "start", "--data", data, "--listen", "amqp=127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  reader.on("line", (line) => lines.push(line));
  try {
    await Promise.race([once(reader, "line"), once(child, "exit")]);
    const [word, json] = (lines[0] ?? "").split(/ (.*)/s);
    check.equal(word, "ready", log);
    const { amqp } = JSON.parse(json!) as { amqp: string };
    const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(amqp)?.[1]);
    check.ok(await accepts(port));
    child.kill("SIGTERM");
    const [status] = (await once(child, "exit")) as [number | null];
    check.equal(status, 0, log);
    check.equal(lines.length, 1);
    check.equal(await accepts(port), false);
  } finally {
    child.kill("SIGKILL");
    rmSync(data, { recursive: true });
  }
});

test("a port that is taken is a sentence on standard error and status 1", async () => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0 } });
  const refused = run("start", "--memory", "--listen", `amqp=127.0.0.1:${broker.ports["amqp"]}`);
  await broker.stop();
  check.equal(refused.status, 1);
  check.equal(refused.stdout, "");
  check.match(refused.stderr, /EADDRINUSE/);
});

test("the same from code: ports, addresses, and a stop that frees them and can be asked for twice", async () => {
  const broker = await startBroker({ listen: { amqp: 0 }, memory: true });
  const port = broker.ports["amqp"]!;
  check.ok(port > 0);
  check.equal(broker.addresses["amqp"], `127.0.0.1:${port}`);
  check.ok(await accepts(port));
  await Promise.all([broker.stop(), broker.stop()]);
  check.equal(await accepts(port), false);
});

test("a configuration that is wrong is refused from code by an error that names the key", async () => {
  await check.rejects(startBroker({ memory: true, set: { "amqp.chanelMax": 1 } }), {
    name: "ConfigurationError",
    message: "--set: there is no option amqp.chanelMax; did you mean amqp.channelMax?",
  });
});

test("config, version and misuse, as processes", () => {
  check.match(run("config", "--memory").stdout, /^data\.inMemory: true/m);
  check.match(run("--version").stdout, /^\d+\.\d+\.\d+\n$/);
  const misuse = run("start", "--set", "log.level=loud");
  check.equal(misuse.status, 2);
  check.match(misuse.stderr, /^entrepot: --set: log\.level is "loud", which is not one of debug, info, warn, error$/m);
});
