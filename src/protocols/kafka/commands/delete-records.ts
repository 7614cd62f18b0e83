/**
 * DeleteRecords (21) v0-2: what lies below an offset goes; -1 is the end. Only logs can be cut: what is in a queue goes when
 * it is settled, or by a purge. Whoever may configure the topic may do it.
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
import { findPartition } from "../topics/find-partition.ts";

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
  const { server, identity, connection } = call;
  const isAllowed = identity.may("configure", server.settings.namespace, name);
  const queue = findPartition(call, isAllowed, name, partitionIndex, -1);
  if (typeof queue === "number") return refused(partitionIndex, queue);
  if (isElsewhere(server, nodes, connection.address, partitionIndex))
    return refused(partitionIndex, errorCode.NOT_LEADER_OR_FOLLOWER);
  const { retention, mode } = queue.settings;
  const isDeleting = !retention.compact || retention.maxAgeMs > 0 || retention.maxBytes > 0;
  if (mode !== "offset" || !isDeleting) return refused(partitionIndex, errorCode.POLICY_VIOLATION);
  const to = offset === toTheEnd ? queue.visibleEnd : offset;
  if (to < 0 || to > queue.visibleEnd) return refused(partitionIndex, errorCode.OFFSET_OUT_OF_RANGE);
  if (to > queue.firstOffset) queue.trim(to);
  return { partitionIndex, lowWatermark: queue.firstOffset, errorCode: errorCode.NONE };
}

function refused(partitionIndex: number, code: number): PartitionAnswer {
  return { partitionIndex, lowWatermark: -1, errorCode: code };
}
