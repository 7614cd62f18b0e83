/** Topics, partitions and brokers as clients see them. */

import { array, bool, int16, int32, int8, string, struct, uuid } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const metadataRequest = messageSchema("MetadataRequest", 3, "0-13", "9+", {
  topics: array("0+", { topicId: uuid("10+"), name: string("0+", { nullable: "10+" }) }, { nullable: "1+" }),
  allowAutoTopicCreation: bool("4+", { default: true }),
  includeClusterAuthorizedOperations: bool("8-10"),
  includeTopicAuthorizedOperations: bool("8+"),
});
export type MetadataRequest = ReadOf<typeof metadataRequest>;

export const metadataResponse = messageSchema("MetadataResponse", 3, "0-13", "9+", {
  throttleTimeMs: int32("3+"),
  brokers: array("0+", {
    nodeId: int32("0+"),
    host: string("0+"),
    port: int32("0+"),
    rack: string("1+", { nullable: "1+", default: null }),
  }),
  clusterId: string("2+", { nullable: "2+", default: null }),
  controllerId: int32("1+", { default: -1 }),
  topics: array("0+", {
    errorCode: int16("0+"),
    name: string("0+", { nullable: "12+" }),
    topicId: uuid("10+"),
    isInternal: bool("1+"),
    partitions: array("0+", {
      errorCode: int16("0+"),
      partitionIndex: int32("0+"),
      leaderId: int32("0+"),
      leaderEpoch: int32("7+", { default: -1 }),
      replicaNodes: array("0+", "int32"),
      isrNodes: array("0+", "int32"),
      offlineReplicas: array("5+", "int32"),
    }),
    topicAuthorizedOperations: int32("8+", { default: -2147483648 }),
  }),
  clusterAuthorizedOperations: int32("8-10", { default: -2147483648 }),
  errorCode: int16("13+"),
});
export type MetadataResponse = WrittenOf<typeof metadataResponse>;

export const describeClusterRequest = messageSchema("DescribeClusterRequest", 60, "0-2", "0+", {
  includeClusterAuthorizedOperations: bool("0+"),
  endpointType: int8("1+", { default: 1 }),
  includeFencedBrokers: bool("2+"),
});
export type DescribeClusterRequest = ReadOf<typeof describeClusterRequest>;

export const describeClusterResponse = messageSchema("DescribeClusterResponse", 60, "0-2", "0+", {
  throttleTimeMs: int32("0+"),
  errorCode: int16("0+"),
  errorMessage: string("0+", { nullable: "0+", default: null }),
  endpointType: int8("1+", { default: 1 }),
  clusterId: string("0+"),
  controllerId: int32("0+", { default: -1 }),
  brokers: array("0+", {
    brokerId: int32("0+"),
    host: string("0+"),
    port: int32("0+"),
    rack: string("0+", { nullable: "0+", default: null }),
    isFenced: bool("2+"),
  }),
  clusterAuthorizedOperations: int32("0+", { default: -2147483648 }),
});
export type DescribeClusterResponse = WrittenOf<typeof describeClusterResponse>;

export const describeTopicPartitionsRequest = messageSchema("DescribeTopicPartitionsRequest", 75, "0", "0+", {
  topics: array("0+", { name: string("0+") }),
  responsePartitionLimit: int32("0+", { default: 2000 }),
  cursor: struct("0+", { topicName: string("0+"), partitionIndex: int32("0+") }, { nullable: "0+", default: null }),
});
export type DescribeTopicPartitionsRequest = ReadOf<typeof describeTopicPartitionsRequest>;

export const describeTopicPartitionsResponse = messageSchema("DescribeTopicPartitionsResponse", 75, "0", "0+", {
  throttleTimeMs: int32("0+"),
  topics: array("0+", {
    errorCode: int16("0+"),
    name: string("0+", { nullable: "0+" }),
    topicId: uuid("0+"),
    isInternal: bool("0+"),
    partitions: array("0+", {
      errorCode: int16("0+"),
      partitionIndex: int32("0+"),
      leaderId: int32("0+"),
      leaderEpoch: int32("0+", { default: -1 }),
      replicaNodes: array("0+", "int32"),
      isrNodes: array("0+", "int32"),
      eligibleLeaderReplicas: array("0+", "int32", { nullable: "0+", default: null }),
      lastKnownElr: array("0+", "int32", { nullable: "0+", default: null }),
      offlineReplicas: array("0+", "int32"),
    }),
    topicAuthorizedOperations: int32("0+", { default: -2147483648 }),
  }),
  nextCursor: struct("0+", { topicName: string("0+"), partitionIndex: int32("0+") }, { nullable: "0+", default: null }),
});
export type DescribeTopicPartitionsResponse = WrittenOf<typeof describeTopicPartitionsResponse>;
