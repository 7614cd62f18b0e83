/** Attempts to log in, counted by protocol, and by protocol, address and name. */

import type { AttemptCounts, SourceCounts } from "../../../../auth/attempts.ts";
import { replyObjects } from "../listing.ts";
import { done, objectNotFound, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route } from "../route.ts";

export const attemptRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/auth/attempts/:node",
    access: "monitoring",
    about: "Attempts to log in, by protocol.",
    handle: (call) => onNode(call, () => showAttempts(call, call.server.authority.attempts.byProtocol())),
  },
  {
    method: "GET",
    path: "/auth/attempts/:node/source",
    access: "monitoring",
    about: "Attempts to log in, by protocol, address and name.",
    handle: (call) => onNode(call, () => showAttempts(call, call.server.authority.attempts.bySource())),
  },
  { method: "DELETE", path: "/auth/attempts/:node", access: "monitoring", about: "Counts anew.", handle: clear },
  {
    method: "DELETE",
    path: "/auth/attempts/:node/source",
    access: "monitoring",
    about: "Counts anew.",
    handle: clear,
  },
];

function onNode(call: Call, run: () => Reply): Reply {
  return call.params["node"] === call.server.nodeName ? run() : objectNotFound;
}

function clear(call: Call): Reply {
  return onNode(call, () => {
    call.server.authority.attempts.clear();
    return done;
  });
}

function showAttempts(call: Call, attempts: Iterable<AttemptCounts | SourceCounts>): Reply {
  return replyObjects(call, Array.from(attempts, attemptJson), []);
}

function attemptJson(counts: AttemptCounts | SourceCounts): JsonObject {
  const { protocol, attempts, failed, succeeded } = counts;
  return {
    ...("name" in counts && { remote_address: counts.remoteAddress, username: counts.name }),
    protocol,
    auth_attempts: attempts,
    auth_attempts_failed: failed,
    auth_attempts_succeeded: succeeded,
  };
}
