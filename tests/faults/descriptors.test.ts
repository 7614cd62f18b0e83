/**
 * Clients that hold as many sockets as the system gives the process: newcomers are refused, and the broker has the files that
 * its journal, its checkpoints and its readers need.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { spawnBroker } from "../interop/broker.ts";
import { assertNothingLost, drain, Producer } from "./clients.ts";

const queue = "work";
const openFilesMax = 400;
/** Half of them, since there are few, less a quarter for operators. */
const clientsMax = 150;
const set = { "journal.fileBytes": "1MiB", "journal.checkpointBytes": "1MiB", "disk.freeBytesMin": "1MiB" };
const listen = { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0", http: "127.0.0.1:0" };

/** Opens so many connections to each address, and waits until all but `left` of them are closed. */
async function crowd(addresses: readonly string[], each: number, left: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  let closed = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const count = (): void => {
    if (++closed === addresses.length * each - left) resolve();
  };
  for (const address of addresses) {
    const [host, port] = address.split(":") as [string, string];
    for (let i = 0; i < each; i++) {
      const socket = connect(Number(port), host).resume();
      socket.on("error", () => undefined).once("close", count);
      sockets.push(socket);
    }
  }
  await promise;
  return sockets.filter(({ destroyed }) => !destroyed);
}

test("clients that hold all sockets that there are take no file from the journal", { timeout: 60_000 }, async (t) => {
  if (!existsSync("/proc/self/limits")) return t.skip("the system does not say how many files there are");
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  const broker = await spawnBroker({ dataDir, set, listen, openFilesMax });
  let sockets: readonly Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await broker.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 1000 });
  const { amqp, kafka, http } = broker.addresses as Record<keyof typeof listen, string>;
  sockets = await crowd([amqp, kafka], 200, clientsMax - 1);
  assert.equal(sockets.length, clientsMax - 1);
  assert.match(broker.log(), /connections were refused/);

  assert.equal((await fetch(`http://${http}/health/live`)).status, 200);
  // Several files of the journal, checkpoints and segments.
  await producer.sendAll(6000);
  assert.ok(readdirSync(dataDir).some((name) => name.startsWith("segment")));

  for (const socket of sockets) socket.destroy();
  while (readdirSync(`/proc/${broker.pid}/fd`).length > clientsMax / 2) await pause(10);
  const { redeliveredByNumber } = await drain(broker.amqp, queue);
  assertNothingLost(producer.confirmed, redeliveredByNumber);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});
