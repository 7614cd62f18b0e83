/**
 * The paths of RabbitMQ's tracing plug-in, which writes what the firehose says into files. The firehose is here and the files
 * are not: there are none to list, and to begin one is refused with where to look instead.
 */

import { replyObjects } from "./listing.ts";
import { badRequest, objectNotFound, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";

const notHere = badRequest(
  "Traces are not written into files. Switch tracing on for the virtual host, and bind a queue to amq.rabbitmq.trace.",
);

/** Each is there once more with the node's name. */
const prefixes = ["", "/node/:node"];

export const traceRoutes: readonly Route[] = prefixes.flatMap((prefix): Route[] => [
  get(`/traces${prefix}`, "Traces into files: none.", none),
  get(`/traces${prefix}/:vhost`, "Traces of a virtual host into files: none.", none),
  get(`/traces${prefix}/:vhost/:name`, "A trace into a file, of which there is none.", () => objectNotFound),
  {
    method: "PUT",
    path: `/traces${prefix}/:vhost/:name`,
    access: "administrator",
    about: "Refused: the firehose goes to queues, not into files.",
    handle: () => notHere,
  },
  remove(`/traces${prefix}/:vhost/:name`),
  get(`/trace-files${prefix}`, "Files of traces: none.", none),
  get(`/trace-files${prefix}/:name`, "A file of a trace, of which there is none.", () => objectNotFound),
  remove(`/trace-files${prefix}/:name`),
]);

function get(path: string, about: string, handle: (call: Call) => Reply): Route {
  return { method: "GET", path, access: "administrator", about, handle };
}

function remove(path: string): Route {
  return {
    method: "DELETE",
    path,
    access: "administrator",
    about: "Deletes what there is none of.",
    handle: () => objectNotFound,
  };
}

function none(call: Call): Reply {
  const { node } = call.params;
  const isHere = node === undefined || node === call.server.nodeName;
  return isHere && call.vhost !== "missing" ? replyObjects(call, [], []) : objectNotFound;
}
