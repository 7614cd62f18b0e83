import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueueSettings } from "../../../broker/api.ts";
import { errorCode } from "../codec/errors.ts";
import { alterConfigs } from "../commands/alter-configs.ts";
import { createTopics } from "../commands/create-topics.ts";
import { describeConfigs } from "../commands/describe-configs.ts";
import { incrementalAlterConfigs } from "../commands/incremental-alter-configs.ts";
import { produce } from "../commands/produce.ts";
import { createKafka } from "../index.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { plainKafkaSettings } from "../settings.ts";
import { checkDynamicConfigs, dynamicConfigs } from "./dynamic-configs.ts";

const broker = 4;
const topic = 2;
const set = 0;
const unset = 1;
const append = 2;

type Change = readonly [config: string, operation: number, value?: string];

/** What an incremental change is answered: code and text. */
function change(client: KafkaClient, resourceName: string, ...changes: Change[]): readonly [number, string | null] {
  const configs = changes.map(([name, configOperation, value = null]) => ({ name, configOperation, value }));
  const resources = [{ resourceType: broker, resourceName, configs }];
  const [answer] = client.call(incrementalAlterConfigs, 1, { resources }).responses;
  return [answer!.errorCode, answer!.errorMessage];
}

const taken = [errorCode.NONE, null];

function make(client: KafkaClient, name: string, texts: Record<string, string> = {}) {
  const configs = Object.entries(texts).map(([config, value]) => ({ name: config, value }));
  const [made] = client.call(createTopics, 7, {
    topics: [{ name, numPartitions: 1, replicationFactor: 1, configs }],
  }).topics;
  assert.equal(made!.errorCode, errorCode.NONE);
  return made!;
}

/** Value, source and synonyms of one config. */
function shown(client: KafkaClient, resourceType: number, resourceName: string, name: string) {
  const resources = [{ resourceType, resourceName, configurationKeys: [name] }];
  const [result] = client.call(describeConfigs, 4, { resources, includeSynonyms: true }).results;
  const [config] = result!.configs;
  if (config === undefined) return undefined;
  const synonyms = config.synonyms.map((each) => `${each.source} ${each.name}=${each.value}`);
  return [config.value, config.configSource, ...synonyms];
}

function settingsOf(house: KafkaHouse, name: string): QueueSettings {
  return house.core.namespace("/")!.queue(name)!.settings;
}

test("a broker's config counts for topics without one of their own, at once and until it is taken back", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  make(client, "plain");
  make(client, "own", { "retention.ms": "77000", "cleanup.policy": "delete" });
  const amqp = house.core.namespace("/")!.createQueue("declared", settingsOf(house, "plain"), {});
  const before = amqp.settings;
  assert.deepEqual(
    change(client, "", ["log.retention.ms", set, " 5000 "], ["log.cleanup.policy", append, "compact"]),
    taken,
  );
  make(client, "later");
  for (const name of ["plain", "later"]) {
    assert.equal(settingsOf(house, name).retention.maxAgeMs, 5000, name);
    assert.equal(settingsOf(house, name).retention.compact, true, name);
  }
  assert.equal(settingsOf(house, "own").retention.maxAgeMs, 77_000);
  assert.equal(settingsOf(house, "own").retention.compact, false);
  assert.deepEqual(amqp.settings, before);
  assert.deepEqual(change(client, "1", ["log.retention.ms", set, "-1"]), taken);
  assert.equal(settingsOf(house, "plain").retention.maxAgeMs, 0);
  assert.deepEqual(change(client, "1", ["log.retention.ms", unset]), taken);
  assert.equal(settingsOf(house, "plain").retention.maxAgeMs, 5000);
  const [answer] = client.call(alterConfigs, 2, {
    resources: [{ resourceType: broker, resourceName: "", configs: [] }],
  }).responses;
  assert.equal(answer!.errorCode, errorCode.NONE);
  assert.equal(settingsOf(house, "later").retention.maxAgeMs, 604_800_000);
  assert.equal(settingsOf(house, "later").retention.compact, false);
});

test("the broker's largest message is that of topics that say nothing", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "plain");
  make(client, "own", { "max.message.bytes": "1000000" });
  assert.deepEqual(change(client, "1", ["message.max.bytes", set, "200"]), taken);
  const send = (name: string): number => {
    const partitionData = [{ index: 0, records: batchOf(["x".repeat(500)]) }];
    const answer = client.call(produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name, partitionData }] });
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };
  assert.equal(send("plain"), errorCode.MESSAGE_TOO_LARGE);
  assert.equal(send("own"), errorCode.NONE);
});

test("a config says where its value comes from: the topic, the node, all nodes, the default", async () => {
  const client = (await KafkaHouse.open()).client();
  make(client, "t");
  assert.deepEqual(shown(client, broker, "1", "log.retention.ms"), [null, 5]);
  assert.deepEqual(shown(client, topic, "t", "retention.ms"), ["604800000", 5]);
  change(client, "", ["log.retention.ms", set, " 50 "], ["log.segment.bytes", set, "2000000"]);
  change(client, "1", ["log.retention.ms", set, "60"]);
  const synonyms = ["2 log.retention.ms=60", "3 log.retention.ms= 50 ", "5 log.retention.hours=168"];
  assert.deepEqual(shown(client, broker, "1", "log.retention.ms"), ["60", 2, ...synonyms]);
  assert.deepEqual(shown(client, topic, "t", "retention.ms"), ["60", 2, ...synonyms]);
  assert.deepEqual(shown(client, broker, "", "log.retention.ms"), [" 50 ", 3, "3 log.retention.ms= 50 "]);
  assert.equal(shown(client, broker, "", "log.cleanup.policy"), undefined);
  const ofSegments = ["3 log.segment.bytes=2000000", "5 log.segment.bytes=1073741824"];
  assert.deepEqual(shown(client, topic, "t", "segment.bytes"), ["2000000", 3, ...ofSegments]);
  const { configs } = make(client, "own", { "retention.ms": "7" });
  const named = new Map(configs!.map(({ name, value, configSource }) => [name, [value, configSource]]));
  assert.deepEqual(named.get("segment.bytes"), ["2000000", 3]);
  assert.deepEqual(named.get("retention.ms"), ["7", 1]);
  assert.deepEqual(shown(client, topic, "own", "retention.ms"), ["7", 1, "1 retention.ms=7", ...synonyms]);
});

test("what cannot be changed is refused, and nothing of the request is done", async () => {
  const client = (await KafkaHouse.open()).client();
  const refused = (name: string, ...changes: Change[]): string | null => {
    const [code, text] = change(client, name, ["log.retention.bytes", set, "9"], ...changes);
    assert.equal(code, errorCode.INVALID_REQUEST);
    return text;
  };
  const fixed = "Cannot update these configs dynamically: Set(num.partitions, listener.name.x.max.connections)";
  assert.equal(refused("", ["num.partitions", set, "2"], ["listener.name.x.max.connections", set, "1"]), fixed);
  const perNode = "Cannot update these configs at default cluster level, broker id must be specified: Set(";
  const kerberos = "sasl.kerberos.min.time.before.relogin";
  assert.equal(refused("", [kerberos, set, "58000"]), `${perNode}${kerberos})`);
  const notLong = "Invalid value x for configuration log.retention.ms: Not a number of type LONG";
  assert.equal(refused("1", ["log.retention.ms", set, "x"]), notLong);
  const zero = "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
  assert.equal(refused("1", ["log.retention.ms", set, "0"]), zero);
  const policy = "Invalid value x for configuration log.cleanup.policy: String must be one of: compact, delete";
  assert.equal(refused("1", ["log.cleanup.policy", set, "x"]), policy);
  assert.equal(refused("7"), "Unexpected broker id, expected 1, but received 7");
  const large = "x".repeat(30_000);
  const tooMuch = "Configs of the broker have 65536 characters at most.";
  assert.equal(refused("", ["plugin.a", set, large], ["plugin.b", set, large], ["plugin.c", set, large]), tooMuch);
  const list = [errorCode.INVALID_CONFIG, "Config value append is not allowed for config key: log.retention.ms"];
  assert.deepEqual(change(client, "1", ["log.retention.ms", append, "5"]), list);
  const ofReplicas = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
  assert.deepEqual(change(client, "1", ["min.insync.replicas", set, "2"]), [errorCode.INVALID_CONFIG, ofReplicas]);
  assert.deepEqual(shown(client, broker, "1", "log.retention.bytes"), ["-1", 5, "5 log.retention.bytes=-1"]);
});

test("what has no effect is taken, shown and said in the log; what a plugin would read is not shown", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const warned = () => house.logged.filter(({ level }) => level === "warn").map(({ fields }) => fields["configs"]);
  assert.deepEqual(change(client, "1", ["log.retention.ms", set, "5000"]), taken);
  assert.deepEqual(warned(), []);
  assert.deepEqual(change(client, "1", ["num.io.threads", set, "9"], ["cleanup.policy", set, "x"]), taken);
  assert.deepEqual(warned(), ["num.io.threads, cleanup.policy"]);
  assert.deepEqual(shown(client, broker, "1", "num.io.threads")!.slice(0, 2), ["9", 2]);
  assert.deepEqual(shown(client, broker, "1", "cleanup.policy"), [null, 2, "2 cleanup.policy=null"]);
});

test("a server that starts finds the broker's configs, and its topics go by them", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  make(client, "t");
  change(client, "", ["message.max.bytes", set, "2000"], ["log.retention.ms", set, "9000"]);
  change(client, "1", ["log.retention.ms", set, "8000"]);
  const { authority, clock, random, logger } = house.server;
  const parts = { broker: house.core, authority, clock, random, logger, version: "0", ports: () => [] };
  const again = createKafka({ ...parts, settings: plainKafkaSettings }).server;
  assert.equal(again.brokerDefaults.at("cluster").get("log.retention.ms"), "9000");
  assert.equal(again.topics.find("t")!.limits.messageBytesMax, 2000);
  change(client, "", ["message.max.bytes", unset], ["log.retention.ms", unset]);
  change(client, "1", ["log.retention.ms", unset]);
  assert.deepEqual([...house.core.definitions.entries("kafka-broker-configs")], []);
});

test("every config that can be set takes its own default, for the node", () => {
  for (const { name, default: plain } of dynamicConfigs) {
    if (plain !== null) assert.equal(checkDynamicConfigs(new Map([[name, plain]]), true), undefined, name);
  }
});
