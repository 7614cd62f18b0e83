/**
 * CreateTopics (19) v2-7: makes topics, or says what would come of it. Answered when they are durable, however long the
 * client wants to wait. Several of one name, and more than ten thousand partitions at once, are refused as Kafka does it.
 */

import { errorCode } from "../codec/errors.ts";
import {
  createTopicsRequest,
  createTopicsResponse,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
} from "../codec/messages/topics.ts";
import type { Call, Command } from "../command.ts";
import { nodesFor, type Node } from "../nodes.ts";
import { mayConfigure } from "../security/access.ts";
import { judgeNewTopic, partitionCountOf, partitionsMax, type AskedTopic, type NewTopic } from "../topics/creation.ts";
import { effectiveConfigs } from "../topics/shown-configs.ts";
import { TopicRefusal } from "../topics/refusal.ts";

type Result = NonNullable<CreateTopicsResponse["topics"]>[number];

const ofKafkaItself = "__cluster_metadata";

export const createTopics: Command<CreateTopicsRequest, CreateTopicsResponse> = {
  name: "CreateTopics",
  key: 19,
  minVersion: 2,
  maxVersion: 7,
  request: createTopicsRequest,
  response: createTopicsResponse,
  handle({ topics, validateOnly }, call) {
    const nodes = nodesFor(call.server, call.connection.address);
    const repeated = repeatedNames(topics);
    const results: Result[] = [];
    const isTooMuch = topics.reduce((sum, topic) => sum + partitionCountOf(call, topic), 0) > partitionsMax;
    for (const asked of topics) {
      if (repeated.has(asked.name)) continue;
      const made = make(call, asked, nodes, isTooMuch, validateOnly);
      results.push({ name: asked.name, ...(made instanceof TopicRefusal ? made.outcome : made) });
    }
    for (const name of repeated)
      results.push({ name, ...new TopicRefusal("INVALID_REQUEST", "Duplicate topic name.").outcome });
    call.respondWhenDurable({ topics: results });
  },
};

export function repeatedNames(named: readonly { readonly name: string }[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name } of named) (seen.has(name) ? repeated : seen).add(name);
  return repeated;
}

function make(
  call: Call,
  asked: AskedTopic,
  nodes: readonly Node[],
  isTooMuch: boolean,
  validateOnly: boolean,
): Result | TopicRefusal {
  const { name } = asked;
  if (name === ofKafkaItself)
    return new TopicRefusal("INVALID_REQUEST", `Creation of internal topic ${ofKafkaItself} is prohibited.`);
  if (!mayConfigure(call, name)) return new TopicRefusal("TOPIC_AUTHORIZATION_FAILED", "Authorization failed.");
  if (isTooMuch) return new TopicRefusal("POLICY_VIOLATION", "Excessively large number of partitions per request.");
  const judged = judgeNewTopic(call, asked, nodes);
  if (judged instanceof TopicRefusal) return judged;
  const topic = validateOnly ? undefined : call.server.topics.create(name, judged.partitionCount, judged.configs);
  return shown(call, judged, topic?.id);
}

/** Who may make a topic may see its configs. */
function shown({ server }: Call, judged: NewTopic, topicId: string | undefined): Result {
  const { partitionCount, replicationFactor, configs } = judged;
  return {
    errorCode: errorCode.NONE,
    errorMessage: null,
    // Kafka makes one up for what it only validates.
    topicId,
    numPartitions: partitionCount,
    replicationFactor,
    configs: effectiveConfigs(configs, server.brokerDefaults),
  };
}
