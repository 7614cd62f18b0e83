/**
 * Metadata (3) v0-13: brokers, topics and their partitions. Asks for all topics with null (v0: with none), and is shown those
 * that it may see; what it may not see, asked by name, is refused whether or not it is there.
 *
 * A topic that is not there is made, if the client lets it and may (`kafka.autoCreateTopics`), and told at once: Kafka answers
 * first that it does not know it. Every node is leader and only replica of its share of the partitions.
 */

import { errorCode } from "../codec/errors.ts";
import {
  metadataRequest,
  metadataResponse,
  type MetadataRequest,
  type MetadataResponse,
} from "../codec/messages/metadata.ts";
import { uuidZero } from "../codec/primitives.ts";
import type { Call, Command } from "../command.ts";
import { nodeOf, nodesFor, type Node } from "../nodes.ts";
import { clusterOperations, mayConfigure, mayDescribe, topicOperations } from "../security/access.ts";
import { clusterId } from "../topics/cluster-id.ts";
import { judgeName, partitionsMax } from "../topics/creation.ts";
import { isInternalName } from "../topics/topic-name.ts";
import type { Topic } from "../topics/topics.ts";

type Shown = NonNullable<MetadataResponse["topics"]>[number];
type Asked = NonNullable<MetadataRequest["topics"]>[number];

export const metadata: Command<MetadataRequest, MetadataResponse> = {
  name: "Metadata",
  key: 3,
  minVersion: 0,
  maxVersion: 13,
  request: metadataRequest,
  response: metadataResponse,
  handle(request, call) {
    const { version, server, connection } = call;
    const { topics: asked, includeTopicAuthorizedOperations, includeClusterAuthorizedOperations } = request;
    if (asked !== null && version < 12 && asked.some(({ name, topicId }) => name === null || topicId !== uuidZero)) {
      // Kafka refuses it as a whole, in the place where each topic's own errors are.
      call.respond({
        topics: asked.map((each) => ({ ...each, name: each.name ?? "", errorCode: errorCode.INVALID_REQUEST })),
      });
      return;
    }
    const nodes = nodesFor(server, connection.address);
    const isForAll = asked === null || (version === 0 && asked.length === 0);
    const shown = isForAll ? allTopics(call, nodes) : askedTopics(call, asked, nodes, request.allowAutoTopicCreation);
    const topics = includeTopicAuthorizedOperations ? shown.map((each) => withOperations(call, each)) : shown;
    call.respondWhenDurable({
      brokers: nodes.map(({ id, host, port }) => ({ nodeId: id, host, port })),
      clusterId: clusterId(server.broker.id),
      controllerId: nodes[0]!.id,
      topics,
      ...(includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations(call) } : {}),
    });
  },
};

function allTopics(call: Call, nodes: readonly Node[]): Shown[] {
  const shown: Shown[] = [];
  for (const topic of call.server.topics.all()) if (mayDescribe(call, topic.name)) shown.push(showTopic(topic, nodes));
  return shown;
}

/** By ids if there is one among them, as in Kafka; else by names, each once. */
function askedTopics(call: Call, asked: readonly Asked[], nodes: readonly Node[], mayCreate: boolean): Shown[] {
  const ids = new Set(asked.map(({ topicId }) => topicId).filter((id) => id !== uuidZero));
  if (ids.size > 0) return [...ids].map((id) => byId(call, id, nodes));
  const names = [...new Set(asked.map(({ name }) => name ?? ""))];
  const { topics, settings } = call.server;
  // Who asks for very many topics that are not there would have them all made before anybody else is answered.
  let partitionsLeft = mayCreate && settings.autoCreateTopics ? partitionsMax : 0;
  return names.map((name) => {
    const isThere = topics.find(name) !== undefined;
    if (!isThere) partitionsLeft -= settings.partitionsDefault;
    return byName(call, name, nodes, partitionsLeft >= 0);
  });
}

function byId(call: Call, topicId: string, nodes: readonly Node[]): Shown {
  const topic = call.server.topics.findById(topicId);
  if (topic === undefined) return { errorCode: errorCode.UNKNOWN_TOPIC_ID, name: null, topicId };
  if (mayDescribe(call, topic.name)) return showTopic(topic, nodes);
  return { errorCode: errorCode.TOPIC_AUTHORIZATION_FAILED, name: null, topicId };
}

/** @param mayCreate if the caller may. */
function byName(call: Call, name: string, nodes: readonly Node[], mayCreate: boolean): Shown {
  const refused = (code: number): Shown => ({ errorCode: code, name, isInternal: isInternalName(name) });
  const { topics, settings } = call.server;
  if (!mayDescribe(call, name)) return refused(errorCode.TOPIC_AUTHORIZATION_FAILED);
  const topic = topics.find(name);
  if (topic !== undefined) return showTopic(topic, nodes);
  const refusal = judgeName(call, name);
  if (refusal?.outcome.errorCode === errorCode.INVALID_TOPIC_EXCEPTION) return refused(refusal.outcome.errorCode);
  if (!mayCreate) return refused(errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  // Who only asks need not know that the name is taken by what it may not see.
  if (refusal?.outcome.errorCode === errorCode.TOPIC_ALREADY_EXISTS) return refused(errorCode.INVALID_TOPIC_EXCEPTION);
  if (refusal !== undefined) return refused(refusal.outcome.errorCode);
  if (!mayConfigure(call, name)) return refused(errorCode.TOPIC_AUTHORIZATION_FAILED);
  return showTopic(topics.create(name, settings.partitionsDefault, new Map()), nodes);
}

function showTopic(topic: Topic, nodes: readonly Node[]): Shown {
  return {
    errorCode: errorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map((_, index) => {
      const { id } = nodeOf(nodes, index);
      return { partitionIndex: index, leaderId: id, leaderEpoch: 0, replicaNodes: [id], isrNodes: [id] };
    }),
  };
}

function withOperations(call: Call, shown: Shown): Shown {
  return { ...shown, topicAuthorizedOperations: topicOperations(call, shown.name ?? "") };
}
