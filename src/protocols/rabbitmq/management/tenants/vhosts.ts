/** Virtual hosts. Who makes one over HTTP may do everything in it. */

import { plainVhost, type Vhost, type VhostRecord } from "../../model/vhosts.ts";
import type { RabbitServer } from "../../model/server.ts";
import { listedVhosts } from "../access.ts";
import { booleanField, isReply, textField } from "../body-fields.ts";
import { notCheap, replyList, replyObject } from "../listing.ts";
import { badRequest, done, objectNotFound, put, refused, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route, VhostCall } from "../route.ts";
import { inVhost } from "../topology/queues.ts";
import { tagsField } from "./tags.ts";

const queueTypes = ["classic", "quorum", "stream"];

/** @param numbers of messages and traffic in a virtual host, to be shown with it. */
export function vhostRoutes(numbers: (call: Call, vhost: Vhost) => JsonObject): readonly Route[] {
  const json = (call: Call, vhost: Vhost): JsonObject => {
    const hasNumbers = call.query.get("disable_stats") !== "true";
    return { ...vhostJson(call.server, vhost), ...(hasNumbers && numbers(call, vhost)) };
  };
  return [
    {
      method: "GET",
      path: "/vhosts",
      access: "management",
      about: "The virtual hosts that the user may see.",
      handle: (call) =>
        replyList(call, {
          things: listedVhosts(call.server, call.identity),
          name: ({ name }) => name,
          json: (vhost) => json(call, vhost),
          cheap: (vhost, column) => (column === "name" ? vhost.name : notCheap),
          order: ["name"],
        }),
    },
    {
      method: "GET",
      path: "/vhosts/:vhost",
      access: "vhost-visible",
      about: "One virtual host.",
      handle: (call) => inVhost(call, ({ vhost }) => replyObject(call, json(call, vhost))),
    },
    {
      method: "PUT",
      path: "/vhosts/:vhost",
      access: "administrator",
      about: "Makes or changes one: description, tags, default_queue_type, tracing.",
      handle: putVhost,
    },
    {
      method: "DELETE",
      path: "/vhosts/:vhost",
      access: "administrator",
      about: "Deletes one with all that is in it, and closes its connections.",
      handle: (call) => inVhost(call, deleteVhost),
    },
    {
      method: "POST",
      path: "/vhosts/:vhost/deletion/protection",
      access: "administrator",
      about: "Protects one from being deleted.",
      handle: (call) => inVhost(call, (found) => protect(found, true)),
    },
    {
      method: "DELETE",
      path: "/vhosts/:vhost/deletion/protection",
      access: "administrator",
      about: "Lets it be deleted again.",
      handle: (call) => inVhost(call, (found) => protect(found, false)),
    },
    {
      method: "POST",
      path: "/vhosts/:vhost/start/:node",
      access: "administrator",
      about: "Starts one that has failed; here each runs as long as the node does.",
      handle: (call) =>
        inVhost(call, () =>
          call.params["node"] === call.server.nodeName
            ? done
            : badRequest(`Request to node ${call.params["node"]} failed with {badrpc,nodedown}`),
        ),
    },
  ];
}

export function vhostJson(server: RabbitServer, { name, record }: Vhost): JsonObject {
  const { description, tags, defaultQueueType, isTracing, isProtectedFromDeletion } = record;
  return {
    name,
    description,
    tags,
    default_queue_type: defaultQueueType ?? "undefined",
    metadata: { description, tags, ...(defaultQueueType !== undefined && { default_queue_type: defaultQueueType }) },
    tracing: isTracing,
    cluster_state: { [server.nodeName]: "running" },
    protected_from_deletion: isProtectedFromDeletion,
  };
}

function putVhost(call: Call): Reply {
  const { server, identity } = call;
  const name = call.params["vhost"] ?? "";
  const existing = server.vhosts.find(name);
  const record = readRecord(call.body, existing?.record ?? plainVhost);
  if (isReply(record)) return record;
  if (existing !== undefined) {
    server.vhosts.update(name, record);
    return put(false);
  }
  server.vhosts.create(name, record);
  server.authority.permissions.set({ user: identity.name, vhost: name, configure: ".*", write: ".*", read: ".*" });
  return put(true);
}

/** What is not said stays as it was. */
function readRecord(body: JsonObject, before: VhostRecord): VhostRecord | Reply {
  const description = textField(body, "description") ?? before.description;
  if (isReply(description)) return description;
  const tags = body["tags"] === undefined ? before.tags : tagsField(body["tags"]);
  if (isReply(tags)) return tags;
  const type = textField(body, "default_queue_type") ?? textField(body, "defaultqueuetype") ?? before.defaultQueueType;
  if (isReply(type)) return type;
  const defaultQueueType = type === "undefined" || type === "" ? undefined : type;
  if (defaultQueueType !== undefined && !queueTypes.includes(defaultQueueType))
    return badRequest(`Unsupported default queue type: ${defaultQueueType}`);
  const isTracing = body["tracing"] === undefined ? before.isTracing : booleanField(body, "tracing");
  if (isReply(isTracing)) return isTracing;
  return { ...before, description, tags, defaultQueueType, isTracing };
}

function deleteVhost({ server, vhost }: VhostCall): Reply {
  if (vhost.record.isProtectedFromDeletion) {
    const text = `Refusing to delete virtual host '${vhost.name}' because it is protected from deletion`;
    return refused(412, "precondition_failed", text);
  }
  return server.vhosts.delete(vhost.name) ? done : objectNotFound;
}

function protect({ server, vhost }: VhostCall, isProtectedFromDeletion: boolean): Reply {
  server.vhosts.update(vhost.name, { ...vhost.record, isProtectedFromDeletion });
  return done;
}
