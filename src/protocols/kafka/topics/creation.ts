/**
 * What is asked of a topic before it is made or gets more partitions, in Kafka's order and with Kafka's texts. Where replicas
 * go is for clients to say and nothing to us: there is one copy, which every node serves. But who asks for nodes that are not
 * there, or for more copies than there are nodes, is told so as Kafka does it.
 */

import type { CreatePartitionsRequest, CreateTopicsRequest } from "../codec/messages/topics.ts";
import type { Call } from "../command.ts";
import type { Node } from "../nodes.ts";
import { TopicRefusal } from "./refusal.ts";
import { checkTopicConfigs, type ConfigTexts } from "./topic-configs.ts";
import { topicNameFault } from "./topic-name.ts";
import type { Topic } from "./topics.ts";

export type AskedTopic = CreateTopicsRequest["topics"][number];
export type AskedPartitions = CreatePartitionsRequest["topics"][number];

/** What is made, if nothing is wrong. */
export interface NewTopic {
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: ConfigTexts;
}

/** One request makes no more. */
export const partitionsMax = 10_000;
export const defaultReplicationFactor = 1;

/** Judges one that the caller may make. */
export function judgeNewTopic(call: Call, asked: AskedTopic, nodes: readonly Node[]): NewTopic | TopicRefusal {
  const configs = judgeName(call, asked.name) ?? judgeConfigs(call, asked);
  if (configs instanceof TopicRefusal) return configs;
  const sized = asked.assignments.length > 0 ? judgeAssignments(asked, nodes) : judgeCounts(call, asked, nodes);
  return sized instanceof TopicRefusal ? sized : { ...sized, configs };
}

/** How many partitions a topic would get, as far as that can be told. */
export function partitionCountOf({ server }: Call, { numPartitions, assignments }: AskedTopic): number {
  if (assignments.length > 0) return assignments.length;
  return numPartitions === -1 ? server.settings.partitionsDefault : Math.max(0, numPartitions);
}

export function judgeName({ server }: Call, name: string): TopicRefusal | undefined {
  // Before the next question, since names that Kafka cannot say may be taken, too.
  const fault = topicNameFault(name);
  if (fault !== undefined) return new TopicRefusal("INVALID_TOPIC_EXCEPTION", fault);
  if (server.topics.isTaken(name)) return new TopicRefusal("TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
  const other = server.topics.colliding(name);
  if (other !== undefined) {
    const collides = `Topic '${name}' collides with existing topic: ${other}`;
    return new TopicRefusal("INVALID_TOPIC_EXCEPTION", collides);
  }
  if (!server.topics.hasNamespace)
    return new TopicRefusal("POLICY_VIOLATION", `The namespace '${server.settings.namespace}' has been deleted.`);
  if (!server.mayAddTopic()) {
    const why = `The limit of queues and topics in '${server.settings.namespace}' is reached.`;
    return new TopicRefusal("POLICY_VIOLATION", why);
  }
  return undefined;
}

function judgeConfigs({ server }: Call, { configs }: AskedTopic): ConfigTexts | TopicRefusal {
  const texts = new Map<string, string>();
  const nulls: string[] = [];
  for (const { name, value } of configs) {
    if (value === null) nulls.push(name);
    else texts.set(name, value);
  }
  if (nulls.length > 0)
    return new TopicRefusal("INVALID_CONFIG", `Null value not supported for topic configs: ${nulls.join(",")}`);
  const fault = checkTopicConfigs(texts, server.brokerDefaults.ofTopics);
  return fault === undefined ? texts : new TopicRefusal("INVALID_CONFIG", fault.text);
}

type Size = Pick<NewTopic, "partitionCount" | "replicationFactor">;

function judgeCounts(call: Call, asked: AskedTopic, nodes: readonly Node[]): Size | TopicRefusal {
  const { replicationFactor: factor, numPartitions } = asked;
  if (factor < -1 || factor === 0) {
    const why = "Replication factor must be larger than 0, or -1 to use the default value.";
    return new TopicRefusal("INVALID_REPLICATION_FACTOR", why);
  }
  if (numPartitions < -1 || numPartitions === 0)
    return new TopicRefusal("INVALID_PARTITIONS", "Number of partitions was set to an invalid non-positive value.");
  const replicationFactor = factor === -1 ? defaultReplicationFactor : factor;
  if (replicationFactor > nodes.length) {
    const why = `The target replication factor of ${replicationFactor} cannot be reached because only ${nodes.length} broker(s) are registered.`;
    const cannot = `Unable to replicate the partition ${replicationFactor} time(s): ${why}`;
    return new TopicRefusal("INVALID_REPLICATION_FACTOR", cannot);
  }
  return { partitionCount: partitionCountOf(call, asked), replicationFactor };
}

function judgeAssignments(asked: AskedTopic, nodes: readonly Node[]): Size | TopicRefusal {
  const manual = "A manual partition assignment was specified, but";
  if (asked.replicationFactor !== -1)
    return new TopicRefusal("INVALID_REQUEST", `${manual} replication factor was not set to -1.`);
  if (asked.numPartitions !== -1)
    return new TopicRefusal("INVALID_REQUEST", `${manual} numPartitions was not set to -1.`);
  const indexes = new Set<number>();
  let replicationFactor: number | undefined;
  for (const { partitionIndex, brokerIds } of asked.assignments) {
    if (indexes.has(partitionIndex)) {
      const why = `Found multiple manual partition assignments for partition ${partitionIndex}`;
      return new TopicRefusal("INVALID_REPLICA_ASSIGNMENT", why);
    }
    const refusal = judgeReplicas(brokerIds, nodes, replicationFactor);
    if (refusal !== undefined) return refusal;
    replicationFactor = brokerIds.length;
    indexes.add(partitionIndex);
  }
  for (let index = 0; index < indexes.size; index++) {
    const why = "partitions should be a consecutive 0-based integer sequence";
    if (!indexes.has(index)) return new TopicRefusal("INVALID_REPLICA_ASSIGNMENT", why);
  }
  return { partitionCount: indexes.size, replicationFactor: replicationFactor! };
}

/** @param factor of the partitions before. */
function judgeReplicas(
  brokerIds: readonly number[],
  nodes: readonly Node[],
  factor: number | undefined,
): TopicRefusal | undefined {
  const wrong = (why: string) =>
    new TopicRefusal("INVALID_REPLICA_ASSIGNMENT", `The manual partition assignment includes ${why}`);
  if (brokerIds.length === 0) return wrong("an empty replica list.");
  let before: number | undefined;
  for (const id of brokerIds.toSorted((a, b) => a - b)) {
    if (!nodes.some((node) => node.id === id)) return wrong(`broker ${id}, but no such broker is registered.`);
    if (id === before) return wrong(`the broker ${id} more than once.`);
    before = id;
  }
  if (factor === undefined || brokerIds.length === factor) return undefined;
  const had = `consistent with previous partitions, which have ${factor} replica(s).`;
  return wrong(`a partition with ${brokerIds.length} replica(s), but this is not ${had}`);
}

/** Whether a topic may get more partitions. */
export function judgeMorePartitions(
  topic: Topic,
  { count, assignments }: AskedPartitions,
  nodes: readonly Node[],
): TopicRefusal | undefined {
  const { length } = topic.partitions;
  if (count === length) return new TopicRefusal("INVALID_PARTITIONS", `Topic already has ${length} partition(s).`);
  if (count < length) {
    const has = `The topic ${topic.name} currently has ${length} partition(s); ${count} would not be an increase.`;
    return new TopicRefusal("INVALID_PARTITIONS", has);
  }
  if (!topic.isOwn) return notOwn(topic);
  const added = count - length;
  if (assignments === null) return undefined;
  if (assignments.length !== added) {
    const only = `only ${assignments.length} assignment(s) were specified.`;
    const why = `Attempted to add ${added} additional partition(s), but ${only}`;
    return new TopicRefusal("INVALID_REPLICA_ASSIGNMENT", why);
  }
  // How many copies there were to be when it was made, nobody knows any more.
  let factor: number | undefined;
  for (const { brokerIds } of assignments) {
    const refusal = judgeReplicas(brokerIds, nodes, factor);
    if (refusal !== undefined) return refusal;
    factor = brokerIds.length;
  }
  return undefined;
}

/** Another protocol declared it, and would not know it again. */
export function notOwn({ name }: Topic): TopicRefusal {
  const why = `'${name}' was not made by a Kafka client: it is as it was declared, and as policies make it.`;
  return new TopicRefusal("POLICY_VIOLATION", why);
}
