/**
 * DeleteGroups (42) v0-2: groups without members go, with their offsets. Answered when that is durable.
 */
import { errorCode } from "../codec/errors.ts";
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
} from "../codec/messages/group-administration.ts";
import type { Call, Command } from "../command.ts";
import { mayConfigure } from "../security/access.ts";

export const deleteGroups: Command<DeleteGroupsRequest, DeleteGroupsResponse> = {
  name: "DeleteGroups",
  key: 42,
  minVersion: 0,
  maxVersion: 2,
  request: deleteGroupsRequest,
  response: deleteGroupsResponse,
  handle({ groupsNames }, call) {
    call.respondWhenDurable({
      results: [...new Set(groupsNames)].map((groupId) => ({ groupId, errorCode: remove(groupId, call) })),
    });
  },
};

function remove(groupId: string, call: Call): number {
  return mayConfigure(call, groupId) ? call.server.groups.delete(groupId) : errorCode.GROUP_AUTHORIZATION_FAILED;
}
