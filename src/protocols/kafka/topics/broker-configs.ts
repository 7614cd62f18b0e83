/**
 * The broker's configs, as Kafka's clients and tools ask for them: those of Kafka's that have a meaning here, with the values
 * that hold here. These are read-only: they are this broker's options, which its configuration file, flags and environment
 * set. Beside them stand those that clients can set, see dynamic-configs.ts.
 */

import type { Call } from "../command.ts";
import { nodesFor } from "../nodes.ts";
import { showConfig, readConfig, type ConfigType, type ConfigValue } from "./config-type.ts";
import { defaultReplicationFactor } from "./creation.ts";
import { dynamicConfigByName, dynamicConfigs, isForeignConfig, type DynamicConfig } from "./dynamic-configs.ts";
import {
  brokerSynonyms,
  configSource,
  typeNumber,
  type Detail,
  type ShownConfig,
  type Synonym,
} from "./shown-configs.ts";

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
  const { brokerDefaults } = call.server;
  const set = (name: string): boolean => brokerDefaults.at("node").has(name) || brokerDefaults.at("cluster").has(name);
  const foreign = [...brokerDefaults.at("node").keys(), ...brokerDefaults.at("cluster").keys()].filter(isForeignConfig);
  return [
    ...ownConfigs(call, nodeId).map((config) => show(config, detail)),
    ...dynamicConfigs
      .filter(({ name, isHidden }) => isHidden !== true || set(name))
      .map((config) =>
        showDynamic(
          config,
          brokerSynonyms(config.name, config.default, config.topicConfig?.coarser, brokerDefaults),
          detail,
        ),
      ),
    ...[...new Set(foreign)].map((name) =>
      showForeign(name, brokerSynonyms(name, null, undefined, brokerDefaults), detail),
    ),
  ];
}

/** What was set for all nodes, and nothing else. */
export function shownClusterConfigs(call: Call, detail: Detail): ShownConfig[] {
  return [...call.server.brokerDefaults.at("cluster")].map(([name, value]) => {
    const synonyms = [{ name, value, source: configSource.cluster }];
    const config = dynamicConfigByName.get(name);
    return config === undefined ? showForeign(name, synonyms, detail) : showDynamic(config, synonyms, detail, value);
  });
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
    { name: "log.roll.hours", type: "INT", default: "168" },
    { name: "log.roll.jitter.hours", type: "INT", default: "0" },
    { name: "log.flush.scheduler.interval.ms", type: "LONG", default: "9223372036854775807" },
  ];
}

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

/** @param written as it is to be shown; undefined: as it is read. */
function showDynamic(
  { name, type, isHidden, documentation }: DynamicConfig,
  synonyms: readonly Synonym[],
  detail: Detail,
  written?: string,
): ShownConfig {
  const first = synonyms[0];
  const text = first?.value ?? null;
  return {
    name,
    value: text === null ? null : (written ?? showConfig(readConfig(name, type, text) as ConfigValue)),
    readOnly: isHidden === true,
    configSource: first?.source ?? configSource.default,
    isSensitive: false,
    synonyms: detail.includeSynonyms ? synonyms : [],
    configType: typeNumber(type),
    documentation: detail.includeDocumentation ? documentation : null,
  };
}

/** Nobody knows what it is, so it may be a secret: as in Kafka, its value is not told. */
function showForeign(name: string, synonyms: readonly Synonym[], detail: Detail): ShownConfig {
  return {
    name,
    value: null,
    readOnly: true,
    configSource: synonyms[0]!.source,
    isSensitive: true,
    synonyms: detail.includeSynonyms ? synonyms.map((each) => ({ ...each, value: null })) : [],
    configType: 0,
    documentation: detail.includeDocumentation ? "It has no effect here." : null,
  };
}

function documentationOf(option: string | undefined): string {
  return option === undefined ? "It is so, and cannot be set." : `Set by this broker's option ${option}.`;
}
