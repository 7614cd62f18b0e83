/** Where a log begins and ends, by time and by leader epoch, and cutting its beginning. */

import { array, int16, int32, int64, int8, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const listOffsetsRequest = messageSchema("ListOffsetsRequest", 2, "1-11", "6+", {
  replicaId: int32("0+"),
  isolationLevel: int8("2+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", {
      partitionIndex: int32("0+"),
      currentLeaderEpoch: int32("4+", { default: -1 }),
      timestamp: int64("0+"),
    }),
  }),
  timeoutMs: int32("10+"),
});
export type ListOffsetsRequest = ReadOf<typeof listOffsetsRequest>;

export const listOffsetsResponse = messageSchema("ListOffsetsResponse", 2, "1-11", "6+", {
  throttleTimeMs: int32("2+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", {
      partitionIndex: int32("0+"),
      errorCode: int16("0+"),
      timestamp: int64("1+", { default: -1 }),
      offset: int64("1+", { default: -1 }),
      leaderEpoch: int32("4+", { default: -1 }),
    }),
  }),
});
export type ListOffsetsResponse = WrittenOf<typeof listOffsetsResponse>;

export const offsetForLeaderEpochRequest = messageSchema("OffsetForLeaderEpochRequest", 23, "2-4", "4+", {
  replicaId: int32("3+", { default: -2 }),
  topics: array("0+", {
    topic: string("0+"),
    partitions: array("0+", {
      partition: int32("0+"),
      currentLeaderEpoch: int32("2+", { default: -1 }),
      leaderEpoch: int32("0+"),
    }),
  }),
});
export type OffsetForLeaderEpochRequest = ReadOf<typeof offsetForLeaderEpochRequest>;

export const offsetForLeaderEpochResponse = messageSchema("OffsetForLeaderEpochResponse", 23, "2-4", "4+", {
  throttleTimeMs: int32("2+"),
  topics: array("0+", {
    topic: string("0+"),
    partitions: array("0+", {
      errorCode: int16("0+"),
      partition: int32("0+"),
      leaderEpoch: int32("1+", { default: -1 }),
      endOffset: int64("0+", { default: -1 }),
    }),
  }),
});
export type OffsetForLeaderEpochResponse = WrittenOf<typeof offsetForLeaderEpochResponse>;

export const deleteRecordsRequest = messageSchema("DeleteRecordsRequest", 21, "0-2", "2+", {
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", { partitionIndex: int32("0+"), offset: int64("0+") }),
  }),
  timeoutMs: int32("0+"),
});
export type DeleteRecordsRequest = ReadOf<typeof deleteRecordsRequest>;

export const deleteRecordsResponse = messageSchema("DeleteRecordsResponse", 21, "0-2", "2+", {
  throttleTimeMs: int32("0+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", { partitionIndex: int32("0+"), lowWatermark: int64("0+"), errorCode: int16("0+") }),
  }),
});
export type DeleteRecordsResponse = WrittenOf<typeof deleteRecordsResponse>;
