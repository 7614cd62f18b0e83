/**
 * What clients have set of the broker's configs, for all nodes or for one: kept as definitions, so it lasts through restarts.
 * A node's own value goes before the one for all, which goes before the default. Since all nodes are this one process, what is
 * set for one node is set for each of them: there is nothing that would be one node's alone.
 */

import type { Definitions } from "../../../broker/api.ts";
import { readConfig, showConfig, type ConfigValue } from "./config-type.ts";
import { dynamicConfigs } from "./dynamic-configs.ts";
import type { ConfigTexts } from "./topic-configs.ts";

const kind = "kafka-broker-configs";

/** For all nodes, or for those that there are. */
export type Level = "cluster" | "node";

export class BrokerDefaults {
  readonly #definitions: Definitions;
  readonly #texts: Record<Level, ConfigTexts>;
  #ofTopics: ConfigTexts;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
    this.#texts = { cluster: this.#kept("cluster"), node: this.#kept("node") };
    this.#ofTopics = this.#topicDefaults();
  }

  /** Texts as they were set, by the broker's names. */
  at(level: Level): ConfigTexts {
    return this.#texts[level];
  }

  /** What counts for topics that say nothing else, by topics' names; of what is not in it, Kafka's default does. */
  get ofTopics(): ConfigTexts {
    return this.#ofTopics;
  }

  /** Sets all of a level, which are right. Durable with the broker's ticket. */
  set(level: Level, texts: ConfigTexts): void {
    if (texts.size > 0) this.#definitions.put(kind, level, Object.fromEntries(texts));
    else if (this.#texts[level].size > 0) this.#definitions.remove(kind, level);
    this.#texts[level] = texts;
    this.#ofTopics = this.#topicDefaults();
  }

  #kept(level: Level): ConfigTexts {
    return new Map(Object.entries((this.#definitions.get(kind, level) ?? {}) as Record<string, string>));
  }

  #topicDefaults(): ConfigTexts {
    const defaults = new Map<string, string>();
    for (const { name, type, topicConfig } of dynamicConfigs) {
      const text = this.#texts.node.get(name) ?? this.#texts.cluster.get(name);
      if (topicConfig === undefined || text === undefined) continue;
      const value = readConfig(name, type, text) as ConfigValue;
      const isForEver = name === "log.retention.ms" && (value as bigint) < 0n;
      defaults.set(topicConfig.name, isForEver ? "-1" : showConfig(value));
    }
    return defaults;
  }
}
