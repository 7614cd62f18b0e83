/** Who produces, what is undecided, and deciding it by hand. */

import { array, bool, int16, int32, int64, int8, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const describeProducersRequest = messageSchema("DescribeProducersRequest", 61, "0", "0+", {
  topics: array("0+", { name: string("0+"), partitionIndexes: array("0+", "int32") }),
});
export type DescribeProducersRequest = ReadOf<typeof describeProducersRequest>;

export const describeProducersResponse = messageSchema("DescribeProducersResponse", 61, "0", "0+", {
  throttleTimeMs: int32("0+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", {
      partitionIndex: int32("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+", default: null }),
      activeProducers: array("0+", {
        producerId: int64("0+"),
        producerEpoch: int32("0+"),
        lastSequence: int32("0+", { default: -1 }),
        lastTimestamp: int64("0+", { default: -1 }),
        coordinatorEpoch: int32("0+"),
        currentTxnStartOffset: int64("0+", { default: -1 }),
      }),
    }),
  }),
});
export type DescribeProducersResponse = WrittenOf<typeof describeProducersResponse>;

export const describeTransactionsRequest = messageSchema("DescribeTransactionsRequest", 65, "0", "0+", {
  transactionalIds: array("0+", "string"),
});
export type DescribeTransactionsRequest = ReadOf<typeof describeTransactionsRequest>;

export const describeTransactionsResponse = messageSchema("DescribeTransactionsResponse", 65, "0", "0+", {
  throttleTimeMs: int32("0+"),
  transactionStates: array("0+", {
    errorCode: int16("0+"),
    transactionalId: string("0+"),
    transactionState: string("0+"),
    transactionTimeoutMs: int32("0+"),
    transactionStartTimeMs: int64("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    topics: array("0+", { topic: string("0+"), partitions: array("0+", "int32") }),
  }),
});
export type DescribeTransactionsResponse = WrittenOf<typeof describeTransactionsResponse>;

export const listTransactionsRequest = messageSchema("ListTransactionsRequest", 66, "0-2", "0+", {
  stateFilters: array("0+", "string"),
  producerIdFilters: array("0+", "int64"),
  durationFilter: int64("1+", { default: -1 }),
  transactionalIdPattern: string("2+", { nullable: "2+", default: null }),
});
export type ListTransactionsRequest = ReadOf<typeof listTransactionsRequest>;

export const listTransactionsResponse = messageSchema("ListTransactionsResponse", 66, "0-2", "0+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("0+"),
  unknownStateFilters: array("0+", "string"),
  transactionStates: array("0+", {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    transactionState: string("0+"),
  }),
});
export type ListTransactionsResponse = WrittenOf<typeof listTransactionsResponse>;

export const writeTxnMarkersRequest = messageSchema("WriteTxnMarkersRequest", 27, "1-2", "1+", {
  markers: array("0+", {
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    transactionResult: bool("0+"),
    topics: array("0+", { name: string("0+"), partitionIndexes: array("0+", "int32") }),
    coordinatorEpoch: int32("0+"),
    transactionVersion: int8("2+"),
  }),
});
export type WriteTxnMarkersRequest = ReadOf<typeof writeTxnMarkersRequest>;

export const writeTxnMarkersResponse = messageSchema("WriteTxnMarkersResponse", 27, "1-2", "1+", {
  markers: array("0+", {
    producerId: int64("0+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", { partitionIndex: int32("0+"), errorCode: int16("0+") }),
    }),
  }),
});
export type WriteTxnMarkersResponse = WrittenOf<typeof writeTxnMarkersResponse>;
