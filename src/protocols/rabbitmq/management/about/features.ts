/**
 * Feature flags and deprecated features. What RabbitMQ has behind a flag is here from the start, so each flag is on and cannot
 * be switched off; tools ask for them before they use what stands behind.
 */

import { queueDeclaration } from "../../model/declaration.ts";
import { replyObjects } from "../listing.ts";
import { badRequest, done } from "../reply.ts";
import type { Call, JsonObject, Route } from "../route.ts";

const flags: readonly (readonly [name: string, desc: string])[] = [
  ["classic_mirrored_queue_version", "Support setting version for classic mirrored queues"],
  ["drop_unroutable_metric", "Count unroutable publishes to be dropped in stats"],
  ["empty_basic_get_metric", "Count AMQP `basic.get` on empty queues in stats"],
  ["implicit_default_bindings", "Default bindings are implicit, and not stored"],
  ["maintenance_mode_status", "Maintenance mode status"],
  ["quorum_queue", "Support queues of type `quorum`"],
  ["stream_queue", "Support queues of type `stream`"],
  ["user_limits", "Connection and channel limits for a user"],
  ["virtual_host_metadata", "Virtual host metadata (description, tags, etc)"],
];

interface Deprecated {
  readonly name: string;
  readonly desc: string;
  readonly phase: "permitted_by_default" | "removed";
  isUsed(call: Call): boolean;
}

const deprecated: readonly Deprecated[] = [
  {
    name: "classic_queue_mirroring",
    desc: "Mirrored classic queues: policies that ask for them have no effect",
    phase: "removed",
    isUsed: () => false,
  },
  {
    name: "global_qos",
    desc: "One prefetch count for all consumers of a channel",
    phase: "permitted_by_default",
    isUsed({ server }) {
      for (const connection of server.live.all()) {
        for (const { globalPrefetchCount } of connection.channels()) if (globalPrefetchCount > 0) return true;
      }
      return false;
    },
  },
  {
    name: "transient_nonexcl_queues",
    desc: "Queues that are neither durable nor exclusive",
    phase: "permitted_by_default",
    isUsed({ server }) {
      for (const { namespace } of server.vhosts.all()) {
        for (const queue of namespace.queues()) {
          if (!queue.settings.durable && !queueDeclaration(queue).exclusive) return true;
        }
      }
      return false;
    },
  },
];

export const featureRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/feature-flags",
    access: "management",
    about: "Features that RabbitMQ lets be switched on; here all are.",
    handle: (call) => replyObjects(call, flags.map(flagJson), ["name"]),
  },
  {
    method: "PUT",
    path: "/feature-flags/:name/enable",
    access: "administrator",
    about: "Switches one on.",
    handle: ({ params }) => (flags.some(([name]) => name === params["name"]) ? done : badRequest("unsupported")),
  },
  {
    method: "GET",
    path: "/deprecated-features",
    access: "management",
    about: "Features that RabbitMQ's later versions are going to drop or have dropped.",
    handle: (call) => replyObjects(call, deprecated.map(deprecatedJson), ["name"]),
  },
  {
    method: "GET",
    path: "/deprecated-features/used",
    access: "management",
    about: "Those of them that are in use here, as far as that can be seen.",
    handle: (call) =>
      replyObjects(call, deprecated.filter((feature) => feature.isUsed(call)).map(deprecatedJson), ["name"]),
  },
];

function flagJson([name, desc]: (typeof flags)[number]): JsonObject {
  return { name, desc, doc_url: "", state: "enabled", stability: "stable", provided_by: "rabbit" };
}

function deprecatedJson({ name, desc, phase }: Deprecated): JsonObject {
  const state = phase === "removed" ? "denied" : "permitted";
  return { name, desc, deprecation_phase: phase, doc_url: "", state, provided_by: "rabbit" };
}
