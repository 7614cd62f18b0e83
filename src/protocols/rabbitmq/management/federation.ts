/**
 * Federation's paths. Its parameters are kept (see the model's federation-parameters.ts) and nothing is federated, so there
 * is no link to tell of. Where a policy asks for links, an empty list would say that all is well; so each upstream of that
 * virtual host is told as a link that is down, with the reason. Nothing is configured: the list is empty, and that is true.
 */

import { visibleVhosts } from "./access.ts";
import { replyObjects } from "./listing.ts";
import { objectNotFound, type Reply } from "./reply.ts";
import type { Call, JsonObject, Route } from "./route.ts";

const keyPrefix = "federation-upstream";
const reason =
  "Entrepot keeps the parameters of federation and does not federate; a shovel can carry messages instead.";

export const federationRoutes: readonly Route[] = [
  ...["/federation-links", "/federation-links/:vhost"].map((path): Route => ({
    method: "GET",
    path,
    access: "monitoring",
    about: "Links of federation: none runs; upstreams that a policy asks for are told as down.",
    handle: list,
  })),
  ...["/federation-links/state/down", "/federation-links/:vhost/state/down"].map((path): Route => ({
    method: "GET",
    path,
    access: "monitoring",
    about: "Links of federation that are down.",
    handle: list,
  })),
  {
    method: "DELETE",
    path: "/federation-links/vhost/:vhost/:id/:node/restart",
    access: "policies",
    about: "Restarts a link, of which there is none.",
    handle: () => objectNotFound,
  },
];

function list(call: Call): Reply {
  if (call.vhost === "missing") return objectNotFound;
  const links = visibleVhosts(call).flatMap(({ name }) => linksOf(call, name));
  return replyObjects(call, links, ["vhost", "upstream"]);
}

function linksOf({ server }: Call, vhost: string): JsonObject[] {
  const policies = [...server.policies.all("policy", vhost)];
  const isWanted = policies.some(({ definition }) => Object.keys(definition).some((key) => key.startsWith(keyPrefix)));
  if (!isWanted) return [];
  return Array.from(server.parameters.of("federation-upstream", vhost), ({ name }) => ({
    id: name,
    node: server.nodeName,
    vhost,
    upstream: name,
    status: "error",
    error: reason,
  }));
}
