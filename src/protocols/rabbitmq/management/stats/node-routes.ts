/** The overview, and the one node that there is. */

import { replyObject, replyObjects } from "../listing.ts";
import { badRequest, done, objectNotFound, reply, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { memoryJson, nodeJson, relativeMemoryJson } from "./node-json.ts";
import { overviewJson } from "./overview-json.ts";
import type { Fields } from "./rates.ts";
import { requestRanges } from "./request-ranges.ts";
import { isAsked } from "./queue-routes.ts";
import type { Stats } from "./stats.ts";

export function nodeRoutes(stats: Stats): readonly Route[] {
  const one = (path: string, about: string, answer: (call: Call) => Reply): Route => ({
    method: "GET",
    path,
    access: "monitoring",
    about,
    handle: (call) => (call.params["node"] === stats.server.nodeName ? answer(call) : objectNotFound),
  });
  const memory = (of: (stats: Stats) => Fields) => (call: Call) => replyObject(call, { memory: of(stats) });
  return [
    {
      method: "GET",
      path: "/overview",
      access: "management",
      about: "Everything in one object: totals, rates, listeners.",
      handle: (call) => overview(call, stats),
    },
    {
      method: "GET",
      path: "/nodes",
      access: "monitoring",
      about: "The nodes: one.",
      handle: (call) => {
        const ranges = requestRanges(call, stats);
        if (typeof ranges === "string") return badRequest(ranges);
        return replyObjects(call, [nodeJson(stats, ranges)], ["name"]);
      },
    },
    one("/nodes/:node", "The node of this name.", (call) => {
      const ranges = requestRanges(call, stats);
      if (typeof ranges === "string") return badRequest(ranges);
      const fields = nodeJson(stats, ranges);
      if (isAsked(call, "memory")) fields["memory"] = memoryJson(stats);
      return replyObject(call, fields);
    }),
    one("/nodes/:node/memory", "Where its memory goes, in bytes.", memory(memoryJson)),
    one("/nodes/:node/memory/relative", "Where its memory goes, in percent.", memory(relativeMemoryJson)),
    ...["", "/:filter"].flatMap((filter) =>
      ["", "/relative"].map((relative) =>
        one(`/nodes/:node/memory/ets${filter}${relative}`, "Memory of Erlang's tables: there are none.", (call) =>
          replyObject(call, { ets_tables_memory: "no_tables" }),
        ),
      ),
    ),
    ...["/reset", "/reset/:node"].map((path): Route => ({
      method: "DELETE",
      path,
      access: "administrator",
      about: "Forgets the samples: histories and rates begin anew, totals go on.",
      handle: (call) => {
        if (![undefined, stats.server.nodeName].includes(call.params["node"])) return objectNotFound;
        stats.sampler.forget();
        return done;
      },
    })),
    one("/top/:node", "Processes of Erlang: none.", () =>
      reply({ node: stats.server.nodeName, row_count: 20, processes: [] }),
    ),
    one("/top/ets/:node", "Tables of Erlang: none.", () =>
      reply({ node: stats.server.nodeName, row_count: 20, ets_tables: [] }),
    ),
  ];
}

function overview(call: Call, stats: Stats): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const options = {
    ranges,
    disableStats: isAsked(call, "disable_stats"),
    enableQueueTotals: isAsked(call, "enable_queue_totals"),
  };
  return replyObject(call, overviewJson(call, stats, stats.clusterName, options));
}
