/**
 * AddPartitionsToTxn (24) v0-5: partitions become a part of a transaction, which begins by the first. All of them, or, if one
 * may not be written to or is not there, none. From v4 on of several transactions, and with `verifyOnly` a question whether
 * they are: Kafka's brokers ask it of each other, clients stay at v3, and from Produce v12 on need not ask at all. So these versions
 * are for those who may act for the cluster; unlike in Kafka these, too, write to nothing that is not theirs.
 */
import type { Queue } from "../../../broker/api.ts";
import { errorCode } from "../codec/errors.ts";
import {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnResponse,
} from "../codec/messages/transactions.ts";
import type { Call, Command } from "../command.ts";
import { mayActForCluster, mayWrite } from "../security/access.ts";
import type { Topic } from "../topics/topics.ts";
import { codeBefore } from "../transactions/codes.ts";

type Asked = AddPartitionsToTxnRequest["transactions"][number];
type AskedTopic = Asked["topics"][number];
type TopicResults = NonNullable<AddPartitionsToTxnResponse["resultsByTopicV3AndBelow"]>;

export const addPartitionsToTxn: Command<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse> = {
  name: "AddPartitionsToTxn",
  key: 24,
  minVersion: 0,
  maxVersion: 5,
  request: addPartitionsToTxnRequest,
  response: addPartitionsToTxnResponse,
  handle(request, call) {
    if (call.version >= 4) {
      if (!mayActForCluster(call)) {
        call.respond({ errorCode: errorCode.CLUSTER_AUTHORIZATION_FAILED });
        return;
      }
      // As in Kafka: what an id asks for first is not decided yet when it asks again in the same request.
      const seen = new Set<string>();
      const resultsByTransaction = request.transactions.map((asked) => {
        const { transactionalId, topics } = asked;
        const isAgain = seen.has(transactionalId);
        if (!asked.verifyOnly) seen.add(transactionalId);
        const topicResults = isAgain ? resultsOf(topics, () => errorCode.CONCURRENT_TRANSACTIONS) : add(asked, call);
        return { transactionalId, topicResults };
      });
      call.respondWhenDurable({ resultsByTransaction });
      return;
    }
    const resultsByTopicV3AndBelow = add(
      {
        transactionalId: request.v3AndBelowTransactionalId,
        producerId: request.v3AndBelowProducerId,
        producerEpoch: request.v3AndBelowProducerEpoch,
        verifyOnly: false,
        topics: request.v3AndBelowTopics,
      },
      call,
    );
    call.respondWhenDurable({ resultsByTopicV3AndBelow });
  },
};

function add(asked: Asked, call: Call): TopicResults {
  if (!mayWrite(call, asked.transactionalId))
    return resultsOf(asked.topics, () => errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const found = new Map<Queue, Topic>();
  const codes = asked.topics.map((topic) => topic.partitions.map((index) => find(topic, index, call, found)));
  if (codes.some((ofTopic) => ofTopic.some((code) => code !== errorCode.NONE))) {
    return resultsOf(asked.topics, (topic, at) => codes[topic]![at]! || errorCode.OPERATION_NOT_ATTEMPTED);
  }
  if (asked.verifyOnly) return verify(asked, call);
  const { transactionalId, producerId, producerEpoch } = asked;
  const by = { producerId, producerEpoch };
  const code = call.server.transactions.addPartitions(transactionalId, by, found, Number(call.connection.id));
  return resultsOf(asked.topics, () => codeBefore(2, call.version, code));
}

function verify({ transactionalId, producerId, producerEpoch, topics }: Asked, call: Call): TopicResults {
  const { server } = call;
  return resultsOf(topics, (at, indexAt) => {
    const { name, partitions } = topics[at]!;
    const queue = server.topics.find(name)!.partitions[partitions[indexAt]!]!;
    return server.transactions.hasPartition(transactionalId, { producerId, producerEpoch }, queue);
  });
}

/** Answers an error's code; NONE, the partition is among those that were found. */
function find({ name }: AskedTopic, index: number, call: Call, found: Map<Queue, Topic>): number {
  if (!mayWrite(call, name)) return errorCode.TOPIC_AUTHORIZATION_FAILED;
  const topic = call.server.topics.find(name);
  const queue = topic?.partitions[index];
  if (topic === undefined || queue === undefined) return errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  found.set(queue, topic);
  return errorCode.NONE;
}

function resultsOf(topics: readonly AskedTopic[], codeOf: (topic: number, partition: number) => number): TopicResults {
  return topics.map(({ name, partitions }, topicAt) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex, at) => ({
      partitionIndex,
      partitionErrorCode: codeOf(topicAt, at),
    })),
  }));
}
