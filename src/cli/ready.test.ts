import { test } from "node:test";
import * as check from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { VirtualClock } from "../base/clock.ts";
import { runCommandLine } from "./command-line.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** Runs `ready` against something that gives these answers, the last one from then on. A look is 100 ms of virtual time. */
async function ready(
  answers: readonly (readonly [number, string])[],
  ...flags: string[]
): Promise<Ran & { looks: number }> {
  const clock = new VirtualClock();
  let looks = 0;
  const server = createServer((_request, response) => {
    const [status, text] = answers[Math.min(looks++, answers.length - 1)]!;
    response.writeHead(status).end(text);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    return { ...(await run(clock, [...flags, "--url", `http://127.0.0.1:${port}`])), looks };
  } finally {
    server.close();
  }
}

async function run(clock: VirtualClock, flags: string[]): Promise<Ran> {
  let out = "";
  let error = "";
  const command = { isOver: false };
  const ended = runCommandLine({
    args: ["ready", ...flags],
    env: {},
    columns: 100,
    clock,
    writeOut: (text) => void (out += text),
    writeError: (text) => void (error += text),
    onStopSignal: () => {},
    onReloadSignal: () => {},
    checkData: () => Promise.reject(new Error("no data here")),
    startBroker: () => Promise.reject(new Error("nothing is to be started")),
  }).finally(() => (command.isOver = true));
  while (!command.isOver) {
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { status: await ended, out, error };
}

const starting = [503, '{"status":"unavailable","reasons":["starting"]}'] as const;
const isReady = [200, '{"status":"ok"}'] as const;

test("ready says whether a broker is, with a status for scripts", async () => {
  check.deepEqual(await ready([isReady]), { status: 0, out: "ready\n", error: "", looks: 1 });
  check.deepEqual(await ready([starting]), { status: 1, out: "not ready: starting\n", error: "", looks: 1 });
});

test("ready waits for a broker that starts, as long as it is told to", async () => {
  check.deepEqual(await ready([starting, starting, isReady], "--wait", "1m"), {
    status: 0,
    out: "ready\n",
    error: "",
    looks: 3,
  });
  const late = await ready([starting], "--wait", "2s");
  check.equal(late.status, 1);
  check.ok(late.looks > 1, String(late.looks));
});

test("ready waits for nobody in vain: not for what is no broker, nor without an end", async () => {
  const other = await ready([[404, "<html>"]], "--wait", "1m");
  check.deepEqual([other.status, other.looks], [1, 1]);
  check.match(other.error, /answers, and is no Entrepot/);
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, "close");
  const nobody = await run(new VirtualClock(), ["--wait", "1s", "--url", `http://127.0.0.1:${port}`]);
  check.equal(nobody.status, 69);
  check.match(nobody.error, /no broker answers/);
  const wrong = await run(new VirtualClock(), ["--wait", "soon"]);
  check.deepEqual([wrong.status, wrong.error], [2, "entrepot: --wait is soon, which is no time such as 30s or 2m\n"]);
});
