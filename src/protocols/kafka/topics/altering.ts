/**
 * Changes of configs: judged one resource at a time, in Kafka's order and with Kafka's texts. Only topics that were made over
 * Kafka have configs that can be set, and the broker has some; loggers, groups and metrics of clients have none here.
 */

import type { AlterConfigsRequest, IncrementalAlterConfigsRequest } from "../codec/messages/configs.ts";
import type { Call } from "../command.ts";
import { mayConfigure } from "../security/access.ts";
import { changeBrokerConfigs, type Apply, type Lists } from "./altering-broker.ts";
import { notOwn } from "./creation.ts";
import { done, TopicRefusal, type Outcome } from "./refusal.ts";
import { checkTopicConfigs, topicConfigByName, type ConfigTexts } from "./topic-configs.ts";
import { topicNameFault } from "./topic-name.ts";

/** As ConfigResource numbers them. */
export const resourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

const operations = { set: 0, delete: 1, append: 2, subtract: 3 };

type Replacement = AlterConfigsRequest["resources"][number];
type Change = IncrementalAlterConfigsRequest["resources"][number];
type Resource = Pick<Change, "resourceType" | "resourceName">;

/** AlterConfigs: what is not named goes back to its default. */
export function replaceConfigs(call: Call, asked: Replacement, validateOnly: boolean): Outcome {
  const names = asked.configs.map(({ name }) => name);
  const nulls = asked.configs.filter(({ value }) => value === null).map(({ name }) => name);
  const refusal = judgeForm(names, nulls) ?? judgeResource(call, asked);
  if (refusal !== undefined) return refusal.outcome;
  return change(call, asked, validateOnly, () => {
    return new Map(asked.configs.map(({ name, value }) => [name, value!]));
  });
}

/** IncrementalAlterConfigs: what is not named stays. */
export function changeConfigs(call: Call, asked: Change, validateOnly: boolean): Outcome {
  const names = asked.configs.map(({ name }) => name);
  const nulls = asked.configs
    .filter(({ configOperation, value }) => value === null && configOperation !== operations.delete)
    .map(({ name }) => name);
  const refusal = judgeForm(names, nulls) ?? judgeResource(call, asked);
  if (refusal !== undefined) return refusal.outcome;
  return change(call, asked, validateOnly, (before, lists) => applyAll(before, asked, lists));
}

function judgeForm(names: readonly string[], nulls: readonly string[]): TopicRefusal | undefined {
  if (new Set(names).size < names.length)
    return new TopicRefusal("INVALID_REQUEST", "Error due to duplicate config keys");
  if (nulls.length === 0) return undefined;
  return new TopicRefusal("INVALID_REQUEST", `Null value not supported for : ${nulls.join(", ")}`);
}

/** Undefined: it is the broker, or a topic that the caller may change. */
function judgeResource(call: Call, asked: Resource): TopicRefusal | undefined {
  const { resourceType: type, resourceName: name } = asked;
  if (type === resourceType.broker) return undefined;
  if (type === resourceType.brokerLogger || type === resourceType.clientMetrics || type === resourceType.group)
    return new TopicRefusal("INVALID_REQUEST", `Configs of resource type ${type} are not supported.`);
  if (type !== resourceType.topic) return new TopicRefusal("INVALID_REQUEST", `Unknown resource type ${type}`);
  return mayConfigure(call, name) ? undefined : new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
}

function change(call: Call, { resourceType: type, resourceName }: Resource, validateOnly: boolean, apply: Apply) {
  return type === resourceType.broker
    ? changeBrokerConfigs(call, resourceName, validateOnly, apply)
    : changeTopic(call, resourceName, validateOnly, apply);
}

const topicLists: Lists = {
  defaultOf: (name) => {
    const config = topicConfigByName.get(name);
    return config?.type === "LIST" ? config.default : undefined;
  },
  refusal: (name, operation) => `Can't ${operation.toUpperCase()} to key ${name} because its type is not LIST.`,
};

function changeTopic(call: Call, name: string, validateOnly: boolean, apply: Apply): Outcome {
  if (name === "") return new TopicRefusal("INVALID_REQUEST", "Default topic resources are not allowed.").outcome;
  const nameFault = topicNameFault(name);
  if (nameFault !== undefined) return new TopicRefusal("INVALID_TOPIC_EXCEPTION", nameFault).outcome;
  const topic = call.server.topics.find(name);
  const after = apply(topic?.isOwn === true ? topic.configs : new Map(), topicLists);
  if (after instanceof TopicRefusal) return after.outcome;
  const fault = checkTopicConfigs(after, call.server.brokerDefaults.ofTopics);
  if (fault !== undefined) return new TopicRefusal("INVALID_CONFIG", fault.text).outcome;
  if (topic === undefined)
    return new TopicRefusal("UNKNOWN_TOPIC_OR_PARTITION", `The topic '${name}' does not exist.`).outcome;
  if (!topic.isOwn) return notOwn(topic).outcome;
  if (!validateOnly) call.server.topics.configure(topic, after);
  return done;
}

function applyAll(before: ConfigTexts, { configs }: Change, lists: Lists): ConfigTexts | TopicRefusal {
  const after = new Map(before);
  for (const { name, configOperation, value } of configs) {
    switch (configOperation) {
      case operations.set:
        after.set(name, value!);
        break;
      case operations.delete:
        after.delete(name);
        break;
      case operations.append:
      case operations.subtract: {
        const isAppended = configOperation === operations.append;
        const plain = lists.defaultOf(name);
        if (plain === undefined)
          return new TopicRefusal("INVALID_CONFIG", lists.refusal(name, isAppended ? "append" : "subtract"));
        const parts = (after.get(name) ?? plain).split(",").filter((part) => part !== "");
        after.set(name, (isAppended ? appended : subtracted)(parts, value!.split(",")).join(","));
        break;
      }
      default:
        return new TopicRefusal("INVALID_REQUEST", `Unknown operations type ${configOperation}`);
    }
  }
  return after;
}

/** Parts are compared as they are written, blanks and all, as in Kafka. */
function appended(parts: readonly string[], added: readonly string[]): readonly string[] {
  return [...new Set([...parts, ...added])];
}

/** Each takes one away. */
function subtracted(parts: readonly string[], removed: readonly string[]): readonly string[] {
  const times = new Map<string, number>();
  for (const part of removed) times.set(part, (times.get(part) ?? 0) + 1);
  return parts.filter((part) => {
    const left = times.get(part) ?? 0;
    if (left > 0) times.set(part, left - 1);
    return left === 0;
  });
}
