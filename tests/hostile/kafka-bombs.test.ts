/**
 * Batches of a megabyte at most that become a hundred times as much: passed on unopened where nobody must look inside, refused
 * where somebody must, and an AMQP consumer passes over them. And connections that promise large requests and never send
 * them. The broker's memory stays what it was, within a bound. Hundreds of small ones, which are a lot of work to look into one
 * after the other, keep nobody else waiting.
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "amqplib";
import { compressions } from "../../src/protocols/kafka/codec/compression.ts";
import { errorName } from "../../src/protocols/kafka/codec/errors.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../../src/protocols/kafka/codec/messages/offsets.ts";
import { produceRequest, produceResponse } from "../../src/protocols/kafka/codec/messages/produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../src/protocols/kafka/codec/messages/topics.ts";
import { BatchView } from "../../src/protocols/kafka/codec/record-batch.ts";
import { buildBatch, type RecordModel } from "../../src/protocols/kafka/codec/record-models.suite.ts";
import { WireClient } from "../conformance/kafka/wire-client.ts";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";

const mebibyte = 1024 * 1024;
/**
 * What the broker may work at before it answers somebody else. It was 44 to 237 ms, on a machine with four times as much to do as
 * it has processors; ten or more of the batches in one turn are more than this.
 */
const workMsMax = 1000;
/** As large as each of them can make of less than a megabyte, or enough. */
const bombBytes = { gzip: 300, zstd: 300, lz4: 200, snappy: 20 } as const;

function record(value: Buffer): RecordModel {
  return { offset: 0, timestampMs: Date.now(), key: Buffer.from("k"), value, headers: [] };
}

/** The most that it ever held. */
function peakBytes(broker: BrokerProcess): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${broker.pid}/status`, "utf8"))![1]) * 1024;
}

type Configs = Readonly<Record<string, string>>;

async function createTopic(client: WireClient, name: string, policy: string, others: Configs = {}): Promise<void> {
  const configs = Object.entries({ "cleanup.policy": policy, ...others }).map(([key, value]) => ({ name: key, value }));
  const topic = { name, numPartitions: 1, replicationFactor: 1, configs };
  const request = { topics: [topic], timeoutMs: 5000 };
  const created = await client.ask(createTopicsRequest, createTopicsResponse, 5, request);
  assert.equal(created?.topics[0]?.errorCode, 0);
}

async function produce(client: WireClient, name: string, records: Buffer): Promise<string> {
  return (await produceAll(client, name, [records]))[0]!;
}

/** By one request. */
async function produceAll(client: WireClient, name: string, batches: readonly Buffer[]): Promise<string[]> {
  const topicData = [{ name, partitionData: batches.map((records) => ({ index: 0, records })) }];
  const answer = await client.ask(produceRequest, produceResponse, 9, { acks: -1, timeoutMs: 5000, topicData });
  return answer!.responses[0]!.partitionResponses.map(({ errorCode }) => errorName(errorCode));
}

test("bombs and promises", { timeout: 200_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-bombs-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const broker = await spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0", amqp: "127.0.0.1:0" } });
  t.after(() => broker.kill("SIGKILL"));
  const client = await WireClient.open(broker.addresses["kafka"]!);
  t.after(() => client.close());
  const amqp = await connect(`amqp://${broker.amqp}`);
  // With the broker, when a test has failed; what the client does about it is its own affair.
  amqp.on("error", () => undefined);
  const channel = await amqp.createChannel();
  await channel.assertQueue("work", { durable: true });
  await createTopic(client, "plain", "delete");
  await createTopic(client, "compacted", "compact");
  // What a client may ask for.
  await createTopic(client, "wide", "compact", { "max.message.bytes": "2147483647" });
  const before = peakBytes(broker);

  for (const [name, mebibytes] of Object.entries(bombBytes) as [keyof typeof bombBytes, number][]) {
    await t.test(`a bomb of ${name}`, async () => {
      const bomb = buildBatch([record(Buffer.alloc(mebibytes * mebibyte))], compressions[name]);
      assert.ok(bomb.length < 1_048_588, `${bomb.length} bytes`);
      assert.equal(await produce(client, "plain", bomb), "NONE");
      // What snappy makes of a megabyte is within what a broker holds.
      const opened = name === "snappy" ? ["NONE"] : ["INVALID_RECORD", "MESSAGE_TOO_LARGE"];
      for (const topic of ["compacted", "work"]) {
        const verdict = await produce(client, topic, bomb);
        assert.ok(opened.includes(verdict), `${topic}: ${verdict}`);
      }
      if (name === "zstd") assert.equal(await produce(client, "wide", bomb), "INVALID_RECORD");
      // The greatest time is looked for inside.
      const topics = [{ name: "plain", partitions: [{ partitionIndex: 0, timestamp: -3 }] }];
      const found = await client.ask(listOffsetsRequest, listOffsetsResponse, 8, { topics });
      assert.equal(found?.topics[0]?.partitions[0]?.errorCode, 0);
    });
  }

  await t.test("an AMQP consumer comes to what is behind them", async () => {
    assert.equal(await produce(client, "plain", buildBatch([record(Buffer.from("behind"))])), "NONE");
    const { promise, resolve } = Promise.withResolvers<void>();
    const options = { arguments: { "x-stream-offset": "first" } };
    await channel.prefetch(10);
    await channel.consume(
      "plain",
      (message) => {
        channel.ack(message!);
        if (message!.content.equals(Buffer.from("behind"))) resolve();
      },
      options,
    );
    await promise;
  });

  await t.test("a thousand promises of a large request", async () => {
    const [host, port] = broker.addresses["kafka"]!.split(":") as [string, string];
    const promising = Buffer.alloc(64);
    promising.writeInt32BE(100_000_000);
    const sockets = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const socket = connectSocket(Number(port), host);
        await new Promise((resolve) => socket.write(promising, resolve));
        return socket;
      }),
    );
    assert.equal(await produce(client, "plain", buildBatch([record(Buffer.from("x"))])), "NONE");
    for (const socket of sockets) socket.destroy();
  });

  const growth = (peakBytes(broker) - before) / mebibyte;
  t.diagnostic(`memory grew by ${growth.toFixed(0)} MiB at most`);
  // One bomb opened is up to 256 MiB, and the collector takes its time; all of them would be a gigabyte and more.
  assert.ok(growth < 512, `${growth} MiB`);
  await amqp.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

/** Of the broker's main thread, ms, since its start: others on the machine do not make it more. Undefined where nobody says. */
function workedMs(broker: BrokerProcess): number | undefined {
  const path = `/proc/${broker.pid}/task/${broker.pid}/schedstat`;
  return existsSync(path) ? Number(readFileSync(path, "utf8").split(" ")[0]) / 1e6 : undefined;
}

/**
 * Somebody who asks for next to nothing waits, while the work is done, for a small part of the time that it takes; and never
 * for more work of the broker's than a few batches are.
 */
async function assertOthersGoOn(broker: BrokerProcess, work: Promise<unknown>): Promise<string> {
  const state = { isOver: false };
  const over = (): void => void (state.isOver = true);
  work.then(over, over);
  const witness = await WireClient.open(broker.addresses["kafka"]!);
  const topics = [{ name: "plain", partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
  let longestMs = 0;
  let mostWorkMs = 0;
  const startMs = performance.now();
  do {
    const fromMs = performance.now();
    const fromWorkMs = workedMs(broker);
    const found = await witness.ask(listOffsetsRequest, listOffsetsResponse, 8, { topics });
    assert.equal(found?.topics[0]?.partitions[0]?.errorCode, 0);
    longestMs = Math.max(longestMs, performance.now() - fromMs);
    mostWorkMs = Math.max(mostWorkMs, (workedMs(broker) ?? 0) - (fromWorkMs ?? 0));
    await new Promise(setImmediate);
  } while (!state.isOver);
  witness.close();
  await work;
  const tookMs = performance.now() - startMs;
  const seen = `${longestMs.toFixed()} of ${tookMs.toFixed()} ms, ${mostWorkMs.toFixed()} ms of work`;
  assert.ok(longestMs < tookMs / 5, seen);
  assert.ok(mostWorkMs < workMsMax, seen);
  return seen;
}

test("hundreds of bombs, which somebody has looked into", { timeout: 200_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-bombs-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const broker = await spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0", amqp: "127.0.0.1:0" } });
  t.after(() => broker.kill("SIGKILL"));
  const address = broker.addresses["kafka"]!;
  const client = await WireClient.open(address);
  t.after(() => client.close());
  const amqp = await connect(`amqp://${broker.amqp}`);
  amqp.on("error", () => undefined);
  const channel = await amqp.createChannel();
  for (const name of ["plain", "timed", "streamed"]) await createTopic(client, name, "delete");

  await t.test("by a question for a time that they say they have", async () => {
    const nowMs = Date.now();
    const batch = buildBatch([record(Buffer.alloc(63 * mebibyte))], compressions.zstd);
    new BatchView().set(batch, 0).setMaxTimestamp(false, nowMs + 600_000);
    for (let i = 0; i < 100; i++) assert.equal(await produce(client, "timed", batch), "NONE");
    const topics = [{ name: "timed", partitions: [{ partitionIndex: 0, timestamp: nowMs + 500_000 }] }];
    const asked = client.ask(listOffsetsRequest, listOffsetsResponse, 8, { topics });
    t.diagnostic(await assertOthersGoOn(broker, asked));
    const found = (await asked)!.topics[0]!.partitions[0]!;
    assert.deepEqual([found.errorCode, found.offset], [0, -1], "none of them has it");
  });

  await t.test("by topics that need their keys, or want them in another compression", async () => {
    await createTopic(client, "keyed", "compact");
    await createTopic(client, "repacked", "delete", { "compression.type": "gzip", "compression.gzip.level": "9" });
    for (const [name, mebibytes] of [
      ["keyed", 60],
      ["repacked", 15],
    ] as const) {
      const batch = buildBatch([record(Buffer.alloc(mebibytes * mebibyte))], compressions.zstd);
      const produced = produceAll(client, name, Array<Buffer>(40).fill(batch));
      t.diagnostic(await assertOthersGoOn(broker, produced));
      // Where the machine is slow, what is left after ten seconds is to be sent again.
      const verdicts = new Set(await produced);
      verdicts.delete("REQUEST_TIMED_OUT");
      assert.deepEqual([...verdicts], ["NONE"], name);
    }
  });

  await t.test("by a consumer that passes over them", async () => {
    const batch = buildBatch([record(Buffer.alloc(70 * mebibyte))], compressions.zstd);
    for (let i = 0; i < 100; i++) assert.equal(await produce(client, "streamed", batch), "NONE");
    assert.equal(await produce(client, "streamed", buildBatch([record(Buffer.from("behind"))])), "NONE");
    const { promise, resolve } = Promise.withResolvers<string>();
    await channel.prefetch(10);
    const consumed = channel.consume("streamed", (message) => resolve(message!.content.toString()), {
      arguments: { "x-stream-offset": "first" },
    });
    const arrived = consumed.then(() => promise);
    t.diagnostic(await assertOthersGoOn(broker, arrived));
    assert.equal(await promise, "behind");
  });

  await amqp.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});
