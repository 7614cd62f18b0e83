/** @platformatic/kafka through the patterns of README.md. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Admin,
  Consumer,
  ConfigResourceTypes,
  FetchIsolationLevels,
  IncrementalAlterConfigOperationTypes,
  type Message,
  type MessagesStream,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import { Mailbox, runPatterns, type Pattern } from "./patterns.ts";
import type { KafkaPatternName } from "./kafka-patterns.ts";

type Received = Message<string, string, string, string>;
type Base = { clientId: string; bootstrapBrokers: string[] };

/** Of messages that say their time themselves: not so old that they are due to go. */
const startMs = Date.now() - 3_600_000;

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `${index + from}`);
const values = (received: readonly Received[]): string[] => received.map(({ value }) => value);

function withClient(pattern: (base: Base, prefix: string) => Promise<void>): Pattern {
  return async (address, prefix) => {
    const files = process.env["ENTREPOT_INTEROP_TLS"];
    const mechanism = process.env["ENTREPOT_INTEROP_SASL"];
    const secured = files !== undefined && {
      tls: { ca: [readFileSync(join(files, "ca.pem"))] },
      sasl: { mechanism: mechanism as "PLAIN", username: "guest", password: "guest" },
    };
    await pattern({ clientId: "interop", bootstrapBrokers: [address], ...secured }, prefix);
  };
}

async function createTopic(base: Base, topic: string, partitions: number): Promise<void> {
  const admin = new Admin(base);
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  await admin.close();
}

const producerOf = (base: Base, more: { transactionalId?: string; idempotent?: boolean } = {}) =>
  new Producer<string, string, string, string>({ ...base, ...more, serializers: stringSerializers });

const messagesOf = (topic: string, bodies: readonly string[], partition = 0) =>
  bodies.map((value) => ({ topic, value, partition }));

async function produce(base: Base, topic: string, bodies: readonly string[], partition = 0): Promise<void> {
  const producer = producerOf(base);
  await producer.send({ acks: -1, messages: messagesOf(topic, bodies, partition) });
  await producer.close();
}

class Reading {
  readonly consumer: Consumer<string, string, string, string>;
  readonly mailbox = new Mailbox<Received>();
  #stream: MessagesStream<string, string, string, string> | undefined;

  constructor(base: Base, groupId: string, isolationLevel: number = FetchIsolationLevels.READ_COMMITTED) {
    const times = { sessionTimeout: 20_000, heartbeatInterval: 300, rebalanceTimeout: 20_000, maxWaitTime: 200 };
    this.consumer = new Consumer({
      ...base,
      ...times,
      groupId,
      isolationLevel,
      autocommit: false,
      deserializers: stringDeserializers,
    });
  }

  async start(topic: string): Promise<this> {
    this.#stream = await this.consumer.consume({ topics: [topic], mode: "committed", fallbackMode: "earliest" });
    this.#stream.on("data", (message: Received) => this.mailbox.put(message));
    return this;
  }

  async stop(): Promise<void> {
    await this.#stream?.close();
    await this.consumer.close(true);
  }
}

async function readAll(base: Base, topic: string, count: number, isolationLevel?: number): Promise<Received[]> {
  const reading = await new Reading(base, `${topic}.${count}.${isolationLevel ?? ""}`, isolationLevel).start(topic);
  const received = await reading.mailbox.atLeast(count);
  await reading.stop();
  assert.equal(received.length, count);
  return received;
}

const records = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 3);
  const producer = producerOf(base);
  await producer.send({
    acks: -1,
    messages: numbers(30).map((each) => ({
      topic,
      key: `key-${Number(each) % 5}`,
      value: each,
      timestamp: BigInt(startMs + Number(each)),
      headers: { n: each, empty: "" },
    })),
  });
  await producer.close();
  const received = await readAll(base, topic, 30);
  const partitionByKey = new Map<string, number>();
  for (const message of received) {
    const n = Number(message.value);
    assert.equal(message.key, `key-${n % 5}`);
    assert.equal(partitionByKey.get(message.key) ?? message.partition, message.partition);
    partitionByKey.set(message.key, message.partition);
    assert.equal(message.timestamp, BigInt(startMs + n));
    assert.equal(message.headers.get("n"), String(n));
    assert.ok(message.headers.has("empty"));
  }
});

const compression = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 1);
  const producer = producerOf(base);
  const kinds = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
  const bodies = (kind: string): string[] => numbers(50).map((each) => `${kind} ${each} ${"x".repeat(500)}`);
  for (const kind of kinds)
    await producer.send({ acks: -1, compression: kind, messages: messagesOf(topic, bodies(kind)) });
  await producer.close();
  assert.deepEqual(values(await readAll(base, topic, 250)), kinds.flatMap(bodies));
});

const assigned = ({ consumer }: Reading): number[] => consumer.assignments?.[0]?.partitions ?? [];

const group = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 4);
  const first = await new Reading(base, `${prefix}group`).start(topic);
  const second = await new Reading(base, `${prefix}group`).start(topic);
  while (assigned(first).length !== 2 || assigned(second).length !== 2)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    [...assigned(first), ...assigned(second)].sort((a, b) => a - b),
    [0, 1, 2, 3],
  );
  for (const partition of [0, 1, 2, 3]) await produce(base, topic, numbers(10, partition * 10), partition);
  await second.mailbox.atLeast(20);
  await first.mailbox.atLeast(20);
  const got = [...first.mailbox.received, ...second.mailbox.received];
  assert.deepEqual(
    values(got)
      .map(Number)
      .sort((a, b) => a - b),
    numbers(40).map(Number),
  );
  const left = assigned(second);
  await second.stop();
  const hasAll = (partition: number): boolean =>
    first.mailbox.received.filter((each) => each.partition === partition).length >= 10;
  while (!left.every(hasAll)) await new Promise((resolve) => setTimeout(resolve, 50));
  await first.stop();
});

const resume = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 1);
  await produce(base, topic, numbers(20));
  const first = await new Reading(base, `${prefix}group`).start(topic);
  await first.mailbox.atLeast(20);
  await first.consumer.commit({ offsets: [{ topic, partition: 0, offset: 12n, leaderEpoch: 0 }] });
  await first.stop();
  const second = await new Reading(base, `${prefix}group`).start(topic);
  assert.deepEqual(values(await second.mailbox.atLeast(8)), numbers(8, 12));
  await second.stop();
});

const times = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 1);
  const producer = producerOf(base);
  for (const value of numbers(10)) {
    const timestamp = BigInt(startMs + Number(value) * 1000);
    await producer.send({ acks: -1, messages: [{ topic, partition: 0, value, timestamp }] });
  }
  await producer.close();
  const { consumer } = new Reading(base, `${prefix}group`);
  const at = async (timestamp: number): Promise<bigint> =>
    (await consumer.listOffsets({ topics: [topic], timestamp: BigInt(timestamp) })).get(topic)![0]!;
  assert.deepEqual([await at(-2), await at(-1)], [0n, 10n]);
  assert.deepEqual([await at(startMs), await at(startMs + 3500), await at(startMs + 9000)], [0n, 4n, 9n]);
  await consumer.close(true);
});

const idempotent = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 1);
  const producer = producerOf(base, { idempotent: true });
  for (let at = 0; at < 500; at += 25)
    await producer.send({ acks: -1, idempotent: true, messages: messagesOf(topic, numbers(25, at)) });
  await producer.close();
  assert.deepEqual(values(await readAll(base, topic, 500)), numbers(500));
});

const transactions = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  await createTopic(base, topic, 1);
  const settings = { transactionalId: `${prefix}id`, idempotent: true };
  const producer = producerOf(base, settings);
  for (const [first, end] of [
    [0, "commit"],
    [5, "abort"],
    [10, "commit"],
  ] as const) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ acks: -1, messages: messagesOf(topic, numbers(5, first)) });
    await transaction[end]();
  }
  const committed = [...numbers(5), ...numbers(5, 10)];
  assert.deepEqual(values(await readAll(base, topic, 10)), committed);
  assert.deepEqual(values(await readAll(base, topic, 15, FetchIsolationLevels.READ_UNCOMMITTED)), numbers(15));
});

const transform = withClient(async (base, prefix) => {
  const [source, target] = [`${prefix}in`, `${prefix}out`];
  await createTopic(base, source, 1);
  await createTopic(base, target, 1);
  await produce(base, source, numbers(20));
  const producer = producerOf(base, { transactionalId: `${prefix}id`, idempotent: true });
  for (const from of [0, 10]) {
    const reading = await new Reading(base, `${prefix}group`).start(source);
    const received = await reading.mailbox.atLeast(20 - from);
    assert.equal(received[0]!.offset, BigInt(from), "it goes on elsewhere than it committed");
    const transaction = await producer.beginTransaction();
    await transaction.addConsumer(reading.consumer);
    const taken = received.slice(0, 10);
    await transaction.send({
      acks: -1,
      messages: messagesOf(
        target,
        taken.map(({ value }) => `${value}!`),
      ),
    });
    await transaction.addOffset(taken.at(-1)!);
    await transaction.commit();
    await reading.stop();
  }
  assert.deepEqual(
    values(await readAll(base, target, 20)),
    numbers(20).map((each) => `${each}!`),
  );
});

const admin = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  const admin = new Admin(base);
  const configs = [{ name: "retention.ms", value: "3600000" }];
  const [created] = await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1, configs });
  assert.equal(created!.partitions, 2);
  await assert.rejects(admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 }));
  assert.ok((await admin.listTopics()).includes(topic));
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
  const configured = async (): Promise<string | null | undefined> =>
    (await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ["retention.ms"] }] }))[0]!.configs[0]!
      .value;
  assert.equal(await configured(), "3600000");
  const change = { name: "retention.ms", value: "7200000", configOperation: IncrementalAlterConfigOperationTypes.SET };
  await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [change] }], validateOnly: false });
  assert.equal(await configured(), "7200000");
  await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] });
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
  assert.equal(metadata.topics.get(topic)!.partitionsCount, 5);
  await produce(base, topic, numbers(10), 4);
  const [deleted] = await admin.deleteRecords({
    topics: [{ name: topic, partitions: [{ partition: 4, offset: 6n }] }],
  });
  assert.equal(deleted!.partitions[0]!.lowWatermark, 6n);
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
  await admin.close();
});

const groupsAdmin = withClient(async (base, prefix) => {
  const topic = `${prefix}topic`;
  const groupId = `${prefix}group`;
  await createTopic(base, topic, 1);
  await produce(base, topic, numbers(5));
  const admin = new Admin(base);
  const reading = await new Reading(base, groupId).start(topic);
  await reading.mailbox.atLeast(5);
  const described = (await admin.describeGroups({ groups: [groupId] })).get(groupId)!;
  assert.deepEqual([described.state, described.members.size], ["Stable", 1]);
  await assert.rejects(admin.deleteGroups({ groups: [groupId] }));
  await reading.stop();
  await admin.alterConsumerGroupOffsets({
    groupId,
    topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 3n }] }],
  });
  const [offsets] = await admin.listConsumerGroupOffsets({ groups: [groupId] });
  assert.equal(offsets!.topics[0]!.partitions[0]!.committedOffset, 3n);
  assert.ok((await admin.listGroups()).has(groupId));
  await admin.deleteGroups({ groups: [groupId] });
  assert.ok(!(await admin.listGroups()).has(groupId));
  await admin.close();
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
