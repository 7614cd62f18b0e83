/** Brokers for tests start at once, die and come back, and leave nothing behind. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connect, type ConfirmChannel } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { startBroker as startPlain } from "../src/start-broker.ts";
import { startBroker, type TestBroker } from "../src/start-test-broker.ts";

setFlagsFromString("--expose-gc");
const run = promisify(execFile);
const collect = runInNewContext("gc") as () => void;

async function channelOf(broker: TestBroker): Promise<ConfirmChannel> {
  const connection = await connect(broker.url);
  connection.on("error", () => undefined);
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => undefined);
  return channel;
}

test("a broker is ready in less than a tenth of a second after its import", async () => {
  const program = `
    import { startBroker } from ${JSON.stringify(new URL("../src/start-test-broker.ts", import.meta.url).href)};
    const beganMs = performance.now();
    const broker = await startBroker();
    const tookMs = performance.now() - beganMs;
    await broker.stop();
    console.log(tookMs);
  `;
  // The machine may be busy with something else: of some first starts the quickest.
  const took: number[] = [];
  for (let start = 0; start < 5; start++)
    took.push(Number((await run(process.execPath, ["--input-type=module", "-e", program])).stdout));
  assert.ok(Math.min(...took) > 0 && Math.min(...took) < 100, `first starts took ${took.join()} ms`);
});

for (const listen of [{ amqp: 0, kafka: 0 }, { amqp: 0 }] as const) {
  const also = "kafka" in listen ? "beside Kafka's own port" : "alone";
  test(`further ports of Kafka's are the same after a crash, ${also}`, async () => {
    await using broker = await startBroker({ listen, set: { "kafka.nodes": "127.0.0.1:0, 127.0.0.1:0" } });
    const nodes = async (): Promise<readonly number[]> => {
      const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      await admin.disconnect();
      return brokers.map(({ port }) => port);
    };
    const before = await nodes();
    assert.equal(new Set(before).size, "kafka" in listen ? 3 : 2);
    await broker.crash();
    await broker.recover();
    assert.deepEqual(await nodes(), before);
  });
}

test("what was confirmed outlives a crash, what was not is gone, and clients come back to the same ports", async () => {
  await using broker = await startBroker({ listen: { amqp: 0, kafka: 0, http: 0 } });
  const { ports } = broker;
  const before = await channelOf(broker);
  await before.assertQueue("kept", { durable: true });
  await before.assertQueue("passing", { durable: false });
  before.sendToQueue("kept", Buffer.from("persistent"), { persistent: true });
  before.sendToQueue("kept", Buffer.from("transient"));
  await before.waitForConfirms();
  const delivered = await before.get("kept");
  assert.equal(delivered === false ? undefined : delivered.fields.redelivered, false);
  const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10 } });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic: "orders", messages: [{ value: "1" }] });

  await broker.crash();
  await assert.rejects(connect(`amqp://127.0.0.1:${ports["amqp"]}`));
  await assert.rejects(broker.advance("1m"), /has crashed: call recover/);
  await broker.recover();
  await assert.rejects(broker.recover(), /has not crashed/);
  assert.deepEqual(broker.ports, ports);

  const after = await channelOf(broker);
  assert.equal((await after.checkQueue("kept")).messageCount, 1);
  const again = await after.get("kept", { noAck: true });
  assert.deepEqual(again === false ? undefined : [again.content.toString(), again.fields.redelivered], [
    "persistent",
    true,
  ]);
  await assert.rejects(after.checkQueue("passing"), /NOT_FOUND/);
  await producer.send({ topic: "orders", messages: [{ value: "2" }] });
  assert.deepEqual(
    broker.published("orders").map(({ text }) => text),
    ["1", "2"],
  );
  await producer.disconnect();
});

test("a publish that a crash meets on its way to the disk is not there, and was never said to be published", async () => {
  await using broker = await startBroker();
  const channel = await channelOf(broker);
  await channel.assertQueue("work", { durable: true });
  let confirmed = 0;
  for (let i = 0; i < 1000; i++) {
    channel.sendToQueue("work", Buffer.from(String(i)), { persistent: true }, (error) => (confirmed += error ? 0 : 1));
  }
  await broker.nextPublished("work", { count: 1 });
  await broker.crash();
  await broker.recover();
  const { messageCount } = await (await channelOf(broker)).checkQueue("work");
  assert.ok(messageCount >= confirmed, "nothing that was confirmed is lost");
  assert.equal(broker.published("work").length, messageCount);
});

test("times that were set go on across a crash", async () => {
  await using broker = await startBroker();
  const channel = await channelOf(broker);
  await channel.assertQueue("work", { durable: true });
  channel.sendToQueue("work", Buffer.from("short-lived"), { persistent: true, expiration: 60_000 });
  await channel.waitForConfirms();
  await broker.advance("30s");
  await broker.crash();
  await broker.recover();
  const after = await channelOf(broker);
  await broker.advance("29s");
  assert.equal((await after.checkQueue("work")).messageCount, 1);
  await broker.advance("1s");
  assert.equal((await after.checkQueue("work")).messageCount, 0);
});

test("time that was passing when the broker crashed has stopped, and says so", async () => {
  await using broker = await startBroker();
  const channel = await channelOf(broker);
  await channel.assertQueue("dead");
  await channel.assertQueue("work", { messageTtl: 60_000, deadLetterExchange: "", deadLetterRoutingKey: "dead" });
  await channel.consume("dead", () => void broker.crash(), { noAck: true });
  channel.sendToQueue("work", Buffer.from("fatal"));
  const [first, second] = [broker.advance("1h"), broker.advance("1m")];
  await assert.rejects(first, /has crashed or was stopped meanwhile/);
  await assert.rejects(second, /has crashed or was stopped meanwhile/);
  await broker.recover();
  await broker.advance("1m");
});

test("a stopped broker says so, and a second stop waits for the first", async () => {
  const broker = await startBroker();
  await Promise.all([broker.stop(), broker.stop()]);
  await assert.rejects(broker.advance("1m"), /was stopped/);
  await assert.rejects(broker.recover(), /was stopped/);
  const crashed = await startBroker();
  await crashed.crash();
  await crashed.stop();
});

test("a recovery is one, however often it is asked for, waits for the crash, and is waited for by the stop", async () => {
  const broker = await startBroker();
  void broker.crash();
  await Promise.all([broker.recover(), broker.recover()]);
  await (await connect(broker.url)).close();
  await broker.crash();
  const recovering = broker.recover();
  await broker.stop();
  await recovering;
  await assert.rejects(connect(broker.url), { code: "ECONNREFUSED" });
});

test("a transaction that a crash leaves open lists each of its messages once, when it is committed", async () => {
  await using broker = await startBroker();
  const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10 } });
  const producer = kafka.producer({ idempotent: true, transactionalId: "mover", maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: "orders", messages: [{ value: "before" }] });
  await broker.crash();
  await broker.recover();
  await transaction.send({ topic: "orders", messages: [{ value: "after" }] });
  assert.deepEqual(broker.published("orders"), []);
  await transaction.commit();
  const listed = await broker.nextPublished("orders", { count: 2 });
  assert.deepEqual(
    listed.map(({ text }) => text),
    ["before", "after"],
  );
  assert.equal(broker.published("orders").length, 2);
  await producer.disconnect();
});

test("a disk without an end is no number that an API cannot say", async () => {
  await using broker = await startBroker({ listen: { http: 0 } });
  const authorization = `Basic ${btoa("guest:guest")}`;
  const answer = await fetch(`http://${broker.addresses["http"]}/api/nodes`, { headers: { authorization } });
  const [node] = (await answer.json()) as { disk_free: unknown }[];
  assert.equal(typeof node?.disk_free, "number");
});

test("more than is remembered of what was published is told, and not left out in silence", async () => {
  await using broker = await startBroker({ publishedMax: { messagesMax: 2 } });
  const channel = await channelOf(broker);
  await channel.assertQueue("work");
  for (const text of ["1", "2", "3"]) channel.sendToQueue("work", Buffer.from(text));
  await channel.waitForConfirms();
  assert.throws(() => broker.published("work"), /no more than 2 messages/);
  broker.forgetPublished();
  channel.sendToQueue("work", Buffer.from("4"));
  assert.equal((await broker.nextPublished("work"))[0]?.text, "4");
  await assert.rejects(
    broker.nextPublished("work", { timeoutMs: 20 }),
    /1 messages to work were awaited for 20 ms, and 0 came/,
  );
});

test("a stop leaves the disk its time, whatever shovels and clients take that do not answer", async () => {
  await using far = await startBroker();
  far.faults.delayAnswers({ name: "out", by: "1h" });
  const data = mkdtempSync(join(tmpdir(), "entrepot-stop-"));
  const mover = { "src-uri": "amqp://", "src-queue": "in", "dest-uri": far.url, "dest-queue": "out" };
  const set = { "shutdown.deadlineMs": "2s", shovels: JSON.stringify({ mover }) };
  const broker = await startPlain({ data, listen: { amqp: 0 }, set });
  try {
    const connection = await connect(`amqp://${broker.addresses["amqp"]}`);
    connection.on("error", () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => undefined);
    await channel.assertQueue("in");
    channel.sendToQueue("in", Buffer.from("never confirmed"));
    await far.nextPublished("out");
    // It does not read that the connection ends.
    const { stream } = (connection as unknown as { connection: { stream: { pause(): void; destroy(): void } } })
      .connection;
    stream.pause();
    await broker.stop();
    stream.destroy();
  } finally {
    rmSync(data, { recursive: true });
  }
});

/** What a process holds, once what is on its way out has gone. */
async function holdings(): Promise<{ heapBytes: number; bufferBytes: number; descriptors: number; handles: number }> {
  // V8 gives buffers back on a thread of its own, some time after it has found that nobody has them.
  for (let turn = 0, isFalling = true; isFalling && turn < 50; turn++) {
    const bytes = process.memoryUsage().arrayBuffers;
    collect();
    await pause(20);
    isFalling = turn < 2 || process.memoryUsage().arrayBuffers < bytes;
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return {
    heapBytes: heapUsed,
    // Blocks of messages, and all else that lies beside the heap.
    bufferBytes: arrayBuffers,
    descriptors: readdirSync("/proc/self/fd").length,
    handles: process.getActiveResourcesInfo().length,
  };
}

type Holdings = Awaited<ReturnType<typeof holdings>>;

function assertLittleStays(before: Holdings, after: Holdings, times: number, bytesMax: number): void {
  for (const what of ["heapBytes", "bufferBytes"] as const) {
    const each = (after[what] - before[what]) / times;
    assert.ok(each < bytesMax, `${Math.round(each)} ${what} stay of each broker`);
  }
}

async function oneLife(): Promise<void> {
  const plain = await startPlain({ memory: true, listen: { amqp: 0, kafka: 0 } });
  await plain.stop();
  const broker = await startBroker();
  const namespace = await broker.namespace();
  const channel = await channelOf(broker);
  await channel.assertQueue("work", { durable: true });
  channel.sendToQueue("work", Buffer.alloc(1000), { persistent: true });
  await channel.waitForConfirms();
  await namespace.kafka();
  await broker.advance("1h");
  await broker.crash();
  await broker.recover();
  await namespace.delete();
  await broker.stop();
}

test("a life of a broker leaves no memory, no handle and no descriptor", { timeout: 120_000 }, async () => {
  const lives = 20;
  for (let life = 0; life < 10; life++) await oneLife();
  const before = await holdings();
  for (let life = 0; life < lives; life++) await oneLife();
  const after = await holdings();
  assert.equal(after.handles, before.handles);
  assert.equal(after.descriptors, before.descriptors);
  // A broker holds some hundred kilobytes: one that was left behind would be seen by far.
  assertLittleStays(before, after, lives, 50_000);
});

test("a thousand starts and stops leave nothing", { timeout: 240_000 }, async () => {
  const oneStart = async (): Promise<void> => {
    const broker = await startBroker();
    await broker.stop();
  };
  for (let cycle = 0; cycle < 100; cycle++) await oneStart();
  const before = await holdings();
  const cycles = 1000;
  for (let cycle = 0; cycle < cycles; cycle++) await oneStart();
  const after = await holdings();
  assert.equal(after.handles, before.handles);
  assert.equal(after.descriptors, before.descriptors);
  assertLittleStays(before, after, cycles, 2000);
});

test("a namespace leaves nothing behind in a broker that goes on", { timeout: 120_000 }, async () => {
  await using broker = await startBroker();
  const oneNamespace = async (): Promise<void> => {
    const namespace = await broker.namespace();
    await namespace.kafka();
    await namespace.delete();
  };
  for (let count = 0; count < 100; count++) await oneNamespace();
  const before = await holdings();
  const namespaces = 100;
  for (let count = 0; count < namespaces; count++) await oneNamespace();
  const after = await holdings();
  assert.equal(after.handles, before.handles);
  assert.equal(after.descriptors, before.descriptors);
  const perNamespace = (after.heapBytes - before.heapBytes) / namespaces;
  assert.ok(perNamespace < 8000, `${Math.round(perNamespace)} bytes stay of each namespace`);
});
