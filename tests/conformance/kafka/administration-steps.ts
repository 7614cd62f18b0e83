/**
 * What is asked of a Kafka, and of us, about topics and configs: one request a step, in this order, of a broker that has no
 * topics yet. What is left out of a body has its default.
 */

import type { Command } from "../../../src/protocols/kafka/command.ts";
import { alterConfigs } from "../../../src/protocols/kafka/commands/alter-configs.ts";
import { createPartitions } from "../../../src/protocols/kafka/commands/create-partitions.ts";
import { createTopics } from "../../../src/protocols/kafka/commands/create-topics.ts";
import { deleteTopics } from "../../../src/protocols/kafka/commands/delete-topics.ts";
import { describeCluster } from "../../../src/protocols/kafka/commands/describe-cluster.ts";
import { describeConfigs } from "../../../src/protocols/kafka/commands/describe-configs.ts";
import { describeTopicPartitions } from "../../../src/protocols/kafka/commands/describe-topic-partitions.ts";
import { incrementalAlterConfigs } from "../../../src/protocols/kafka/commands/incremental-alter-configs.ts";
import { metadata } from "../../../src/protocols/kafka/commands/metadata.ts";
import { topicConfigs } from "../../../src/protocols/kafka/topics/topic-configs.ts";

export interface Step {
  readonly command: Command;
  readonly version: number;
  readonly body: object;
}

type Texts = Readonly<Record<string, string | null>>;
type Assignment = readonly [partition: number, brokers: readonly number[]];

const timeoutMs = 10_000;

function entries(configs: Texts) {
  return Object.entries(configs).map(([name, value]) => ({ name, value }));
}

function topic(name: string, count = 1, factor = 1, configs: Texts = {}, assigned: readonly Assignment[] = []) {
  const assignments = assigned.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds }));
  return { name, numPartitions: count, replicationFactor: factor, configs: entries(configs), assignments };
}

function create(topics: readonly object[], validateOnly = false, version = 7): Step {
  return { command: createTopics, version, body: { topics, validateOnly, timeoutMs } };
}

function grow(
  topics: readonly (readonly [string, number, (readonly (readonly number[])[])?])[],
  validateOnly = false,
): Step {
  const asked = topics.map(([name, count, brokers]) => ({
    name,
    count,
    assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null,
  }));
  return { command: createPartitions, version: 3, body: { topics: asked, validateOnly, timeoutMs } };
}

function remove(names: readonly string[], version = 5): Step {
  return { command: deleteTopics, version, body: { topicNames: names, timeoutMs } };
}

function removeById(...topics: readonly object[]): Step {
  return { command: deleteTopics, version: 6, body: { topics, timeoutMs } };
}

function look(version: number, names: readonly string[], more: object = {}): Step {
  const topics = names.map((name) => ({ name }));
  return { command: metadata, version, body: { topics, allowAutoTopicCreation: false, ...more } };
}

function page(names: readonly string[], limit: number, cursor: readonly [string, number] | null = null): Step {
  const at = cursor && { topicName: cursor[0], partitionIndex: cursor[1] };
  const body = { topics: names.map((name) => ({ name })), responsePartitionLimit: limit, cursor: at };
  return { command: describeTopicPartitions, version: 0, body };
}

function describe(type: number, name: string, keys: readonly string[] | null = null, version = 4): Step {
  const resources = [{ resourceType: type, resourceName: name, configurationKeys: keys }];
  return { command: describeConfigs, version, body: { resources, includeSynonyms: true } };
}

type Change = readonly [name: string, operation: number, value: string | null];

function change(name: string, changes: readonly Change[], type = 2, validateOnly = false): Step {
  const configs = changes.map(([config, configOperation, value]) => ({ name: config, configOperation, value }));
  const resources = [{ resourceType: type, resourceName: name, configs }];
  return { command: incrementalAlterConfigs, version: 1, body: { resources, validateOnly } };
}

function replace(name: string, configs: Texts, type = 2, validateOnly = false): Step {
  const resources = [{ resourceType: type, resourceName: name, configs: entries(configs) }];
  return { command: alterConfigs, version: 2, body: { resources, validateOnly } };
}

const integers =
  "0,1,-1,-2,-3,2,3,4,9,10,17,18,22,23,-131072,-131073,1048575,1048576,2147483647,2147483648,9223372036854775807,9223372036854775808,-9223372036854775808,abc,, 7 ,+5,1.5,1e3,0x10,007,1_000";
const valuesByType: Readonly<Record<string, readonly string[]>> = {
  INT: integers.split(","),
  LONG: integers.split(","),
  BOOLEAN: "true,false,TRUE,False, true ,1,yes,".split(","),
  DOUBLE: "0,1,0.5,1.0001,-0.1,abc,,NaN,Infinity, 0.3 ,1e-3,0.25f,0.25d,.5,5.,1e-5,1d".split(","),
  STRING:
    "producer,gzip,snappy,lz4,zstd,uncompressed,none,GZIP,, gzip ,foo,CreateTime,LogAppendTime,createtime, CreateTime ".split(
      ",",
    ),
  LIST: "delete|compact|compact,delete| delete ,compact||none|DELETE|delete,delete|delete,|,|delete,foo|*|0:1|0:1,1:2|0:1, 1:2|a:b|0|0:1:2|*,0:1|-1:2| |0:1,".split(
    "|",
  ),
};

/** Each config with values of all kinds, fifty at a time. */
function* everyValue(): Iterable<Step> {
  const asked = topicConfigs.flatMap(({ name, type, isInternal }) =>
    isInternal === true ? [] : valuesByType[type]!.map((value) => topic(`v-${name}`, 1, 1, { [name]: value })),
  );
  const numbered = asked.map((each, index) => ({ ...each, name: `v${index}` }));
  for (let at = 0; at < numbered.length; at += 50) yield create(numbered.slice(at, at + 50), true);
}

const long = "n".repeat(249);

export const steps: readonly Step[] = [
  create([topic("x", 3)]),
  create([topic("x", 3)]),
  create([topic("y", 0)]),
  create([topic("y", -2)]),
  create([topic("y", -1, -1)]),
  ...[0, -2, 2, 300].map((factor) => create([topic("z", 1, factor)])),
  create([topic("z", 0, 0)]),
  create([topic("a.b")]),
  create([topic("a_b")]),
  create([topic("a.b")]),
  ...["bad name", "", ".", "..", "ünï", "__cluster_metadata"].map((name) => create([topic(name)])),
  create([topic(long), topic(`${long}n`)], true),
  create([topic("z"), topic("z")]),
  create([topic("z"), topic("z"), topic("m")], true),
  create([topic("m", 2, -1, {}, [[0, [1]]])]),
  create([topic("m", -1, 1, {}, [[0, [1]]])]),
  create([
    topic("m", -1, -1, {}, [
      [0, [1]],
      [0, [1]],
    ]),
  ]),
  create([topic("m", -1, -1, {}, [[0, [9]]])]),
  create([topic("m", -1, -1, {}, [[0, [1, 1]]])]),
  create([topic("m", -1, -1, {}, [[0, []]])]),
  create([topic("m", -1, -1, {}, [[1, [1]]])]),
  create([
    topic("m", -1, -1, {}, [
      [0, [1]],
      [2, [1]],
    ]),
  ]),
  create([
    topic("m", -1, -1, {}, [
      [0, [1]],
      [1, [1]],
    ]),
  ]),
  create([topic("z", 1, 1, { "retention.ms": null, "segment.ms": null })]),
  create([topic("z", 0, 0, { nope: "1" })]),
  create([topic("x", 0, 0, { nope: "1" })]),
  create([topic("z", 1, 1, { "retention.ms": "abc", "segment.bytes": "abc" })]),
  create([topic("z", 1, 1, { "min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5" })]),
  create([topic("z", 1, 1, { "remote.storage.enable": "true", "cleanup.policy": "compact" })]),
  create([topic("z", 1, 1, { "message.format.version": "2.8" })]),
  create([topic("big", 10_001)], true),
  create([topic("big", 9999), topic("b2", 2)], true),
  create([topic("v4")], true, 4),
  create([topic("v2")], true, 2),
  create([]),
  ...everyValue(),

  ...[3, 2, 0, -1].map((count) => grow([["x", count]])),
  grow([["nope", 3]]),
  grow([["bad name", 3]]),
  grow([
    ["x", 4],
    ["x", 5],
  ]),
  grow([["x", 4]], true),
  grow([["x", 5]]),
  ...[[[9]], [], [[1], [1]], [[]], [[1, 1]]].map((brokers) => grow([["x", 6, brokers]])),
  grow([["x", 7, [[1], [1]]]]),

  ...[0, 1, 4, 5, 7, 8, 9, 10, 12, 13]
    .filter((version) => version >= 4)
    .map((version) =>
      look(version, ["x", "nope", "bad name"], version < 10 ? {} : { includeTopicAuthorizedOperations: true }),
    ),
  look(9, ["x"], { includeClusterAuthorizedOperations: true }),
  look(9, []),
  look(9, ["x", "x"]),
  look(12, [], { topics: [{ name: null, topicId: "11".repeat(16) }] }),
  page(["x", "m"], 3),
  page(["x", "m"], 3, ["x", 1]),
  page(["x", "m"], 2),
  page(["x", "nope", "bad name"], 0),
  page(["x"], 9, ["m", 0]),
  page(["x"], 9, ["x", -1]),
  page([], 4),
  { command: describeCluster, version: 2, body: { includeClusterAuthorizedOperations: true } },
  { command: describeCluster, version: 2, body: { endpointType: 2 } },
  { command: describeCluster, version: 2, body: { endpointType: 3 } },

  create([
    topic("c1", 1, 1, {
      "retention.ms": " +7 ",
      "cleanup.policy": " delete ,compact",
      "min.cleanable.dirty.ratio": "1",
    }),
  ]),
  create([topic("c2")]),
  describe(2, "c1"),
  describe(2, "c2"),
  describe(2, "c2", ["retention.ms", "nope"]),
  describe(2, "c2", ["retention.ms"], 1),
  ...["nope", "no pe", ""].map((name) => describe(2, name)),
  ...["7", "x"].map((name) => describe(4, name)),
  change("c1", [["retention.ms", 0, "100"]]),
  change("c1", [["retention.ms", 0, "abc"]]),
  change("c1", [["nope", 0, "1"]]),
  change("c1", [["nope", 1, null]]),
  change("c1", [
    ["retention.ms", 1, null],
    ["cleanup.policy", 3, "delete"],
  ]),
  describe(2, "c1"),
  change("c1", [["cleanup.policy", 2, "delete,compact,delete"]]),
  describe(2, "c1"),
  change("c1", [["cleanup.policy", 3, "delete,compact"]]),
  describe(2, "c1"),
  change("c2", [["cleanup.policy", 2, "compact"]]),
  describe(2, "c2"),
  change("c2", [["cleanup.policy", 3, "delete"]]),
  describe(2, "c2"),
  change("c1", [["retention.ms", 2, "5"]]),
  change("c1", [["retention.ms", 3, "5"]]),
  change("c1", [["nope", 2, "5"]]),
  change("c1", [
    ["retention.ms", 0, null],
    ["segment.ms", 0, null],
  ]),
  change("c1", [
    ["retention.ms", 0, "1"],
    ["retention.ms", 0, "2"],
  ]),
  change("nope", [["retention.ms", 0, "1"]]),
  change("nope", [["retention.ms", 0, "abc"]]),
  change("no pe", [["retention.ms", 0, "1"]]),
  change("", [["retention.ms", 0, "1"]]),
  change("c1", [["retention.ms", 0, "77"]], 2, true),
  change("c1", []),
  ...[0, 99].map((type) => change("c1", [["a", 0, "1"]], type)),
  ...["7", "x"].map((name) => change(name, [["a", 0, "1"]], 4)),
  change("1", [["broker.id", 0, "1"]], 4),
  change("1", [["num.partitions", 0, "3"]], 4),
  change("", [["num.partitions", 0, "3"]], 4),
  replace("c1", { "retention.ms": "5" }),
  describe(2, "c1"),
  replace("c1", {}),
  describe(2, "c1"),
  replace("c1", { "retention.ms": "abc" }),
  replace("c1", { "retention.ms": null }),
  replace("nope", { "retention.ms": "5" }),
  replace("1", { "num.partitions": "5" }, 4),
  replace("c1", { "segment.ms": "4" }, 2, true),
  describe(2, "c1"),

  removeById({ name: "x", topicId: "11".repeat(16) }),
  removeById({ name: null }),
  removeById({ name: null, topicId: "22".repeat(16) }),
  removeById({ name: "nope" }, { name: "nope" }),
  removeById({ name: "c1" }),
  remove(["x", "nope", "bad name"]),
  remove(["y", "m", "a.b", "c2"], 1),
];
