/**
 * JoinGroup (11) v0-9: becomes a member of a group, or stays one in its next generation. Waits until all have joined.
 * From v4 on a dynamic member is first given its id (MEMBER_ID_REQUIRED) and asks again with it.
 *
 * Differs: one that asks again while it waits, over another connection, has its first request answered with
 * REBALANCE_IN_PROGRESS, where Kafka never answers it.
 */
import { errorCode } from "../codec/errors.ts";
import {
  joinGroupRequest,
  joinGroupResponse,
  type JoinGroupRequest,
  type JoinGroupResponse,
} from "../codec/messages/groups.ts";
import type { Command } from "../command.ts";
import type { GroupProtocol } from "../groups/member.ts";
import { mayRead } from "../security/access.ts";

export const joinGroup: Command<JoinGroupRequest, JoinGroupResponse> = {
  name: "JoinGroup",
  key: 11,
  minVersion: 0,
  maxVersion: 9,
  request: joinGroupRequest,
  response: joinGroupResponse,
  isLongPoll: true,
  handle(request, call) {
    const { sessionTimeoutMs, rebalanceTimeoutMs, memberId, groupInstanceId, protocolType, reason } = request;
    if (!mayRead(call, request.groupId))
      return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED, memberId });
    const asked = {
      memberId,
      instanceId: groupInstanceId ?? undefined,
      clientId: call.clientId ?? "",
      clientHost: `/${call.connection.address.remoteAddress}`,
      protocolType,
      protocols: protocolsOf(request),
      sessionTimeoutMs,
      // Version 0 does not say, and means its session timeout.
      rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
      needsMemberId: call.version >= 4,
      maySkipAssignment: call.version >= 9,
      reason: reason === null || reason === "" ? "not provided" : reason,
    };
    call.server.groups.join(request.groupId, asked, call);
  },
};

/** Copies, since they outlive the request. What is said twice counts once. */
function protocolsOf({ protocols }: JoinGroupRequest): readonly GroupProtocol[] {
  const byName = new Map<string, GroupProtocol>();
  for (const { name, metadata } of protocols) {
    if (!byName.has(name)) byName.set(name, { name, metadata: Buffer.from(metadata) });
  }
  return [...byName.values()];
}
