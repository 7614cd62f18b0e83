/** Limits of virtual hosts: max-connections and max-queues. */

import { listedVhosts } from "../access.ts";
import { missingFields } from "../body-fields.ts";
import { replyObjects } from "../listing.ts";
import { badRequest, done, vhostNotFound, type Reply } from "../reply.ts";
import type { Call, Route, VhostCall } from "../route.ts";
import { inVhost } from "../topology/queues.ts";

export const vhostLimitRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/vhost-limits",
    access: "management",
    about: "The limits of the virtual hosts that the user may see.",
    handle: (call) =>
      list(
        call,
        listedVhosts(call.server, call.identity).map(({ name }) => name),
      ),
  },
  {
    method: "GET",
    path: "/vhost-limits/:vhost",
    access: "vhost-visible",
    about: "The limits of one virtual host.",
    handle: (call) => inVhost(call, ({ vhost }) => list(call, [vhost.name])),
  },
  {
    method: "PUT",
    path: "/vhost-limits/:vhost/:name",
    access: "administrator",
    about: "Sets a limit: value; a negative one means none.",
    handle: (call) => inVhost(call, setLimit, vhostNotFound),
  },
  {
    method: "DELETE",
    path: "/vhost-limits/:vhost/:name",
    access: "administrator",
    about: "Clears a limit.",
    handle: (call) =>
      inVhost(call, ({ vhost }) => {
        call.server.vhostLimits.clear(vhost.name, call.params["name"] ?? "");
        return done;
      }),
  },
];

function list(call: Call, vhosts: readonly string[]): Reply {
  const limits = vhosts.flatMap((vhost) => {
    const value = call.server.vhostLimits.of(vhost);
    return value === undefined ? [] : [{ vhost, value }];
  });
  return replyObjects(call, limits, []);
}

function setLimit(call: VhostCall): Reply {
  const missing = missingFields(call.body, ["value"]);
  if (missing !== undefined) return missing;
  const wrong = call.server.vhostLimits.set(call.vhost.name, call.params["name"] ?? "", call.body["value"]);
  return wrong === undefined ? done : badRequest(wrong);
}
