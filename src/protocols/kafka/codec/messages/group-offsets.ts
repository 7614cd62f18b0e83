/** How far groups have read. */

import { array, bool, int16, int32, int64, string, uuid } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const offsetCommitRequest = messageSchema("OffsetCommitRequest", 8, "2-10", "8+", {
  groupId: string("0+"),
  generationIdOrMemberEpoch: int32("1+", { default: -1 }),
  memberId: string("1+"),
  groupInstanceId: string("7+", { nullable: "7+", default: null }),
  retentionTimeMs: int64("2-4", { default: -1 }),
  topics: array("0+", {
    name: string("0-9"),
    topicId: uuid("10+"),
    partitions: array("0+", {
      partitionIndex: int32("0+"),
      committedOffset: int64("0+"),
      committedLeaderEpoch: int32("6+", { default: -1 }),
      committedMetadata: string("0+", { nullable: "0+" }),
    }),
  }),
});
export type OffsetCommitRequest = ReadOf<typeof offsetCommitRequest>;

export const offsetCommitResponse = messageSchema("OffsetCommitResponse", 8, "2-10", "8+", {
  throttleTimeMs: int32("3+"),
  topics: array("0+", {
    name: string("0-9"),
    topicId: uuid("10+"),
    partitions: array("0+", { partitionIndex: int32("0+"), errorCode: int16("0+") }),
  }),
});
export type OffsetCommitResponse = WrittenOf<typeof offsetCommitResponse>;

export const offsetFetchRequest = messageSchema("OffsetFetchRequest", 9, "1-10", "6+", {
  groupId: string("0-7"),
  topics: array("0-7", { name: string("0-7"), partitionIndexes: array("0-7", "int32") }, { nullable: "2-7" }),
  groups: array("8+", {
    groupId: string("8+"),
    memberId: string("9+", { nullable: "9+", default: null }),
    memberEpoch: int32("9+", { default: -1 }),
    topics: array(
      "8+",
      { name: string("8-9"), topicId: uuid("10+"), partitionIndexes: array("8+", "int32") },
      { nullable: "8+" },
    ),
  }),
  requireStable: bool("7+"),
});
export type OffsetFetchRequest = ReadOf<typeof offsetFetchRequest>;

export const offsetFetchResponse = messageSchema("OffsetFetchResponse", 9, "1-10", "6+", {
  throttleTimeMs: int32("3+"),
  topics: array("0-7", {
    name: string("0-7"),
    partitions: array("0-7", {
      partitionIndex: int32("0-7"),
      committedOffset: int64("0-7"),
      committedLeaderEpoch: int32("5-7", { default: -1 }),
      metadata: string("0-7", { nullable: "0-7" }),
      errorCode: int16("0-7"),
    }),
  }),
  errorCode: int16("2-7"),
  groups: array("8+", {
    groupId: string("8+"),
    topics: array("8+", {
      name: string("8-9"),
      topicId: uuid("10+"),
      partitions: array("8+", {
        partitionIndex: int32("8+"),
        committedOffset: int64("8+"),
        committedLeaderEpoch: int32("8+", { default: -1 }),
        metadata: string("8+", { nullable: "8+" }),
        errorCode: int16("8+"),
      }),
    }),
    errorCode: int16("8+"),
  }),
});
export type OffsetFetchResponse = WrittenOf<typeof offsetFetchResponse>;

export const offsetDeleteRequest = messageSchema("OffsetDeleteRequest", 47, "0", "none", {
  groupId: string("0+"),
  topics: array("0+", { name: string("0+"), partitions: array("0+", { partitionIndex: int32("0+") }) }),
});
export type OffsetDeleteRequest = ReadOf<typeof offsetDeleteRequest>;

export const offsetDeleteResponse = messageSchema("OffsetDeleteResponse", 47, "0", "none", {
  errorCode: int16("0+"),
  throttleTimeMs: int32("0+"),
  topics: array("0+", {
    name: string("0+"),
    partitions: array("0+", { partitionIndex: int32("0+"), errorCode: int16("0+") }),
  }),
});
export type OffsetDeleteResponse = WrittenOf<typeof offsetDeleteResponse>;
