/** Each test has queues, topics, groups and transactional ids of its own, in one broker, and leaves nothing behind. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { initProducerIdRequest, initProducerIdResponse } from "../src/protocols/kafka/codec/messages/transactions.ts";
import { startBroker, type TestNamespace } from "../src/start-test-broker.ts";
import { WireClient } from "./conformance/kafka/wire-client.ts";

async function kafkaOf(namespace: TestNamespace): Promise<Kafka> {
  return new Kafka({ brokers: [await namespace.kafka()], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10 } });
}

test("the same names in two namespaces are two queues, two topics, two groups", async () => {
  await using broker = await startBroker();
  const spaces = [await broker.namespace(), await broker.namespace()];
  for (const [index, namespace] of spaces.entries()) {
    const connection = await connect(namespace.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue("work");
    channel.sendToQueue("work", Buffer.from(`amqp ${index}`));
    await channel.waitForConfirms();
    const kafka = await kafkaOf(namespace);
    const producer = kafka.producer({ idempotent: true, transactionalId: "mover", maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: "orders", messages: [{ value: `kafka ${index}` }] });
    assert.deepEqual(namespace.published("orders"), [], "it is not committed");
    await transaction.commit();
    const consumer = kafka.consumer({ groupId: "workers" });
    await consumer.connect();
    await consumer.subscribe({ topic: "orders", fromBeginning: true });
    const { promise, resolve } = Promise.withResolvers<string>();
    await consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) });
    assert.equal(await promise, `kafka ${index}`);
    await consumer.disconnect();
    await producer.disconnect();
    await connection.close();
  }
  for (const [index, namespace] of spaces.entries()) {
    assert.deepEqual(
      namespace.published("orders").map(({ text }) => text),
      [`kafka ${index}`],
    );
    assert.equal((await namespace.nextPublished("work"))[0]?.text, `amqp ${index}`);
  }
  assert.deepEqual(broker.published("orders"), []);
});

test("transactions of producers that have the same number in two namespaces are two", async () => {
  await using broker = await startBroker();
  const spaces = [await broker.namespace(), await broker.namespace()];
  const open = spaces.map(async (namespace, index) => {
    const producer = (await kafkaOf(namespace)).producer({ transactionalId: "mover", maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: "orders", messages: [{ value: `kafka ${index}` }] });
    return { producer, transaction };
  });
  const [first, second] = await Promise.all(open);
  const listed = (): string[][] => spaces.map((one) => one.published("orders").map(({ text }) => text));
  await first!.transaction.commit();
  await broker.advance(0);
  assert.deepEqual(listed(), [["kafka 0"], []]);
  await second!.transaction.commit();
  await broker.advance(0);
  assert.deepEqual(listed(), [["kafka 0"], ["kafka 1"]]);
  await first!.producer.disconnect();
  await second!.producer.disconnect();
});

test("a namespace without a name has one that nobody has", async () => {
  await using broker = await startBroker();
  await using named = await broker.namespace("test-1");
  await using unnamed = await broker.namespace();
  assert.notEqual(unnamed.name, named.name);
});

test("a namespace that is deleted while the broker is dead is not there when it has recovered", async () => {
  await using broker = await startBroker();
  const namespace = await broker.namespace("mine");
  await broker.crash();
  await namespace.delete();
  await broker.recover();
  await assert.rejects(connect(namespace.url));
  const again = await broker.namespace("mine");
  await (await connect(again.url)).close();
});

test("a namespace that is being made when the broker crashes is refused, and its name is free afterwards", async () => {
  await using broker = await startBroker();
  const making = assert.rejects(broker.namespace("mine"), /has crashed or was stopped meanwhile/);
  await broker.crash();
  await making;
  await broker.recover();
  const again = await broker.namespace("mine");
  await (await connect(again.url)).close();
});

test("a message crosses from Kafka to AMQP within a namespace", async () => {
  await using broker = await startBroker();
  await using namespace = await broker.namespace();
  const producer = (await kafkaOf(namespace)).producer();
  await producer.connect();
  await producer.send({ topic: "orders", messages: [{ key: "k", value: "v", headers: { h: "1" } }] });
  const connection = await connect(namespace.url);
  const channel = await connection.createChannel();
  const message = await channel.get("orders", { noAck: true });
  assert.equal(message === false ? undefined : message.content.toString(), "v");
  await producer.disconnect();
  await connection.close();
});

test("a namespace that is deleted takes its connections, its port and its definitions with it", async () => {
  await using broker = await startBroker();
  const namespace = await broker.namespace("mine");
  await assert.rejects(broker.namespace("mine"), /there is a namespace mine/);
  const connection = await connect(namespace.url);
  connection.on("error", () => undefined);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("work", { durable: true });
  const closed = once(connection, "close");
  const kafka = await kafkaOf(namespace);
  const producer = kafka.producer({ idempotent: true, transactionalId: "mover", maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: "orders", messages: [{ value: "1" }] });
  await transaction.commit();
  await producer.disconnect();
  const address = await namespace.kafka();
  await namespace.delete();
  await closed;
  await assert.rejects(connect(namespace.url));
  await assert.rejects(namespace.kafka(), /was deleted/);
  const again = await broker.namespace("mine");
  const admin = (await kafkaOf(again)).admin();
  await admin.connect();
  assert.deepEqual(await admin.listTopics(), []);
  await admin.disconnect();
  assert.notEqual(await again.kafka(), "");
  assert.notEqual(address, broker.kafka);
});

test("a namespace is there again after a crash, at the same port, with what was durable", async () => {
  await using broker = await startBroker();
  const namespace = await broker.namespace();
  const kafka = await kafkaOf(namespace);
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic: "orders", messages: [{ value: "1" }] });
  const before = await namespace.kafka();
  await broker.crash();
  await assert.rejects(broker.namespace(), /has crashed: call recover/);
  await broker.recover();
  assert.equal(await namespace.kafka(), before);
  await producer.send({ topic: "orders", messages: [{ value: "2" }] });
  const admin = kafka.admin();
  await admin.connect();
  assert.equal((await admin.fetchTopicOffsets("orders"))[0]?.high, "2");
  await admin.disconnect();
  await producer.disconnect();
  await namespace.delete();
});

/** Of this process, once what was closed has gone. */
async function openServers(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => /TCPSERVER/i.test(name)).length;
}

test("who asks for a namespace's port while it opens gets the same, and none stays of what has gone meanwhile", async () => {
  const before = await openServers();
  const broker = await startBroker();
  const started = await openServers();
  assert.ok(started > before);
  const namespace = await broker.namespace();
  const addresses = await Promise.all([namespace.kafka(), namespace.kafka()]);
  assert.equal(addresses[0], addresses[1]);
  assert.equal(await openServers(), started + 1);

  const passing = await broker.namespace();
  const refused = assert.rejects(passing.kafka(), /was deleted meanwhile/);
  await passing.delete();
  await refused;
  assert.equal(await openServers(), started + 1);

  const other = await broker.namespace();
  const cut = assert.rejects(other.kafka(), /has crashed/);
  await broker.crash();
  await cut;
  assert.equal(await openServers(), before);

  // A client that tries again while the broker recovers.
  const recovering = broker.recover();
  const asked = [namespace.kafka(), namespace.kafka()];
  await recovering;
  asked.push(namespace.kafka());
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(addresses));
  const late = assert.rejects(other.kafka(), /was stopped/);
  await broker.stop();
  await late;
  assert.equal(await openServers(), before);
});

/** 0 for the first producer of this id, one more for each that comes after it. */
async function nextEpoch(namespace: TestNamespace): Promise<number | undefined> {
  const client = await WireClient.open(await namespace.kafka());
  const asked = { transactionalId: "mover", transactionTimeoutMs: 60_000 };
  const answer = await client.ask(initProducerIdRequest, initProducerIdResponse, 1, asked);
  client.close();
  assert.equal(answer?.errorCode, 0);
  return answer.producerEpoch;
}

test("a namespace that takes the name of one that is being deleted inherits nothing, and leaves nothing", async () => {
  await using broker = await startBroker();
  const first = await broker.namespace("mine");
  assert.equal(await nextEpoch(first), 0);
  let isDeleted = false;
  void first.delete().then(() => (isDeleted = true));
  const second = await broker.namespace("mine");
  assert.ok(isDeleted, "what is still to be forgotten goes by the name");
  assert.equal(await nextEpoch(second), 0);
  assert.equal(await nextEpoch(second), 1);
  await second.delete();
  await using third = await broker.namespace("mine");
  assert.equal(await nextEpoch(third), 0);
});
