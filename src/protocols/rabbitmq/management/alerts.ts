/** Alerts as the configuration's rules have them now. Entrepot's own: RabbitMQ has no such thing. */

import type { Alert } from "../../../alerts/alerts.ts";
import { isMonitor, visibleVhosts } from "./access.ts";
import { reply, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";

export const alertRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/entrepot/alerts",
    access: "management",
    about: "Alerts that fire, and those that will if nothing changes; of queues that the user may see.",
    handle: list,
  },
];

function list(call: Call): Reply {
  const names = new Set(visibleVhosts(call).map(({ name }) => name));
  const seesBroker = isMonitor(call.identity);
  const alerts = [...(call.server.alerts?.open() ?? [])].filter(({ queue }) =>
    queue === undefined ? seesBroker : seesBroker || names.has(queue.namespace.name),
  );
  return reply(alerts.map(shown));
}

function shown({ rule, queue, state, value, sinceMs, firedAtMs }: Alert) {
  return {
    rule: rule.name,
    severity: rule.severity,
    state,
    metric: rule.metric,
    value,
    threshold: rule.threshold,
    clear: rule.clear,
    above: rule.isAbove,
    ...(queue !== undefined && { vhost: queue.namespace.name, queue: queue.name }),
    since: new Date(sinceMs).toISOString(),
    ...(firedAtMs !== undefined && { fired_at: new Date(firedAtMs).toISOString() }),
    targets: rule.targets,
  };
}
