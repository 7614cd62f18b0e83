/** Making, deleting and widening topics. */

import { array, bool, int16, int32, int8, string, uuid } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const createTopicsRequest = messageSchema("CreateTopicsRequest", 19, "2-7", "5+", {
  topics: array("0+", {
    name: string("0+"),
    numPartitions: int32("0+"),
    replicationFactor: int16("0+"),
    assignments: array("0+", { partitionIndex: int32("0+"), brokerIds: array("0+", "int32") }),
    configs: array("0+", { name: string("0+"), value: string("0+", { nullable: "0+" }) }),
  }),
  timeoutMs: int32("0+", { default: 60000 }),
  validateOnly: bool("1+"),
});
export type CreateTopicsRequest = ReadOf<typeof createTopicsRequest>;

export const createTopicsResponse = messageSchema("CreateTopicsResponse", 19, "2-7", "5+", {
  throttleTimeMs: int32("2+"),
  topics: array("0+", {
    name: string("0+"),
    topicId: uuid("7+"),
    errorCode: int16("0+"),
    errorMessage: string("1+", { nullable: "0+" }),
    topicConfigErrorCode: int16("5+", { tag: 0 }),
    numPartitions: int32("5+", { default: -1 }),
    replicationFactor: int16("5+", { default: -1 }),
    configs: array(
      "5+",
      {
        name: string("5+"),
        value: string("5+", { nullable: "5+" }),
        readOnly: bool("5+"),
        configSource: int8("5+", { default: -1 }),
        isSensitive: bool("5+"),
      },
      { nullable: "5+" },
    ),
  }),
});
export type CreateTopicsResponse = WrittenOf<typeof createTopicsResponse>;

export const deleteTopicsRequest = messageSchema("DeleteTopicsRequest", 20, "1-6", "4+", {
  topics: array("6+", { name: string("6+", { nullable: "6+", default: null }), topicId: uuid("6+") }),
  topicNames: array("0-5", "string"),
  timeoutMs: int32("0+"),
});
export type DeleteTopicsRequest = ReadOf<typeof deleteTopicsRequest>;

export const deleteTopicsResponse = messageSchema("DeleteTopicsResponse", 20, "1-6", "4+", {
  throttleTimeMs: int32("1+"),
  responses: array("0+", {
    name: string("0+", { nullable: "6+" }),
    topicId: uuid("6+"),
    errorCode: int16("0+"),
    errorMessage: string("5+", { nullable: "5+", default: null }),
  }),
});
export type DeleteTopicsResponse = WrittenOf<typeof deleteTopicsResponse>;

export const createPartitionsRequest = messageSchema("CreatePartitionsRequest", 37, "0-3", "2+", {
  topics: array("0+", {
    name: string("0+"),
    count: int32("0+"),
    assignments: array("0+", { brokerIds: array("0+", "int32") }, { nullable: "0+" }),
  }),
  timeoutMs: int32("0+"),
  validateOnly: bool("0+"),
});
export type CreatePartitionsRequest = ReadOf<typeof createPartitionsRequest>;

export const createPartitionsResponse = messageSchema("CreatePartitionsResponse", 37, "0-3", "2+", {
  throttleTimeMs: int32("0+"),
  results: array("0+", {
    name: string("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
  }),
});
export type CreatePartitionsResponse = WrittenOf<typeof createPartitionsResponse>;
