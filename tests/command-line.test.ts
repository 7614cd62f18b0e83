/** The contract of the command line and of `startBroker`, kept by the real program as a process. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
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

/** Until a connection that speaks no AMQP is hung up on, which the log tells of. */
async function speakNonsense(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.end("GET / HTTP/1.1\r\n\r\n");
  socket.resume();
  await once(socket, "close");
}

for (const lost of ["a reader that has gone", "a full disk"]) {
  const noDevice = lost === "a full disk" && !existsSync("/dev/full") && "needs a device that is always full";
  test(`a log that cannot be written, for ${lost}, disturbs nobody`, { skip: noDevice }, async () => {
    const full = noDevice === false && lost === "a full disk" ? openSync("/dev/full", "w") : undefined;
    const args = ["start", "--memory", "--listen", "amqp=127.0.0.1:0", "--set", "log.level=debug"];
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", full ?? "pipe"] });
    const exited = once(child, "exit") as Promise<[number | null]>;
    try {
      const [line] = (await Promise.race([once(createInterface(child.stdout!), "line"), exited])) as [string];
      const port = Number(/"127\.0\.0\.1:(\d+)"/.exec(line)?.[1]);
      child.stderr?.destroy();
      for (let round = 0; round < 5; round++) await speakNonsense(port);
      check.ok(await accepts(port));
      child.kill("SIGTERM");
      const [status] = await exited;
      check.equal(status, 0);
    } finally {
      child.kill("SIGKILL");
      if (full !== undefined) closeSync(full);
    }
  });
}

test("output goes into a pipe to its end, and output that is not taken is a failure", () => {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-output-"));
  const file = join(directory, "entrepot.yaml");
  const sites = Array.from({ length: 15_000 }, (_, number) => `https://site-${number}.example.com`);
  writeFileSync(file, `management.corsOrigins: ${sites.join(",")}\n`);
  try {
    const { status, stdout, stderr } = run("config", "--json", "--config", file);
    check.equal(status, 0, stderr);
    const shown = JSON.parse(stdout) as Record<string, { readonly value: string }>;
    check.ok(shown["management.corsOrigins"]?.value.includes("https://site-14999.example.com"));
    if (!existsSync("/dev/full")) return;
    const full = openSync("/dev/full", "w");
    const refused = spawnSync(process.execPath, [program, "config"], {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    check.deepEqual([refused.status, /output was not taken: .*ENOSPC/.test(refused.stderr)], [1, true]);
  } finally {
    rmSync(directory, { recursive: true });
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
