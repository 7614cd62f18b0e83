/**
 * LeaveGroup (13) v0-5: members go, and the others share what they had. From v3 on several at once, static ones also by their
 * group.instance.id alone; before, one, and its error is that of the whole answer.
 */
import { errorCode } from "../codec/errors.ts";
import {
  leaveGroupRequest,
  leaveGroupResponse,
  type LeaveGroupRequest,
  type LeaveGroupResponse,
} from "../codec/messages/groups.ts";
import type { Command } from "../command.ts";
import { mayRead } from "../security/access.ts";

export const leaveGroup: Command<LeaveGroupRequest, LeaveGroupResponse> = {
  name: "LeaveGroup",
  key: 13,
  minVersion: 0,
  maxVersion: 5,
  request: leaveGroupRequest,
  response: leaveGroupResponse,
  handle({ groupId, memberId, members }, call) {
    if (groupId === "") return call.respond({ errorCode: errorCode.INVALID_GROUP_ID });
    if (!mayRead(call, groupId)) return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
    const leaving = call.version < 3 ? [{ memberId, groupInstanceId: null, reason: null }] : members;
    const codes = call.server.groups.leave(
      groupId,
      leaving.map((each) => ({
        memberId: each.memberId,
        instanceId: each.groupInstanceId ?? undefined,
        reason: each.reason ?? "not provided",
      })),
    );
    if (call.version < 3) return call.respond({ errorCode: codes[0]! });
    call.respond({
      members: members.map((each, index) => ({
        memberId: each.memberId,
        groupInstanceId: each.groupInstanceId,
        errorCode: codes[index]!,
      })),
    });
  },
};
