/**
 * DescribeGroups (15) v0-6: states and members. A group that is not there is `Dead`, from v6 on with GROUP_ID_NOT_FOUND
 * (KIP-1043).
 */
import { errorCode } from "../codec/errors.ts";
import {
  describeGroupsRequest,
  describeGroupsResponse,
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
} from "../codec/messages/group-administration.ts";
import type { Command } from "../command.ts";
import { distinct } from "../distinct.ts";
import type { SeatedGroup } from "../groups/groups.ts";
import { groupOperations, mayDescribe } from "../security/access.ts";

export const describeGroups: Command<DescribeGroupsRequest, DescribeGroupsResponse> = {
  name: "DescribeGroups",
  key: 15,
  minVersion: 0,
  maxVersion: 6,
  request: describeGroupsRequest,
  response: describeGroupsResponse,
  handle({ groups, includeAuthorizedOperations }, call) {
    call.respond({
      groups: distinct(groups, (groupId) => groupId).map((groupId) => {
        if (!mayDescribe(call, groupId)) return { groupId, errorCode: errorCode.GROUP_AUTHORIZATION_FAILED };
        const seat = call.server.groups.find(groupId);
        const described = seat === undefined ? absent(groupId, call.version) : shown(seat);
        if (!includeAuthorizedOperations || described.errorCode !== errorCode.NONE) return described;
        return { ...described, authorizedOperations: groupOperations(call, groupId) };
      }),
    });
  },
};

function absent(groupId: string, version: number) {
  const dead = { groupId, groupState: "Dead", errorCode: errorCode.NONE };
  if (version < 6) return dead;
  return { ...dead, errorCode: errorCode.GROUP_ID_NOT_FOUND, errorMessage: `Group ${groupId} not found.` };
}

function shown({ group }: SeatedGroup) {
  const isStable = group.state === "Stable";
  return {
    errorCode: errorCode.NONE,
    groupId: group.id,
    groupState: group.state,
    protocolType: group.protocolType ?? "",
    protocolData: isStable ? (group.protocolName ?? "") : "",
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId ?? null,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberAssignment: member.assignment,
      ...(isStable ? { memberMetadata: member.metadata(group.protocolName) } : {}),
    })),
  };
}
