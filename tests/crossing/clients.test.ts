// Unmodified clients of both protocols at one broker: what one publishes, the other consumes, to the byte.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage, type GetMessage } from "amqplib";
import kafkajs, { type KafkaMessage } from "kafkajs";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";

const { CompressionTypes, Kafka, logLevel } = kafkajs;
type Client = InstanceType<typeof Kafka>;

const listen = { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0" };
const set = { "kafka.groupInitialRebalanceDelayMs": "0" };
const binary = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
/** Not so long ago that it is due to go, and not at a whole second. */
const madeMs = Math.floor(Date.now() / 1000) * 1000 - 3_599_877;
const large = Buffer.alloc(5_000_000, "entrepot ");

const dataDirs: string[] = [];
after(() => {
  for (const dataDir of dataDirs) rmSync(dataDir, { recursive: true, force: true });
});

interface Both {
  readonly kafka: Client;
  readonly amqp: ChannelModel;
  readonly channel: ConfirmChannel;
}

async function clientsOf(context: TestContext, broker: BrokerProcess): Promise<Both> {
  const kafka = new Kafka({ clientId: "crossing", brokers: [broker.addresses["kafka"]!], logLevel: logLevel.NOTHING });
  const amqp = await connect(`amqp://guest:guest@${broker.amqp}/`);
  amqp.on("error", () => undefined);
  context.after(() => amqp.close().catch(() => undefined));
  return { kafka, amqp, channel: await amqp.createConfirmChannel() };
}

async function start(context: TestContext): Promise<Both> {
  const broker = await spawnBroker({ listen, set });
  const both = await clientsOf(context, broker);
  context.after(() => broker.kill("SIGTERM"));
  return both;
}

async function makeTopics(
  kafka: Client,
  ...topics: (readonly [topic: string, numPartitions: number])[]
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: "max.message.bytes", value: "8000000" }];
  await admin.createTopics({
    topics: topics.map(([topic, numPartitions]) => ({ topic, numPartitions, configEntries })),
  });
  await admin.disconnect();
}

async function produce(
  kafka: Client,
  topic: string,
  messages: readonly {
    key?: string | Buffer;
    value: string | Buffer | null;
    headers?: Record<string, string>;
    timestamp?: string;
  }[],
  compressed = false,
): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  const compression = compressed ? CompressionTypes.GZIP : CompressionTypes.None;
  await producer.send({ topic, compression, messages: messages.map((message) => ({ key: null, ...message })) });
  await producer.disconnect();
}

/** The first `count` messages that a new group gets, in order of offsets in each partition. */
async function readAll(kafka: Client, topic: string, count: number, groupId: string): Promise<KafkaMessage[]> {
  const consumer = kafka.consumer({ groupId, maxBytesPerPartition: 8_000_000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: KafkaMessage[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      messages.push(message);
      if (messages.length === count) resolve();
    },
  });
  await promise;
  await consumer.disconnect();
  return messages;
}

async function got(channel: ConfirmChannel, queue: string): Promise<GetMessage> {
  const message = await channel.get(queue, { noAck: true });
  assert.ok(message !== false, `'${queue}' has a message`);
  return message;
}

/** A consumer, and the next of its messages. */
async function consumer(
  channel: ConfirmChannel,
  queue: string,
  args: object = {},
): Promise<() => Promise<ConsumeMessage>> {
  const waiting: ((message: ConsumeMessage) => void)[] = [];
  const come: ConsumeMessage[] = [];
  const take = (message: ConsumeMessage | null): void => {
    if (message === null) return;
    const next = waiting.shift();
    if (next === undefined) come.push(message);
    else next(message);
  };
  await channel.consume(queue, take, { arguments: args });
  return () => {
    const first = come.shift();
    return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
  };
}

test("what AMQP publishes to a queue or through a binding, Kafka reads with key, headers and time, and takes nothing away", async (context) => {
  const { kafka, channel } = await start(context);
  await channel.assertQueue("q");
  await channel.assertExchange("orders", "topic");
  await channel.bindQueue("q", "orders", "eu.#");
  const headers = { count: 42, isNew: true, "kafka.key": "k1" };
  channel.sendToQueue("q", Buffer.from("one"), {
    headers,
    timestamp: 1_700_000_000,
    messageId: "m1",
    persistent: true,
  });
  for (const body of [binary, Buffer.alloc(0), large]) channel.sendToQueue("q", body, { persistent: true });
  channel.publish("orders", "eu.paris", Buffer.from("routed"), { persistent: true });
  await channel.waitForConfirms();

  const messages = await readAll(kafka, "q", 5, "readers");
  const [first, , , , last] = messages;
  assert.deepEqual(
    messages.map(({ value }) => value),
    [Buffer.from("one"), binary, Buffer.alloc(0), large, Buffer.from("routed")],
  );
  assert.deepEqual([first!.key?.toString(), first!.timestamp], ["k1", "1700000000000"]);
  const shown = (name: string): string => String(first!.headers?.[name]);
  assert.deepEqual([shown("count"), shown("isNew"), shown("amqp.message-id")], ["42", "true", "m1"]);
  assert.deepEqual([last!.key?.toString(), String(last!.headers?.["amqp.exchange"])], ["eu.paris", "orders"]);
  assert.equal((await channel.checkQueue("q")).messageCount, 5);
});

test("what Kafka produces to a queue or a topic, AMQP consumes with key, headers and time", async (context) => {
  const { kafka, channel } = await start(context);
  await makeTopics(kafka, ["t", 1]);
  await channel.assertQueue("q");
  for (const topic of ["q", "t"]) {
    const headers = { trace: "abc" };
    await produce(
      kafka,
      topic,
      [{ key: "k", value: "one", headers, timestamp: String(madeMs) }, { value: binary }, { value: null }],
      true,
    );
    const first = await got(channel, topic);
    assert.equal(first.content.toString(), "one");
    assert.equal(first.properties.timestamp, Math.floor(madeMs / 1000));
    assert.deepEqual(
      { ...first.properties.headers, "x-delivery-count": 0 },
      {
        trace: "abc",
        "kafka.key": "k",
        timestamp_in_ms: madeMs,
        "x-delivery-count": 0,
      },
    );
    assert.deepEqual((await got(channel, topic)).content, binary);
    const tombstone = await got(channel, topic);
    assert.deepEqual([tombstone.content.length, tombstone.properties.headers?.["kafka.tombstone"]], [0, true]);
  }
  await produce(kafka, "t", [{ value: large }]);
  assert.deepEqual((await got(channel, "t")).content, large);
});

test("a Kafka topic is a work queue over AMQP: acknowledged, given back, dead-lettered to a queue and to another topic", async (context) => {
  const { kafka, channel } = await start(context);
  await makeTopics(kafka, ["t", 3], ["dead-topic", 2]);
  await channel.assertQueue("dead-queue");
  await channel.assertExchange("dead", "fanout");
  for (const name of ["dead-queue", "dead-topic"]) await channel.bindQueue(name, "dead", "");
  await channel.assertQueue("t", { arguments: { "x-dead-letter-exchange": "dead", "x-delivery-limit": 1 } });
  await produce(
    kafka,
    "t",
    Array.from({ length: 12 }, (_, i) => ({ key: `k${i}`, value: `v${i}` })),
  );

  const next = await consumer(channel, "t");
  const seen = new Set<string>();
  let poisoned = 0;
  while (seen.size < 12 || poisoned < 2) {
    const message = await next();
    const body = message.content.toString();
    seen.add(body);
    assert.equal(message.properties.headers?.["kafka.key"], body.replace("v", "k"));
    if (body !== "v3") channel.ack(message);
    else {
      assert.equal(message.fields.redelivered, poisoned > 0);
      poisoned++;
      channel.nack(message, false, true);
    }
  }
  const [dead] = await readAll(kafka, "dead-topic", 1, "undertakers");
  assert.deepEqual([dead!.key?.toString(), dead!.value?.toString()], ["k3", "v3"]);
  assert.match(String(dead!.headers?.["x-death"]), /"reason":"delivery_limit","queue":"t"/);
  const parked = await got(channel, "dead-queue");
  assert.deepEqual(
    [parked.content.toString(), parked.properties.headers?.["x-first-death-reason"]],
    ["v3", "delivery_limit"],
  );
  assert.equal((await channel.checkQueue("t")).messageCount, 0);
  // The topic has kept them all.
  assert.equal((await readAll(kafka, "t", 12, "readers")).length, 12);
});

test("a group replays the history of a queue, from any offset, and its consumers do not notice", async (context) => {
  const { kafka, channel } = await start(context);
  await channel.assertQueue("q", { arguments: { "x-history-max-age": "1h" } });
  for (let i = 0; i < 10; i++) channel.sendToQueue("q", Buffer.from(String(i)), { persistent: true });
  await channel.waitForConfirms();
  for (let i = 0; i < 6; i++) await got(channel, "q");
  const replayed = await readAll(kafka, "q", 10, "auditors");
  assert.deepEqual(
    replayed.map(({ offset, value }) => `${offset} ${value?.toString()}`),
    Array.from({ length: 10 }, (_, i) => `${i} ${i}`),
  );
  const admin = kafka.admin();
  await admin.connect();
  await admin.setOffsets({ groupId: "auditors", topic: "q", partitions: [{ partition: 0, offset: "7" }] });
  await admin.disconnect();
  const again = await readAll(kafka, "q", 3, "auditors");
  assert.deepEqual(
    again.map(({ offset }) => offset),
    ["7", "8", "9"],
  );
  assert.equal((await got(channel, "q")).content.toString(), "6");
});

test("AMQP and Kafka put a key into the same partition", async (context) => {
  const { kafka, channel } = await start(context);
  await makeTopics(kafka, ["t", 5]);
  const keys = Array.from({ length: 30 }, (_, i) => `key-${i * 37}`);
  await produce(
    kafka,
    "t",
    keys.map((key) => ({ key, value: "from Kafka" })),
  );
  await channel.assertExchange("e", "fanout");
  await channel.bindQueue("t", "e", "");
  for (const key of keys) channel.publish("e", key, Buffer.from("by its routing key"), { persistent: true });
  for (const key of keys)
    channel.sendToQueue("t", Buffer.from("by a header"), { headers: { "kafka.key": key }, persistent: true });
  await channel.waitForConfirms();
  const group = kafka.consumer({ groupId: "g" });
  await group.connect();
  await group.subscribe({ topic: "t", fromBeginning: true });
  const partitionsByKey = new Map<string, Set<number>>();
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  await group.run({
    eachMessage: async ({ partition, message }) => {
      const key = String(message.key);
      partitionsByKey.set(key, (partitionsByKey.get(key) ?? new Set()).add(partition));
      if (++count === keys.length * 3) resolve();
    },
  });
  await promise;
  await group.disconnect();
  assert.equal(partitionsByKey.size, keys.length);
  for (const [key, partitions] of partitionsByKey) assert.equal(partitions.size, 1, `${key} is in one partition`);
});

test("work queues and their arguments outlive SIGKILL", async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-crossing-"));
  dataDirs.push(dataDir);
  const before = await spawnBroker({ listen, set, dataDir });
  const args = { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" };
  {
    const { kafka, channel } = await clientsOf(context, before);
    await makeTopics(kafka, ["t", 2]);
    await channel.assertQueue("dead");
    await channel.assertQueue("t", { arguments: args });
    await produce(
      kafka,
      "t",
      Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, value: `v${i}` })),
    );
    for (let i = 0; i < 4; i++) await got(channel, "t");
    // What is confirmed behind them is on disk, and so are they.
    channel.sendToQueue("dead", Buffer.from("marker"), { persistent: true });
    await channel.waitForConfirms();
  }
  await before.kill("SIGKILL");
  const broker = await spawnBroker({ listen, set, dataDir });
  context.after(() => broker.kill("SIGTERM"));
  const { channel } = await clientsOf(context, broker);
  assert.equal((await channel.assertQueue("t", { arguments: args })).messageCount, 6);
  const message = await channel.get("t");
  assert.ok(message !== false);
  channel.nack(message, false, false);
  assert.equal((await got(channel, "dead")).content.toString(), "marker");
  assert.equal((await got(channel, "dead")).content.toString(), message.content.toString());
});
