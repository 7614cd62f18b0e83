/**
 * Changes of configs: judged one resource at a time, in Kafka's order and with Kafka's texts. Only topics that were made over
 * Kafka have configs that can be set. The broker's are its options; loggers, groups and metrics of clients have none here.
 */

import type { AlterConfigsRequest, IncrementalAlterConfigsRequest } from "../codec/messages/configs.ts";
import type { Call } from "../command.ts";
import { nodesFor } from "../nodes.ts";
import { mayAlterCluster, mayConfigure } from "./access.ts";
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

/** What a change makes of a topic's configs. */
type Applied = ConfigTexts | TopicRefusal;

/** AlterConfigs: what is not named goes back to its default. */
export function replaceConfigs(call: Call, asked: Replacement, validateOnly: boolean): Outcome {
  const names = asked.configs.map(({ name }) => name);
  const nulls = asked.configs.filter(({ value }) => value === null).map(({ name }) => name);
  const refusal = judgeForm(names, nulls) ?? judgeResource(call, asked, names);
  if (refusal !== undefined) return refusal.outcome;
  return change(call, asked.resourceName, validateOnly, () => {
    return new Map(asked.configs.map(({ name, value }) => [name, value!]));
  });
}

/** IncrementalAlterConfigs: what is not named stays. */
export function changeConfigs(call: Call, asked: Change, validateOnly: boolean): Outcome {
  const names = asked.configs.map(({ name }) => name);
  const nulls = asked.configs
    .filter(({ configOperation, value }) => value === null && configOperation !== operations.delete)
    .map(({ name }) => name);
  const refusal = judgeForm(names, nulls) ?? judgeResource(call, asked, names);
  if (refusal !== undefined) return refusal.outcome;
  return change(call, asked.resourceName, validateOnly, (before) => applyAll(before, asked));
}

function judgeForm(names: readonly string[], nulls: readonly string[]): TopicRefusal | undefined {
  if (new Set(names).size < names.length)
    return new TopicRefusal("INVALID_REQUEST", "Error due to duplicate config keys");
  if (nulls.length === 0) return undefined;
  return new TopicRefusal("INVALID_REQUEST", `Null value not supported for : ${nulls.join(", ")}`);
}

/** Undefined: it is a topic that the caller may change. */
function judgeResource(call: Call, asked: Resource, names: readonly string[]): TopicRefusal | undefined {
  const { resourceType: type, resourceName: name } = asked;
  if (type === resourceType.broker) return refuseBroker(call, name, names);
  if (type === resourceType.brokerLogger || type === resourceType.clientMetrics || type === resourceType.group)
    return new TopicRefusal("INVALID_REQUEST", `Configs of resource type ${type} are not supported.`);
  if (type !== resourceType.topic) return new TopicRefusal("INVALID_REQUEST", `Unknown resource type ${type}`);
  return mayConfigure(call, name) ? undefined : new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
}

function refuseBroker(call: Call, name: string, names: readonly string[]): TopicRefusal {
  if (!mayAlterCluster(call)) return new TopicRefusal("CLUSTER_AUTHORIZATION_FAILED");
  if (name !== "") {
    if (!/^[+-]?\d+$/.test(name))
      return new TopicRefusal("INVALID_REQUEST", `Node id must be an integer, but it is: ${name}`);
    const nodes = nodesFor(call.server, call.connection.address);
    if (!nodes.some(({ id }) => id === Number(name))) {
      const why = `Unexpected broker id, expected ${nodes[0]!.id}, but received ${name}`;
      return new TopicRefusal("INVALID_REQUEST", why);
    }
  }
  return new TopicRefusal("INVALID_REQUEST", `Cannot update these configs dynamically: Set(${names.join(", ")})`);
}

function change(call: Call, name: string, validateOnly: boolean, apply: (before: ConfigTexts) => Applied): Outcome {
  if (name === "") return new TopicRefusal("INVALID_REQUEST", "Default topic resources are not allowed.").outcome;
  const nameFault = topicNameFault(name);
  if (nameFault !== undefined) return new TopicRefusal("INVALID_TOPIC_EXCEPTION", nameFault).outcome;
  const topic = call.server.topics.find(name);
  const after = apply(topic?.isOwn === true ? topic.configs : new Map());
  if (after instanceof TopicRefusal) return after.outcome;
  const fault = checkTopicConfigs(after);
  if (fault !== undefined) return new TopicRefusal("INVALID_CONFIG", fault.text).outcome;
  if (topic === undefined)
    return new TopicRefusal("UNKNOWN_TOPIC_OR_PARTITION", `The topic '${name}' does not exist.`).outcome;
  if (!topic.isOwn) return notOwn(topic).outcome;
  if (!validateOnly) call.server.topics.configure(topic, after);
  return done;
}

function applyAll(before: ConfigTexts, { configs }: Change): Applied {
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
        const config = topicConfigByName.get(name);
        if (config?.type !== "LIST") {
          const why = `Can't ${isAppended ? "APPEND" : "SUBTRACT"} to key ${name} because its type is not LIST.`;
          return new TopicRefusal("INVALID_CONFIG", why);
        }
        const parts = (after.get(name) ?? config.default).split(",").filter((part) => part !== "");
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
  const left = [...parts];
  for (const part of removed) {
    const at = left.indexOf(part);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
}
