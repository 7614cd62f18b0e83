/** Producers' ids, and transactions over partitions and groups' offsets. */

import { array, bool, int16, int32, int64, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const initProducerIdRequest = messageSchema("InitProducerIdRequest", 22, "0-6", "2+", {
  transactionalId: string("0+", { nullable: "0+" }),
  transactionTimeoutMs: int32("0+"),
  producerId: int64("3+", { default: -1 }),
  producerEpoch: int16("3+", { default: -1 }),
  enable2Pc: bool("6+"),
  keepPreparedTxn: bool("6+"),
});
export type InitProducerIdRequest = ReadOf<typeof initProducerIdRequest>;

export const initProducerIdResponse = messageSchema("InitProducerIdResponse", 22, "0-6", "2+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("0+"),
  producerId: int64("0+", { default: -1 }),
  producerEpoch: int16("0+"),
  ongoingTxnProducerId: int64("6+", { default: -1 }),
  ongoingTxnProducerEpoch: int16("6+", { default: -1 }),
});
export type InitProducerIdResponse = WrittenOf<typeof initProducerIdResponse>;

const addPartitionsToTxnTopic = { name: string("0+"), partitions: array("0+", "int32") } as const;
export const addPartitionsToTxnRequest = messageSchema("AddPartitionsToTxnRequest", 24, "0-5", "3+", {
  transactions: array("4+", {
    transactionalId: string("4+"),
    producerId: int64("4+"),
    producerEpoch: int16("4+"),
    verifyOnly: bool("4+"),
    topics: array("4+", addPartitionsToTxnTopic),
  }),
  v3AndBelowTransactionalId: string("0-3"),
  v3AndBelowProducerId: int64("0-3"),
  v3AndBelowProducerEpoch: int16("0-3"),
  v3AndBelowTopics: array("0-3", addPartitionsToTxnTopic),
});
export type AddPartitionsToTxnRequest = ReadOf<typeof addPartitionsToTxnRequest>;

const addPartitionsToTxnPartitionResult = { partitionIndex: int32("0+"), partitionErrorCode: int16("0+") } as const;
const addPartitionsToTxnTopicResult = {
  name: string("0+"),
  resultsByPartition: array("0+", addPartitionsToTxnPartitionResult),
} as const;
export const addPartitionsToTxnResponse = messageSchema("AddPartitionsToTxnResponse", 24, "0-5", "3+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("4+"),
  resultsByTransaction: array("4+", {
    transactionalId: string("4+"),
    topicResults: array("4+", addPartitionsToTxnTopicResult),
  }),
  resultsByTopicV3AndBelow: array("0-3", addPartitionsToTxnTopicResult),
});
export type AddPartitionsToTxnResponse = WrittenOf<typeof addPartitionsToTxnResponse>;

export const addOffsetsToTxnRequest = messageSchema("AddOffsetsToTxnRequest", 25, "0-4", "3+", {
  transactionalId: string("0+"),
  producerId: int64("0+"),
  producerEpoch: int16("0+"),
  groupId: string("0+"),
});
export type AddOffsetsToTxnRequest = ReadOf<typeof addOffsetsToTxnRequest>;

export const addOffsetsToTxnResponse = messageSchema("AddOffsetsToTxnResponse", 25, "0-4", "3+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("0+"),
});
export type AddOffsetsToTxnResponse = WrittenOf<typeof addOffsetsToTxnResponse>;

export const endTxnRequest = messageSchema("EndTxnRequest", 26, "0-5", "3+", {
  transactionalId: string("0+"),
  producerId: int64("0+"),
  producerEpoch: int16("0+"),
  committed: bool("0+"),
});
export type EndTxnRequest = ReadOf<typeof endTxnRequest>;

export const endTxnResponse = messageSchema("EndTxnResponse", 26, "0-5", "3+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("0+"),
  producerId: int64("5+", { default: -1 }),
  producerEpoch: int16("5+", { default: -1 }),
});
export type EndTxnResponse = WrittenOf<typeof endTxnResponse>;

export const txnOffsetCommitRequest = messageSchema("TxnOffsetCommitRequest", 28, "0-5", "3+", {
  transactionalId: string("0+"),
  groupId: string("0+"),
  producerId: int64("0+"),
  producerEpoch: int16("0+"),
  generationId: int32("3+", { default: -1 }),
  memberId: string("3+"),
  groupInstanceId: string("3+", { nullable: "3+", default: null }),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", {
      partitionIndex: int32("0+"),
      committedOffset: int64("0+"),
      committedLeaderEpoch: int32("2+", { default: -1 }),
      committedMetadata: string("0+", { nullable: "0+" }),
    }),
  }),
});
export type TxnOffsetCommitRequest = ReadOf<typeof txnOffsetCommitRequest>;

export const txnOffsetCommitResponse = messageSchema("TxnOffsetCommitResponse", 28, "0-5", "3+", {
  throttleTimeMs: int32("0+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", { partitionIndex: int32("0+"), errorCode: int16("0+") }),
  }),
});
export type TxnOffsetCommitResponse = WrittenOf<typeof txnOffsetCommitResponse>;
