/**
 * The broker's configs that clients can change while it runs: those of Kafka's whose changing does here what it does there,
 * which is to say the defaults of topics, and those that mean nothing here and whose changing therefore breaks no promise:
 * sizes of pools, the cleaner's buffers, remote storage, Kerberos. Each says so in its text, which clients get when they ask
 * for documentation, and which is in docs/kafka.md; and the broker's log says so when it is set.
 *
 * What Kafka can also change and would be missed if nothing came of it (limits of connections, TLS, mechanisms of SASL,
 * listeners, reporters of metrics, how long a producer's id lasts) is refused, in the words in which Kafka refuses what it
 * cannot change: these are options of this broker. So is any other name of one of Kafka's families. A name of no family is
 * one of a plugin's to Kafka, which keeps it; here it is kept, too, and has no effect, as in Kafka without that plugin.
 */

import { ConfigFault, invalidValue, readConfig, showConfig, type ConfigType, type ConfigValue } from "./config-type.ts";
import { atLeast, checkPolicies, none, topicConfigs, type ConfigTexts, type TopicConfig } from "./topic-configs.ts";

export interface DynamicConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** As it is shown; null: nothing. */
  readonly default: string | null;
  /** Of topics, what this is the default of. */
  readonly topicConfig?: TopicConfig;
  /** It can be set for a node, and not for all at once. */
  readonly isPerNode?: boolean;
  /** Kafka does not show it unless it is set. */
  readonly isHidden?: boolean;
  readonly fault?: (value: ConfigValue) => ConfigFault | undefined;
  readonly documentation: string;
}

const noThreads = `${none}there are no threads to count.`;
const noCleaner = `${none}what is superseded is passed over at once, there is no cleaner at work.`;
const noRemote = `${none}there is no remote storage.`;
const noKerberos = `${none}GSSAPI is not offered.`;
const noBrokers = `${none}there are no other brokers to log in to.`;
const noCopies = `${none}nothing is replicated.`;
const longMost = "9223372036854775807";

const least = (name: string, bound: number) => (value: ConfigValue) => {
  const why = atLeast(bound)(value);
  return why === undefined ? undefined : invalidValue(name, showConfig(value), why);
};

function plain(name: string, type: ConfigType, text: string | null, bound: number | undefined, documentation: string) {
  return { name, type, default: text, documentation, ...(bound === undefined ? {} : { fault: least(name, bound) }) };
}

/** Where Kafka judges the broker's config otherwise than the topic's. */
const ownFaults: Readonly<Record<string, (value: ConfigValue) => ConfigFault | undefined>> = {
  "log.retention.ms": (value) =>
    value === 0n
      ? new ConfigFault("requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1")
      : undefined,
  "log.roll.ms": (value) =>
    (value as bigint) < 1n
      ? new ConfigFault("requirement failed: log.roll.ms must be greater than or equal to 1")
      : undefined,
  "log.roll.jitter.ms": (value) =>
    (value as bigint) < 0n
      ? new ConfigFault("requirement failed: log.roll.jitter.ms must be greater than or equal to 0")
      : undefined,
  "log.flush.interval.ms": () => undefined,
  "log.cleanup.policy": (value) => checkPolicies("log.cleanup.policy", value as readonly string[]),
};

function defaultOf(topicConfig: TopicConfig): DynamicConfig {
  const { type, coarser, check, documentation } = topicConfig;
  const name = topicConfig.brokerName!;
  const judge = (value: ConfigValue): ConfigFault | undefined => {
    const why = check?.(value);
    return why === undefined ? undefined : invalidValue(name, showConfig(value), why);
  };
  return {
    name,
    type,
    default: coarser === undefined ? topicConfig.default : null,
    topicConfig,
    fault: ownFaults[name] ?? judge,
    documentation: `Counts for topics that have no \`${topicConfig.name}\` of their own. ${documentation}`,
  };
}

const ofKerberos = (name: string, type: ConfigType, text: string | null) => ({
  ...plain(`sasl.kerberos.${name}`, type, text, undefined, noKerberos),
  isPerNode: true,
});
const ofLogin = (name: string, type: ConfigType, text: string) => ({
  ...plain(`sasl.login.refresh.${name}`, type, text, undefined, noBrokers),
  isPerNode: true,
});
const ofRemote = (name: string, type: ConfigType, text: string) => plain(`remote.${name}`, type, text, 1, noRemote);
const throttle = (name: string) => ({ ...plain(name, "LONG", null, 0, noCopies), isHidden: true });

export const dynamicConfigs: readonly DynamicConfig[] = [
  ...topicConfigs.filter(({ brokerName }) => brokerName !== undefined).map(defaultOf),
  plain("background.threads", "INT", "10", 1, noThreads),
  plain("num.io.threads", "INT", "8", 1, noThreads),
  plain("num.network.threads", "INT", "3", 1, noThreads),
  plain("num.recovery.threads.per.data.dir", "INT", "2", 1, noThreads),
  plain("num.replica.fetchers", "INT", "1", 1, noCopies),
  plain("log.cleaner.threads", "INT", "1", 1, noCleaner),
  plain("log.cleaner.backoff.ms", "LONG", "15000", 0, noCleaner),
  plain("log.cleaner.dedupe.buffer.size", "LONG", "134217728", undefined, noCleaner),
  plain("log.cleaner.io.buffer.load.factor", "DOUBLE", "0.9", undefined, noCleaner),
  plain("log.cleaner.io.buffer.size", "INT", "524288", 0, noCleaner),
  plain("log.cleaner.io.max.bytes.per.second", "DOUBLE", "1.7976931348623157E308", undefined, noCleaner),
  throttle("leader.replication.throttled.rate"),
  throttle("follower.replication.throttled.rate"),
  throttle("replica.alter.log.dirs.io.max.bytes.per.second"),
  ofRemote("fetch.max.wait.ms", "INT", "500"),
  ofRemote("list.offsets.request.timeout.ms", "LONG", "30000"),
  ofRemote("log.index.file.cache.total.size.bytes", "LONG", "1073741824"),
  ofRemote("log.manager.copier.thread.pool.size", "INT", "10"),
  ofRemote("log.manager.copy.max.bytes.per.second", "LONG", longMost),
  ofRemote("log.manager.expiration.thread.pool.size", "INT", "10"),
  ofRemote("log.manager.fetch.max.bytes.per.second", "LONG", longMost),
  ofRemote("log.reader.threads", "INT", "10"),
  ofKerberos("kinit.cmd", "STRING", "/usr/bin/kinit"),
  ofKerberos("min.time.before.relogin", "LONG", "60000"),
  ofKerberos("principal.to.local.rules", "LIST", "DEFAULT"),
  ofKerberos("service.name", "STRING", null),
  ofKerberos("ticket.renew.jitter", "DOUBLE", "0.05"),
  ofKerberos("ticket.renew.window.factor", "DOUBLE", "0.8"),
  ofLogin("buffer.seconds", "SHORT", "300"),
  ofLogin("min.period.seconds", "SHORT", "60"),
  ofLogin("window.factor", "DOUBLE", "0.8"),
  ofLogin("window.jitter", "DOUBLE", "0.05"),
];

export const dynamicConfigByName: ReadonlyMap<string, DynamicConfig> = new Map(
  dynamicConfigs.map((config) => [config.name, config]),
);

/** First words of names of Kafka's own configs. */
const families = new Set(
  (
    "add advertised alter authorizer auto background broker client compression connection connections controlled " +
    "controller create default delegation delete early fetch follower group initial inter kafka leader listener " +
    "listeners log max message metadata metric metrics min node num offset offsets principal process producer " +
    "queued quota remote replica replication request sasl security share socket ssl telemetry transaction " +
    "transactional unclean"
  ).split(" "),
);

/** Of no family of Kafka's: a plugin's. */
export function isForeignConfig(name: string): boolean {
  return !dynamicConfigByName.has(name) && !families.has(name.split(".", 1)[0]!);
}

/** Whether setting it changes something. */
export function hasEffect({ topicConfig }: DynamicConfig): boolean {
  return topicConfig !== undefined && !topicConfig.documentation.startsWith(none);
}

/** Judges all that is set, for a node or, else, for all. */
export function checkDynamicConfigs(texts: ConfigTexts, isNode: boolean): ConfigFault | undefined {
  const names = [...texts.keys()];
  const fixed = names.filter((name) => !dynamicConfigByName.has(name) && !isForeignConfig(name));
  if (fixed.length > 0) return new ConfigFault(`Cannot update these configs dynamically: Set(${fixed.join(", ")})`);
  for (const [name, text] of texts) {
    const fault = checkValue(name, text);
    if (fault !== undefined) return fault;
  }
  const perNode = isNode ? [] : names.filter((name) => dynamicConfigByName.get(name)?.isPerNode === true);
  if (perNode.length === 0) return undefined;
  const why = "Cannot update these configs at default cluster level, broker id must be specified";
  return new ConfigFault(`${why}: Set(${perNode.join(", ")})`);
}

function checkValue(name: string, text: string): ConfigFault | undefined {
  const config = dynamicConfigByName.get(name);
  if (config === undefined) return undefined;
  const value = readConfig(name, config.type, text);
  return value instanceof ConfigFault ? value : config.fault?.(value);
}
