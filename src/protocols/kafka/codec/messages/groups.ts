/** Groups whose members share a topic: the classic protocol, from finding the coordinator to leaving. */

import { array, bool, bytes, int16, int32, int8, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const findCoordinatorRequest = messageSchema("FindCoordinatorRequest", 10, "0-6", "3+", {
  key: string("0-3"),
  keyType: int8("1+"),
  coordinatorKeys: array("4+", "string"),
});
export type FindCoordinatorRequest = ReadOf<typeof findCoordinatorRequest>;

export const findCoordinatorResponse = messageSchema("FindCoordinatorResponse", 10, "0-6", "3+", {
  throttleTimeMs: int32("1+"),
  errorCode: int16("0-3"),
  errorMessage: string("1-3", { nullable: "1-3" }),
  nodeId: int32("0-3"),
  host: string("0-3"),
  port: int32("0-3"),
  coordinators: array("4+", {
    key: string("4+"),
    nodeId: int32("4+"),
    host: string("4+"),
    port: int32("4+"),
    errorCode: int16("4+"),
    errorMessage: string("4+", { nullable: "4+" }),
  }),
});
export type FindCoordinatorResponse = WrittenOf<typeof findCoordinatorResponse>;

export const joinGroupRequest = messageSchema("JoinGroupRequest", 11, "0-9", "6+", {
  groupId: string("0+"),
  sessionTimeoutMs: int32("0+"),
  rebalanceTimeoutMs: int32("1+", { default: -1 }),
  memberId: string("0+"),
  groupInstanceId: string("5+", { nullable: "5+", default: null }),
  protocolType: string("0+"),
  protocols: array("0+", { name: string("0+"), metadata: bytes("0+") }),
  reason: string("8+", { nullable: "8+", default: null }),
});
export type JoinGroupRequest = ReadOf<typeof joinGroupRequest>;

export const joinGroupResponse = messageSchema("JoinGroupResponse", 11, "0-9", "6+", {
  throttleTimeMs: int32("2+"),
  errorCode: int16("0+"),
  generationId: int32("0+", { default: -1 }),
  protocolType: string("7+", { nullable: "7+", default: null }),
  protocolName: string("0+", { nullable: "7+" }),
  leader: string("0+"),
  skipAssignment: bool("9+"),
  memberId: string("0+"),
  members: array("0+", {
    memberId: string("0+"),
    groupInstanceId: string("5+", { nullable: "5+", default: null }),
    metadata: bytes("0+"),
  }),
});
export type JoinGroupResponse = WrittenOf<typeof joinGroupResponse>;

export const syncGroupRequest = messageSchema("SyncGroupRequest", 14, "0-5", "4+", {
  groupId: string("0+"),
  generationId: int32("0+"),
  memberId: string("0+"),
  groupInstanceId: string("3+", { nullable: "3+", default: null }),
  protocolType: string("5+", { nullable: "5+", default: null }),
  protocolName: string("5+", { nullable: "5+", default: null }),
  assignments: array("0+", { memberId: string("0+"), assignment: bytes("0+") }),
});
export type SyncGroupRequest = ReadOf<typeof syncGroupRequest>;

export const syncGroupResponse = messageSchema("SyncGroupResponse", 14, "0-5", "4+", {
  throttleTimeMs: int32("1+"),
  errorCode: int16("0+"),
  protocolType: string("5+", { nullable: "5+", default: null }),
  protocolName: string("5+", { nullable: "5+", default: null }),
  assignment: bytes("0+"),
});
export type SyncGroupResponse = WrittenOf<typeof syncGroupResponse>;

export const heartbeatRequest = messageSchema("HeartbeatRequest", 12, "0-4", "4+", {
  groupId: string("0+"),
  generationId: int32("0+"),
  memberId: string("0+"),
  groupInstanceId: string("3+", { nullable: "3+", default: null }),
});
export type HeartbeatRequest = ReadOf<typeof heartbeatRequest>;

export const heartbeatResponse = messageSchema("HeartbeatResponse", 12, "0-4", "4+", {
  throttleTimeMs: int32("1+"),
  errorCode: int16("0+"),
});
export type HeartbeatResponse = WrittenOf<typeof heartbeatResponse>;

export const leaveGroupRequest = messageSchema("LeaveGroupRequest", 13, "0-5", "4+", {
  groupId: string("0+"),
  memberId: string("0-2"),
  members: array("3+", {
    memberId: string("3+"),
    groupInstanceId: string("3+", { nullable: "3+", default: null }),
    reason: string("5+", { nullable: "5+", default: null }),
  }),
});
export type LeaveGroupRequest = ReadOf<typeof leaveGroupRequest>;

export const leaveGroupResponse = messageSchema("LeaveGroupResponse", 13, "0-5", "4+", {
  throttleTimeMs: int32("1+"),
  errorCode: int16("0+"),
  members: array("3+", {
    memberId: string("3+"),
    groupInstanceId: string("3+", { nullable: "3+" }),
    errorCode: int16("3+"),
  }),
});
export type LeaveGroupResponse = WrittenOf<typeof leaveGroupResponse>;
