/**
 * DeleteGroups (42) v0-2: groups without members go, with their offsets. Answered when that is durable.
 *
 * Differs: groups have no permission of their own, so who may not read all topics in which a group has offsets is refused.
 */
import { errorCode } from "../codec/errors.ts";
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
} from "../codec/messages/group-administration.ts";
import type { Call, Command } from "../command.ts";
import { mayReadTopic } from "../groups/topic-access.ts";

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
  const { groups } = call.server;
  for (const { name } of groups.topics.of(groupId)) {
    if (!mayReadTopic(call, name)) return errorCode.GROUP_AUTHORIZATION_FAILED;
  }
  return groups.delete(groupId);
}
