/** Shovels over the management API: paths and fields of RabbitMQ's plug-in. Setting one is setting its parameter. */

import { isAdministrator, visibleVhosts } from "./access.ts";
import { replyObjects } from "./listing.ts";
import { done, objectNotFound, reply, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";

export const shovelRoutes: readonly Route[] = [
  { method: "GET", path: "/shovels", access: "monitoring", about: "All shovels and what they do.", handle: list },
  {
    method: "GET",
    path: "/shovels/:vhost",
    access: "monitoring",
    about: "The dynamic shovels of a virtual host.",
    handle: list,
  },
  {
    method: "GET",
    path: "/shovels/vhost/:vhost/:name",
    access: "monitoring",
    about: "A dynamic shovel and what it does, as a list of one.",
    handle: show,
  },
  {
    method: "DELETE",
    path: "/shovels/vhost/:vhost/:name",
    access: "policies",
    about: "Ends a dynamic shovel, and deletes its parameter.",
    handle: remove,
  },
  {
    method: "DELETE",
    path: "/shovels/vhost/:vhost/:name/restart",
    access: "policies",
    about: "Ends the connections of a dynamic shovel, and begins anew.",
    handle: restart,
  },
];

/** Static ones belong to no virtual host: administrators see them. */
function list(call: Call): Reply {
  if (call.vhost === "missing") return objectNotFound;
  const names = new Set(visibleVhosts(call).map(({ name }) => name));
  const shovels = (call.server.shovels?.status() ?? []).filter(({ vhost }) => {
    if (vhost === undefined) return call.vhost === undefined && isAdministrator(call.identity);
    return names.has(vhost);
  });
  return replyObjects(call, shovels, ["vhost", "name"]);
}

/** As RabbitMQ 3.10 answers; 4.x answers the parameter, which has a path of its own. */
function show({ server, params, vhost }: Call): Reply {
  if (vhost === undefined || vhost === "missing") return objectNotFound;
  const shovels = (server.shovels?.status() ?? []).filter(
    (each) => each.vhost === vhost.name && each.name === params["name"],
  );
  return shovels.length === 0 ? objectNotFound : reply(shovels);
}

function remove({ server, params, vhost }: Call): Reply {
  if (vhost === undefined || vhost === "missing") return objectNotFound;
  switch (server.shovels?.delete(vhost.name, params["name"] ?? "")) {
    case "protected":
      return { status: 405, text: "Protected", headers: { "content-type": "text/plain" } };
    case "deleted":
      return done;
    default:
      return objectNotFound;
  }
}

function restart({ server, params, vhost }: Call): Reply {
  if (vhost === undefined || vhost === "missing") return objectNotFound;
  return server.shovels?.restart(vhost.name, params["name"] ?? "") === true ? done : objectNotFound;
}
