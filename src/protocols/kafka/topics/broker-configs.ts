/**
 * The broker's configs, as Kafka's clients and tools ask for them: those of Kafka's that have a meaning here, with the values
 * that hold here. All are read-only: they are this broker's options, which its configuration file, flags and environment set.
 */

import type { Call } from "../command.ts";
import { nodesFor } from "../nodes.ts";
import type { ConfigType } from "./config-type.ts";
import { configSource, typeNumber, type Detail, type ShownConfig } from "./shown-configs.ts";
import { topicConfigs } from "./topic-configs.ts";
import { defaultReplicationFactor } from "./creation.ts";

interface BrokerConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** Kafka's, where there is one. */
  readonly default?: string;
  /** What holds; if it is not the default. */
  readonly value?: string;
  /** Of ours, which sets it. */
  readonly option?: string;
}

/** @param nodeId of the node that is asked. */
export function shownBrokerConfigs(call: Call, nodeId: number, detail: Detail): ShownConfig[] {
  return [...ownConfigs(call, nodeId), ...topicDefaults].map((config) => show(config, detail));
}

function ownConfigs(call: Call, nodeId: number): readonly BrokerConfig[] {
  const { settings } = call.server;
  const { groups } = settings;
  const { address } = call.connection;
  const node = nodesFor(call.server, address).find(({ id }) => id === nodeId);
  const protocol = `${settings.requireSasl ? "SASL_" : ""}${address.isTls ? "SSL" : "PLAINTEXT"}`;
  const listener = node === undefined ? "" : `${protocol}://${node.host}:${node.port}`;
  return [
    { name: "node.id", type: "INT", value: String(nodeId), option: "kafka.nodeId" },
    { name: "broker.id", type: "INT", default: "-1", value: String(nodeId) },
    { name: "broker.rack", type: "STRING" },
    { name: "process.roles", type: "LIST", value: "broker,controller" },
    { name: "listeners", type: "STRING", default: "PLAINTEXT://:9092", value: listener, option: "listen.kafka" },
    { name: "advertised.listeners", type: "STRING", value: listener, option: "kafka.advertised" },
    truth("auto.create.topics.enable", "true", settings.autoCreateTopics, "kafka.autoCreateTopics"),
    { name: "delete.topic.enable", type: "BOOLEAN", default: "true" },
    count("num.partitions", "1", settings.partitionsDefault, "kafka.partitionsDefault"),
    count("default.replication.factor", "1", defaultReplicationFactor),
    count("socket.request.max.bytes", "104857600", settings.requestBytesMax, "kafka.requestBytesMax"),
    { ...count("connections.max.idle.ms", "600000", settings.idleMs, "kafka.idleMs"), type: "LONG" },
    { ...count("connections.max.reauth.ms", "0", settings.loginMsMax, "kafka.loginMsMax"), type: "LONG" },
    count("max.incremental.fetch.session.cache.slots", "1000", settings.fetchSessionsMax, "kafka.fetchSessionsMax"),
    count("max.request.partition.size.limit", "2000", 2000),
    {
      name: "sasl.enabled.mechanisms",
      type: "LIST",
      default: "GSSAPI",
      value: settings.saslMechanisms.join(","),
      option: "kafka.sasl",
    },
    count(
      "group.initial.rebalance.delay.ms",
      "3000",
      groups.initialRebalanceDelayMs,
      "kafka.groupInitialRebalanceDelayMs",
    ),
    count("group.min.session.timeout.ms", "6000", groups.sessionTimeoutMinMs, "kafka.groupSessionTimeoutMinMs"),
    count("group.max.session.timeout.ms", "1800000", groups.sessionTimeoutMaxMs, "kafka.groupSessionTimeoutMaxMs"),
    count("group.max.size", "2147483647", Math.min(groups.membersMax, 2_147_483_647), "kafka.groupMembersMax"),
    count(
      "offsets.retention.minutes",
      "10080",
      Math.ceil(groups.offsetsRetentionMs / 60_000),
      "kafka.offsetsRetentionMs",
    ),
    count("offset.metadata.max.bytes", "4096", groups.offsetMetadataMax, "kafka.offsetMetadataMax"),
    { name: "group.coordinator.rebalance.protocols", type: "LIST", value: "classic" },
    count("transaction.max.timeout.ms", "900000", 900_000),
    count("transactional.id.expiration.ms", "604800000", 604_800_000),
    count("producer.id.expiration.ms", "86400000", 86_400_000),
    { name: "remote.log.storage.system.enable", type: "BOOLEAN", default: "false" },
    { name: "log.retention.hours", type: "INT", default: "168" },
    { name: "log.retention.minutes", type: "INT" },
    { name: "log.retention.ms", type: "LONG" },
    { name: "log.roll.hours", type: "INT", default: "168" },
  ];
}

/** What topics have that say nothing else: under the broker's names. */
const topicDefaults: readonly BrokerConfig[] = topicConfigs
  .filter(({ brokerName }) => brokerName !== undefined)
  .map(({ brokerName, type, default: plain }) => ({ name: brokerName!, type, default: plain }));

function count(name: string, plain: string, value: number, option?: string): BrokerConfig {
  return { name, type: "INT", default: plain, value: String(value), ...(option === undefined ? {} : { option }) };
}

function truth(name: string, plain: string, value: boolean, option: string): BrokerConfig {
  return { name, type: "BOOLEAN", default: plain, value: String(value), option };
}

function show({ name, type, default: plain, value = plain, option }: BrokerConfig, detail: Detail): ShownConfig {
  const isDefault = value === plain;
  const own = isDefault ? [] : [{ name, value: value ?? null, source: configSource.staticBroker }];
  const defaults = plain === undefined ? [] : [{ name, value: plain, source: configSource.default }];
  return {
    name,
    value: value ?? null,
    readOnly: true,
    configSource: isDefault ? configSource.default : configSource.staticBroker,
    isSensitive: false,
    synonyms: detail.includeSynonyms ? [...own, ...defaults] : [],
    configType: typeNumber(type),
    documentation: detail.includeDocumentation ? documentationOf(option) : null,
  };
}

function documentationOf(option: string | undefined): string {
  return option === undefined ? "It is so, and cannot be set." : `Set by this broker's option ${option}.`;
}
