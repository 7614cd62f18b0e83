/** All of RabbitMQ's management that answers over HTTP, joined: the API, and the metrics, over the same statistics. */

import { loopActiveMs, startLoopDelayMeter } from "../../../base/loop-delay.ts";
import type { HttpHandler } from "../../../server/http-listener.ts";
import { Pace } from "../../../server/http/pace.ts";
import { processProbe } from "../../../server/process-probe.ts";
import type { RabbitServer } from "../model/server.ts";
import { createManagement, type ManagementOptions } from "./index.ts";
import { createMetrics } from "./metrics/handler.ts";
import { statsRoutes } from "./stats/routes.ts";
import { vhostNumbers } from "./stats/vhost-numbers.ts";
import { Stats, type StatsOptions } from "./stats/stats.ts";

export type ManagementSettings = Omit<StatsOptions, "probe" | "loopDelay"> &
  Omit<ManagementOptions, "moreRoutes" | "vhostNumbers" | "pace">;

export interface ManagementHandlers {
  readonly management: HttpHandler;
  readonly metrics: HttpHandler;
  /** Ends the sampling. */
  stop(): void;
}

export function serveManagement(server: RabbitServer, settings: ManagementSettings): ManagementHandlers {
  const loopDelay = startLoopDelayMeter();
  const stats = new Stats(server, { ...settings, probe: processProbe(), loopDelay });
  stats.sampler.start();
  const pace = new Pace({ clock: server.clock, activeMs: loopActiveMs });
  const management = createManagement(server, {
    ...settings,
    pace,
    moreRoutes: statsRoutes(stats),
    vhostNumbers: vhostNumbers(stats),
  });
  const stop = (): void => {
    stats.sampler.stop();
    loopDelay.stop();
  };
  return { management, metrics: createMetrics(stats, pace), stop };
}
