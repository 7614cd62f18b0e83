/** Lists of queues and of exchanges, and one of them. */

import type { Exchange, Namespace, Queue } from "../../../../broker/api.ts";
import { queueDeclaration } from "../../model/declaration.ts";
import { leasedCountOf, readyCountOf } from "../../model/work-queue.ts";
import type { Vhost } from "../../model/vhosts.ts";
import { gather, sorting } from "../../../../server/http/slices.ts";
import { visibleVhosts } from "../access.ts";
import { notCheap, replyList, replyObject } from "../listing.ts";
import { badRequest, objectNotFound, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { ConsumersByQueue } from "./consumer-json.ts";
import { exchangeJson, plainExchangeJson } from "./exchange-json.ts";
import { policyView } from "./policy-view.ts";
import { detailedQueueJson, plainQueueJson, queueJson, queueTotalsJson, type QueueShowing } from "./queue-json.ts";
import { queueMeasures } from "./measures.ts";
import { noRanges, type Fields, type SampleRanges } from "./rates.ts";
import { requestRanges } from "./request-ranges.ts";
import { byName } from "./sorted-queues.ts";
import type { Stats } from "./stats.ts";

const order = ["vhost", "name"] as const;

export function queueRoutes(stats: Stats): readonly Route[] {
  const list = (call: Call): Reply => listQueues(call, stats);
  return [
    { method: "GET", path: "/queues", access: "vhost", about: "The queues that the user may see.", handle: list },
    {
      method: "GET",
      path: "/queues/detailed",
      access: "vhost",
      about: "The same, as later versions call the list with all fields.",
      handle: list,
    },
    {
      method: "GET",
      path: "/queues/:vhost",
      access: "vhost",
      about: "The queues of a virtual host.",
      handle: list,
    },
    {
      method: "GET",
      path: "/users/:user/queues",
      access: "vhost",
      about: "The queues that a user declared, as far as the asking user may see them.",
      handle: (call) => listQueues(call, stats, (queue) => queueDeclaration(queue).declaredBy === call.params["user"]),
    },
    {
      method: "GET",
      path: "/queues/:vhost/:name",
      access: "vhost",
      about: "A queue, with its consumers.",
      handle: (call) => oneQueue(call, stats),
    },
    {
      method: "GET",
      path: "/exchanges",
      access: "vhost",
      about: "The exchanges that the user may see.",
      handle: (call) => listExchanges(call, stats),
    },
    {
      method: "GET",
      path: "/exchanges/:vhost",
      access: "vhost",
      about: "The exchanges of a virtual host.",
      handle: (call) => listExchanges(call, stats),
    },
    {
      method: "GET",
      path: "/exchanges/:vhost/:name",
      access: "vhost",
      about: "An exchange.",
      handle: (call) => oneExchange(call, stats),
    },
  ];
}

/** The query's flags of RabbitMQ's lists. */
export function isAsked(call: Call, name: string): boolean {
  return call.query.get(name) === "true";
}

type Wanted = (queue: Queue) => boolean;

function* queuesOf(
  namespaces: readonly Namespace[],
  stats: Stats,
  wanted: Wanted | undefined,
): Generator<unknown, readonly Queue[]> {
  const queues = yield* stats.queues.of(namespaces);
  if (wanted === undefined) return queues;
  const chosen: Queue[] = [];
  for (const queue of queues) {
    if (wanted(queue)) chosen.push(queue);
    yield;
  }
  return chosen;
}

function listQueues(call: Call, stats: Stats, wanted?: Wanted): Reply {
  if (call.vhost === "missing") return objectNotFound;
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const { server } = stats;
  const namespaces = visibleVhosts(call)
    .toSorted(byVhostName)
    .map(({ namespace }) => namespace);
  const showing = showingOf(stats, ranges);
  const disableStats = isAsked(call, "disable_stats");
  const hasTotals = isAsked(call, "enable_queue_totals");
  return replyList<Queue>(call, {
    things: queuesOf(namespaces, stats, wanted),
    name: ({ name }) => name,
    json: (queue) => {
      if (!disableStats) return queueJson(queue, showing);
      if (hasTotals) return queueTotalsJson(queue, server.nodeName);
      const { policy } = showing.policies.ofQueue(queue);
      return { ...plainQueueJson(queue, server.nodeName), ...(policy !== null && { policy }), state: "live" };
    },
    cheap: (queue, column) => cheapQueueValue(queue, column, stats),
    // They come in this order.
    order: hasSort(call) ? order : [],
  });
}

/** Whether another order is asked for than that in which things come. */
export function hasSort(call: Call): boolean {
  const asked = call.query.get("sort");
  return (asked !== null && asked !== "") || isAsked(call, "sort_reverse");
}

function byVhostName(a: Vhost, b: Vhost): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

const rateMeasures = new Map(
  [...queueMeasures.publish, ...queueMeasures.deliver].map((measure) => [
    `message_stats.${measure.name}_details.rate`,
    measure,
  ]),
);

/** By what dashboards sort lists, without the JSON of each queue. */
function cheapQueueValue(queue: Queue, column: string, stats: Stats): unknown {
  switch (column) {
    case "name":
      return queue.name;
    case "vhost":
      return queue.namespace.name;
    case "messages":
      return readyCountOf(queue) + leasedCountOf(queue);
    case "messages_ready":
      return readyCountOf(queue);
    case "messages_unacknowledged":
      return leasedCountOf(queue);
    case "consumers":
      return queue.consumerCount;
    case "message_bytes":
    case "message_bytes_ready":
      return queue.readyBytes;
    case "durable":
      return queue.settings.durable;
    case "auto_delete":
      return queue.settings.autoDelete;
    case "type":
      return queueDeclaration(queue).type;
    case "node":
      return stats.server.nodeName;
    case "state":
      return "running";
    case "memory":
    case "reductions":
      return 0;
    default: {
      const measure = rateMeasures.get(column);
      return measure === undefined ? notCheap : stats.sampler.viewOf(queue).rate(measure);
    }
  }
}

function showingOf(stats: Stats, ranges: SampleRanges): QueueShowing {
  const { server } = stats;
  return { stats, ranges, policies: policyView(server), consumers: new ConsumersByQueue(server.live) };
}

function oneQueue(call: Call, stats: Stats): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const queue = namespaceOf(call)?.queue(call.params["name"]!);
  if (queue === undefined) return objectNotFound;
  if (isAsked(call, "disable_stats")) {
    const fields = isAsked(call, "enable_queue_totals")
      ? queueTotalsJson(queue, stats.server.nodeName)
      : { ...plainQueueJson(queue, stats.server.nodeName), state: "live" };
    return replyObject(call, fields);
  }
  return replyObject(call, detailedQueueJson(queue, showingOf(stats, ranges)));
}

function namespaceOf({ vhost }: Call): Vhost["namespace"] | undefined {
  return vhost === undefined || vhost === "missing" ? undefined : vhost.namespace;
}

interface PlacedExchange {
  readonly exchange: Exchange;
  readonly vhost: string;
}

function* exchangesOf(vhosts: readonly Vhost[]): Generator<unknown, readonly PlacedExchange[]> {
  const all: PlacedExchange[] = [];
  for (const { name, namespace } of vhosts) {
    for (const exchange of yield* sorting(yield* gather(namespace.exchanges()), byName)) {
      all.push({ exchange, vhost: name });
      yield;
    }
  }
  return all;
}

function listExchanges(call: Call, stats: Stats): Reply {
  if (call.vhost === "missing") return objectNotFound;
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const vhosts = visibleVhosts(call).toSorted(byVhostName);
  const policies = policyView(stats.server);
  const disableStats = isAsked(call, "disable_stats");
  return replyList<PlacedExchange>(call, {
    things: exchangesOf(vhosts),
    name: ({ exchange }) => exchange.name,
    json: ({ exchange, vhost }): Fields =>
      disableStats
        ? plainExchangeJson(exchange, vhost, policies)
        : exchangeJson(exchange, vhost, stats, policies, ranges),
    cheap: ({ exchange, vhost }, column) => (column === "name" ? exchange.name : column === "vhost" ? vhost : notCheap),
    order: hasSort(call) ? order : [],
  });
}

function oneExchange(call: Call, stats: Stats): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const namespace = namespaceOf(call);
  const asked = call.params["name"]!;
  const exchange = namespace?.exchange(asked === "amq.default" ? "" : asked);
  if (namespace === undefined || exchange === undefined) return objectNotFound;
  const isPlain = isAsked(call, "disable_stats");
  const fields = exchangeJson(exchange, namespace.name, stats, policyView(stats.server), isPlain ? noRanges : ranges);
  // Filled in RabbitMQ's rates mode `detailed` only.
  return replyObject(call, { ...fields, incoming: [], outgoing: [] });
}
