/** Data directories that earlier versions wrote are opened, and nothing that was in them is missing. See README.md. */

import { test, type TestContext } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { systemClock } from "../../src/base/clock.ts";
import { checkData } from "../../src/check-data.ts";
import { restore } from "../../src/cli/backup.ts";
import { startBroker, type RunningBroker } from "../../src/start-broker.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const archives = readdirSync(here).filter((name) => name.endsWith(".tar"));

/** A data directory of an archive, which verifies. */
async function restored(context: TestContext, archive: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-upgrade-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const data = join(folder, "data");
  let said = "";
  const around = {
    args: [],
    env: {},
    columns: 100,
    clock: systemClock(),
    writeOut: () => undefined,
    writeError: (text: string) => void (said += text),
    onStopSignal: () => undefined,
    onReloadSignal: () => undefined,
    checkData,
    startBroker: () => check.fail("nothing is to be started"),
  };
  const status = await restore(around, join(here, archive), data);
  check.deepEqual([status, said], [0, ""]);
  return data;
}

async function looksAtQueues(broker: RunningBroker, wanted: number): Promise<void> {
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue("orders");
  check.equal(messageCount, wanted);
  // An equal declaration is accepted: the queue is what it was.
  await channel.assertQueue("orders", { durable: true, arguments: { "x-max-priority": 3 } });
  const first = await channel.get("orders");
  check.ok(first !== false);
  check.equal(first.content.toString(), `order ${105 - wanted}`);
  check.deepEqual(first.properties.headers, { n: 105 - wanted });
  channel.ack(first);
  await channel.close();
  await readsHistory(await connection.createChannel());
  await connection.close();
  const shop = await connect(`amqp://shop:secret@127.0.0.1:${broker.ports["amqp"]}/shop`);
  await shop.close();
}

async function readsHistory(
  channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>["createChannel"]>>,
): Promise<void> {
  await channel.prefetch(200);
  const events: string[] = [];
  await new Promise<void>((resolve, reject) => {
    channel
      .consume(
        "history",
        (message) => {
          events.push(message!.content.toString());
          channel.ack(message!);
          if (events.length === 105) resolve();
        },
        { arguments: { "x-stream-offset": "first" } },
      )
      .catch(reject);
  });
  check.deepEqual(
    events,
    Array.from({ length: 105 }, (_, at) => `event ${at}`),
  );
}

async function looksAtTopics(broker: RunningBroker): Promise<void> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${broker.ports["kafka"]}`], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const ends = (await admin.fetchTopicOffsets("clicks")).toSorted((a, b) => a.partition - b.partition);
  check.deepEqual(
    ends.map(({ high }) => high),
    ["13", "11", "11"],
  );
  const [committed] = await admin.fetchOffsets({ groupId: "readers", topics: ["clicks"] });
  const offsets = committed!.partitions.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset);
  check.deepEqual(offsets, ["4", "10", "-1"]);
  await admin.disconnect();

  const consumer = kafka.consumer({ groupId: `lookers-${broker.ports["kafka"]}`, readUncommitted: false });
  const clicks: string[] = [];
  const latest = new Map<string, string>();
  // However it goes: kafkajs would go on for ever.
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: ["clicks", "latest"], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          async eachMessage({ topic, message }) {
            if (topic === "clicks") clicks.push(String(message.value));
            else latest.set(String(message.key), String(message.value));
            if (clicks.length === 30 && latest.get("k1") === "v5") resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  const all = Array.from({ length: 30 }, (_, at) => `click ${at}`);
  check.deepEqual(clicks.toSorted(), all.toSorted());
  check.deepEqual(Object.fromEntries(latest), { k0: "v4", k1: "v5" });
}

async function looksAtLargeBatches(broker: RunningBroker): Promise<void> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${broker.ports["kafka"]}`], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `large-${broker.ports["kafka"]}` });
  const values: string[] = [];
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: ["large"], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          async eachMessage({ message }) {
            values.push(String(message.value));
            if (values.length === 400) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  check.deepEqual(
    values,
    Array.from({ length: 400 }, (_, at) => `large ${at}`.padEnd(100, ".")),
  );
}

for (const archive of archives) {
  test(`${archive} is opened, read, written and opened again`, { timeout: 60_000 }, async (context) => {
    const data = await restored(context, archive);
    for (const wanted of [95, 94]) {
      const broker = await startBroker({
        data,
        listen: { amqp: 0, kafka: 0 },
        set: { "kafka.groupInitialRebalanceDelayMs": "0" },
      });
      try {
        await looksAtQueues(broker, wanted);
        if (archive.includes("kafka")) await looksAtTopics(broker);
        if (archive.includes("summed-once")) await looksAtLargeBatches(broker);
      } finally {
        await broker.stop();
      }
    }
    const { isSound, failure } = await checkData(data);
    check.deepEqual({ isSound, failure }, { isSound: true, failure: undefined });
  });
}
