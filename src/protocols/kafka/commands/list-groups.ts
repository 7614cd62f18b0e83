/**
 * ListGroups (16) v0-5: all groups, or those in some states (from v4 on) and of some types (from v5 on), in whatever case.
 * All of ours are of the classic type. Those that the caller may not see are left out.
 */
import {
  listGroupsRequest,
  listGroupsResponse,
  type ListGroupsRequest,
  type ListGroupsResponse,
} from "../codec/messages/group-administration.ts";
import type { Command } from "../command.ts";
import { mayDescribe } from "../security/access.ts";

export const listGroups: Command<ListGroupsRequest, ListGroupsResponse> = {
  name: "ListGroups",
  key: 16,
  minVersion: 0,
  maxVersion: 5,
  request: listGroupsRequest,
  response: listGroupsResponse,
  handle({ statesFilter, typesFilter }, call) {
    const states = new Set(statesFilter.map((state) => state.toLowerCase().trim()));
    const isTypeAsked = typesFilter.length === 0 || typesFilter.some((type) => type.toLowerCase() === "classic");
    const groups = [];
    for (const { group } of isTypeAsked ? call.server.groups.all() : []) {
      if (states.size > 0 && !states.has(group.state.toLowerCase())) continue;
      const { id, protocolType, state } = group;
      if (!mayDescribe(call, id)) continue;
      groups.push({ groupId: id, protocolType: protocolType ?? "", groupState: state, groupType: "classic" });
    }
    call.respond({ groups });
  },
};
