/** What statistics add to a virtual host in `/api/vhosts`. */

import type { Vhost } from "../../model/vhosts.ts";
import type { Call, JsonObject } from "../route.ts";
import { vhostStatsJson } from "./overview-json.ts";
import { noRanges } from "./rates.ts";
import { requestRanges } from "./request-ranges.ts";
import type { Stats } from "./stats.ts";
import type { Totals } from "./totals.ts";

/** The totals are summed up once a request, however many virtual hosts it lists. */
export function vhostNumbers(stats: Stats): (call: Call, vhost: Vhost) => JsonObject {
  const totalsByCall = new WeakMap<Call, Totals>();
  return (call, { name }) => {
    let totals = totalsByCall.get(call);
    if (totals === undefined) totalsByCall.set(call, (totals = stats.sampler.totals()));
    const ranges = requestRanges(call, stats);
    return vhostStatsJson(name, stats, totals, typeof ranges === "string" ? noRanges : ranges);
  };
}
