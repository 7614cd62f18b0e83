/**
 * The configs of topics: names, types, defaults and bounds are Kafka's, in the order in which Kafka judges them. What each of
 * them does here is in its text, which clients get when they ask for documentation, and in docs/kafka.md.
 *
 * Some have no effect, since there is nothing here for them to have one on: there are no segments and no indexes of a topic's
 * own, everything is synced before it is acknowledged, and there is one copy. They are taken and shown all the same, because
 * tools and infrastructure code set them on every topic.
 */

import { ConfigFault, invalidValue, readConfig, showConfig, type ConfigType, type ConfigValue } from "./config-type.ts";

export interface TopicConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** As it is shown. */
  readonly default: string;
  /** Of the broker's config that is its default. */
  readonly brokerName?: string;
  /** Whose default counts as long as that one is not set. */
  readonly coarser?: { readonly name: string; readonly default: string };
  /** What is wrong with a value. */
  readonly check?: (value: ConfigValue) => string | undefined;
  /** Taken, and not shown. */
  readonly isInternal?: boolean;
  readonly documentation: string;
}

/** How the texts begin of those without effect. */
export const none = "It has no effect here: ";
const longMost = "9223372036854775807";
const day = "86400000";
const hour = "3600000";
const week = "604800000";

export function atLeast(least: number | bigint) {
  return (value: ConfigValue): string | undefined =>
    (value as bigint) < least ? `Value must be at least ${least}` : undefined;
}

function between(least: number, most: number) {
  return (value: ConfigValue): string | undefined => {
    if ((value as bigint) < least) return `Value must be at least ${least}`;
    return (value as bigint) > most ? `Value must be no more than ${most}` : undefined;
  };
}

function oneOf(...texts: string[]) {
  return (value: ConfigValue): string | undefined =>
    texts.includes(value as string) ? undefined : `String must be one of: ${texts.join(", ")}`;
}

function gzipLevel(value: ConfigValue): string | undefined {
  if (value === -1n || ((value as bigint) >= 1n && (value as bigint) <= 9n)) return undefined;
  return "Value must be between 1 and 9 or equal to -1";
}

/** In Kafka's order: the first that is wrong is told. */
export const topicConfigs: readonly TopicConfig[] = [
  {
    name: "segment.bytes",
    type: "INT",
    default: "1073741824",
    brokerName: "log.segment.bytes",
    check: atLeast(1_048_576),
    documentation: `${none}topics share the segments of the broker.`,
  },
  {
    name: "segment.ms",
    type: "LONG",
    default: week,
    brokerName: "log.roll.ms",
    coarser: { name: "log.roll.hours", default: "168" },
    check: atLeast(1),
    documentation: `${none}topics share the segments of the broker.`,
  },
  {
    name: "segment.jitter.ms",
    type: "LONG",
    default: "0",
    brokerName: "log.roll.jitter.ms",
    coarser: { name: "log.roll.jitter.hours", default: "0" },
    check: atLeast(0),
    documentation: `${none}topics share the segments of the broker.`,
  },
  {
    name: "segment.index.bytes",
    type: "INT",
    default: "10485760",
    brokerName: "log.index.size.max.bytes",
    check: atLeast(4),
    documentation: `${none}indexes are as large as they need to be.`,
  },
  {
    name: "flush.messages",
    type: "LONG",
    default: longMost,
    brokerName: "log.flush.interval.messages",
    check: atLeast(1),
    documentation: `${none}every message is on disk before it is acknowledged, as with 1.`,
  },
  {
    name: "flush.ms",
    type: "LONG",
    default: longMost,
    brokerName: "log.flush.interval.ms",
    coarser: { name: "log.flush.scheduler.interval.ms", default: longMost },
    check: atLeast(0),
    documentation: `${none}every message is on disk before it is acknowledged.`,
  },
  {
    name: "retention.bytes",
    type: "LONG",
    default: "-1",
    brokerName: "log.retention.bytes",
    documentation: "How many bytes a partition keeps under the policy delete; what is older goes. -1: no limit.",
  },
  {
    name: "retention.ms",
    type: "LONG",
    default: week,
    brokerName: "log.retention.ms",
    coarser: { name: "log.retention.hours", default: "168" },
    check: atLeast(-1),
    documentation: "How long messages are kept under the policy delete. -1: for ever.",
  },
  {
    name: "max.message.bytes",
    type: "INT",
    default: "1048588",
    brokerName: "message.max.bytes",
    check: atLeast(0),
    documentation: "The largest batch that is taken, as it comes.",
  },
  {
    name: "index.interval.bytes",
    type: "INT",
    default: "4096",
    brokerName: "log.index.interval.bytes",
    check: atLeast(0),
    documentation: `${none}indexes are as dense as they need to be.`,
  },
  {
    name: "delete.retention.ms",
    type: "LONG",
    default: day,
    brokerName: "log.cleaner.delete.retention.ms",
    check: atLeast(0),
    documentation: "How long a compacted topic still says that a key has no value any more.",
  },
  {
    name: "min.compaction.lag.ms",
    type: "LONG",
    default: "0",
    brokerName: "log.cleaner.min.compaction.lag.ms",
    check: atLeast(0),
    documentation: "How old a message of a compacted topic is at least when a newer one of its key takes its place.",
  },
  {
    name: "max.compaction.lag.ms",
    type: "LONG",
    default: longMost,
    brokerName: "log.cleaner.max.compaction.lag.ms",
    check: atLeast(1),
    documentation: `${none}compaction waits for nothing but min.compaction.lag.ms.`,
  },
  {
    name: "file.delete.delay.ms",
    type: "LONG",
    default: "60000",
    brokerName: "log.segment.delete.delay.ms",
    check: atLeast(0),
    documentation: `${none}a topic has no files of its own.`,
  },
  {
    name: "min.cleanable.dirty.ratio",
    type: "DOUBLE",
    default: "0.5",
    brokerName: "log.cleaner.min.cleanable.ratio",
    check: between(0, 1),
    documentation: `${none}what is superseded is passed over at once, and its room is used again when that is worth it.`,
  },
  {
    name: "cleanup.policy",
    type: "LIST",
    default: "delete",
    brokerName: "log.cleanup.policy",
    documentation:
      "delete: old messages go, see retention.ms and retention.bytes. compact: the newest message of each key stays. Both hold if both are given.",
  },
  {
    name: "unclean.leader.election.enable",
    type: "BOOLEAN",
    default: "false",
    brokerName: "unclean.leader.election.enable",
    documentation: `${none}there is one copy.`,
  },
  {
    name: "min.insync.replicas",
    type: "INT",
    default: "1",
    brokerName: "min.insync.replicas",
    check: atLeast(1),
    documentation: `${none}there is one copy, and Kafka does not ask for more copies than there are.`,
  },
  {
    name: "compression.type",
    type: "STRING",
    default: "producer",
    brokerName: "compression.type",
    check: oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    documentation:
      "producer: batches stay as they come. Another one: those that come otherwise are compressed so before they are kept.",
  },
  {
    name: "compression.gzip.level",
    type: "INT",
    default: "-1",
    brokerName: "compression.gzip.level",
    check: gzipLevel,
    documentation: "With compression.type gzip: how well, 1 to 9; -1 is 6.",
  },
  {
    name: "compression.lz4.level",
    type: "INT",
    default: "9",
    brokerName: "compression.lz4.level",
    check: between(1, 17),
    documentation: `${none}there is one way of compressing with lz4.`,
  },
  {
    name: "compression.zstd.level",
    type: "INT",
    default: "3",
    brokerName: "compression.zstd.level",
    check: between(-131_072, 22),
    documentation: "With compression.type zstd: how well.",
  },
  {
    name: "preallocate",
    type: "BOOLEAN",
    default: "false",
    brokerName: "log.preallocate",
    documentation: `${none}a topic has no files of its own.`,
  },
  {
    name: "message.timestamp.type",
    type: "STRING",
    default: "CreateTime",
    brokerName: "log.message.timestamp.type",
    check: oneOf("CreateTime", "LogAppendTime"),
    documentation: "CreateTime: a message's time is its producer's. LogAppendTime: it is when the broker took it.",
  },
  {
    name: "message.timestamp.before.max.ms",
    type: "LONG",
    default: longMost,
    brokerName: "log.message.timestamp.before.max.ms",
    check: atLeast(0),
    documentation: "How far a message's time may lie back when it comes, with CreateTime.",
  },
  {
    name: "message.timestamp.after.max.ms",
    type: "LONG",
    default: hour,
    brokerName: "log.message.timestamp.after.max.ms",
    check: atLeast(0),
    documentation: "How far a message's time may lie ahead when it comes, with CreateTime.",
  },
  {
    name: "leader.replication.throttled.replicas",
    type: "LIST",
    default: "",
    documentation: `${none}nothing is replicated.`,
  },
  {
    name: "follower.replication.throttled.replicas",
    type: "LIST",
    default: "",
    documentation: `${none}nothing is replicated.`,
  },
  {
    name: "remote.storage.enable",
    type: "BOOLEAN",
    default: "false",
    documentation: "There is no remote storage: it can only be false.",
  },
  {
    name: "local.retention.ms",
    type: "LONG",
    default: "-2",
    brokerName: "log.local.retention.ms",
    check: atLeast(-2),
    documentation: `${none}there is no remote storage.`,
  },
  {
    name: "local.retention.bytes",
    type: "LONG",
    default: "-2",
    brokerName: "log.local.retention.bytes",
    check: atLeast(-2),
    documentation: `${none}there is no remote storage.`,
  },
  {
    name: "remote.log.copy.disable",
    type: "BOOLEAN",
    default: "false",
    documentation: `${none}there is no remote storage.`,
  },
  {
    name: "remote.log.delete.on.disable",
    type: "BOOLEAN",
    default: "false",
    documentation: `${none}there is no remote storage.`,
  },
  {
    name: "internal.segment.bytes",
    type: "INT",
    default: "",
    isInternal: true,
    documentation: `${none}topics share the segments of the broker.`,
  },
];

export const topicConfigByName: ReadonlyMap<string, TopicConfig> = new Map(
  topicConfigs.map((config) => [config.name, config]),
);

/** A topic's configs as they were set: texts by name. */
export type ConfigTexts = ReadonlyMap<string, string>;

/** The value that counts: the one that was set, which is right, or the default. */
export function configValue(name: string, texts: ConfigTexts): ConfigValue {
  const { type, default: plain } = topicConfigByName.get(name)!;
  return readConfig(name, type, texts.get(name) ?? plain) as ConfigValue;
}

/** As configValue, of a number: as near to it as a double can be. */
export function configNumber(name: string, texts: ConfigTexts): number {
  return Math.min(Number(configValue(name, texts)), Number.MAX_SAFE_INTEGER);
}

/** What is set, on top of what counts for those who say nothing. */
export function withDefaults(texts: ConfigTexts, defaults: ConfigTexts): ConfigTexts {
  return defaults.size === 0 ? texts : new Map([...defaults, ...texts]);
}

/** All that is kept of configs for a topic, or for a level of the broker's: names and values. */
export const textLengthMax = 65_536;

/** UTF-16 units. */
export function lengthOf(texts: ConfigTexts): number {
  let length = 0;
  for (const [name, text] of texts) length += name.length + text.length;
  return length;
}

/** Judges all that is set for a topic. */
export function checkTopicConfigs(texts: ConfigTexts, defaults: ConfigTexts): ConfigFault | undefined {
  for (const name of texts.keys())
    if (!topicConfigByName.has(name)) return new ConfigFault(`Unknown topic config name: ${name}`);
  for (const config of topicConfigs) {
    const text = texts.get(config.name);
    const fault = text === undefined ? undefined : checkOne(config, text);
    if (fault !== undefined) return fault;
  }
  // Lists can be appended to, again and again.
  if (lengthOf(texts) > textLengthMax)
    return new ConfigFault(`Configs of a topic have ${textLengthMax} characters at most.`);
  return checkTogether(withDefaults(texts, defaults));
}

function checkOne(config: TopicConfig, text: string): ConfigFault | undefined {
  const { name, type, check } = config;
  const value = readConfig(name, type, text);
  if (value instanceof ConfigFault) return value;
  if (name === "cleanup.policy") return checkPolicies(name, value as readonly string[]);
  if (name.endsWith(".replication.throttled.replicas")) return checkThrottled(name, value as readonly string[]);
  const why = check?.(value);
  return why === undefined ? undefined : invalidValue(name, showConfig(value), why);
}

export function checkPolicies(name: string, policies: readonly string[]): ConfigFault | undefined {
  const check = oneOf("compact", "delete");
  const wrong = policies.find((policy) => check(policy) !== undefined);
  return wrong === undefined ? undefined : invalidValue(name, wrong, check(wrong)!);
}

function checkThrottled(name: string, replicas: readonly string[]): ConfigFault | undefined {
  const isAll = replicas.length === 1 && replicas[0] === "*";
  if (isAll || replicas.every((replica) => /^(?:\d+:\d+)?$/.test(replica))) return undefined;
  const form = "[partitionId]:[brokerId],[partitionId]:[brokerId],...";
  const why = `${name} must be the literal '*' or a list of replicas in the following format: ${form}`;
  return invalidValue(name, `[${replicas.join(", ")}]`, why);
}

function checkTogether(texts: ConfigTexts): ConfigFault | undefined {
  const least = configValue("min.compaction.lag.ms", texts) as bigint;
  const most = configValue("max.compaction.lag.ms", texts) as bigint;
  if (least > most) {
    const conflict = `min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`;
    return new ConfigFault(`conflict topic config setting ${conflict}`);
  }
  if (configValue("remote.storage.enable", texts) !== true) return undefined;
  const cannot = "Topic cannot be configured with remote log storage.";
  return new ConfigFault(`Tiered Storage functionality is disabled in the broker. ${cannot}`);
}
