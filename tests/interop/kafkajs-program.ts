/** kafkajs through the patterns of README.md. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import kafkajs, { type Consumer, type Kafka as Client, type KafkaMessage, type Message } from "kafkajs";
import { Mailbox, runPatterns, type Pattern } from "./patterns.ts";
import type { KafkaPatternName } from "./kafka-patterns.ts";

const {
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  KafkaJSProtocolError,
  logLevel,
  Partitioners,
} = kafkajs;

// Without a package of its own for each, kafkajs compresses with gzip only; Node has zstd.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
});

type Received = KafkaMessage & { readonly partition: number };

/** Of messages that say their time themselves: not so old that they are due to go. */
const startMs = Date.now() - 3_600_000;

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `${index + from}`);
const values = (received: readonly Received[]): string[] => received.map(({ value }) => value!.toString());
const messagesOf = (bodies: readonly string[], partition = 0): Message[] =>
  bodies.map((value) => ({ value, partition }));

/** A pattern with a client of its own. What it opens is closed at the end of the process. */
function withClient(pattern: (client: Client, prefix: string) => Promise<void>): Pattern {
  return async (address, prefix) => {
    const files = process.env["ENTREPOT_INTEROP_TLS"];
    const mechanism = process.env["ENTREPOT_INTEROP_SASL"]?.toLowerCase();
    const secured = files !== undefined && {
      ssl: { ca: [readFileSync(join(files, "ca.pem"))] },
      sasl: { mechanism: mechanism as "scram-sha-256", username: "guest", password: "guest" },
    };
    await pattern(
      new Kafka({ clientId: "interop", brokers: [address], logLevel: logLevel.NOTHING, ...secured }),
      prefix,
    );
  };
}

async function createTopic(client: Client, topic: string, numPartitions: number): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  assert.ok(await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true }));
  await admin.disconnect();
}

async function produce(client: Client, topic: string, messages: Message[]): Promise<void> {
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages });
  await producer.disconnect();
}

interface Reading {
  readonly consumer: Consumer;
  readonly mailbox: Mailbox<Received>;
}

/** A member of `groupId` that reads from the first message that the group has not committed. */
async function read(client: Client, topic: string, groupId: string, readUncommitted = false): Promise<Reading> {
  const consumer = client.consumer({
    groupId,
    readUncommitted,
    sessionTimeout: 20_000,
    heartbeatInterval: 300,
    rebalanceTimeout: 20_000,
    maxWaitTimeInMs: 200,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const mailbox = new Mailbox<Received>();
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message, partition }) => mailbox.put({ ...message, partition }),
  });
  return { consumer, mailbox };
}

async function readAll(client: Client, topic: string, count: number, readUncommitted = false): Promise<Received[]> {
  const { consumer, mailbox } = await read(client, topic, `${topic}.all.${count}.${readUncommitted}`, readUncommitted);
  const received = await mailbox.atLeast(count);
  await consumer.disconnect();
  assert.equal(received.length, count);
  return received;
}

const records = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 3);
  const messages = numbers(30).map((each) => ({
    key: `key-${Number(each) % 5}`,
    value: each,
    timestamp: String(startMs + Number(each)),
    headers: { n: each, twice: ["a", "b"], bytes: Buffer.from([0, 255, 10]) },
  }));
  await produce(client, topic, messages);
  await produce(client, topic, [{ key: "tombstone", value: null }]);
  const received = await readAll(client, topic, 31);
  const partitionByKey = new Map<string, number>();
  for (const message of received) {
    const key = message.key!.toString();
    assert.equal(partitionByKey.get(key) ?? message.partition, message.partition, `${key} is in two partitions`);
    partitionByKey.set(key, message.partition);
    if (key === "tombstone") {
      assert.equal(message.value, null);
      continue;
    }
    const n = Number(message.value);
    assert.equal(key, `key-${n % 5}`);
    assert.equal(message.timestamp, String(startMs + n));
    assert.equal(message.headers!["n"]!.toString(), String(n));
    assert.deepEqual((message.headers!["twice"] as Buffer[]).map(String), ["a", "b"]);
    assert.deepEqual(message.headers!["bytes"], Buffer.from([0, 255, 10]));
  }
  for (const partition of [0, 1, 2]) {
    const here = received.filter((each) => each.partition === partition);
    assert.deepEqual(
      here.map(({ offset }) => offset),
      numbers(here.length),
    );
  }
});

const compression = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 1);
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const kinds = [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.ZSTD];
  for (const kind of kinds) {
    const messages = numbers(50).map((each) => ({ value: `${kind} ${each} ${"x".repeat(500)}` }));
    await producer.send({ topic, compression: kind, messages });
  }
  const expected = kinds.flatMap((kind) => numbers(50).map((each) => `${kind} ${each} ${"x".repeat(500)}`));
  assert.deepEqual(values(await readAll(client, topic, 150)), expected);
});

const group = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 4);
  const first = await read(client, topic, `${prefix}group`);
  const partitionsOf = async (consumer: Consumer): Promise<() => number[]> => {
    let partitions: number[] = [];
    consumer.on("consumer.group_join", ({ payload }) => (partitions = payload.memberAssignment[topic] ?? []));
    return () => partitions;
  };
  const ofFirst = await partitionsOf(first.consumer);
  const second = client.consumer({ groupId: `${prefix}group`, sessionTimeout: 20_000, heartbeatInterval: 300 });
  const ofSecond = await partitionsOf(second);
  await second.connect();
  await second.subscribe({ topic, fromBeginning: true });
  const both = new Mailbox<Received>();
  await second.run({
    autoCommit: false,
    eachMessage: async ({ message, partition }) => both.put({ ...message, partition }),
  });
  while (ofFirst().length !== 2 || ofSecond().length !== 2) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    [...ofFirst(), ...ofSecond()].sort((a, b) => a - b),
    [0, 1, 2, 3],
  );
  await produce(
    client,
    topic,
    [0, 1, 2, 3].flatMap((partition) => messagesOf(numbers(10, partition * 10), partition)),
  );
  const got = [...(await first.mailbox.atLeast(20)), ...(await both.atLeast(20))];
  assert.deepEqual(
    values(got)
      .map(Number)
      .sort((a, b) => a - b),
    numbers(40).map(Number),
  );
  // Nothing was committed, so who is left gets all of what the other one had.
  const left = ofSecond();
  await second.disconnect();
  while (ofFirst().length !== 4) await new Promise((resolve) => setTimeout(resolve, 50));
  const hasAll = (partition: number): boolean =>
    first.mailbox.received.filter((each) => each.partition === partition).length >= 10;
  while (!left.every(hasAll)) await new Promise((resolve) => setTimeout(resolve, 50));
  await first.consumer.disconnect();
});

const resume = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 1);
  await produce(client, topic, messagesOf(numbers(20)));
  const first = await read(client, topic, `${prefix}group`);
  await first.mailbox.atLeast(20);
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: "12", metadata: "twelve" }]);
  await first.consumer.disconnect();
  const second = await read(client, topic, `${prefix}group`);
  assert.deepEqual(values(await second.mailbox.atLeast(8)), numbers(8, 12));
  second.consumer.seek({ topic, partition: 0, offset: "5" });
  assert.deepEqual(values((await second.mailbox.atLeast(23)).slice(8)), numbers(15, 5));
  await second.consumer.disconnect();
});

const times = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 1);
  for (const each of numbers(10))
    await produce(client, topic, [{ value: each, timestamp: String(startMs + Number(each) * 1000) }]);
  const admin = client.admin();
  await admin.connect();
  const [ends] = await admin.fetchTopicOffsets(topic);
  assert.deepEqual([ends!.low, ends!.high], ["0", "10"]);
  const at = async (time: number): Promise<string> =>
    (await admin.fetchTopicOffsetsByTimestamp(topic, startMs + time))[0]!.offset;
  assert.deepEqual([await at(0), await at(3500), await at(9000), await at(9001)], ["0", "4", "9", "10"]);
  await admin.disconnect();
});

const idempotent = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 1);
  const producer = client.producer({
    idempotent: true,
    maxInFlightRequests: 5,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  for (let at = 0; at < 500; at += 25) await producer.send({ topic, acks: -1, messages: messagesOf(numbers(25, at)) });
  assert.deepEqual(values(await readAll(client, topic, 500)), numbers(500));
});

const transactions = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(client, topic, 1);
  const settings = {
    transactionalId: `${prefix}id`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  };
  const producer = client.producer(settings);
  await producer.connect();
  for (const [first, end] of [
    ["0", "commit"],
    ["5", "abort"],
    ["10", "commit"],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: messagesOf(numbers(5, Number(first))) });
    await transaction[end]();
  }
  assert.deepEqual(values(await readAll(client, topic, 10)), [...numbers(5), ...numbers(5, 10)]);
  assert.deepEqual(values(await readAll(client, topic, 15, true)), numbers(15));

  // Another producer of the same transactional id ends what the first has open, and fences it.
  const open = await producer.transaction();
  await open.send({ topic, messages: messagesOf(["never"]) });
  const successor = client.producer(settings);
  await successor.connect();
  const next = await successor.transaction();
  await assert.rejects(open.commit(), (error: Error) => {
    assert.ok(error instanceof KafkaJSProtocolError, String(error));
    assert.match((error as { type?: string }).type ?? "", /PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/);
    return true;
  });
  await next.send({ topic, messages: messagesOf(["end"]) });
  await next.commit();
  assert.deepEqual(values(await readAll(client, topic, 11)), [...numbers(5), ...numbers(5, 10), "end"]);
});

const transform = withClient(async (client, prefix) => {
  const [source, target] = [`${prefix}in`, `${prefix}out`];
  await createTopic(client, source, 1);
  await createTopic(client, target, 1);
  await produce(client, source, messagesOf(numbers(20)));
  const producer = client.producer({
    transactionalId: `${prefix}id`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const groupId = `${prefix}group`;
  let tries = 0;
  for (const isLast of [false, true]) {
    const { consumer, mailbox } = await read(client, source, groupId);
    const received = await mailbox.atLeast(isLast ? 10 : 20);
    const from = isLast ? 10 : 0;
    assert.equal(received[0]!.offset, String(from));
    for (const end of ["abort", "commit"] as const) {
      const transaction = await producer.transaction();
      const messages = received.slice(0, 10).map(({ value }) => ({ value: `${value!.toString()}!`, partition: 0 }));
      await transaction.send({ topic: target, messages });
      const offset = String(from + 10);
      await transaction.sendOffsets({
        consumerGroupId: groupId,
        topics: [{ topic: source, partitions: [{ partition: 0, offset }] }],
      });
      await transaction[end]();
      tries++;
    }
    await consumer.disconnect();
  }
  assert.equal(tries, 4);
  assert.deepEqual(
    values(await readAll(client, target, 20)),
    numbers(20).map((each) => `${each}!`),
  );
});

const admin = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  const admin = client.admin();
  await admin.connect();
  assert.ok((await admin.describeCluster()).brokers.length > 0);
  const asked = { topic, numPartitions: 2, configEntries: [{ name: "retention.ms", value: "3600000" }] };
  assert.equal(await admin.createTopics({ topics: [asked] }), true);
  assert.equal(await admin.createTopics({ topics: [asked] }), false, "it was made twice");
  assert.ok((await admin.listTopics()).includes(topic));
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const configured = async (): Promise<string | undefined> => {
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    return resources[0]!.configEntries.find(({ configName }) => configName === "retention.ms")?.configValue;
  };
  assert.equal(await configured(), "3600000");
  const configEntries = [{ name: "retention.ms", value: "7200000" }];
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
  assert.equal(await configured(), "7200000");
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  assert.equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length, 5);
  await produce(client, topic, messagesOf(numbers(10), 4));
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 4, offset: "6" }] });
  assert.equal((await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 4)!.low, "6");
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
  await admin.disconnect();
});

const groupsAdmin = withClient(async (client, prefix) => {
  const topic = `${prefix}topic`;
  const groupId = `${prefix}group`;
  await createTopic(client, topic, 2);
  await produce(client, topic, messagesOf(numbers(5)));
  const admin = client.admin();
  await admin.connect();
  const { consumer, mailbox } = await read(client, topic, groupId);
  await mailbox.atLeast(5);
  const described = (await admin.describeGroups([groupId])).groups[0]!;
  assert.deepEqual([described.state, described.members.length], ["Stable", 1]);
  assert.equal(described.members[0]!.clientId, "interop");
  await assert.rejects(admin.deleteGroups([groupId]));
  await consumer.disconnect();
  assert.ok(
    (await admin.listGroups()).groups.every((each) => each.groupId !== groupId || each.protocolType === "consumer"),
  );
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "3" }] });
  const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
  assert.equal(offsets!.partitions.find(({ partition }) => partition === 0)!.offset, "3");
  await admin.deleteGroups([groupId]);
  assert.ok((await admin.listGroups()).groups.every((each) => each.groupId !== groupId));
  await admin.disconnect();
});

await runPatterns<KafkaPatternName>({
  records,
  compression,
  group,
  resume,
  times,
  idempotent,
  transactions,
  transform,
  admin,
  "groups-admin": groupsAdmin,
});
