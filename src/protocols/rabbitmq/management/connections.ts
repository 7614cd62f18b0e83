/** Ending connections: one, or all of a user's. Who does it says why in `X-Reason`, and the client is told. */

import { checkOwner } from "./access.ts";
import { done, objectNotFound, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";

const reasonDefault = "Closed via management plugin";
const reasonBytesMax = 200;

export const closeRoutes: readonly Route[] = [
  {
    method: "DELETE",
    path: "/connections/:name",
    access: "management",
    about: "Closes a connection: an administrator any, everybody else their own.",
    handle: closeConnection,
  },
  {
    method: "DELETE",
    path: "/connections/username/:username",
    access: "management",
    about: "Closes all connections of a user: an administrator anybody's, everybody else their own.",
    handle: closeConnections,
  },
];

function closeConnection(call: Call): Reply {
  const connection = call.server.live.find(call.params["name"] ?? "");
  if (connection === undefined) return objectNotFound;
  const refusal = checkOwner(call, connection.user);
  if (refusal !== undefined) return refusal;
  connection.close(reasonOf(call));
  return done;
}

function closeConnections(call: Call): Reply {
  const user = call.params["username"] ?? "";
  const refusal = checkOwner(call, user);
  if (refusal !== undefined) return refusal;
  for (const connection of [...call.server.live.all()]) if (connection.user === user) connection.close(reasonOf(call));
  return done;
}

/** It has to fit into the method that closes a connection. */
function reasonOf(call: Call): string {
  const reason = call.header("x-reason");
  if (reason === undefined || reason === "") return reasonDefault;
  let cut = reason;
  while (Buffer.byteLength(cut) > reasonBytesMax) cut = cut.slice(0, -1);
  return cut;
}
