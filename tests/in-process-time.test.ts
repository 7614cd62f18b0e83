/**
 * Time that passes by saying so, as clients of both protocols see it: when `advance` has resolved, what the time set off has
 * been delivered, and not one thing more.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect, type ConfirmChannel } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { startBroker as startPlain } from "../src/start-broker.ts";
import { startBroker, type TestBroker } from "../src/start-test-broker.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../src/protocols/kafka/codec/messages/group-offsets.ts";
import {
  joinGroupRequest,
  joinGroupResponse,
  syncGroupRequest,
  syncGroupResponse,
} from "../src/protocols/kafka/codec/messages/groups.ts";
import { WireClient } from "./conformance/kafka/wire-client.ts";

async function withChannel(broker: TestBroker, run: (channel: ConfirmChannel) => Promise<void>): Promise<void> {
  const connection = await connect(broker.url);
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => undefined);
  await run(channel);
  await connection.close();
}

function kafkaOf(broker: TestBroker): Kafka {
  return new Kafka({
    brokers: [broker.kafka],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 10, retries: 3 },
  });
}

async function firstOffset(broker: TestBroker, topic: string): Promise<string | undefined> {
  const admin = kafkaOf(broker).admin();
  await admin.connect();
  const [partition] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return partition?.low;
}

test("expiry: a message with a TTL is dead-lettered at its time, and its consumer has it", async () => {
  await using broker = await startBroker();
  await withChannel(broker, async (channel) => {
    await channel.assertQueue("dead");
    await channel.assertQueue("work", { messageTtl: 900_000, deadLetterExchange: "", deadLetterRoutingKey: "dead" });
    const died: string[] = [];
    await channel.consume("dead", (message) => void died.push(message!.content.toString()), { noAck: true });
    for (let round = 0; round < 20; round++) {
      channel.sendToQueue("work", Buffer.from(String(round)));
      await broker.advance("14m59s");
      assert.equal(died.length, round);
      await broker.advance("1s");
      assert.equal(died.length, round + 1, "it was delivered when advance resolved");
    }
  });
});

test("retries: what is refused comes back after its pause, each longer than the one before", async () => {
  await using broker = await startBroker();
  await withChannel(broker, async (channel) => {
    await channel.assertQueue("dead");
    await channel.assertQueue("work", {
      deadLetterExchange: "",
      deadLetterRoutingKey: "dead",
      arguments: { "x-retry-min-ms": 1000, "x-retry-attempts": 3 },
    });
    let attempts = 0;
    await channel.consume("work", (message) => {
      attempts++;
      channel.nack(message!);
    });
    channel.sendToQueue("work", Buffer.from("hard"));
    await broker.advance(0);
    assert.equal(attempts, 1);
    for (const [pause, wanted] of [
      ["999ms", 1],
      ["1ms", 2],
      ["1999ms", 2],
      ["1ms", 3],
      ["4s", 4],
    ] as const) {
      await broker.advance(pause);
      assert.equal(attempts, wanted);
    }
    assert.equal((await channel.checkQueue("dead")).messageCount, 1);
  });
});

test("leases: a delivery that nobody settles for half an hour closes its channel, and is another's", async () => {
  await using broker = await startBroker();
  const connection = await connect(broker.url);
  const [stuck, other] = [await connection.createChannel(), await connection.createConfirmChannel()];
  await other.assertQueue("work");
  other.sendToQueue("work", Buffer.from("job"));
  await stuck.consume("work", () => undefined);
  await broker.advance(0);
  const failed = once(stuck, "error");
  await broker.advance("32m");
  assert.match(((await failed) as [Error])[0].message, /delivery acknowledgement on channel 1 timed out/);
  const again = await other.get("work", { noAck: true });
  assert.equal(again === false ? undefined : again.fields.redelivered, true);
  await connection.close();
});

test("a transaction of Kafka's that takes too long is aborted, and its producer fenced", async () => {
  await using broker = await startBroker();
  const kafka = kafkaOf(broker);
  const producer = kafka.producer({
    idempotent: true,
    transactionalId: "mover",
    maxInFlightRequests: 1,
    transactionTimeout: 60_000,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: "orders", messages: [{ value: "never" }] });
  await broker.advance("62s");
  await assert.rejects(transaction.commit());
  assert.deepEqual(broker.published("orders"), []);
  const next = kafka.producer({ idempotent: true });
  await next.connect();
  await next.send({ topic: "orders", messages: [{ value: "seen" }] });
  const consumer = kafka.consumer({ groupId: "readers" });
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  await consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) });
  assert.equal(await promise, "seen");
  for (const client of [consumer, producer, next]) await client.disconnect();
});

test("retention and compaction: what is too old, and what a newer one of its key replaces, is gone", async () => {
  await using broker = await startBroker();
  const kafka = kafkaOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: "aging", configEntries: [{ name: "retention.ms", value: "3600000" }] },
      { topic: "latest", configEntries: [{ name: "cleanup.policy", value: "compact" }] },
    ],
  });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "aging", messages: [{ value: "old" }] });
  for (const value of ["1", "2", "3"]) await producer.send({ topic: "latest", messages: [{ key: "k", value }] });
  assert.equal(await firstOffset(broker, "aging"), "0");
  await broker.advance("2h");
  assert.equal(await firstOffset(broker, "aging"), "1");

  const consumer = kafka.consumer({ groupId: "readers" });
  await consumer.connect();
  await consumer.subscribe({ topic: "latest", fromBeginning: true });
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.push(String(message.value));
      resolve();
    },
  });
  await promise;
  assert.deepEqual(seen, ["3"]);
  for (const client of [consumer, producer, admin]) await client.disconnect();
});

test("offsets of a group that is no more are forgotten in time", async () => {
  await using broker = await startBroker();
  const admin = kafkaOf(broker).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders" }] });
  const offsetOf = async (): Promise<string | undefined> => {
    const [topic] = await admin.fetchOffsets({ groupId: "gone", topics: ["orders"] });
    return topic?.partitions[0]?.offset;
  };
  const client = await WireClient.open(broker.kafka);
  const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: null }];
  const topics = [{ name: "orders", partitions }];
  await client.ask(offsetCommitRequest, offsetCommitResponse, 5, { groupId: "gone", memberId: "", topics });
  client.close();
  await broker.advance("6d");
  assert.equal(await offsetOf(), "0");
  await broker.advance("25h");
  assert.equal(await offsetOf(), "-1");
  await admin.disconnect();
});

test("a member whose client is there outlives a jump, one that has gone without a word does not", async () => {
  await using broker = await startBroker();
  const kafka = kafkaOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders" }] });
  const consumer = kafka.consumer({ groupId: "living", sessionTimeout: 10_000 });
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on("consumer.group_join", () => resolve()));
  const mailbox: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      mailbox.push(String(message.value));
      resolve();
    },
  });
  await joined;

  const silent = await WireClient.open(broker.kafka);
  await joinAlone(silent, "dying");
  const membersOf = async (groupId: string): Promise<number | undefined> =>
    (await admin.describeGroups([groupId])).groups[0]?.members.length;
  await broker.advance("1h");
  assert.deepEqual([await membersOf("living"), await membersOf("dying")], [1, 1], "both are connected");
  silent.close();
  await broker.advance("9s");
  assert.deepEqual([await membersOf("living"), await membersOf("dying")], [1, 1], "it may still come back");
  await broker.advance("1h");
  assert.deepEqual([await membersOf("living"), await membersOf("dying")], [1, 0]);

  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "orders", messages: [{ value: "after the jump" }] });
  await promise;
  assert.deepEqual(mailbox, ["after the jump"]);
  for (const client of [consumer, producer, admin]) await client.disconnect();
});

async function joinAlone(client: WireClient, groupId: string): Promise<void> {
  const asked = {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  };
  const joined = await client.ask(joinGroupRequest, joinGroupResponse, 2, asked);
  assert.equal(joined?.errorCode, 0);
  const { generationId, memberId } = joined;
  const assignments = [{ memberId, assignment: Buffer.alloc(0) }];
  const synced = await client.ask(syncGroupRequest, syncGroupResponse, 1, {
    groupId,
    generationId,
    memberId,
    assignments,
  });
  assert.equal(synced?.errorCode, 0);
}

test("@platformatic/kafka reads at its time what an AMQP client has delayed", async () => {
  await using broker = await startBroker();
  const base = { clientId: "reader", bootstrapBrokers: [broker.kafka] };
  const producer = new Producer({ ...base, serializers: stringSerializers });
  const consumer = new Consumer({ ...base, groupId: "readers", deserializers: stringDeserializers, maxWaitTime: 100 });
  await withChannel(broker, async (channel) => {
    await channel.assertQueue("events", { durable: true, arguments: { "x-queue-type": "stream" } });
    await channel.assertQueue("waiting", {
      messageTtl: 86_400_000,
      deadLetterExchange: "",
      deadLetterRoutingKey: "events",
    });
    channel.sendToQueue("waiting", Buffer.from("tomorrow"));
    await broker.advance("23h");
    await producer.send({ messages: [{ topic: "events", value: "today" }] });
    await broker.advance("1h");
    const stream = await consumer.consume({ topics: ["events"], mode: "earliest" });
    const seen: string[] = [];
    for await (const { value } of stream) {
      seen.push(value);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen, ["today", "tomorrow"]);
    await stream.close();
  });
  await consumer.close(true);
  await producer.close();
});

test("an exchange that delays sends each message at its time, to the millisecond", async () => {
  await using broker = await startBroker();
  await withChannel(broker, async (channel) => {
    await channel.assertExchange("later", "x-delayed-message", { arguments: { "x-delayed-type": "fanout" } });
    await channel.assertQueue("work");
    await channel.bindQueue("work", "later", "");
    const came: string[] = [];
    await channel.consume("work", (message) => void came.push(message!.content.toString()), { noAck: true });
    for (const [text, delayMs] of [
      ["last", 900_000],
      ["first", 60_000],
      ["at once", 0],
    ] as const)
      channel.publish("later", "", Buffer.from(text), { headers: { "x-delay": delayMs } });
    await broker.advance("59999ms");
    assert.deepEqual(came, ["at once"]);
    await broker.advance("1ms");
    assert.deepEqual(came, ["at once", "first"]);
    await broker.advance("13m59999ms");
    assert.deepEqual(came, ["at once", "first"]);
    await broker.advance("1ms");
    assert.deepEqual(came, ["at once", "first", "last"]);
  });
});

/** All that chance decides in a broker: names, queues, pauses. */
async function whatHappens(seed: number): Promise<unknown[]> {
  await using broker = await startBroker({ seed });
  const happened: unknown[] = [];
  await withChannel(broker, async (channel) => {
    happened.push((await channel.assertQueue("")).queue);
    await channel.assertExchange("any", "x-random");
    for (const queue of ["a", "b", "c"]) {
      await channel.assertQueue(queue);
      await channel.bindQueue(queue, "any", "");
    }
    for (let round = 0; round < 30; round++) channel.publish("any", "", Buffer.from(String(round)));
    await channel.waitForConfirms();
    for (const queue of ["a", "b", "c"]) happened.push((await channel.checkQueue(queue)).messageCount);
    await channel.assertQueue("work", { arguments: { "x-retry-min-ms": 1000, "x-retry-jitter": 1 } });
    let attempts = 0;
    await channel.consume("work", (message) => {
      attempts++;
      channel.nack(message!);
    });
    channel.sendToQueue("work", Buffer.from("hard"));
    await channel.waitForConfirms();
    for (let second = 0; second < 20; second++) {
      await broker.advance("500ms");
      happened.push(attempts);
    }
  });
  await broker.crash();
  await broker.recover();
  await withChannel(broker, async (channel) => void happened.push((await channel.assertQueue("")).queue));
  return happened;
}

test("what chance decides is the same again with the same seed", async () => {
  const [first, again, other] = [await whatHappens(7), await whatHappens(7), await whatHappens(8)];
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
  assert.notEqual(first.at(-1), first[0], "a name is not given again after a crash");
});

test("months pass in a moment, also beside topics and consumers", { timeout: 60_000 }, async () => {
  await using broker = await startBroker();
  const admin = kafkaOf(broker).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 3 }] });
  await broker.advance("90d");
  await admin.disconnect();
});

for (const durations of [
  ["1h", "10m"],
  ["10m", "1h"],
]) {
  test(`two who move time on at once move it twice: ${durations.join(" and ")}`, async () => {
    const broker = await startPlain({ memory: true, listen: { amqp: 0 }, clock: "virtual" });
    try {
      const connection = await connect(`amqp://${broker.addresses["amqp"]}`);
      connection.on("error", () => undefined);
      const channel = await connection.createConfirmChannel();
      await channel.assertQueue("late");
      await channel.assertQueue("work", {
        messageTtl: 65 * 60_000,
        deadLetterExchange: "",
        deadLetterRoutingKey: "late",
      });
      channel.sendToQueue("work", Buffer.from("job"));
      await channel.waitForConfirms();
      await Promise.all(durations.map((duration) => broker.advance(duration)));
      assert.equal((await channel.checkQueue("late")).messageCount, 1);
    } finally {
      await broker.stop();
    }
  });
}

test("time begins where it is told to, and is then the same in each run", async () => {
  const now = new Date("2030-01-01T00:00:00Z");
  const runs: unknown[] = [];
  for (let run = 0; run < 2; run++) {
    await using broker = await startBroker({ now, seed: 1 });
    const connection = await connect(broker.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue("dead");
    await channel.assertQueue("q", { messageTtl: 60_000, deadLetterExchange: "", deadLetterRoutingKey: "dead" });
    channel.sendToQueue("q", Buffer.from("1"));
    await channel.waitForConfirms();
    await broker.advance("1m");
    const message = await channel.get("dead");
    assert.ok(message !== false);
    const [death] = message.properties.headers!["x-death"]!;
    assert.deepEqual(death!.time, { "!": "timestamp", value: now.getTime() / 1000 + 60 });
    runs.push(message.properties.headers);
    await connection.close();
  }
  assert.deepEqual(runs[0], runs[1]);
  await assert.rejects(startBroker({ now: new Date("never") }), /now: Invalid Date is no time since 1970/);
  await assert.rejects(startBroker({ now, clock: "system" }), /now: by the clock "system"/);
});

test("only a broker whose time is its own is moved on, and only by a duration", async () => {
  await using broker = await startBroker({ clock: "system" });
  await assert.rejects(broker.advance("1m"), /machine's clock/);
  await using still = await startBroker();
  for (const wrong of ["a while", NaN, -1, Infinity]) {
    await assert.rejects(still.advance(wrong), { name: "RangeError", message: new RegExp(`${wrong} is no duration`) });
  }
});

test("clients that do not stop talking are told of, and time passes again when they have", async () => {
  await using broker = await startBroker({ restMsMax: 200 });
  await withChannel(broker, async (channel) => {
    await channel.assertQueue("work");
    let isTired = false;
    await channel.consume("work", (message) => (isTired ? channel.ack(message!) : channel.nack(message!)));
    channel.sendToQueue("work", Buffer.from("hot"));
    await channel.waitForConfirms();
    await assert.rejects(broker.advance("1m"), /for 200 ms clients have not stopped talking/);
    isTired = true;
    await broker.advance("1m");
    assert.equal((await channel.checkQueue("work")).messageCount, 0);
  });
});
