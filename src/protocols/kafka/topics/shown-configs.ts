/** Configs of topics as clients are shown them: values, where they come from, and what they are. */

import { configTypeNumbers, showConfig, type ConfigType } from "./config-type.ts";
import type { BrokerDefaults } from "./broker-defaults.ts";
import { configValue, topicConfigs, withDefaults, type ConfigTexts, type TopicConfig } from "./topic-configs.ts";

/** As DescribeConfigs numbers them. */
export const configSource = { topic: 1, node: 2, cluster: 3, staticBroker: 4, default: 5 } as const;

export interface ShownConfig {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  readonly synonyms: readonly Synonym[];
  readonly configType: number;
  readonly documentation: string | null;
}

export interface Synonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** What is asked for besides values. */
export interface Detail {
  readonly includeSynonyms: boolean;
  readonly includeDocumentation: boolean;
}

export function typeNumber(type: ConfigType): number {
  return configTypeNumbers[type];
}

/** What clients have set of the broker's configs. */
type SetConfigs = Pick<BrokerDefaults, "at" | "ofTopics">;

const nothing: ConfigTexts = new Map();
/** For a topic that does not go by the broker's. */
export const nothingSet: SetConfigs = { at: () => nothing, ofTopics: nothing };

/** Where a config of the broker that clients can set gets its value from: what counts first. */
export function brokerSynonyms(
  name: string,
  plain: string | null,
  coarser: TopicConfig["coarser"],
  broker: SetConfigs,
): readonly Synonym[] {
  const node = broker.at("node").get(name);
  const cluster = broker.at("cluster").get(name);
  const set: Synonym[] = [];
  if (node !== undefined) set.push({ name, value: node, source: configSource.node });
  if (cluster !== undefined) set.push({ name, value: cluster, source: configSource.cluster });
  // Kafka does not tell the coarser one as long as the finer one is not set.
  if (coarser !== undefined && set.length === 0) return set;
  const last = coarser ?? { name, default: plain };
  return last.default === null ? set : [...set, { name: last.name, value: last.default, source: configSource.default }];
}

/** Of a topic, all of them; `readOnly`: nobody can set them. */
export function shownTopicConfigs(
  configs: ConfigTexts,
  broker: SetConfigs,
  detail: Detail,
  readOnly: boolean,
): ShownConfig[] {
  const effective = withDefaults(configs, broker.ofTopics);
  return topicConfigs
    .filter(({ isInternal }) => isInternal !== true)
    .map(({ name, type, default: plain, brokerName, coarser, documentation }) => {
      const value = showConfig(configValue(name, effective));
      const own = configs.has(name) ? [{ name, value, source: configSource.topic }] : [];
      const brokers = brokerName === undefined ? [] : brokerSynonyms(brokerName, plain, coarser, broker);
      const synonyms = [...own, ...brokers];
      return {
        name,
        value,
        readOnly,
        configSource: synonyms[0]?.source ?? configSource.default,
        isSensitive: false,
        synonyms: detail.includeSynonyms ? synonyms : [],
        configType: typeNumber(type),
        documentation: detail.includeDocumentation ? documentation : null,
      };
    });
}

/** As CreateTopics tells them: by name, what was set as it was written. */
export function effectiveConfigs(configs: ConfigTexts, broker: SetConfigs) {
  const effective = withDefaults(configs, broker.ofTopics);
  return topicConfigs
    .filter(({ isInternal, name }) => isInternal !== true || configs.has(name))
    .map(({ name, default: plain, brokerName, coarser }) => {
      const brokers = brokerName === undefined ? [] : brokerSynonyms(brokerName, plain, coarser, broker);
      return {
        name,
        value: effective.get(name) ?? plain,
        readOnly: false,
        configSource: configs.has(name) ? configSource.topic : (brokers[0]?.source ?? configSource.default),
        isSensitive: false,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
