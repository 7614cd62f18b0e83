/** `entrepot users`, `vhosts`, `permissions`: who may do what, where. */

import { ApiError, pathOf, type Api } from "./api-client.ts";
import { done, vhostFlag, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { table } from "./table.ts";

interface UserRow {
  readonly name: string;
  readonly tags: readonly string[] | string;
}

async function listUsers({ api }: ApiCall): Promise<Shown> {
  const rows = await api.ask<UserRow[]>(pathOf("users"));
  const text = table(rows, [
    { heading: "NAME", value: ({ name }) => name },
    { heading: "TAGS", value: ({ tags }) => (typeof tags === "string" ? tags : tags.join(",")) },
  ]);
  return { json: rows.map(({ name, tags }) => ({ name, tags })), text };
}

interface KnownUser extends UserRow {
  readonly password_hash: string;
  readonly hashing_algorithm: string;
}

async function userNamed(api: Api, name: string): Promise<KnownUser | undefined> {
  try {
    return await api.ask<KnownUser>(pathOf("users", name));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The API replaces all of a user; what the command line does not name is to stay. */
async function setUser({ api, args: [name = ""], flags }: ApiCall): Promise<Shown> {
  const known = await userNamed(api, name);
  const password = flags["userPassword"];
  const kept =
    known === undefined
      ? { password_hash: "" }
      : { password_hash: known.password_hash, hashing_algorithm: known.hashing_algorithm };
  const body = { tags: flags["tags"] ?? known?.tags ?? "", ...(password === undefined ? kept : { password }) };
  await api.ask(pathOf("users", name), { method: "PUT", body });
  return done(`user ${name} is set`);
}

async function deleteUser({ api, args: [name = ""] }: ApiCall): Promise<Shown> {
  await api.ask(pathOf("users", name), { method: "DELETE" });
  return done(`user ${name} is deleted`);
}

interface VhostRow {
  readonly name: string;
  readonly description?: string;
  readonly messages?: number;
  readonly tracing?: boolean;
}

async function listVhosts({ api }: ApiCall): Promise<Shown> {
  const rows = await api.ask<VhostRow[]>(pathOf("vhosts"));
  const text = table(rows, [
    { heading: "NAME", value: ({ name }) => name },
    { heading: "MESSAGES", value: ({ messages }) => messages ?? 0 },
    { heading: "TRACING", value: ({ tracing }) => (tracing === true ? "yes" : "no") },
    { heading: "DESCRIPTION", value: ({ description }) => description },
  ]);
  return { json: rows, text };
}

async function addVhost({ api, args: [name = ""], flags }: ApiCall): Promise<Shown> {
  const description = flags["description"];
  const body = description === undefined ? {} : { description };
  await api.ask(pathOf("vhosts", name), { method: "PUT", body });
  return done(`virtual host ${name} is there`);
}

async function deleteVhost({ api, args: [name = ""] }: ApiCall): Promise<Shown> {
  await api.ask(pathOf("vhosts", name), { method: "DELETE" });
  return done(`virtual host ${name} is deleted, with all that was in it`);
}

interface PermissionRow {
  readonly vhost: string;
  readonly user: string;
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

async function listPermissions({ api }: ApiCall): Promise<Shown> {
  const rows = await api.ask<PermissionRow[]>(pathOf("permissions"));
  const text = table(rows, [
    { heading: "VHOST", value: ({ vhost }) => vhost },
    { heading: "USER", value: ({ user }) => user },
    { heading: "CONFIGURE", value: ({ configure }) => configure },
    { heading: "WRITE", value: ({ write }) => write },
    { heading: "READ", value: ({ read }) => read },
  ]);
  return { json: rows, text };
}

async function setPermissions({ api, args, vhost }: ApiCall): Promise<Shown> {
  const [user = "", configure = "", write = "", read = ""] = args;
  await api.ask(pathOf("permissions", vhost, user), { method: "PUT", body: { configure, write, read } });
  return done(`permissions of ${user} in ${vhost} are set`);
}

async function clearPermissions({ api, args: [user = ""], vhost }: ApiCall): Promise<Shown> {
  await api.ask(pathOf("permissions", vhost, user), { method: "DELETE" });
  return done(`${user} may do nothing in ${vhost}`);
}

export const tenantCommands: readonly ApiCommand[] = [
  { name: "users list", about: "Which users there are.", run: listUsers },
  {
    name: "users set",
    about: "Make a user, or change one's password or tags; what is not named stays as it is.",
    takes: "<NAME>",
    flags: {
      "--user-password <TEXT>": "the user's password; a new user without one cannot log in by password",
      "--tags <TAGS>": "administrator, monitoring, policymaker, management, with commas between them; '' for none",
    },
    run: setUser,
  },
  { name: "users delete", about: "Delete a user and what it may do.", takes: "<NAME>", run: deleteUser },
  { name: "vhosts list", about: "Which virtual hosts there are.", run: listVhosts },
  {
    name: "vhosts add",
    about: "Make a virtual host.",
    takes: "<NAME>",
    flags: { "--description <TEXT>": "what it is for" },
    run: addVhost,
  },
  { name: "vhosts delete", about: "Delete a virtual host with all that is in it.", takes: "<NAME>", run: deleteVhost },
  { name: "permissions list", about: "Who may do what.", run: listPermissions },
  {
    name: "permissions set",
    about: "Let a user do things: three patterns of names, for declaring, publishing and consuming.",
    takes: "<USER> <CONFIGURE> <WRITE> <READ>",
    flags: vhostFlag,
    run: setPermissions,
  },
  {
    name: "permissions clear",
    about: "Let a user do nothing.",
    takes: "<USER>",
    flags: vhostFlag,
    run: clearPermissions,
  },
];
