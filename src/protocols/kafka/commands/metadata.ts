/** Metadata (3) v0-13: brokers, topics and their partitions. */

import {
  metadataRequest,
  metadataResponse,
  type MetadataRequest,
  type MetadataResponse,
} from "../codec/messages/metadata.ts";
import type { Command } from "../command.ts";
import { errorCode } from "../codec/errors.ts";
import { nodeOf, nodesFor } from "../nodes.ts";

export const metadata: Command<MetadataRequest, MetadataResponse> = {
  name: "Metadata",
  key: 3,
  minVersion: 0,
  maxVersion: 13,
  request: metadataRequest,
  response: metadataResponse,
  handle(request, call) {
    const { server, connection } = call;
    const nodes = nodesFor(server.settings, connection.address);
    const asked =
      request.topics === null || (call.version === 0 && request.topics.length === 0) ? undefined : request.topics;
    const named = asked?.map(({ name, topicId }) => ({
      name,
      topic: name === null ? server.topics.findById(topicId) : server.topics.ensure(name),
    }));
    const topics = named ?? [...server.topics.all()].map((topic) => ({ name: topic.name, topic }));
    call.respondWhenDurable({
      brokers: nodes.map(({ id, host, port }) => ({ nodeId: id, host, port })),
      clusterId: server.broker.id,
      controllerId: 1,
      topics: topics.map(({ name, topic }) =>
        topic === undefined
          ? { name, errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION }
          : {
              name: topic.name,
              topicId: topic.id,
              partitions: topic.partitions.map((_, index) => {
                const { id } = nodeOf(nodes, index);
                return { partitionIndex: index, leaderId: id, leaderEpoch: 0, replicaNodes: [id], isrNodes: [id] };
              }),
            },
      ),
    });
  },
};
