/**
 * DescribeTopicPartitions (75) v0: topics by name, in order, so many partitions at a time; the cursor says where to go on.
 * With no topics named: all that one may see. What one may not see, named, is refused.
 */

import { errorCode } from "../codec/errors.ts";
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
} from "../codec/messages/metadata.ts";
import type { Call, Command } from "../command.ts";
import { nodeOf, nodesFor, type Node } from "../nodes.ts";
import { mayDescribe, topicOperations } from "../security/access.ts";
import { isTopicName } from "../topics/topic-name.ts";
import type { Topic } from "../topics/topics.ts";

type Shown = NonNullable<DescribeTopicPartitionsResponse["topics"]>[number];
type Cursor = { readonly topicName: string; readonly partitionIndex: number };

/** Kafka's max.request.partition.size.limit. */
const partitionsMax = 2000;

export const describeTopicPartitions: Command<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse> = {
  name: "DescribeTopicPartitions",
  key: 75,
  minVersion: 0,
  maxVersion: 0,
  request: describeTopicPartitionsRequest,
  response: describeTopicPartitionsResponse,
  handle(request, call) {
    const { cursor } = request;
    const asked = [...new Set(request.topics.map(({ name }) => name))];
    const isBadCursor =
      cursor !== null && (cursor.partitionIndex < 0 || (asked.length > 0 && !asked.includes(cursor.topicName)));
    if (isBadCursor) {
      call.respond({ topics: asked.map((name) => ({ name, errorCode: errorCode.INVALID_REQUEST })) });
      return;
    }
    const from = cursor?.topicName ?? "";
    const known = asked.length > 0 ? asked : [...call.server.topics.all()].map(({ name }) => name);
    const names = known.filter((name) => name >= from).sort();
    const page = new Page(call, cursor, Math.max(1, Math.min(request.responsePartitionLimit, partitionsMax)));
    const refused: Shown[] = [];
    for (const name of names) {
      if (!mayDescribe(call, name)) {
        if (asked.length > 0) refused.push({ name, errorCode: errorCode.TOPIC_AUTHORIZATION_FAILED });
      } else if (!page.add(name)) break;
    }
    call.respond({ topics: [...page.topics, ...refused], nextCursor: page.next });
  },
};

/** What fits into an answer. */
class Page {
  readonly topics: Shown[] = [];
  next: Cursor | null = null;
  readonly #call: Call;
  readonly #nodes: readonly Node[];
  readonly #cursor: Cursor | null;
  #left: number;

  constructor(call: Call, cursor: Cursor | null, partitionsMost: number) {
    this.#call = call;
    this.#nodes = nodesFor(call.server, call.connection.address);
    this.#cursor = cursor;
    this.#left = partitionsMost;
  }

  /** Answers whether there is room for another one. */
  add(name: string): boolean {
    const { topics } = this.#call.server;
    const topic = topics.find(name);
    if (topic === undefined) {
      const code = isTopicName(name) ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.INVALID_TOPIC_EXCEPTION;
      this.topics.push({ name, errorCode: code, topicAuthorizedOperations: topicOperations(this.#call, name) });
      return true;
    }
    const first = this.#cursor?.topicName === name ? this.#cursor.partitionIndex : 0;
    if (this.#left === 0) {
      this.next = { topicName: name, partitionIndex: first };
      return false;
    }
    const end = Math.min(topic.partitions.length, first + this.#left);
    this.#left -= Math.max(0, end - first);
    this.topics.push(this.#show(topic, first, end));
    if (end >= topic.partitions.length) return true;
    this.next = { topicName: name, partitionIndex: end };
    return false;
  }

  #show(topic: Topic, first: number, end: number): Shown {
    const partitions: NonNullable<Shown["partitions"]>[number][] = [];
    for (let index = first; index < end; index++) {
      const { id } = nodeOf(this.#nodes, index);
      partitions.push({
        partitionIndex: index,
        leaderId: id,
        leaderEpoch: 0,
        replicaNodes: [id],
        isrNodes: [id],
        eligibleLeaderReplicas: [],
        lastKnownElr: [],
      });
    }
    return {
      errorCode: errorCode.NONE,
      name: topic.name,
      topicId: topic.id,
      isInternal: topic.isInternal,
      partitions,
      topicAuthorizedOperations: topicOperations(this.#call, topic.name),
    };
  }
}
