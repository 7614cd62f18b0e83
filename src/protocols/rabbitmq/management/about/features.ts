/**
 * Feature flags and deprecated features. What RabbitMQ has behind a flag is here from the start, so each flag is on and cannot
 * be switched off; tools ask for them before they use what stands behind.
 */

import { replyObjects } from "../listing.ts";
import { badRequest, done } from "../reply.ts";
import type { JsonObject, Route } from "../route.ts";

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
    about: "Features that will go: none.",
    handle: (call) => replyObjects(call, [], []),
  },
  {
    method: "GET",
    path: "/deprecated-features/used",
    access: "management",
    about: "Those of them that are in use: none.",
    handle: (call) => replyObjects(call, [], []),
  },
];

function flagJson([name, desc]: (typeof flags)[number]): JsonObject {
  return { name, desc, doc_url: "", state: "enabled", stability: "stable", provided_by: "rabbit" };
}
