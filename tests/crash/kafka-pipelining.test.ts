/**
 * SIGKILL under the load of Java's producer with its defaults: what it has under way when the broker dies are several requests,
 * each with batches for several partitions, of which some are stored and answered, some stored and not answered, and some never
 * came. It sends all that was not answered again, under the same sequence numbers. In the end
 *
 * - each record that was acknowledged is there once and in order, at the offset that was told;
 * - there is nothing else.
 *
 * CRASH_ROUNDS says how often the broker is killed; once more it is when all is acknowledged.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { prepared } from "../interop/client-suite.ts";
import { kafkaClients } from "../interop/kafka-clients.ts";
import { openClient, readTopic } from "./kafka-load.ts";
import { Pipeliner } from "./kafka-pipeliner.ts";
import { Ledger } from "./ledger.ts";

const partitions = 4;
const rounds = Number(process.env["CRASH_ROUNDS"] ?? 5);
const roundLimitMs = 120_000;
const standstillMs = 60_000;
/** In a round; some tenths of a second. */
const recordsMax = 30_000;
const set = { "journal.fileBytes": "2MiB", "journal.checkpointBytes": "4MiB" };

test(
  `after ${rounds} times SIGKILL each record of a pipelining producer is there once`,
  { timeout: (rounds + 3) * roundLimitMs },
  async (t) => {
    let classPath = "";
    const found = await prepared("kafka-clients", async () => {
      const java = await kafkaClients();
      if ("missing" in java) return java;
      classPath = java.classPath;
      return { command: "java", args: [] };
    });
    if ("missing" in found) return t.skip(found.missing);
    const dataDir = mkdtempSync(join(tmpdir(), "entrepot-kafka-pipelining-"));
    let broker: BrokerProcess | undefined;
    let pipeliner: Pipeliner | undefined;
    t.after(async () => {
      pipeliner?.kill();
      await broker?.kill("SIGKILL");
      rmSync(dataDir, { recursive: true, force: true });
    });
    broker = await spawnBroker({ dataDir, set, listen: { kafka: "127.0.0.1:0" } });
    // Its client knows it by its port, so every life of it has the same.
    const listen = { kafka: broker.addresses["kafka"]! };
    const client = openClient(listen.kafka);
    const admin = client.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: "in", numPartitions: partitions }] });
    await admin.disconnect();

    const ledger = new Ledger();
    const crash = async (): Promise<BrokerProcess> => {
      await broker!.kill("SIGKILL");
      ledger.crashed();
      return spawnBroker({ dataDir, set, listen });
    };
    pipeliner = new Pipeliner(classPath, listen.kafka, "in", partitions, ledger);
    for (let round = 1; round <= rounds; round++) {
      const count = 1 + Math.floor(Math.random() * recordsMax);
      await acknowledged(pipeliner, count, () => `round ${round}\n${broker!.log().slice(-3000)}`);
      broker = await crash();
    }
    pipeliner.stop();
    await pipeliner.ended;
    broker = await crash();

    for (const [partition, values] of (await readTopic(client, "in", partitions)).entries())
      pipeliner.found(partition, values);
    ledger.close();
    assert.deepEqual([...pipeliner.faults, ...ledger.faults], []);
    const { inFlightMax, repeated } = pipeliner;
    const { confirmed, delivered } = ledger.counts;
    t.diagnostic(JSON.stringify({ confirmed, delivered, inFlightMax, repeated }));
    assert.ok(inFlightMax > 1, "requests were under way one at a time");
    assert.ok(repeated > 0, "no record was sent more than once");
    assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  },
);

/** Resolves when so many more records were acknowledged. */
async function acknowledged(pipeliner: Pipeliner, count: number, story: () => string): Promise<void> {
  const enough = Promise.withResolvers<void>();
  const fail = (): void => enough.reject(new Error(`nothing for ${standstillMs} ms: ${story()}`));
  const timer = setTimeout(fail, standstillMs);
  let left = count;
  pipeliner.onAcknowledged = () => {
    timer.refresh();
    if (--left === 0) enough.resolve();
  };
  const failed = pipeliner.ended.then(() => assert.fail("the producer ended before it was told to"));
  await Promise.race([enough.promise, failed]).finally(() => clearTimeout(timer));
}
