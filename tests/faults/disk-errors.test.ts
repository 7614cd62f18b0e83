/**
 * A disk that fails: what was written may be gone, so the process ends, says why, and exits with a status that makes a
 * supervisor look; it confirms nothing after the failure. What was confirmed before is there after a restart.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { assertNothingLost, drain, Producer } from "./clients.ts";
import { SmallDisk } from "./small-disk.ts";

const queue = "work";
const set = { "journal.fileBytes": "2MiB", "journal.checkpointBytes": "4MiB", "disk.freeBytesMin": "1MiB" };
/** As the command line documents it. */
const brokerFailed = 70;

/** Publishes until the connection is gone, and waits for the end of the process. */
async function publishToTheEnd(producer: Producer, broker: BrokerProcess): Promise<number | null> {
  const gone = new Promise<"gone">((resolve) => producer.connection.on("close", () => resolve("gone")));
  let outcome: boolean | "gone" = true;
  while (outcome !== "gone") outcome = await Promise.race([gone, producer.send()]);
  return broker.ended;
}

test("a file system that goes read-only ends the broker with a reason, and nothing confirmed is lost", async (t) => {
  let broker: BrokerProcess | undefined;
  const disk = SmallDisk.mount(t, 64, async () => broker?.kill("SIGKILL"));
  if (disk === undefined) return;
  if (!disk.canFail) return t.skip("only ext4 can be made to fail, and needs a loop device");
  broker = await spawnBroker({ dataDir: disk.dataDir, set });
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 1000 });
  await producer.sendAll(1000);
  disk.abort();
  assert.equal(await publishToTheEnd(producer, broker), brokerFailed);
  assert.match(broker.log(), /the broker cannot go on.*(EROFS|EIO)/s);

  await assert.rejects(spawnBroker({ dataDir: disk.dataDir, set }), /EROFS|EIO/);
  disk.repair();
  broker = await spawnBroker({ dataDir: disk.dataDir, set });
  const { redeliveredByNumber } = await drain(broker.amqp, queue);
  assertNothingLost(producer.confirmed, redeliveredByNumber);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

test("a file that may not grow any more ends the broker, and nothing confirmed is lost", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  let broker = await spawnBroker({ dataDir, set });
  t.after(async () => {
    await broker.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 1000 });
  await producer.sendAll(100);
  try {
    execFileSync("prlimit", ["--pid", String(broker.pid), "--fsize=300000"], { stdio: "pipe" });
  } catch (error) {
    t.skip(`no limit can be set on a running process here: ${(error as Error).message.split("\n")[0]}`);
    return;
  }
  assert.equal(await publishToTheEnd(producer, broker), brokerFailed);
  assert.match(broker.log(), /the broker cannot go on.*EFBIG/s);

  broker = await spawnBroker({ dataDir, set });
  const { redeliveredByNumber } = await drain(broker.amqp, queue);
  assertNothingLost(producer.confirmed, redeliveredByNumber);
});

test("a data directory that is removed under the broker ends it with a reason", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  const broker = await spawnBroker({ dataDir, set });
  t.after(async () => {
    await broker.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 10_000 });
  await producer.sendAll(10);
  rmSync(dataDir, { recursive: true });
  assert.equal(await publishToTheEnd(producer, broker), brokerFailed);
  assert.match(broker.log(), /the broker cannot go on.*ENOENT/s);
  assert.equal(existsSync(dataDir), false);
});
