/** Configs of topics as clients are shown them: values, where they come from, and what they are. */

import { configTypeNumbers, showConfig, type ConfigType } from "./config-type.ts";
import { configValue, topicConfigs, type ConfigTexts } from "./topic-configs.ts";

/** As DescribeConfigs numbers them. */
export const configSource = { topic: 1, staticBroker: 4, default: 5 } as const;

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

interface Synonym {
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

/** Of a topic, all of them. */
export function shownTopicConfigs(configs: ConfigTexts, detail: Detail): ShownConfig[] {
  return topicConfigs
    .filter(({ isInternal }) => isInternal !== true)
    .map(({ name, type, default: plain, brokerName, documentation }) => {
      const isSet = configs.has(name);
      const value = showConfig(configValue(name, configs));
      const own = isSet ? [{ name, value, source: configSource.topic }] : [];
      const brokers =
        brokerName === undefined ? [] : [{ name: brokerName, value: plain, source: configSource.default }];
      return {
        name,
        value,
        readOnly: false,
        configSource: isSet ? configSource.topic : configSource.default,
        isSensitive: false,
        synonyms: detail.includeSynonyms ? [...own, ...brokers] : [],
        configType: typeNumber(type),
        documentation: detail.includeDocumentation ? documentation : null,
      };
    });
}

/** As CreateTopics tells them: by name, what was set as it was written. */
export function effectiveConfigs(configs: ConfigTexts) {
  return topicConfigs
    .filter(({ isInternal, name }) => isInternal !== true || configs.has(name))
    .map(({ name, default: plain }) => ({
      name,
      value: configs.get(name) ?? plain,
      readOnly: false,
      configSource: configs.has(name) ? configSource.topic : configSource.default,
      isSensitive: false,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
