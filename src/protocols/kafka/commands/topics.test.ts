import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../codec/errors.ts";
import { uuidZero } from "../codec/primitives.ts";
import type { Call } from "../command.ts";
import { createKafka } from "../index.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { plainKafkaSettings } from "../settings.ts";
import { judgeName } from "../topics/creation.ts";
import { CrashHouse } from "../transactions/crash-house.suite.ts";
import { alterConfigs } from "./alter-configs.ts";
import { apiVersions } from "./api-versions.ts";
import { createPartitions } from "./create-partitions.ts";
import { createTopics } from "./create-topics.ts";
import { deleteTopics } from "./delete-topics.ts";
import { describeCluster } from "./describe-cluster.ts";
import { describeConfigs } from "./describe-configs.ts";
import { describeTopicPartitions } from "./describe-topic-partitions.ts";
import { fetch } from "./fetch.ts";
import { incrementalAlterConfigs } from "./incremental-alter-configs.ts";
import { metadata } from "./metadata.ts";
import { produce } from "./produce.ts";

const set = 0;
const unset = 1;
const append = 2;
const subtract = 3;

function make(client: KafkaClient, name: string, numPartitions = 1, configs: Record<string, string | null> = {}) {
  const texts = Object.entries(configs).map(([config, value]) => ({ name: config, value }));
  const topic = { name, numPartitions, replicationFactor: 1, configs: texts };
  return client.call(createTopics, 7, { topics: [topic] }).topics[0]!;
}

function change(client: KafkaClient, name: string, ...configs: [string, number, string | null][]) {
  const texts = configs.map(([config, configOperation, value]) => ({ name: config, configOperation, value }));
  const resource = { resourceType: 2, resourceName: name, configs: texts };
  return client.call(incrementalAlterConfigs, 1, { resources: [resource] }).responses[0]!;
}

/** What was set for a topic. */
function configsOf(client: KafkaClient, name: string): Record<string, string | null> {
  const asked = { resourceType: 2, resourceName: name, configurationKeys: null };
  const [result] = client.call(describeConfigs, 4, { resources: [asked] }).results;
  assert.equal(result!.errorCode, errorCode.NONE);
  const own = result!.configs.filter(({ configSource }) => configSource === 1);
  return Object.fromEntries(own.map(({ name: config, value }) => [config, value]));
}

test("a topic is a log of the core, with the retention that its configs say, and it changes with them", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const made = make(client, "orders", 3, { "retention.ms": "60000", "cleanup.policy": "delete" });
  assert.equal(made.errorCode, errorCode.NONE);
  assert.equal(made.numPartitions, 3);
  assert.notEqual(made.topicId, uuidZero);
  const queue = house.core.namespace("/")!.queue("orders")!;
  assert.equal(queue.partitions.length, 3);
  assert.equal(queue.settings.mode, "offset");
  assert.equal(queue.settings.retention.maxAgeMs, 60_000);
  assert.equal(change(client, "orders", ["cleanup.policy", set, "compact"]).errorCode, errorCode.NONE);
  assert.equal(queue.settings.retention.compact, true);
  assert.equal(queue.settings.retention.maxAgeMs, 0);
  assert.equal(house.server.topics.find("orders")!.limits.isCompacted, true);
  assert.deepEqual(configsOf(client, "orders"), { "retention.ms": "60000", "cleanup.policy": "compact" });
});

test("configs are found again by a server that has just started, and go with their topic", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const { topicId } = make(client, "orders", 1, { "max.message.bytes": "1000" });
  const { broker, authority, clock, random, logger } = house.server;
  const parts = { broker, authority, clock, random, logger, version: "0", ports: () => [] };
  const again = createKafka({ ...parts, settings: plainKafkaSettings }).server;
  assert.equal(again.topics.find("orders")!.id, topicId);
  assert.equal(again.topics.findById(topicId)!.limits.messageBytesMax, 1000);
  client.call(deleteTopics, 6, { topics: [{ name: "orders" }] });
  assert.deepEqual([...broker.definitions.entries("kafka-topic")], []);
  const next = make(client, "orders");
  assert.notEqual(next.topicId, topicId);
  assert.deepEqual(configsOf(client, "orders"), {});
  assert.equal(again.topics.findById(topicId), undefined);
});

test("names that Kafka cannot say are refused, and queues of such names are not shown", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const { settings } = (make(client, "plain"), house.core.namespace("/")!.queue("plain")!);
  house.core.namespace("/")!.createQueue("a queue", settings, {});
  house.core.namespace("/")!.createQueue("a.queue", settings, {});
  const all = client.call(metadata, 9, { topics: null }).topics.map(({ name }) => name);
  assert.deepEqual(new Set(all), new Set(["a.queue", "plain"]));
  for (const name of ["", ".", "..", "a queue", "ü", "n".repeat(250)])
    assert.equal(make(client, name).errorCode, errorCode.INVALID_TOPIC_EXCEPTION, name);
  const collision = make(client, "a_queue");
  assert.equal(collision.errorMessage, "Topic 'a_queue' collides with existing topic: a.queue");
  house.core.namespace("/")!.deleteQueue(house.core.namespace("/")!.queue("a.queue")!);
  assert.equal(make(client, "a_queue").errorCode, errorCode.NONE);
});

test("what another protocol declared is shown and cannot be changed", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  make(client, "mine");
  const namespace = house.core.namespace("/")!;
  const { settings } = namespace.queue("mine")!;
  const retention = { ...settings.retention, maxAgeMs: 5000 };
  namespace.createQueue("theirs", { ...settings, retention }, { other: {} });
  assert.deepEqual(configsOf(client, "theirs"), { "retention.ms": "5000" });
  assert.equal(change(client, "theirs", ["retention.ms", set, "1"]).errorCode, errorCode.POLICY_VIOLATION);
  const [grown] = client.call(createPartitions, 3, {
    topics: [{ name: "theirs", count: 2, assignments: null }],
  }).results;
  assert.equal(grown!.errorCode, errorCode.POLICY_VIOLATION);
  const { topicId } = client.call(metadata, 12, { topics: [{ name: "theirs" }] }).topics[0]!;
  assert.equal(client.call(metadata, 12, { topics: [{ name: null, topicId }] }).topics[0]!.name, "theirs");
  const [gone] = client.call(deleteTopics, 6, { topics: [{ name: null, topicId }] }).responses;
  assert.equal(gone!.name, "theirs");
  assert.equal(namespace.queue("theirs"), undefined);
});

test("lists are appended to and subtracted from, and a value that is wrong changes nothing", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "orders");
  change(client, "orders", ["cleanup.policy", append, "compact,delete"], ["retention.ms", set, "7"]);
  assert.deepEqual(configsOf(client, "orders"), { "cleanup.policy": "delete,compact", "retention.ms": "7" });
  change(client, "orders", ["cleanup.policy", subtract, "delete"], ["retention.ms", unset, null]);
  assert.deepEqual(configsOf(client, "orders"), { "cleanup.policy": "compact" });
  const wrong = change(client, "orders", ["retention.ms", set, "9"], ["segment.ms", set, "soon"]);
  assert.equal(wrong.errorMessage, "Invalid value soon for configuration segment.ms: Not a number of type LONG");
  assert.deepEqual(configsOf(client, "orders"), { "cleanup.policy": "compact" });
  const replaced = { resourceType: 2, resourceName: "orders", configs: [{ name: "retention.ms", value: "8" }] };
  client.call(alterConfigs, 2, { resources: [replaced], validateOnly: true });
  assert.deepEqual(configsOf(client, "orders"), { "cleanup.policy": "compact" });
  client.call(alterConfigs, 2, { resources: [replaced] });
  assert.deepEqual(configsOf(client, "orders"), { "retention.ms": "8" });
});

test("a resource that is named twice is not changed at all", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "orders");
  const twice = (value: string) => ({
    resourceType: 2,
    resourceName: "orders",
    configs: [{ name: "retention.ms", value }],
  });
  const { responses } = client.call(alterConfigs, 2, { resources: [twice("1"), twice("2")] });
  assert.deepEqual(
    responses.map((each) => each.errorMessage),
    ["Each resource must appear at most once.", "Each resource must appear at most once."],
  );
  assert.deepEqual(configsOf(client, "orders"), {});
});

test("a topic is made for who asks for it, if that is let, and told at once", async () => {
  const house = await KafkaHouse.open({ partitionsDefault: 4 });
  const client = house.client();
  const ask = (name: string, allowAutoTopicCreation: boolean) =>
    client.call(metadata, 9, { topics: [{ name }], allowAutoTopicCreation }).topics[0]!;
  assert.equal(ask("orders", false).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(ask("orders", true).partitions.length, 4);
  assert.equal(ask("or ders", true).errorCode, errorCode.INVALID_TOPIC_EXCEPTION);
  const closed = (await KafkaHouse.open({ autoCreateTopics: false })).client();
  const { topics } = closed.call(metadata, 9, { topics: [{ name: "orders" }], allowAutoTopicCreation: true });
  assert.equal(topics[0]!.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("what one may not see is left out, and refused whether or not it is there", async () => {
  const house = await KafkaHouse.open({ requireSasl: false });
  const owner = house.client();
  for (const name of ["own-1", "read-1", "other-1"]) make(owner, name);
  house.authority.users.put("poor", { password: "x", tags: [] });
  house.authority.permissions.set({ user: "poor", vhost: "/", configure: "^own", write: "^own", read: "^(own|read)" });
  const poor = house.client({ certificateName: "poor" });
  const { topics } = poor.call(metadata, 10, { topics: null, includeTopicAuthorizedOperations: true });
  const operations = topics.map(({ name, topicAuthorizedOperations }) => [name, topicAuthorizedOperations]);
  assert.deepEqual(
    new Map(operations as [string, number][]),
    new Map([
      ["own-1", 0b1101_1111_1000],
      ["read-1", 0b101_0000_1000],
    ]),
  );
  for (const name of ["other-1", "nowhere"]) {
    const [shown] = poor.call(metadata, 9, { topics: [{ name }], allowAutoTopicCreation: true }).topics;
    assert.equal(shown!.errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED, name);
    const [gone] = poor.call(deleteTopics, 6, { topics: [{ name }] }).responses;
    assert.equal(gone!.errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED, name);
  }
  assert.equal(make(poor, "read-2").errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED);
  assert.equal(make(poor, "own-2").errorCode, errorCode.NONE);
  assert.equal(change(poor, "read-1", ["retention.ms", set, "1"]).errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED);
  const ofBroker = { resourceType: 4, resourceName: "1", configs: [{ name: "num.partitions", value: "2" }] };
  const [refused] = poor.call(alterConfigs, 2, { resources: [ofBroker] }).responses;
  assert.equal(refused!.errorCode, errorCode.CLUSTER_AUTHORIZATION_FAILED);
});

test("partitions are described so many at a time, from where the cursor stands", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "a", 3);
  make(client, "b", 2);
  const seen: string[] = [];
  let cursor: { topicName: string; partitionIndex: number } | null = null;
  let pages = 0;
  do {
    const page = client.call(describeTopicPartitions, 0, {
      topics: [],
      responsePartitionLimit: 2,
      cursor,
    });
    for (const { name, partitions } of page.topics)
      for (const { partitionIndex } of partitions) seen.push(`${name}${partitionIndex}`);
    cursor = page.nextCursor as typeof cursor;
    pages++;
  } while (cursor !== null);
  assert.deepEqual(seen, ["a0", "a1", "a2", "b0", "b1"]);
  assert.equal(pages, 3);
});

test("advertised addresses are nodes to those who came by their kind of listener", async () => {
  const advertised = ["one:9092", "[::1]:9093", "kafkas://two:9094"];
  const house = await KafkaHouse.open({ advertised });
  const nodes = (isTls: boolean) =>
    house
      .client({ isTls })
      .call(describeCluster, 2, {})
      .brokers.map(({ brokerId, host, port }) => [brokerId, host, port]);
  assert.deepEqual(nodes(false), [
    [1, "one", 9092],
    [2, "::1", 9093],
  ]);
  assert.deepEqual(nodes(true), [[1, "two", 9094]]);
});

test("partitions are added with as many copies each as are asked for, where there are as many nodes", async () => {
  const client = (await KafkaHouse.open({ advertised: ["one:9092", "two:9092"] })).client();
  const add = (count: number, ...brokerIds: number[][]): number => {
    const topics = [{ name: "t", count, assignments: brokerIds.map((ids) => ({ brokerIds: ids })) }];
    return client.call(createPartitions, 3, { topics }).results[0]!.errorCode;
  };
  make(client, "t");
  assert.equal(add(2, [2, 1]), errorCode.NONE);
  assert.equal(add(4, [1], [2]), errorCode.NONE);
  assert.equal(add(6, [1], [1, 2]), errorCode.INVALID_REPLICA_ASSIGNMENT);
  assert.equal(add(5, [3]), errorCode.INVALID_REPLICA_ASSIGNMENT);
});

test("one request makes ten thousand partitions at most, asked for or not", async () => {
  const house = await KafkaHouse.open({ partitionsDefault: 4000 });
  const client = house.client();
  const topics = ["a", "b", "c"].map((name) => ({ name, numPartitions: -1, replicationFactor: -1 }));
  const refused = client.call(createTopics, 7, { topics }).topics.map((topic) => topic.errorCode);
  assert.deepEqual(refused, [errorCode.POLICY_VIOLATION, errorCode.POLICY_VIOLATION, errorCode.POLICY_VIOLATION]);
  const shown = client.call(metadata, 9, { topics, allowAutoTopicCreation: true }).topics;
  assert.deepEqual(
    shown.map(({ partitions }) => partitions.length),
    [4000, 4000, 0],
  );
});

test("one request adds ten thousand partitions at most, to however many topics", async () => {
  const client = (await KafkaHouse.open()).client();
  for (const name of ["a", "b"]) make(client, name);
  const add = (...counts: number[]): number[] => {
    const topics = counts.map((count, at) => ({ name: ["a", "b"][at]!, count, assignments: null }));
    return client.call(createPartitions, 3, { topics }).results.map((result) => result.errorCode);
  };
  assert.deepEqual(add(5001, 5002), [errorCode.POLICY_VIOLATION, errorCode.POLICY_VIOLATION]);
  assert.deepEqual(add(1, 10_001), [errorCode.INVALID_PARTITIONS, errorCode.NONE]);
});

test("what is kept of a topic's configs is bounded, however often something is appended", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "t");
  const name = "leader.replication.throttled.replicas";
  const codes: number[] = [];
  for (let round = 0; round < 4; round++) {
    const replicas = Array.from({ length: 3000 }, (_, at) => `${10_000 + round * 3000 + at}:1`).join(",");
    codes.push(change(client, "t", [name, append, replicas]).errorCode);
  }
  assert.deepEqual(codes, [errorCode.NONE, errorCode.NONE, errorCode.INVALID_CONFIG, errorCode.INVALID_CONFIG]);
  assert.equal(change(client, "t", [name, unset, null]).errorCode, errorCode.NONE);
  assert.deepEqual(configsOf(client, "t"), {});
});

test("who produces by the id of a topic that was deleted and made again is told that it is unknown", async () => {
  const client = (await KafkaHouse.open()).client();
  const send = (topicId: string) => {
    const topicData = [{ topicId, partitionData: [{ index: 0, records: batchOf(["one"]) }] }];
    const { responses } = client.call(produce, 13, { acks: -1, timeoutMs: 1000, topicData });
    return responses[0]!.partitionResponses[0]!.errorCode;
  };
  const { topicId: before } = make(client, "orders");
  assert.equal(send(before), errorCode.NONE);
  client.call(deleteTopics, 5, { topicNames: ["orders"] });
  assert.equal(send(before), errorCode.UNKNOWN_TOPIC_ID);
  const { topicId: after } = make(client, "orders");
  assert.equal(send(before), errorCode.UNKNOWN_TOPIC_ID);
  assert.equal(send(after), errorCode.NONE);
});

test("a topic that is deleted while one waits to make it anew is made behind its deletion, whole", async () => {
  const house = await CrashHouse.open(1);
  const [waiting, deleting] = [house.client(), house.client()];
  const made = (configs: { name: string; value: string }[]) => ({
    topics: [{ name: "t", numPartitions: 3, replicationFactor: 1, configs }],
  });
  await house.ask(deleting, createTopics, 7, made([]));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const limits = { maxWaitMs: 30_000, minBytes: 1, maxBytes: 1000 };
  // The second waits for the first, and the third for the second: they are answered when the topic goes.
  const asked = [
    waiting.requestBytes(fetch, 4, { ...limits, topics: [{ topic: "t", partitions }] }),
    waiting.requestBytes(apiVersions, 0, {}),
    waiting.requestBytes(createTopics, 7, made([{ name: "retention.ms", value: "-1" }])),
  ];
  waiting.raw(Buffer.concat(asked));
  await house.quiet();
  assert.deepEqual(waiting.take(), []);
  await house.ask(deleting, deleteTopics, 6, { topics: [{ name: "t" }] });
  await house.quiet();
  assert.equal(waiting.take().length, 3);
  // From now on only what is found by its name is known.
  const checkpoint = { isTaken: false };
  void house.core.checkpoint().then(() => (checkpoint.isTaken = true));
  while (!checkpoint.isTaken) await house.turn();
  await house.crash();
  const topic = house.server.topics.find("t")!;
  assert.equal(topic.partitions.length, 3);
  assert.deepEqual([...topic.configs], [["retention.ms", "-1"]]);
});

test("where the namespace may have no more queues, no topic is made", async () => {
  const { broker, authority, clock, random, logger } = (await KafkaHouse.open()).server;
  const parts = { broker, authority, clock, random, logger, version: "0", ports: () => [], mayAddTopic: () => false };
  const { server } = createKafka({ ...parts, settings: plainKafkaSettings });
  const refusal = judgeName({ server } as Call, "orders");
  assert.equal(refusal?.outcome.errorCode, errorCode.POLICY_VIOLATION);
});
