/** What a test suite asks to go wrong goes wrong, once, for clients of both protocols, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from "amqplib";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { offsetCommitRequest, offsetCommitResponse } from "../src/protocols/kafka/codec/messages/group-offsets.ts";
import { startBroker, type TestBroker } from "../src/start-test-broker.ts";
import { handshake } from "./conformance/amqp091/handshake.ts";
import { WireConnection } from "./conformance/amqp091/wire-client.ts";
import { WireClient } from "./conformance/kafka/wire-client.ts";

interface Amqp {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
}

async function amqp(broker: TestBroker, client = "test"): Promise<Amqp> {
  const connection = await connect(broker.url, { clientProperties: { connection_name: client } });
  connection.on("error", () => undefined);
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => undefined);
  return { connection, channel };
}

async function producer(broker: TestBroker, clientId = "test"): Promise<Producer> {
  const kafka = new Kafka({
    brokers: [broker.kafka],
    clientId,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 10 },
  });
  const made = kafka.producer({ idempotent: true });
  await made.connect();
  return made;
}

function closed(connection: ChannelModel): Promise<void> {
  return new Promise((resolve) => connection.once("close", () => resolve()));
}

function texts(broker: TestBroker, name: string): string[] {
  return broker.published(name).map(({ text }) => text);
}

test("a refused publish is a nack to AMQP's clients, and is stored nowhere", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("orders");
  const fault = broker.faults.refusePublish({ name: "orders" });
  channel.sendToQueue("orders", Buffer.from("refused"));
  await assert.rejects(channel.waitForConfirms(), /nacked/);
  channel.sendToQueue("orders", Buffer.from("taken"));
  await channel.waitForConfirms();
  assert.equal(fault.firedCount, 1);
  assert.equal((await channel.checkQueue("orders")).messageCount, 1);
  assert.deepEqual(texts(broker, "orders"), ["taken"]);
  await connection.close();
});

test("a refused publish is tried again by Kafka's clients, or is the error that was asked for", async () => {
  await using broker = await startBroker();
  const made = await producer(broker);
  await made.send({ topic: "orders", messages: [{ value: "1" }] });
  const retriable = broker.faults.refusePublish({ protocol: "kafka", name: "orders", times: 2 });
  await made.send({ topic: "orders", messages: [{ value: "2" }] });
  assert.equal(retriable.firedCount, 2);
  broker.faults.refusePublish({ name: "orders", error: "TOPIC_AUTHORIZATION_FAILED" });
  await assert.rejects(made.send({ topic: "orders", messages: [{ value: "3" }] }), /not authorized/i);
  assert.deepEqual(texts(broker, "orders"), ["1", "2"]);
  await made.disconnect();
});

test("an error that Kafka does not have is refused when it is asked for", async () => {
  await using broker = await startBroker();
  assert.throws(() => broker.faults.refusePublish({ error: "NOT_ENOUGH" }), /NOT_ENOUGH is no error of Kafka's/);
});

test("a lost confirm: the message is there, its producer is cut off, and an idempotent one leaves no second", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("orders", { durable: true });
  broker.faults.loseConfirm({ name: "orders", protocol: "amqp" });
  const gone = closed(connection);
  channel.sendToQueue("orders", Buffer.from("amqp"), { persistent: true });
  await assert.rejects(channel.waitForConfirms(), /closed/);
  await gone;
  assert.deepEqual(texts(broker, "orders"), ["amqp"]);

  const made = await producer(broker);
  const fault = broker.faults.loseConfirm({ name: "events", protocol: "kafka" });
  await made.send({ topic: "events", messages: [{ value: "kafka" }] });
  assert.equal(fault.firedCount, 1);
  assert.deepEqual(texts(broker, "events"), ["kafka"]);
  await made.disconnect();
});

test("an ack that is ignored brings the delivery again, flagged", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("orders");
  channel.sendToQueue("orders", Buffer.from("one"));
  await channel.waitForConfirms();
  broker.faults.ignoreAck({ name: "orders" });
  const seen: boolean[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await channel.consume("orders", (message) => {
    const { fields } = message as ConsumeMessage;
    seen.push(fields.redelivered);
    channel.ack(message as ConsumeMessage);
    if (seen.length === 2) resolve();
  });
  await promise;
  assert.deepEqual(seen, [false, true]);
  // Only then has it been written what amqplib was told to acknowledge.
  await channel.close();
  await connection.close();
  const after = await amqp(broker);
  assert.equal((await after.channel.checkQueue("orders")).messageCount, 0);
  await after.connection.close();
});

test(
  "a Kafka commit that is ignored makes the member read again from what was committed",
  { timeout: 60_000 },
  async () => {
    await using broker = await startBroker();
    const made = await producer(broker);
    await made.send({ topic: "orders", messages: [{ value: "one" }] });
    const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10 } });
    const consumer = kafka.consumer({ groupId: "workers" });
    await consumer.connect();
    await consumer.subscribe({ topic: "orders", fromBeginning: true });
    const fault = broker.faults.ignoreAck({ name: "orders", protocol: "kafka" });
    let times = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    await consumer.run({
      eachMessage: async () => {
        if (++times === 2) resolve();
      },
    });
    await promise;
    assert.equal(fault.firedCount, 1);
    await consumer.disconnect();
    await made.disconnect();
  },
);

test("a connection is cut at its publish, at its ack, or now, and only the one that was meant", async () => {
  await using broker = await startBroker();
  const [victim, bystander] = [await amqp(broker, "victim"), await amqp(broker, "bystander")];
  await bystander.channel.assertQueue("orders", { durable: true });
  broker.faults.cutAtPublish({ client: "victim" });
  bystander.channel.sendToQueue("orders", Buffer.from("stays"), { persistent: true });
  await bystander.channel.waitForConfirms();
  victim.channel.sendToQueue("orders", Buffer.from("goes"), { persistent: true });
  victim.channel.sendToQueue("orders", Buffer.from("was never read"), { persistent: true });
  await assert.rejects(victim.channel.waitForConfirms());
  assert.deepEqual(texts(broker, "orders"), ["stays"]);

  const reader = await amqp(broker, "reader");
  broker.faults.cutAtAck({ client: "reader" });
  const message = await reader.channel.get("orders");
  const gone = closed(reader.connection);
  if (message !== false) reader.channel.ack(message);
  await gone;
  const again = await bystander.channel.get("orders");
  assert.equal(again === false ? undefined : again.fields.redelivered, true);

  const cut = closed(bystander.connection);
  assert.equal(broker.faults.cut({ client: "nobody" }), 0);
  assert.equal(broker.faults.cut({ client: "bystander" }), 1);
  await cut;
});

test("Kafka: the connection of a commit is cut before it counts", async () => {
  await using broker = await startBroker();
  const admin = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders" }] });
  const offsetOf = async (): Promise<string | undefined> => {
    const [topic] = await admin.fetchOffsets({ groupId: "workers", topics: ["orders"] });
    return topic?.partitions[0]?.offset;
  };
  const commit = async (): Promise<boolean> => {
    const client = await WireClient.open(broker.kafka);
    const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: null }];
    const topics = [{ name: "orders", partitions }];
    const asked = { groupId: "workers", memberId: "", topics };
    const answer = await client.ask(offsetCommitRequest, offsetCommitResponse, 5, asked);
    client.close();
    return answer !== undefined;
  };
  broker.faults.cutAtAck({ name: "orders", protocol: "kafka" });
  assert.equal(await commit(), false);
  assert.equal(await offsetOf(), "-1");
  assert.equal(await commit(), true);
  assert.equal(await offsetOf(), "0");
  await admin.disconnect();
});

test("a stop does not wait for answers that are delayed on a clock that stands still", async () => {
  const broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("orders");
  broker.faults.delayAnswers({ by: "30s" });
  let isConfirmed = false;
  channel.sendToQueue("orders", Buffer.from("slow"), {}, () => (isConfirmed = true));
  await broker.nextPublished("orders");
  const gone = closed(connection);
  await broker.stop();
  await gone;
  assert.equal(isConfirmed, true);
});

test("answers that are delayed come when the time has passed", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("orders");
  broker.faults.delayAnswers({ name: "orders", by: "30s" });
  let isConfirmed = false;
  channel.sendToQueue("orders", Buffer.from("slow"), {}, () => (isConfirmed = true));
  await broker.nextPublished("orders");
  await broker.advance("29s");
  assert.equal(isConfirmed, false);
  await broker.advance("1s");
  await channel.waitForConfirms();
  assert.equal(isConfirmed, true);
  await connection.close();
});

test("Kafka: a transaction outlives the cut of its connection, and is committed whole", async () => {
  await using broker = await startBroker();
  const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10 } });
  const made = kafka.producer({ idempotent: true, transactionalId: "mover", maxInFlightRequests: 1 });
  await made.connect();
  const transaction = await made.transaction();
  await transaction.send({ topic: "orders", messages: [{ value: "1" }] });
  const cut = broker.faults.cutAtPublish({ name: "orders" });
  await transaction.send({ topic: "orders", messages: [{ value: "2" }] });
  assert.equal(cut.firedCount, 1);
  assert.deepEqual(texts(broker, "orders"), []);
  await transaction.commit();
  await broker.nextPublished("orders", { count: 2 });
  assert.deepEqual(texts(broker, "orders"), ["1", "2"]);
  await made.disconnect();
});

test("Kafka: a cut publish is sent again and is there once, cut off it comes again, a delayed answer comes at its time", async () => {
  await using broker = await startBroker();
  const made = await producer(broker, "sender");
  await made.send({ topic: "orders", messages: [{ value: "1" }] });
  const cut = broker.faults.cutAtPublish({ client: "sender" });
  await made.send({ topic: "orders", messages: [{ value: "2" }] });
  assert.equal(cut.firedCount, 1);
  assert.deepEqual(texts(broker, "orders"), ["1", "2"]);

  assert.equal(broker.faults.cut({ protocol: "amqp" }), 0);
  assert.ok(broker.faults.cut({ client: "sender" }) >= 1);
  await made.send({ topic: "orders", messages: [{ value: "after" }] });
  assert.deepEqual(texts(broker, "orders"), ["1", "2", "after"]);

  broker.faults.delayAnswers({ protocol: "kafka", name: "orders", by: 5000 });
  await broker.nextPublished("orders", { count: 3 });
  let isAnswered = false;
  const sending = made.send({ topic: "orders", messages: [{ value: "3" }] }).then(() => (isAnswered = true));
  await broker.nextPublished("orders");
  await broker.advance("4s");
  assert.equal(isAnswered, false);
  await broker.advance("1s");
  await sending;
  await made.disconnect();
});

test("what is published to an exchange is listed by it, and by the queues that it reached", async () => {
  await using broker = await startBroker();
  const { connection, channel: plain } = await amqp(broker);
  await plain.assertQueue("orders");
  await plain.bindQueue("orders", "amq.topic", "new.#");
  plain.publish("amq.topic", "new.be", Buffer.from("routed"), {
    messageId: "m",
    headers: { h: 1 },
    correlationId: "c",
  });
  const [routed] = await broker.nextPublished("amq.topic");
  assert.deepEqual(
    [routed?.reached, routed?.routingKey, routed?.messageId, routed?.headers, routed?.correlationId],
    [["orders"], "new.be", "m", { h: 1 }, "c"],
  );
  assert.deepEqual(broker.published("orders"), [routed]);
  await connection.close();
});

for (const [way, exchange, dice] of [
  ["", "dice", {}],
  [", behind another exchange", "all", {}],
  [", without duplicates", "dice", { arguments: { "x-message-deduplication": true } }],
] as const) {
  test(`what chance has routed is listed by the queue that it reached${way}`, async () => {
    await using broker = await startBroker();
    const { connection, channel } = await amqp(broker);
    const queues = ["one", "two", "three"];
    await channel.assertExchange("dice", "x-random", dice);
    await channel.assertExchange("all", "fanout");
    await channel.bindExchange("dice", "all", "");
    for (const queue of queues) {
      await channel.assertQueue(queue);
      await channel.bindQueue(queue, "dice", "");
    }
    for (let count = 0; count < 50; count++) {
      const headers = { "x-deduplication-header": String(count) };
      channel.publish(exchange, "", Buffer.from(String(count)), { headers });
    }
    await channel.waitForConfirms();
    for (const queue of queues) {
      const there: string[] = [];
      for (;;) {
        const message = await channel.get(queue, { noAck: true });
        if (message === false) break;
        there.push(message.content.toString());
      }
      assert.deepEqual(texts(broker, queue), there);
    }
    await connection.close();
  });
}

test("what was published is asserted by texts and by fields, and told where it is something else", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker, "shop");
  await channel.assertQueue("orders");
  broker.assertPublished("orders", []);
  channel.sendToQueue("orders", Buffer.from("1"), { messageId: "m-1", headers: { country: "de" } });
  channel.sendToQueue("orders", Buffer.from("2"));
  await channel.waitForConfirms();
  broker.assertPublished("orders", ["1", "2"]);
  broker.assertPublished("orders", [{ text: "1", messageId: "m-1", headers: { country: "de" }, client: "shop" }, "2"]);
  for (const wrong of [
    [],
    ["1"],
    ["2", "1"],
    ["1", "2", "3"],
    ["1", { text: "2", messageId: "m-2" }],
    [{ headers: {} }, "2"],
  ])
    assert.throws(() => broker.assertPublished("orders", wrong), assert.AssertionError);
  await using place = await broker.namespace();
  place.assertPublished("orders", []);
  assert.throws(() => place.assertPublished("orders", ["1"]), /\+ actual - expected[^]*1/);
  await connection.close();
});

test("a duplicate that is dropped was published, and has reached nobody", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertExchange("once", "fanout", { arguments: { "x-message-deduplication": true } });
  await channel.assertQueue("any");
  await channel.assertQueue("single", { arguments: { "x-message-deduplication": true } });
  await channel.bindQueue("any", "once", "");
  await channel.bindQueue("single", "amq.fanout", "");
  await channel.bindQueue("any", "amq.fanout", "");
  const headers = { "x-deduplication-header": "id" };
  const reached = async (exchange: string): Promise<readonly (readonly string[])[]> => {
    for (const body of ["first", "second"]) channel.publish(exchange, "", Buffer.from(body), { headers });
    await channel.waitForConfirms();
    return broker.published(exchange).map((message) => message.reached);
  };
  assert.deepEqual(await reached("once"), [["any"], []]);
  assert.deepEqual(
    (await reached("amq.fanout")).map((names) => names.toSorted()),
    [["any", "single"], ["any"]],
  );
  assert.deepEqual(texts(broker, "single"), ["first"]);
  await connection.close();
});

test("of a transaction in which a connection is cut nothing is stored", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  for (const queue of ["first", "second"]) await channel.assertQueue(queue);
  await channel.assertExchange("recent", "x-recent-history");
  for (const name of ["first", "second", "recent"]) {
    const transcript = { line: () => undefined, patienceMs: 10_000 };
    const peer = await WireConnection.open("", "127.0.0.1", broker.ports["amqp"]!, transcript);
    await handshake(peer, {});
    const victim = await peer.channel(1).open();
    await victim.call("tx.select");
    broker.faults.cutAtPublish({ name });
    victim.publish("", "first", "a third");
    victim.publish("", "second", "another");
    victim.publish("recent", "", "the last one");
    victim.send("tx.commit");
    await peer.closedByServer();
    assert.ok(peer.isClosed);
    await peer.end();
  }
  assert.deepEqual([texts(broker, "first"), texts(broker, "second")], [[], []]);
  for (const queue of ["first", "second"]) assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  await connection.close();
});

test("of a transaction in which a connection is cut at an acknowledgement nothing is stored, and nothing settled", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  for (const queue of ["in", "out"]) await channel.assertQueue(queue);
  for (const text of ["one", "two"]) channel.sendToQueue("in", Buffer.from(text));
  await channel.waitForConfirms();
  const counts = async (): Promise<number[]> => [
    (await channel.checkQueue("in")).messageCount,
    (await channel.checkQueue("out")).messageCount,
  ];
  const transcript = { line: () => undefined, patienceMs: 10_000 };
  for (const isMultiple of [false, true]) {
    const peer = await WireConnection.open("", "127.0.0.1", broker.ports["amqp"]!, transcript);
    await handshake(peer, {});
    const victim = await peer.channel(1).open();
    await victim.call("tx.select");
    await victim.call("basic.get", { queue: "in" });
    broker.faults.cutAtAck({ name: "in" });
    victim.publish("", "out", "made of it");
    victim.send("basic.ack", { "delivery-tag": isMultiple ? 0 : 1, multiple: isMultiple });
    victim.send("tx.commit");
    await peer.closedByServer();
    await peer.end();
    await broker.advance(0);
    assert.deepEqual(await counts(), [2, 0]);
  }
  broker.faults.assertFired();
  assert.deepEqual(texts(broker, "out"), []);

  // What is asked for between an acknowledgement and its commit, or not to count of it, is not for a transaction.
  const peer = await WireConnection.open("", "127.0.0.1", broker.ports["amqp"]!, transcript);
  await handshake(peer, {});
  const other = await peer.channel(1).open();
  await other.call("tx.select");
  await other.call("basic.get", { queue: "in" });
  const ignored = broker.faults.ignoreAck({ name: "in" });
  other.publish("", "out", "made of it");
  other.send("basic.ack", { "delivery-tag": 1 });
  await other.call("basic.qos", { "prefetch-count": 1 });
  const late = [broker.faults.cutAtAck({ name: "in" }), broker.faults.cutAtPublish({ name: "out" })];
  await other.call("tx.commit");
  assert.deepEqual(await counts(), [1, 1]);
  assert.deepEqual(
    [ignored, ...late].map(({ firedCount }) => firedCount),
    [0, 0, 0],
  );
  broker.faults.clear();
  await peer.end();
  await connection.close();
});

test("to ignore an acknowledgement is about what can come again, and to cut at one about streams too", async () => {
  await using broker = await startBroker();
  const { connection, channel } = await amqp(broker);
  await channel.assertQueue("events", { durable: true, arguments: { "x-queue-type": "stream" } });
  await channel.assertQueue("orders");
  await channel.prefetch(10);
  const ignored = broker.faults.ignoreAck({ times: 1 });
  const seen: string[] = [];
  let come = Promise.withResolvers<void>();
  const take = (message: ConsumeMessage | null): void => {
    const { fields, content } = message as ConsumeMessage;
    seen.push(`${content.toString()} ${fields.redelivered}`);
    channel.ack(message as ConsumeMessage);
    come.resolve();
  };
  const sent = async (queue: string): Promise<void> => {
    channel.sendToQueue(queue, Buffer.from(queue));
    await come.promise;
    come = Promise.withResolvers();
    await broker.advance(0);
  };
  await channel.consume("events", take, { arguments: { "x-stream-offset": "first" } });
  await channel.consume("orders", take);
  await sent("events");
  assert.equal(ignored.firedCount, 0);
  await sent("orders");
  assert.equal(ignored.firedCount, 1);
  assert.deepEqual(seen, ["events false", "orders false", "orders true"]);
  const gone = closed(connection);
  broker.faults.cutAtAck({ name: "events" });
  channel.sendToQueue("events", Buffer.from("last"));
  await gone;
});

test("a fault that did not happen is told, by assertFired and by the stop", async () => {
  const broker = await startBroker();
  broker.faults.ignoreAck({ name: "orders", times: 2 });
  broker.faults.cutAtPublish({ times: Infinity });
  broker.faults.refusePublish().clear();
  const told = /did not happen: ignoreAck\(\{"name":"orders","times":2\}\) happened 0 of 2 times$/;
  assert.throws(() => broker.faults.assertFired(), told);
  await assert.rejects(broker.stop(), told);
  const calm = await startBroker();
  calm.faults.refusePublish();
  calm.faults.clear();
  await calm.stop();
});
