/** The samples that a request asks for. */

import type { Call } from "../route.ts";
import { parseRanges, type SampleRanges } from "./rates.ts";
import type { Stats } from "./stats.ts";

/** Or the text of what is wrong. They end with the last pass that there was: the next one may be under way. */
export function requestRanges({ query }: Call, { sampler, server }: Stats): SampleRanges | string {
  return parseRanges(query, sampler.passes.lastMs || server.clock.now());
}
