/**
 * Who may ask what: the rules of RabbitMQ's management. A user without one of four tags has no business here at all; the tags
 * then widen what is seen and done. Refusals are 401 with RabbitMQ's words, which name the rule.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { RabbitServer } from "../model/server.ts";
import type { Vhost } from "../model/vhosts.ts";
import { notAuthorised, refused, type Reply } from "./reply.ts";
import type { Access, Call } from "./route.ts";

const managementTags = ["administrator", "monitoring", "policymaker", "management"];

export function isManagement({ tags }: Identity): boolean {
  return tags.some((tag) => managementTags.includes(tag));
}

export function isAdministrator({ tags }: Identity): boolean {
  return tags.includes("administrator");
}

export function isMonitor({ tags }: Identity): boolean {
  return tags.includes("administrator") || tags.includes("monitoring");
}

export function isPolicymaker({ tags }: Identity): boolean {
  return tags.includes("administrator") || tags.includes("policymaker");
}

/** Undefined: allowed. */
export function checkAccess(access: Access, identity: Identity, vhost: Call["vhost"]): Reply | undefined {
  if (access === "anyone") return undefined;
  if (!isManagement(identity)) return notAuthorised("Not management user");
  switch (access) {
    case "management":
      return undefined;
    case "administrator":
      return isAdministrator(identity) ? undefined : notAuthorised("Not administrator user");
    case "monitoring":
      return isMonitor(identity) ? undefined : notAuthorised("Not monitor user");
    case "policymaker":
      return isPolicymaker(identity) ? undefined : notAuthorised("User not authorised to access object");
    case "policies": {
      const may = isAdministrator(identity) || (isPolicymaker(identity) && mayEnter(identity, vhost));
      return may ? undefined : notAuthorised("User not authorised to access object");
    }
    case "vhost":
    case "vhost-visible": {
      const sees = access === "vhost" ? isAdministrator(identity) : isMonitor(identity);
      if (sees || mayEnter(identity, vhost)) return undefined;
      return notAuthorised("User not authorised to access virtual host");
    }
  }
}

/** One that does not exist is refused later, with 404. */
function mayEnter(identity: Identity, vhost: Call["vhost"]): boolean {
  return vhost === undefined || vhost === "missing" || identity.mayEnter(vhost.name);
}

/** Connections and channels belong to who opened them. Everybody's are seen by monitors and closed by administrators. */
export function checkOwner(call: Call, owner: string): Reply | undefined {
  const { identity } = call;
  const may = call.method === "DELETE" ? isAdministrator(identity) : isMonitor(identity);
  return may || identity.name === owner ? undefined : notAuthorised("User not authorised to access object");
}

/** For lists of connections, channels and consumers. */
export function maySeeOf({ identity }: Call, owner: string): boolean {
  return isMonitor(identity) || identity.name === owner;
}

/** The virtual hosts whose queues, exchanges and bindings a list holds: all for an administrator, else those that may be entered. */
export function visibleVhosts({ server, identity, vhost }: Call): Vhost[] {
  const all = vhost === undefined ? [...server.vhosts.all()] : vhost === "missing" ? [] : [vhost];
  return isAdministrator(identity) ? all : all.filter(({ name }) => identity.mayEnter(name));
}

/** The virtual hosts that a user is told of: a monitor of all. */
export function listedVhosts(server: RabbitServer, identity: Identity): Vhost[] {
  const all = [...server.vhosts.all()];
  return isMonitor(identity) ? all : all.filter(({ name }) => identity.mayEnter(name));
}

export const foreignPage = refused(403, "forbidden", "Pages of other sites may not change anything here.");
