/**
 * CreatePartitions (37) v0-3: more partitions for topics that are there. Answered when they are durable. Queues that another
 * protocol declared keep the one that they have. More than ten thousand at once are refused, as those of new topics are.
 */

import {
  createPartitionsRequest,
  createPartitionsResponse,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
} from "../codec/messages/topics.ts";
import type { Call, Command } from "../command.ts";
import { nodesFor, type Node } from "../nodes.ts";
import { mayConfigure } from "../security/access.ts";
import { judgeMorePartitions, partitionsMax, type AskedPartitions } from "../topics/creation.ts";
import { done, TopicRefusal } from "../topics/refusal.ts";
import { repeatedNames } from "./create-topics.ts";

export const createPartitions: Command<CreatePartitionsRequest, CreatePartitionsResponse> = {
  name: "CreatePartitions",
  key: 37,
  minVersion: 0,
  maxVersion: 3,
  request: createPartitionsRequest,
  response: createPartitionsResponse,
  handle({ topics, validateOnly }, call) {
    const nodes = nodesFor(call.server, call.connection.address);
    const repeated = repeatedNames(topics);
    const results = [...repeated].map((name) => ({
      name,
      ...new TopicRefusal("INVALID_REQUEST", "Duplicate topic name.").outcome,
    }));
    const once = topics.filter(({ name }) => !repeated.has(name));
    const isTooMuch = once.reduce((sum, asked) => sum + addedBy(call, asked), 0) > partitionsMax;
    const added = once.map((asked) => ({
      name: asked.name,
      ...(grow(call, asked, nodes, isTooMuch, validateOnly)?.outcome ?? done),
    }));
    call.respondWhenDurable({ results: [...results, ...added] });
  },
};

/** How many partitions a topic would get, as far as the caller may give it any. */
function addedBy(call: Call, { name, count }: AskedPartitions): number {
  const topic = mayConfigure(call, name) ? call.server.topics.find(name) : undefined;
  return topic === undefined ? 0 : Math.max(0, count - topic.partitions.length);
}

function grow(
  call: Call,
  asked: AskedPartitions,
  nodes: readonly Node[],
  isTooMuch: boolean,
  validateOnly: boolean,
): TopicRefusal | undefined {
  if (!mayConfigure(call, asked.name)) return new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
  const topic = call.server.topics.find(asked.name);
  if (topic === undefined) return new TopicRefusal("UNKNOWN_TOPIC_OR_PARTITION", null);
  const refusal = judgeMorePartitions(topic, asked, nodes);
  if (refusal !== undefined) return refusal;
  if (isTooMuch) return new TopicRefusal("POLICY_VIOLATION", "Excessively large number of partitions per request.");
  if (!validateOnly) topic.queue.addPartitions(asked.count);
  return undefined;
}
