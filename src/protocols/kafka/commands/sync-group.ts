/**
 * SyncGroup (14) v0-5: asks for what the member is assigned in this generation; the leader brings what everybody is
 * assigned. Waits for the leader. From v5 on the type and the name of the protocol have to be said.
 */
import { errorCode } from "../codec/errors.ts";
import {
  syncGroupRequest,
  syncGroupResponse,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from "../codec/messages/groups.ts";
import type { Command } from "../command.ts";
import { mayRead } from "../security/access.ts";

export const syncGroup: Command<SyncGroupRequest, SyncGroupResponse> = {
  name: "SyncGroup",
  key: 14,
  minVersion: 0,
  maxVersion: 5,
  request: syncGroupRequest,
  response: syncGroupResponse,
  isLongPoll: true,
  handle(request, call) {
    const { groupId, memberId, groupInstanceId, generationId, protocolType, protocolName, assignments } = request;
    if (call.version >= 5 && (protocolType === null || protocolName === null)) {
      return call.respond({ errorCode: errorCode.INCONSISTENT_GROUP_PROTOCOL });
    }
    if (!mayRead(call, groupId)) return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
    const asked = {
      memberId,
      instanceId: groupInstanceId ?? undefined,
      generation: generationId,
      protocolType: protocolType ?? undefined,
      protocolName: protocolName ?? undefined,
      assignments: new Map(assignments.map((each) => [each.memberId, each.assignment])),
    };
    call.server.groups.sync(groupId, asked, call);
  },
};
