/** Users: made, changed, listed and deleted, and their limits. Hashes are shown, as RabbitMQ shows them: exports need them. */

import type { User, UserDraft } from "../../../../auth/users.ts";
import type { AuthFault } from "../../../../auth/refusal.ts";
import { shownJson } from "../../model/erlang-json.ts";
import { gather } from "../../../../server/http/slices.ts";
import { isReply, missingFields, textField } from "../body-fields.ts";
import { replyList, replyObject, replyObjects } from "../listing.ts";
import { badRequest, done, objectNotFound, put, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route } from "../route.ts";
import { tagsField } from "./tags.ts";

const hashNamePrefix = "rabbit_password_hashing_";
const limitNames = ["max-connections", "max-channels"] as const;

export const userRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/users",
    access: "administrator",
    about: "All users.",
    handle: (call) => listUsers(call, () => true),
  },
  {
    method: "GET",
    path: "/users/without-permissions",
    access: "administrator",
    about: "Users who may enter no virtual host.",
    handle: (call) =>
      listUsers(call, ({ name }) => {
        for (const _ of call.server.authority.permissions.ofUser(name)) return false;
        return true;
      }),
  },
  {
    method: "POST",
    path: "/users/bulk-delete",
    access: "administrator",
    about: "Deletes several: users, a list of names.",
    handle: deleteUsers,
  },
  {
    method: "GET",
    path: "/users/:user",
    access: "administrator",
    about: "One user.",
    handle: (call) => withUser(call, (user) => replyObject(call, userJson(user))),
  },
  {
    method: "PUT",
    path: "/users/:user",
    access: "administrator",
    about:
      "Makes or changes one: tags, and password or password_hash with hashing_algorithm; without either, no login.",
    handle: putUser,
  },
  {
    method: "DELETE",
    path: "/users/:user",
    access: "administrator",
    about: "Deletes one, with permissions and connections.",
    handle: (call) => (call.server.authority.users.delete(call.params["user"] ?? "") ? done : objectNotFound),
  },
  {
    method: "GET",
    path: "/user-limits",
    access: "management",
    about: "The limits of all users who have any.",
    handle: (call) => listLimits(call, call.server.authority.users.all()),
  },
  {
    method: "GET",
    path: "/user-limits/:user",
    access: "management",
    about: "The limits of one user.",
    handle: (call) => withUser(call, (user) => listLimits(call, [user])),
  },
  {
    method: "PUT",
    path: "/user-limits/:user/:name",
    access: "administrator",
    about: "Sets max-connections or max-channels of a user; a negative value means none.",
    handle: setLimit,
  },
  {
    method: "DELETE",
    path: "/user-limits/:user/:name",
    access: "administrator",
    about: "Clears a limit.",
    handle: (call) =>
      withUser(call, (user) => {
        const name = limitNames.find((each) => each === call.params["name"]);
        if (name !== undefined) call.server.authority.users.clearLimit(user.name, name);
        return done;
      }),
  },
];

export function userJson({ name, passwordHash, hashingAlgorithm, tags, limits }: User): JsonObject {
  const algorithm = hashingAlgorithm.startsWith(hashNamePrefix) ? hashingAlgorithm : hashNamePrefix + hashingAlgorithm;
  return { name, password_hash: passwordHash, hashing_algorithm: algorithm, tags, limits };
}

/** Runs it with the user of the path. */
export function withUser(call: Call, run: (user: User) => Reply): Reply {
  const user = call.server.authority.users.find(call.params["user"] ?? "");
  return user === undefined ? objectNotFound : run(user);
}

export function authFault(fault: AuthFault): Reply {
  return badRequest(fault.text);
}

function* usersWhere({ server }: Call, isWanted: (user: User) => boolean): Generator<User> {
  for (const user of server.authority.users.all()) if (isWanted(user)) yield user;
}

function listUsers(call: Call, isWanted: (user: User) => boolean): Reply {
  return replyList(call, {
    things: gather(usersWhere(call, isWanted)),
    name: ({ name }) => name,
    json: userJson,
    order: ["name"],
  });
}

function putUser(call: Call): Reply {
  const { body, server } = call;
  const name = call.params["user"] ?? "";
  const { users } = server.authority;
  const draft = readDraft(body);
  if (isReply(draft)) return draft;
  const isNew = users.find(name) === undefined;
  const fault = users.put(name, draft);
  return fault === undefined ? put(isNew) : authFault(fault);
}

function readDraft(body: JsonObject): UserDraft | Reply {
  if (body["tags"] === undefined) return badRequest("tags_not_present");
  const tags = tagsField(body["tags"]);
  if (isReply(tags)) return tags;
  const password = textField(body, "password");
  if (isReply(password)) return password;
  const passwordHash = textField(body, "password_hash");
  if (isReply(passwordHash)) return passwordHash;
  if (passwordHash !== undefined && !/^[A-Za-z0-9+/]*={0,2}$/.test(passwordHash))
    return badRequest(["not_base64", passwordHash]);
  const hashingAlgorithm = textField(body, "hashing_algorithm");
  if (isReply(hashingAlgorithm)) return hashingAlgorithm;
  return {
    tags,
    ...(password !== undefined && { password }),
    ...(passwordHash !== undefined && { passwordHash }),
    ...(hashingAlgorithm !== undefined && { hashingAlgorithm }),
  };
}

function deleteUsers({ body, server }: Call): Reply {
  const missing = missingFields(body, ["users"]);
  if (missing !== undefined) return missing;
  const names = body["users"];
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string"))
    return badRequest("users must be a list of strings");
  const { users } = server.authority;
  const unknown = names.find((name) => users.find(name) === undefined);
  if (unknown !== undefined) return badRequest(["no_such_user", unknown]);
  for (const name of names) users.delete(name);
  return done;
}

function listLimits(call: Call, users: Iterable<User>): Reply {
  return replyObjects(call, limitsOf(users), []);
}

function* limitsOf(users: Iterable<User>): Generator<JsonObject> {
  for (const { name, limits } of users) if (Object.keys(limits).length > 0) yield { user: name, value: limits };
}

function setLimit({ body, params, server }: Call): Reply {
  const missing = missingFields(body, ["value"]);
  if (missing !== undefined) return missing;
  const { users } = server.authority;
  const user = params["user"] ?? "";
  if (users.find(user) === undefined) return badRequest(["no_such_user", user]);
  const name = params["name"] ?? "";
  const { value } = body;
  if (!limitNames.some((each) => each === name))
    return badRequest(`Unrecognised terms [{${shownJson(name)},${shownJson(value)}}] in user-limits`);
  if (!Number.isSafeInteger(value)) return badRequest(`${name} should be a number, actually was ${shownJson(value)}`);
  const fault = users.setLimit(user, name, value);
  return fault === undefined ? done : authFault(fault);
}
