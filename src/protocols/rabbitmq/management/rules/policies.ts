/** Policies, of users and of operators: the same paths under two names, for two sorts of people. */

import type { Policy, PolicyKind } from "../../model/policies.ts";
import { visibleVhosts } from "../access.ts";
import { missingFields } from "../body-fields.ts";
import { replyObject, replyObjects } from "../listing.ts";
import { badRequest, done, objectNotFound, put, vhostNotFound, type Reply } from "../reply.ts";
import type { Access, Call, JsonObject, Route, VhostCall } from "../route.ts";
import { inVhost } from "../topology/queues.ts";
import { escaped } from "./escaped.ts";

export const policyRoutes: readonly Route[] = [
  ...routesOf("policy", "/policies", "policies", "policies"),
  ...routesOf("operator_policy", "/operator-policies", "administrator", "operator policies"),
];

function routesOf(kind: PolicyKind, path: string, access: Access, what: string): Route[] {
  return [
    { method: "GET", path, access: "vhost", about: `All ${what}.`, handle: (call) => list(call, kind) },
    {
      method: "GET",
      path: `${path}/:vhost`,
      access: "vhost",
      about: `The ${what} of a virtual host.`,
      handle: (call) => inVhost(call, () => list(call, kind)),
    },
    {
      method: "GET",
      path: `${path}/:vhost/:name`,
      access,
      about: `One of the ${what}.`,
      handle: (call) => withPolicy(call, kind, (_, policy) => replyObject(call, policyJson(policy))),
    },
    {
      method: "PUT",
      path: `${path}/:vhost/:name`,
      access,
      about: "Sets it: pattern, definition, priority, apply-to. It has effect at once.",
      handle: (call) => inVhost(call, (found) => setPolicy(found, kind), vhostNotFound),
    },
    {
      method: "DELETE",
      path: `${path}/:vhost/:name`,
      access,
      about: "Takes it away: what it was applied to is as it was declared.",
      handle: (call) =>
        withPolicy(call, kind, ({ server }, { vhost, name }) => {
          server.policies.clear(kind, vhost, name);
          return done;
        }),
    },
  ];
}

export function policyJson({ vhost, name, pattern, applyTo, definition, priority }: Policy): JsonObject {
  return { vhost, name, pattern, "apply-to": applyTo, definition, priority };
}

function list(call: Call, kind: PolicyKind): Reply {
  return replyObjects(call, policiesOf(call, kind), ["priority"]);
}

function* policiesOf(call: Call, kind: PolicyKind): Generator<JsonObject> {
  for (const { name } of visibleVhosts(call)) {
    for (const policy of call.server.policies.all(kind, name)) yield policyJson(policy);
  }
}

function withPolicy(call: Call, kind: PolicyKind, run: (call: VhostCall, policy: Policy) => Reply): Reply {
  return inVhost(call, (found) => {
    const policy = call.server.policies.find(kind, found.vhost.name, call.params["name"] ?? "");
    return policy === undefined ? objectNotFound : run(found, policy);
  });
}

function setPolicy({ server, vhost, params, body }: VhostCall, kind: PolicyKind): Reply {
  const missing = missingFields(body, ["pattern", "definition"]);
  if (missing !== undefined) return missing;
  const name = params["name"] ?? "";
  const isNew = server.policies.find(kind, vhost.name, name) === undefined;
  const { pattern, definition, priority, "apply-to": applyTo } = body;
  const wrong = server.policies.set(kind, vhost.name, name, {
    pattern,
    definition,
    ...(priority !== undefined && { priority }),
    ...(applyTo !== undefined && { applyTo }),
  });
  return wrong === undefined ? put(isNew) : badRequest(kind === "policy" ? escaped(wrong) : wrong);
}
