/** DeleteGroups (42) v0-2: groups without members go, with their offsets. Answered when that is durable. */
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
} from "../codec/messages/group-administration.ts";
import type { Command } from "../command.ts";

export const deleteGroups: Command<DeleteGroupsRequest, DeleteGroupsResponse> = {
  name: "DeleteGroups",
  key: 42,
  minVersion: 0,
  maxVersion: 2,
  request: deleteGroupsRequest,
  response: deleteGroupsResponse,
  handle({ groupsNames }, call) {
    const { groups } = call.server;
    call.respondWhenDurable({
      results: [...new Set(groupsNames)].map((groupId) => ({ groupId, errorCode: groups.delete(groupId) })),
    });
  },
};
