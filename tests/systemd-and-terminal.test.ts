/** What a service manager and a terminal tell the program, and what it tells them. */

import { test, type TestContext } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "./may-be-missing.ts";

const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const start = [program, "start", "--listen", "amqp=127.0.0.1:0"];

/** Why a test that wants these commands is skipped, if it is. */
function missing(...commands: readonly string[]): string | undefined {
  const name = commands.find((command) => spawnSync(command, ["--version"]).status !== 0);
  return name === undefined ? undefined : mayBeMissing(name, `there is no ${name}`);
}

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

/** Lines of a child, each waited for in turn. */
function linesOf(child: ChildProcess, stream: "stdout" | "stderr" = "stdout"): (pattern: RegExp) => Promise<string> {
  const lines = createInterface(child[stream]!)[Symbol.asyncIterator]();
  return async (pattern) => {
    for (;;) {
      const { done, value = "" } = await lines.next();
      if (done === true) check.fail(`it ended before it wrote ${pattern}`);
      if (pattern.test(value)) return value;
    }
  };
}

const readyLine = /^ready .*:(\d+)"/;
const portIn = (line: string): number => Number(readyLine.exec(line)?.[1]);

function folderFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-service-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("SIGHUP to a broker without TLS is a reload with nothing to read, not its end", async (context) => {
  const child = spawn(process.execPath, [...start, "--memory"], { stdio: ["ignore", "pipe", "pipe"] });
  context.after(() => child.kill("SIGKILL"));
  const logged = linesOf(child, "stderr");
  const port = portIn(await linesOf(child)(readyLine));
  child.kill("SIGHUP");
  await logged(/nothing listens with TLS: there are no files to read again/);
  check.ok(await accepts(port));
  child.kill("SIGTERM");
  check.deepEqual(await once(child, "exit"), [0, null]);
});

test("a terminal that is closed stops the broker in order", async (context) => {
  const noTerminal = missing("script");
  if (noTerminal !== undefined) return context.skip(noTerminal);
  const data = join(folderFor(context), "data");
  const command = ["exec", process.execPath, ...start, "--data", data].join(" ");
  const terminal = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
  const port = portIn(await linesOf(terminal)(readyLine));
  check.ok(existsSync(join(data, "lock")));
  terminal.kill("SIGKILL");
  while (existsSync(join(data, "lock"))) await new Promise((resolve) => setImmediate(resolve));
  check.equal(await accepts(port), false);
});

// Answers as systemd does: what comes with a barrier is closed, for which systemd-notify waits.
const listener = `
import os, socket, sys
here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
here.bind(sys.argv[1])
print("listens", flush=True)
while True:
    said, descriptors, *_ = socket.recv_fds(here, 4096, 8)
    for descriptor in descriptors: os.close(descriptor)
    print(said.decode().replace("\\n", " "), flush=True)
`;

test("systemd is told when all ports accept, and one that cannot be told ends nothing", async (context) => {
  const noManager = missing("systemd-notify", "python3");
  if (noManager !== undefined) return context.skip(noManager);
  const socket = join(folderFor(context), "notify");
  const manager = spawn("python3", ["-c", listener, socket], { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => manager.kill("SIGKILL"));
  const told = linesOf(manager);
  await told(/listens/);
  const run = (to: string): ChildProcess => {
    const child = spawn(process.execPath, [...start, "--memory"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NOTIFY_SOCKET: to },
    });
    context.after(() => child.kill("SIGKILL"));
    return child;
  };

  const child = run(socket);
  const port = portIn(await linesOf(child)(readyLine));
  await told(/READY=1/);
  check.ok(await accepts(port));
  child.kill("SIGTERM");
  check.deepEqual(await once(child, "exit"), [0, null]);

  const untold = run(`${socket}-of-nobody`);
  await linesOf(untold, "stderr")(/^entrepot: the broker is ready, and systemd was not told: systemd-notify: ./);
  untold.kill("SIGTERM");
  check.deepEqual(await once(untold, "exit"), [0, null]);
});
