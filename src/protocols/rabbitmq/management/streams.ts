/**
 * The paths of RabbitMQ's stream plug-in. Nothing listens for the stream protocol, so nobody is connected by it, publishes or
 * consumes, and no offset or sequence is kept for anybody: the lists are empty because that is so. Streams themselves are
 * queues, and are told of with them.
 */

import { queueDeclaration } from "../model/declaration.ts";
import { Fault } from "../model/errors.ts";
import { checkAccess } from "../model/permissions.ts";
import { replyObjects } from "./listing.ts";
import { badRequest, objectNotFound, reply, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";
import { withQueue } from "./topology/queues.ts";
import { accessRefused, callerOf } from "./topology/refusals.ts";

type Kind = "connections" | "consumers" | "publishers";

export const streamRoutes: readonly Route[] = [
  ...(["connections", "consumers", "publishers"] as const).flatMap(routesOf),
  {
    method: "GET",
    path: "/stream/publishers/:vhost/:queue",
    access: "vhost-visible",
    about: "Publishers of a stream by the stream protocol: none.",
    handle: (call) => withQueue(call, () => none(call)),
  },
  ...["", "/consumers", "/publishers"].map((below): Route => ({
    method: "GET",
    path: `/stream/connections/:vhost/:name${below}`,
    access: "vhost-visible",
    about: "A connection by the stream protocol, of which there is none.",
    handle: () => objectNotFound,
  })),
  {
    method: "GET",
    path: "/stream/:vhost/:queue/tracking",
    access: "vhost",
    about: "Offsets and sequences that a stream keeps for clients of the stream protocol: none.",
    handle: tracking,
  },
];

function routesOf(kind: Kind): readonly Route[] {
  const about = `The ${kind} by the stream protocol: none.`;
  return [
    { method: "GET", path: `/stream/${kind}`, access: "management", about, handle: none },
    { method: "GET", path: `/stream/${kind}/:vhost`, access: "vhost-visible", about, handle: none },
  ];
}

function none(call: Call): Reply {
  return call.vhost === "missing" ? objectNotFound : replyObjects(call, [], []);
}

function tracking(call: Call): Reply {
  return withQueue(call, (found, queue) => {
    if (checkAccess(callerOf(found), "read", "queue", queue.name) instanceof Fault) return accessRefused;
    if (queueDeclaration(queue).type !== "stream") return badRequest(`queue '${queue.name}' is not a stream`);
    const type = call.query.get("type");
    return reply(
      type === "offset" ? { offsets: {} } : type === "writer" ? { writers: {} } : { offsets: {}, writers: {} },
    );
  });
}
