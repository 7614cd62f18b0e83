/**
 * Heartbeat (12) v0-4: a member lives; it is told when it has to join again.
 *
 * Differs: the answer waits, for a little less than the time between two heartbeats, so that what there is to tell is told at
 * once. See ../groups/held-heartbeats.ts.
 */
import { errorCode } from "../codec/errors.ts";
import {
  heartbeatRequest,
  heartbeatResponse,
  type HeartbeatRequest,
  type HeartbeatResponse,
} from "../codec/messages/groups.ts";
import type { Command } from "../command.ts";
import { mayHeartbeatsWait } from "../groups/held-heartbeats.ts";
import { mayRead } from "../security/access.ts";

export const heartbeat: Command<HeartbeatRequest, HeartbeatResponse> = {
  name: "Heartbeat",
  key: 12,
  minVersion: 0,
  maxVersion: 4,
  request: heartbeatRequest,
  response: heartbeatResponse,
  isLongPoll: true,
  handle({ groupId, memberId, groupInstanceId, generationId }, call) {
    if (!mayRead(call, groupId)) return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
    const { groups } = call.server;
    const waiter = mayHeartbeatsWait(call.connection.software) ? call : undefined;
    const code = groups.heartbeat(groupId, memberId, groupInstanceId ?? undefined, generationId, waiter);
    if (code !== undefined) call.respond({ errorCode: code });
  },
};
