/** Runtime parameters, global parameters, and the name of the cluster, which is one of them. */

import { clusterName, setClusterName } from "../../model/cluster.ts";
import { isTooDeep } from "../../model/json-table.ts";
import type { Parameter } from "../../model/parameters.ts";
import { visibleVhosts } from "../access.ts";
import { missingFields } from "../body-fields.ts";
import { replyObject, replyObjects } from "../listing.ts";
import { badRequest, done, objectNotFound, put, vhostNotFound, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route, VhostCall } from "../route.ts";
import { inVhost } from "../topology/queues.ts";
import { escaped } from "./escaped.ts";

export const parameterRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/parameters",
    access: "policies",
    about: "All parameters but policies.",
    handle: (call) => list(call, call.server.parameters.all()),
  },
  {
    method: "GET",
    path: "/parameters/:component",
    access: "policies",
    about: "The parameters of a component.",
    handle: (call) => list(call, call.server.parameters.of(call.params["component"] ?? "")),
  },
  {
    method: "GET",
    path: "/parameters/:component/:vhost",
    access: "policies",
    about: "Those in a virtual host.",
    handle: (call) =>
      inVhost(call, ({ vhost, server }) =>
        list(call, server.parameters.of(call.params["component"] ?? "", vhost.name)),
      ),
  },
  {
    method: "GET",
    path: "/parameters/:component/:vhost/:name",
    access: "policies",
    about: "One parameter.",
    handle: (call) => withParameter(call, (_, parameter) => replyObject(call, parameterJson(parameter))),
  },
  {
    method: "PUT",
    path: "/parameters/:component/:vhost/:name",
    access: "policies",
    about: "Sets it: value.",
    handle: (call) => inVhost(call, setParameter, vhostNotFound),
  },
  {
    method: "DELETE",
    path: "/parameters/:component/:vhost/:name",
    access: "policies",
    about: "Clears it.",
    handle: (call) =>
      withParameter(call, ({ server }, { vhost, component, name }) => {
        server.parameters.clear(vhost, component, name);
        return done;
      }),
  },
  {
    method: "GET",
    path: "/global-parameters",
    access: "policymaker",
    about: "All global parameters.",
    handle: (call) =>
      replyObjects(
        call,
        Array.from(call.server.parameters.globals(), ({ name, value }) => ({ name, value })),
        ["name"],
      ),
  },
  {
    method: "GET",
    path: "/global-parameters/:name",
    access: "policymaker",
    about: "One global parameter.",
    handle: (call) => {
      const name = call.params["name"] ?? "";
      const value = call.server.parameters.global(name);
      return value === undefined ? objectNotFound : replyObject(call, { name, value });
    },
  },
  {
    method: "PUT",
    path: "/global-parameters/:name",
    access: "policymaker",
    about: "Sets it: value.",
    handle: setGlobal,
  },
  {
    method: "DELETE",
    path: "/global-parameters/:name",
    access: "policymaker",
    about: "Clears it.",
    handle: (call) => (call.server.parameters.clearGlobal(call.params["name"] ?? "") ? done : objectNotFound),
  },
  {
    method: "GET",
    path: "/cluster-name",
    access: "management",
    about: "The name of the cluster.",
    handle: (call) => replyObject(call, { name: clusterName(call.server.parameters, call.server.nodeName) }),
  },
  {
    method: "PUT",
    path: "/cluster-name",
    access: "administrator",
    about: "Names the cluster: name.",
    handle: ({ server, body }) => {
      const missing = missingFields(body, ["name"]);
      if (missing !== undefined) return missing;
      const wrong = setClusterName(server.parameters, body["name"]);
      return wrong === undefined ? done : badRequest(wrong);
    },
  },
];

function parameterJson({ vhost, component, name, value }: Parameter): JsonObject {
  return { value, vhost, component, name };
}

function list(call: Call, parameters: Iterable<Parameter>): Reply {
  const vhosts = new Set(visibleVhosts(call).map(({ name }) => name));
  return replyObjects(call, seen(parameters, vhosts), ["vhost", "name"]);
}

function* seen(parameters: Iterable<Parameter>, vhosts: ReadonlySet<string>): Generator<JsonObject> {
  for (const parameter of parameters) if (vhosts.has(parameter.vhost)) yield parameterJson(parameter);
}

function withParameter(call: Call, run: (call: VhostCall, parameter: Parameter) => Reply): Reply {
  return inVhost(call, (found) => {
    const { component = "", name = "" } = call.params;
    const parameter = call.server.parameters.find(found.vhost.name, component, name);
    return parameter === undefined ? objectNotFound : run(found, parameter);
  });
}

/** Undefined: it has one. */
function wrongValue(body: JsonObject): Reply | undefined {
  if (isTooDeep(body["value"])) return badRequest("The value is nested too deep.");
  return missingFields(body, ["value"]);
}

function setParameter({ server, vhost, params, body, identity }: VhostCall): Reply {
  const wrongBody = wrongValue(body);
  if (wrongBody !== undefined) return wrongBody;
  const { component = "", name = "" } = params;
  const isNew = server.parameters.find(vhost.name, component, name) === undefined;
  const wrong = server.parameters.set(vhost.name, component, name, body["value"], identity);
  return wrong === undefined ? put(isNew) : badRequest(escaped(wrong));
}

function setGlobal({ server, params, body }: Call): Reply {
  const wrongBody = wrongValue(body);
  if (wrongBody !== undefined) return wrongBody;
  const name = params["name"] ?? "";
  const isNew = server.parameters.global(name) === undefined;
  server.parameters.setGlobal(name, body["value"]);
  return put(isNew);
}
