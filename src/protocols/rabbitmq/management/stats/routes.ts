/** The routes that tell what there is and how much of it. */

import type { Route } from "../route.ts";
import { channelRoutes, connectionRoutes } from "./connection-routes.ts";
import { healthRoutes } from "./health-checks.ts";
import { nodeRoutes } from "./node-routes.ts";
import { queueRoutes } from "./queue-routes.ts";
import type { Stats } from "./stats.ts";

export function statsRoutes(stats: Stats): readonly Route[] {
  return [
    ...nodeRoutes(stats),
    ...connectionRoutes(stats),
    ...channelRoutes(stats),
    ...queueRoutes(stats),
    ...healthRoutes(stats),
  ];
}
