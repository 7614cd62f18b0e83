/**
 * Queues: declare, delete, purge, and the commands for replicas that a broker of one node answers. What is refused is refused
 * as AMQP's methods refuse it; an exclusive queue belongs to a connection, which no HTTP request is.
 */

import type { Queue } from "../../../../broker/api.ts";
import { queueDeclaration } from "../../model/declaration.ts";
import { Fault } from "../../model/errors.ts";
import { cleanName } from "../../model/names.ts";
import {
  declareQueue as declare,
  deleteQueue as deleteNamed,
  purgeQueue as purge,
  readableQueue,
} from "../../model/queues.ts";
import { checkAccess } from "../../model/permissions.ts";
import { isReply, missingFields, shapeFields } from "../body-fields.ts";
import { replyObject } from "../listing.ts";
import { badRequest, created, done, objectNotFound, put, refused, reply, vhostNotFound, type Reply } from "../reply.ts";
import type { Call, Route, VhostCall } from "../route.ts";
import { callerOf, faultReply } from "./refusals.ts";

export const queueRoutes: readonly Route[] = [
  {
    method: "PUT",
    path: "/queues/:vhost/:queue",
    access: "vhost",
    about: "Declares a queue: durable, auto_delete, arguments.",
    handle: (call) => inVhost(call, declareQueue, vhostNotFound),
  },
  {
    method: "DELETE",
    path: "/queues/:vhost/:queue",
    access: "vhost",
    about: "Deletes a queue with its messages; if-empty=true and if-unused=true make it refuse.",
    handle: (call) => withQueue(call, deleteQueue),
  },
  {
    method: "DELETE",
    path: "/queues/:vhost/:queue/contents",
    access: "vhost",
    about: "Drops the messages that are ready.",
    handle: (call) => withQueue(call, purgeQueue),
  },
  {
    method: "POST",
    path: "/queues/:vhost/:queue/actions",
    access: "administrator",
    about: "`sync` and `cancel_sync` of mirrored queues, of which there are none here: done at once.",
    handle: (call) => withQueue(call, actOnQueue),
  },
  {
    method: "GET",
    path: "/queues/quorum/:vhost/:queue/status",
    access: "vhost",
    about: "The replicas of a quorum queue: this node.",
    handle: (call) => withQueue(call, quorumStatus),
  },
  {
    method: "POST",
    path: "/queues/quorum/:vhost/:queue/replicas/add",
    access: "administrator",
    about: "Adds a replica on a node, of which there is this one.",
    handle: (call) => withQueue(call, addReplica),
  },
  {
    method: "DELETE",
    path: "/queues/quorum/:vhost/:queue/replicas/delete",
    access: "administrator",
    about: "Deletes a replica; the only one stays.",
    handle: (call) => withQueue(call, deleteReplica),
  },
  {
    method: "POST",
    path: "/queues/quorum/replicas/on/:node/grow",
    access: "administrator",
    about: "Adds replicas of all quorum queues on a node.",
    handle: (call) => (call.params["node"] === call.server.nodeName ? done : noSuchNode(call.params["node"] ?? "")),
  },
  {
    method: "DELETE",
    path: "/queues/quorum/replicas/on/:node/shrink",
    access: "administrator",
    about: "Deletes replicas of all quorum queues on a node; the only one stays.",
    handle: (call) =>
      call.params["node"] === call.server.nodeName
        ? badRequest("The only replica of a queue is not deleted.")
        : noSuchNode(call.params["node"] ?? ""),
  },
  {
    method: "POST",
    path: "/rebalance/queues",
    access: "administrator",
    about: "Spreads the leaders of queues over the nodes, of which there is one.",
    handle: () => done,
  },
  {
    method: "POST",
    path: "/entrepot/queues/:vhost/:queue/redrive",
    access: "vhost",
    about: "Moves dead-lettered messages back to the queues in which they died first; `count` at most.",
    handle: (call) => withQueue(call, redriveQueue),
  },
];

/** Runs it where the path's virtual host exists. */
export function inVhost<R>(call: Call, run: (call: VhostCall) => R, otherwise: Reply = objectNotFound): R | Reply {
  return call.vhost === undefined || call.vhost === "missing" ? otherwise : run(call as VhostCall);
}

/** Runs it where virtual host and queue of the path exist. */
export function withQueue<R>(call: Call, run: (call: VhostCall, queue: Queue) => R): R | Reply {
  return inVhost(call, (found) => {
    const queue = found.vhost.namespace.queue(call.params["queue"] ?? "");
    return queue === undefined ? objectNotFound : run(found, queue);
  });
}

function declareQueue(call: VhostCall): Reply {
  const { body } = call;
  const asked = call.params["queue"] ?? "";
  const shape = shapeFields(body);
  if (isReply(shape)) return shape;
  const node = body["node"];
  if (typeof node === "string" && node !== "" && node !== call.server.nodeName)
    return badRequest(`Node ${node} is not a cluster member`);

  const declared = declare(callerOf(call), cleanName(asked), { exclusive: false, ...shape });
  if (declared instanceof Fault) return faultReply(call, declared);
  return declared.isNew ? created : put(false);
}

function deleteQueue(call: VhostCall, { name }: Queue): Reply {
  const ifUnused = call.query.get("if-unused") === "true";
  const ifEmpty = call.query.get("if-empty") === "true";
  const deleted = deleteNamed(callerOf(call), name, { ifUnused, ifEmpty });
  return deleted instanceof Fault ? faultReply(call, deleted) : done;
}

function purgeQueue(call: VhostCall, { name }: Queue): Reply {
  const purged = purge(callerOf(call), name);
  return purged instanceof Fault ? faultReply(call, purged) : done;
}

function actOnQueue(call: VhostCall): Reply {
  const missing = missingFields(call.body, ["action"]);
  if (missing !== undefined) return missing;
  const action = call.body["action"];
  return action === "sync" || action === "cancel_sync" ? done : badRequest(["unknown", action]);
}

function quorumStatus(call: VhostCall, queue: Queue): Reply {
  if (queueDeclaration(queue).type !== "quorum") return notQuorum(queue);
  const { nodeName } = call.server;
  return reply([
    {
      "Node Name": nodeName,
      "Raft State": "leader",
      "Log Index": queue.nextOffset,
      "Commit Index": queue.nextOffset,
      "Snapshot Index": queue.firstOffset,
      Term: 1,
      "Machine Version": 0,
    },
  ]);
}

function addReplica(call: VhostCall, queue: Queue): Reply {
  const missing = missingFields(call.body, ["node"]);
  if (missing !== undefined) return missing;
  if (queueDeclaration(queue).type !== "quorum") return notQuorum(queue);
  return call.body["node"] === call.server.nodeName ? done : badRequest("node_not_running");
}

function deleteReplica(call: VhostCall, queue: Queue): Reply {
  const missing = missingFields(call.body, ["node"]);
  if (missing !== undefined) return missing;
  if (queueDeclaration(queue).type !== "quorum") return notQuorum(queue);
  return badRequest(call.body["node"] === call.server.nodeName ? "last_node" : "node_not_running");
}

function notQuorum(queue: Queue): Reply {
  return badRequest(`${queueDeclaration(queue).type}_queue_not_supported`);
}

function noSuchNode(node: string): Reply {
  return refused(404, "not_found", `Node ${node} is not a cluster member`);
}

async function redriveQueue(call: VhostCall, queue: Queue): Promise<Reply> {
  const caller = callerOf(call);
  const readable = readableQueue(caller, queue.name);
  if (readable instanceof Fault) return faultReply(call, readable);
  // Where they go is what their headers say, which their publishers have written: a publish to queues by name.
  const unwritable = checkAccess(caller, "write", "exchange", "");
  if (unwritable !== undefined) return faultReply(call, unwritable);
  const { count } = call.body;
  if (count !== undefined && !(Number.isSafeInteger(count) && (count as number) >= 0))
    return badRequest(["not_integer", count]);
  const moved = await call.server.broker.redrive(queue, (count as number | undefined) ?? Infinity);
  return replyObject(call, { moved });
}
