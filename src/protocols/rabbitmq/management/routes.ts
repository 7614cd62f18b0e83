/** All of the API, as one table. The order does not matter: of two paths that fit, the one with the plainer segments wins. */

import type { Vhost } from "../model/vhosts.ts";
import type { Logins } from "./logins.ts";
import { aboutRoutes } from "./about/routes.ts";
import { alertRoutes } from "./alerts.ts";
import { backupRoutes } from "./backup.ts";
import { closeRoutes } from "./connections.ts";
import { federationRoutes } from "./federation.ts";
import { streamRoutes } from "./streams.ts";
import { traceRoutes } from "./traces.ts";
import { definitionRoutes } from "./rules/definitions.ts";
import { parameterRoutes } from "./rules/parameters.ts";
import { policyRoutes } from "./rules/policies.ts";
import type { Call, JsonObject, Route } from "./route.ts";
import { permissionRoutes } from "./tenants/permissions.ts";
import { userRoutes } from "./tenants/users.ts";
import { vhostLimitRoutes } from "./tenants/vhost-limits.ts";
import { vhostRoutes } from "./tenants/vhosts.ts";
import { shovelRoutes } from "./shovels.ts";
import { bindingRoutes } from "./topology/bindings.ts";
import { exchangeRoutes } from "./topology/exchanges.ts";
import { getRoutes } from "./topology/get.ts";
import { publishRoutes } from "./topology/publish.ts";
import { queueRoutes } from "./topology/queues.ts";

/** What the statistics add. */
export interface MoreRoutes {
  readonly configuration: string;
  readonly routes: readonly Route[];
  /** Of messages and traffic, to be shown with a virtual host. */
  readonly vhostNumbers?: (call: Call, vhost: Vhost) => JsonObject;
}

/** @param more what statistics tell. */
export function createRoutes(logins: Logins, more: MoreRoutes): readonly Route[] {
  const routes: Route[] = [
    ...aboutRoutes(logins, more.configuration),
    ...vhostRoutes(more.vhostNumbers ?? (() => ({}))),
    ...vhostLimitRoutes,
    ...userRoutes,
    ...permissionRoutes,
    ...policyRoutes,
    ...parameterRoutes,
    ...definitionRoutes,
    ...closeRoutes,
    ...queueRoutes,
    ...exchangeRoutes,
    ...bindingRoutes,
    ...publishRoutes,
    ...getRoutes,
    ...shovelRoutes,
    ...federationRoutes,
    ...streamRoutes,
    ...traceRoutes,
    ...alertRoutes,
    ...backupRoutes,
    ...more.routes,
  ];
  routes.push({
    method: "GET",
    path: "/entrepot/routes",
    access: "management",
    about: "This table.",
    handle: () => ({
      status: 200,
      value: routes.map(({ method, path, access, about }) => ({ method, path: `/api${path}`, access, about })),
    }),
  });
  return routes;
}
