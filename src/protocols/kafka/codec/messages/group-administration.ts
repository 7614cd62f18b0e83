/** What there is of groups, and ending them. */

import { array, bool, bytes, int16, int32, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const describeGroupsRequest = messageSchema("DescribeGroupsRequest", 15, "0-6", "5+", {
  groups: array("0+", "string"),
  includeAuthorizedOperations: bool("3+"),
});
export type DescribeGroupsRequest = ReadOf<typeof describeGroupsRequest>;

export const describeGroupsResponse = messageSchema("DescribeGroupsResponse", 15, "0-6", "5+", {
  throttleTimeMs: int32("1+"),
  groups: array("0+", {
    errorCode: int16("0+"),
    errorMessage: string("6+", { nullable: "6+", default: null }),
    groupId: string("0+"),
    groupState: string("0+"),
    protocolType: string("0+"),
    protocolData: string("0+"),
    members: array("0+", {
      memberId: string("0+"),
      groupInstanceId: string("4+", { nullable: "4+", default: null }),
      clientId: string("0+"),
      clientHost: string("0+"),
      memberMetadata: bytes("0+"),
      memberAssignment: bytes("0+"),
    }),
    authorizedOperations: int32("3+", { default: -2147483648 }),
  }),
});
export type DescribeGroupsResponse = WrittenOf<typeof describeGroupsResponse>;

export const listGroupsRequest = messageSchema("ListGroupsRequest", 16, "0-5", "3+", {
  statesFilter: array("4+", "string"),
  typesFilter: array("5+", "string"),
});
export type ListGroupsRequest = ReadOf<typeof listGroupsRequest>;

export const listGroupsResponse = messageSchema("ListGroupsResponse", 16, "0-5", "3+", {
  throttleTimeMs: int32("1+"),
  errorCode: int16("0+"),
  groups: array("0+", {
    groupId: string("0+"),
    protocolType: string("0+"),
    groupState: string("4+"),
    groupType: string("5+"),
  }),
});
export type ListGroupsResponse = WrittenOf<typeof listGroupsResponse>;

export const deleteGroupsRequest = messageSchema("DeleteGroupsRequest", 42, "0-2", "2+", {
  groupsNames: array("0+", "string"),
});
export type DeleteGroupsRequest = ReadOf<typeof deleteGroupsRequest>;

export const deleteGroupsResponse = messageSchema("DeleteGroupsResponse", 42, "0-2", "2+", {
  throttleTimeMs: int32("0+"),
  results: array("0+", { groupId: string("0+"), errorCode: int16("0+") }),
});
export type DeleteGroupsResponse = WrittenOf<typeof deleteGroupsResponse>;
