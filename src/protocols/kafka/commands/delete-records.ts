/**
 * DeleteRecords (21) v0-2: what lies below an offset goes; -1 is the end. Only logs can be cut: what is in a queue goes when
 * it is settled, or by a purge. As in Kafka, a topic that is compacted and nothing else cannot be cut either. Whoever may
 * configure the topic may do it.
 *
 * Every node of ours answers for every partition, but what cannot be taken back is asked of the partition's own node, as of
 * Kafka's: a client that goes elsewhere believes something that is not so.
 */

import { errorCode } from "../codec/errors.ts";
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
} from "../codec/messages/offsets.ts";
import type { Call, Command } from "../command.ts";
import { isElsewhere, nodesFor, type Node } from "../nodes.ts";
import type { KafkaServer } from "../server.ts";
import { mayConfigure } from "../security/access.ts";
import { findPartition } from "../topics/find-partition.ts";
import { configValue, withDefaults } from "../topics/topic-configs.ts";

const toTheEnd = -1;

type PartitionAnswer = NonNullable<NonNullable<DeleteRecordsResponse["topics"]>[number]["partitions"]>[number];

export const deleteRecords: Command<DeleteRecordsRequest, DeleteRecordsResponse> = {
  name: "DeleteRecords",
  key: 21,
  minVersion: 0,
  maxVersion: 2,
  request: deleteRecordsRequest,
  response: deleteRecordsResponse,
  handle(request, call) {
    const nodes = nodesFor(call.server, call.connection.address);
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => cut(call, nodes, name, partitionIndex, offset)),
    }));
    call.respondWhenDurable({ topics });
  },
};

function cut(
  call: Call,
  nodes: readonly Node[],
  name: string,
  partitionIndex: number,
  offset: number,
): PartitionAnswer {
  const { server, connection } = call;
  const queue = findPartition(call, mayConfigure(call, name), name, partitionIndex, -1);
  if (typeof queue === "number") return refused(partitionIndex, queue);
  if (isElsewhere(server, nodes, connection.address, partitionIndex))
    return refused(partitionIndex, errorCode.NOT_LEADER_OR_FOLLOWER);
  if (queue.settings.mode !== "offset" || !isDeleting(server, name))
    return refused(partitionIndex, errorCode.POLICY_VIOLATION);
  const to = offset === toTheEnd ? queue.visibleEnd : offset;
  if (to < 0 || to > queue.visibleEnd) return refused(partitionIndex, errorCode.OFFSET_OUT_OF_RANGE);
  if (to > queue.firstOffset) queue.trim(to);
  return { partitionIndex, lowWatermark: queue.firstOffset, errorCode: errorCode.NONE };
}

/** What another protocol made is a log of which old messages go, whatever else it is. */
function isDeleting({ topics, brokerDefaults }: KafkaServer, name: string): boolean {
  const topic = topics.find(name);
  if (topic?.isOwn !== true) return true;
  const configs = withDefaults(topic.configs, brokerDefaults.ofTopics);
  return (configValue("cleanup.policy", configs) as readonly string[]).includes("delete");
}

function refused(partitionIndex: number, code: number): PartitionAnswer {
  return { partitionIndex, lowWatermark: -1, errorCode: code };
}
