/**
 * Topics as definitions carry them from broker to broker: partitions and the configs that were set. Not their ids, since a
 * topic that is made elsewhere is another one, and clients have to see that.
 */

import type { Queue } from "../../../broker/api.ts";
import type { KafkaServer } from "../server.ts";
import { partitionsMax } from "./creation.ts";
import { checkTopicConfigs } from "./topic-configs.ts";
import { topicNameFault } from "./topic-name.ts";

type Json = Readonly<Record<string, unknown>>;

export class TopicDefinitions {
  readonly #server: KafkaServer;

  constructor(server: KafkaServer) {
    this.#server = server;
  }

  /** The one namespace that has topics. */
  get vhost(): string {
    return this.#server.settings.namespace;
  }

  definitionOf(queue: Queue): Json {
    const topic = this.#server.topics.find(queue.name);
    const configs = topic?.queue === queue ? topic.configs : [];
    return { partitions: queue.partitions.length, configs: Object.fromEntries(configs) };
  }

  /** What is wrong; undefined: it can be made. */
  faultOf(name: string, { partitions, configs }: Json): string | undefined {
    const nameFault = topicNameFault(name);
    if (nameFault !== undefined) return nameFault;
    const other = this.#server.topics.colliding(name);
    if (other !== undefined) return `it collides with existing topic: ${other}`;
    if (!Number.isSafeInteger(partitions) || (partitions as number) < 1 || (partitions as number) > partitionsMax)
      return `partitions must be a number from 1 to ${partitionsMax}`;
    const texts = textsOf(configs);
    return texts === undefined
      ? "configs must be an object of strings"
      : checkTopicConfigs(texts, this.#server.brokerDefaults.ofTopics)?.text;
  }

  create(name: string, { partitions, configs }: Json): void {
    this.#server.topics.create(name, partitions as number, textsOf(configs)!);
  }
}

function textsOf(configs: unknown): ReadonlyMap<string, string> | undefined {
  if (typeof configs !== "object" || Array.isArray(configs)) return configs === undefined ? new Map() : undefined;
  const entries = Object.entries(configs ?? {});
  return entries.every(([, value]) => typeof value === "string") ? new Map(entries as [string, string][]) : undefined;
}
