/** Heartbeat (12) v0-4: a member lives; it is told when it has to join again. */
import {
  heartbeatRequest,
  heartbeatResponse,
  type HeartbeatRequest,
  type HeartbeatResponse,
} from "../codec/messages/groups.ts";
import type { Command } from "../command.ts";

export const heartbeat: Command<HeartbeatRequest, HeartbeatResponse> = {
  name: "Heartbeat",
  key: 12,
  minVersion: 0,
  maxVersion: 4,
  request: heartbeatRequest,
  response: heartbeatResponse,
  handle({ groupId, memberId, groupInstanceId, generationId }, call) {
    const { groups } = call.server;
    call.respond({ errorCode: groups.heartbeat(groupId, memberId, groupInstanceId ?? undefined, generationId) });
  },
};
