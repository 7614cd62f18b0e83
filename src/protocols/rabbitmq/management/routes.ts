/** All of the API, as one table. The order does not matter: of two paths that fit, the one with the plainer segments wins. */

import type { RabbitServer } from "../model/server.ts";
import type { Logins } from "./logins.ts";
import { aboutRoutes } from "./about/routes.ts";
import type { Route } from "./route.ts";
import { shovelRoutes } from "./shovels.ts";
import { bindingRoutes } from "./topology/bindings.ts";
import { exchangeRoutes } from "./topology/exchanges.ts";
import { getRoutes } from "./topology/get.ts";
import { publishRoutes } from "./topology/publish.ts";
import { queueRoutes } from "./topology/queues.ts";

export function createRoutes(server: RabbitServer, logins: Logins): readonly Route[] {
  const routes: Route[] = [
    ...aboutRoutes(server, logins),
    ...queueRoutes,
    ...exchangeRoutes,
    ...bindingRoutes,
    ...publishRoutes,
    ...getRoutes,
    ...shovelRoutes,
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
