/** The commands of docs/shovel.md, run as they stand there, in order, against an old and a new broker. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "amqplib";
import { startBroker, type RunningBroker } from "../../src/start-broker.ts";
import { mayBeMissing } from "../may-be-missing.ts";

const page = new URL("../../docs/shovel.md", import.meta.url);

test("the way from one broker to another is as docs/shovel.md tells it", async (context) => {
  if (spawnSync("curl", ["--version"]).status !== 0) return context.skip(mayBeMissing("curl", "there is no curl"));
  const directory = mkdtempSync(join(tmpdir(), "entrepot-shovel-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const listen = { amqp: 0, http: 0 };
  const [old, fresh] = [await startBroker({ memory: true, listen }), await startBroker({ memory: true, listen })];
  context.after(() => Promise.all([old.stop(), fresh.stop()]));
  const source = await connect(`amqp://127.0.0.1:${old.ports["amqp"]}`);
  const channel = await source.createConfirmChannel();
  for (const queue of ["orders", "invoices"]) {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-max-priority": 3 } });
    for (let n = 0; n < 100; n++) channel.sendToQueue(queue, Buffer.from(`${queue} ${n}`), { persistent: true });
  }
  await channel.waitForConfirms();
  const env = {
    ...process.env,
    LOGIN: "guest:guest",
    OLD_HTTP: `http://127.0.0.1:${old.ports["http"]}`,
    NEW_HTTP: `http://127.0.0.1:${fresh.ports["http"]}`,
    OLD_AMQP: `amqp://guest:guest@127.0.0.1:${old.ports["amqp"]}`,
  };
  const blocks = [...readFileSync(page, "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
  check.equal(blocks.length, 4);
  for (const code of blocks) {
    const shell = spawn("sh", ["-eu", "-c", code], { env, cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    shell.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    shell.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const [status] = (await once(shell, "exit")) as [number | null];
    check.equal(status, 0, `${code}\n${output}`);
    check.ok(!output.includes('"error"'), `${code}\n${output}`);
  }
  for (const queue of ["orders", "invoices"]) {
    check.equal(await depth(fresh, queue), 100);
    check.equal(await depth(old, queue), 0);
  }
  await source.close();
});

async function depth(broker: RunningBroker, queue: string): Promise<number> {
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
  const { messageCount } = await (await connection.createChannel()).checkQueue(queue);
  await connection.close();
  return messageCount;
}
