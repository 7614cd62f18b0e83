/** Permissions and topic permissions of users in virtual hosts. */

import { isReply, missingFields } from "../body-fields.ts";
import { replyObject, replyObjects } from "../listing.ts";
import { badRequest, done, objectNotFound, put, reply, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route } from "../route.ts";
import { inVhost } from "../topology/queues.ts";
import { authFault, withUser } from "./users.ts";

const order = ["vhost", "user"];
const topicOrder = ["vhost", "user", "exchange"];

export const permissionRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/permissions",
    access: "administrator",
    about: "All permissions.",
    handle: (call) => list(call, call.server.authority.permissions.all(), order),
  },
  {
    method: "GET",
    path: "/users/:user/permissions",
    access: "administrator",
    about: "The permissions of a user.",
    handle: (call) => withUser(call, ({ name }) => list(call, call.server.authority.permissions.ofUser(name), order)),
  },
  {
    method: "GET",
    path: "/vhosts/:vhost/permissions",
    access: "administrator",
    about: "The permissions in a virtual host.",
    handle: (call) =>
      inVhost(call, ({ vhost }) => list(call, call.server.authority.permissions.ofVhost(vhost.name), order)),
  },
  {
    method: "GET",
    path: "/permissions/:vhost/:user",
    access: "administrator",
    about: "What a user may do in a virtual host.",
    handle: (call) =>
      withUserInVhost(call, (user, vhost) => {
        const permission = call.server.authority.permissions.find(user, vhost);
        return permission === undefined ? objectNotFound : replyObject(call, { ...permission });
      }),
  },
  {
    method: "PUT",
    path: "/permissions/:vhost/:user",
    access: "administrator",
    about: "Sets it: configure, write, read, patterns of names.",
    handle: (call) => withUserInVhost(call, (user, vhost) => setPermission(call, user, vhost), unknownEnds),
  },
  {
    method: "DELETE",
    path: "/permissions/:vhost/:user",
    access: "administrator",
    about: "Takes all of it away: the user may not enter the virtual host any more.",
    handle: (call) =>
      withUserInVhost(call, (user, vhost) =>
        call.server.authority.permissions.clear(user, vhost) ? done : objectNotFound,
      ),
  },
  {
    method: "GET",
    path: "/topic-permissions",
    access: "administrator",
    about: "All topic permissions.",
    handle: (call) => list(call, call.server.authority.topicPermissions.all(), topicOrder),
  },
  {
    method: "GET",
    path: "/users/:user/topic-permissions",
    access: "administrator",
    about: "The topic permissions of a user.",
    handle: (call) =>
      withUser(call, ({ name }) => list(call, call.server.authority.topicPermissions.ofUser(name), topicOrder)),
  },
  {
    method: "GET",
    path: "/vhosts/:vhost/topic-permissions",
    access: "administrator",
    about: "The topic permissions in a virtual host.",
    handle: (call) =>
      inVhost(call, ({ vhost }) => list(call, call.server.authority.topicPermissions.ofVhost(vhost.name), topicOrder)),
  },
  {
    method: "GET",
    path: "/topic-permissions/:vhost/:user",
    access: "administrator",
    about: "The topic permissions of a user in a virtual host.",
    handle: (call) => withUserInVhost(call, (user, vhost) => showTopics(call, user, vhost, undefined)),
  },
  {
    method: "GET",
    path: "/topic-permissions/:vhost/:user/:exchange",
    access: "administrator",
    about: "Those for one exchange.",
    handle: (call) => withUserInVhost(call, (user, vhost) => showTopics(call, user, vhost, call.params["exchange"])),
  },
  {
    method: "PUT",
    path: "/topic-permissions/:vhost/:user",
    access: "administrator",
    about: "Sets them for an exchange: exchange, write, read, patterns of routing keys.",
    handle: (call) => withUserInVhost(call, (user, vhost) => setTopic(call, user, vhost), unknownEnds),
  },
  {
    method: "DELETE",
    path: "/topic-permissions/:vhost/:user",
    access: "administrator",
    about: "Takes all of them away, so that all keys are allowed again.",
    handle: (call) => withUserInVhost(call, (user, vhost) => clearTopics(call, user, vhost, undefined)),
  },
  {
    method: "DELETE",
    path: "/topic-permissions/:vhost/:user/:exchange",
    access: "administrator",
    about: "Takes those for one exchange away.",
    handle: (call) => withUserInVhost(call, (user, vhost) => clearTopics(call, user, vhost, call.params["exchange"])),
  },
];

const unknownEnds = badRequest("vhost_or_user_not_found");

function* copies(permissions: Iterable<object>): Generator<JsonObject> {
  for (const permission of permissions) yield { ...permission };
}

function list(call: Call, permissions: Iterable<object>, by: readonly string[]): Reply {
  return replyObjects(call, copies(permissions), by);
}

function withUserInVhost(
  call: Call,
  run: (user: string, vhost: string) => Reply,
  otherwise: Reply = objectNotFound,
): Reply {
  const user = call.params["user"] ?? "";
  if (call.server.authority.users.find(user) === undefined) return otherwise;
  return inVhost(call, ({ vhost }) => run(user, vhost.name), otherwise);
}

function setPermission({ server, body }: Call, user: string, vhost: string): Reply {
  const patterns = readPatterns(body, ["configure", "write", "read"]);
  if (isReply(patterns)) return patterns;
  const { permissions } = server.authority;
  const isNew = permissions.find(user, vhost) === undefined;
  const { configure = "", write = "", read = "" } = patterns;
  const fault = permissions.set({ user, vhost, configure, write, read });
  return fault === undefined ? put(isNew) : authFault(fault);
}

function setTopic({ server, body }: Call, user: string, vhost: string): Reply {
  const patterns = readPatterns(body, ["exchange", "write", "read"]);
  if (isReply(patterns)) return patterns;
  const { topicPermissions } = server.authority;
  const isNew = topicsOf(server.authority, user, vhost, undefined).length === 0;
  const { exchange = "", write = "", read = "" } = patterns;
  const fault = topicPermissions.set({ user, vhost, exchange, write, read });
  return fault === undefined ? put(isNew) : authFault(fault);
}

function readPatterns(body: JsonObject, names: readonly string[]): Record<string, string> | Reply {
  const missing = missingFields(body, names);
  if (missing !== undefined) return missing;
  const patterns: Record<string, string> = {};
  for (const name of names) {
    const value = body[name];
    if (typeof value !== "string") return badRequest(["not_string", name]);
    patterns[name] = value;
  }
  return patterns;
}

function topicsOf(
  authority: Call["server"]["authority"],
  user: string,
  vhost: string,
  exchange: string | undefined,
): JsonObject[] {
  const found: JsonObject[] = [];
  for (const permission of authority.topicPermissions.ofUserInVhost(user, vhost)) {
    if (exchange === undefined || permission.exchange === exchange) found.push({ ...permission });
  }
  return found;
}

function showTopics({ server }: Call, user: string, vhost: string, exchange: string | undefined): Reply {
  const found = topicsOf(server.authority, user, vhost, exchange);
  return found.length === 0 ? objectNotFound : reply(found);
}

function clearTopics({ server }: Call, user: string, vhost: string, exchange: string | undefined): Reply {
  // As RabbitMQ: where there are any, it does not matter whether one is for this exchange.
  if (topicsOf(server.authority, user, vhost, undefined).length === 0) return objectNotFound;
  server.authority.topicPermissions.clear(user, vhost, exchange);
  return done;
}
