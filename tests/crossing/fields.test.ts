// The table of docs/crossing.md as real clients see it, in words and numbers, one way and the other: what the mapping says of itself
// (round-trip.test.ts) could be the same mistake twice.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { connect, type ConfirmChannel, type Options } from "amqplib";
import kafkajs, { type KafkaMessage } from "kafkajs";
import { startBroker } from "../../src/start-test-broker.ts";

const { Kafka, logLevel } = kafkajs;

/** A property of amqplib's, its value, Kafka's header, and that one's. */
const fields = [
  ["messageId", "m-1", "amqp.message-id", "m-1"],
  ["contentType", "application/json", "amqp.content-type", "application/json"],
  ["contentEncoding", "gzip", "amqp.content-encoding", "gzip"],
  ["correlationId", "c-1", "amqp.correlation-id", "c-1"],
  ["replyTo", "answers", "amqp.reply-to", "answers"],
  ["type", "order.created", "amqp.type", "order.created"],
  ["appId", "shop", "amqp.app-id", "shop"],
  ["expiration", "60000", "amqp.expiration", "60000"],
  ["priority", 7, "amqp.priority", "7"],
] as const;

async function clientsOf(context: TestContext) {
  const broker = await startBroker();
  const amqp = await connect(broker.url);
  context.after(async () => {
    await amqp.close();
    await broker.stop();
  });
  const channel = await amqp.createConfirmChannel();
  return { channel, kafka: new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING }) };
}

type Client = InstanceType<typeof Kafka>;

async function makeTopic(kafka: Client, topic: string, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
  await admin.disconnect();
}

async function produce(
  kafka: Client,
  topic: string,
  message: { value: string; [more: string]: unknown },
): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [message] });
  await producer.disconnect();
}

async function firstOf(kafka: Client, topic: string): Promise<KafkaMessage> {
  const consumer = kafka.consumer({ groupId: `reader of ${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const { promise, resolve } = Promise.withResolvers<KafkaMessage>();
  await consumer.run({ eachMessage: async ({ message }) => resolve(message) });
  const message = await promise;
  await consumer.disconnect();
  return message;
}

async function publish(
  channel: ConfirmChannel,
  exchange: string,
  key: string,
  options: Options.Publish,
): Promise<void> {
  channel.publish(exchange, key, Buffer.from("body"), options);
  await channel.waitForConfirms();
}

function textsOf({ headers = {} }: KafkaMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

test("each field of an AMQP message is the header that the table says, for Kafka's consumers", async (context) => {
  const { channel, kafka } = await clientsOf(context);
  await makeTopic(kafka, "t");
  await channel.assertExchange("orders", "direct");
  await channel.bindQueue("t", "orders", "new");
  await publish(channel, "orders", "new", {
    ...Object.fromEntries(fields),
    userId: "guest",
    persistent: false,
    timestamp: 1_700_000_000,
    headers: { note: "plain", count: 42, "kafka.key": "k" },
  });
  const message = await firstOf(kafka, "t");
  assert.deepEqual(textsOf(message), {
    ...Object.fromEntries(fields.map(([, , header, text]) => [header, text])),
    "amqp.user-id": "guest",
    "amqp.delivery-mode": "1",
    "amqp.exchange": "orders",
    "amqp.routing-key": "new",
    note: "plain",
    count: "42",
    "amqp.types": textsOf(message)["amqp.types"],
  });
  assert.deepEqual(Object.keys(JSON.parse(textsOf(message)["amqp.types"]!)), ["count"]);
  assert.equal(String(message.key), "k");
  assert.equal(message.timestamp, "1700000000000");
  assert.equal(String(message.value), "body");
});

for (const queue of ["t", "q"]) {
  const where = queue === "t" ? "a topic" : "a queue";
  test(`each header of a Kafka record is the field that the table says, for who consumes ${where}`, async (context) => {
    const { channel, kafka } = await clientsOf(context);
    if (queue === "t") await makeTopic(kafka, queue);
    else await channel.assertQueue(queue);
    const headers = {
      ...Object.fromEntries(fields.map(([, , header, text]) => [header, text])),
      "amqp.delivery-mode": "1",
      "amqp.exchange": "orders",
      "amqp.routing-key": "new",
      // Whoever produces may write it, and nobody has looked.
      "amqp.user-id": "admin",
      note: "plain",
    };
    const timestamp = Math.floor(Date.now() / 1000) * 1000 - 10_877;
    await produce(kafka, queue, { key: "k", value: "body", headers, timestamp: String(timestamp) });
    const message = await channel.get(queue, { noAck: true });
    assert.ok(message !== false);
    const { properties, fields: delivered } = message;
    for (const [property, value] of fields) assert.equal(properties[property], value, property);
    assert.equal(properties.deliveryMode, 1);
    assert.equal(properties.userId, undefined);
    assert.equal(properties.timestamp, Math.floor(timestamp / 1000));
    assert.deepEqual([delivered.exchange, delivered.routingKey], ["orders", "new"]);
    assert.deepEqual(properties.headers, {
      note: "plain",
      "amqp.user-id": "admin",
      "kafka.key": "k",
      timestamp_in_ms: timestamp,
      ...(queue === "t" ? { "x-delivery-count": 0 } : {}),
    });
    assert.equal(String(message.content), "body");
  });
}

test("what is not said is not there, but for what AMQP says of every message", async (context) => {
  const { channel, kafka } = await clientsOf(context);
  await channel.assertQueue("q");
  await publish(channel, "", "q", { persistent: true });
  const record = await firstOf(kafka, "q");
  assert.deepEqual([record.key, textsOf(record)], [null, { "amqp.routing-key": "q" }]);
  await channel.purgeQueue("q");
  await produce(kafka, "q", { value: "body", timestamp: "1700000000000" });
  const message = await channel.get("q", { noAck: true });
  assert.ok(message !== false);
  const said = Object.entries(message.properties).filter(([, value]) => value !== undefined);
  assert.deepEqual(Object.fromEntries(said), { deliveryMode: 2, timestamp: 1_700_000_000 });
  assert.deepEqual([message.fields.exchange, message.fields.routingKey], ["", "q"]);
});

test("a topic whose time is the broker's has it for all, whoever published, and for AMQP it is no message's own", async (context) => {
  const { channel, kafka } = await clientsOf(context);
  await makeTopic(kafka, "t", { "message.timestamp.type": "LogAppendTime" });
  const before = Date.now() - 60_000;
  await publish(channel, "", "t", { timestamp: 1_700_000_000 });
  const record = await firstOf(kafka, "t");
  assert.ok(Number(record.timestamp) >= before, `${record.timestamp} is when the broker took it`);
  const admin = kafka.admin();
  await admin.connect();
  const [found] = await admin.fetchTopicOffsetsByTimestamp("t", before);
  await admin.disconnect();
  assert.equal(found?.offset, "0");

  await channel.assertQueue("t");
  assert.equal((await next(channel)).properties.timestamp, 1_700_000_000);
  await produce(kafka, "t", { value: "body", timestamp: "1700000000000" });
  assert.equal((await next(channel)).properties.timestamp, undefined);

  async function next(from: ConfirmChannel) {
    const message = await from.get("t", { noAck: true });
    assert.ok(message !== false);
    return message;
  }
});
