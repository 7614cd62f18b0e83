/** Lists of connections, channels and consumers, and one of them. Monitors see all, others what they opened. */

import type { LiveConnection } from "../../model/live.ts";
import { gather } from "../../../../server/http/slices.ts";
import { checkOwner, maySeeOf } from "../access.ts";
import { notCheap, replyList, replyObject } from "../listing.ts";
import { badRequest, objectNotFound, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { channelJson, connectionJson, detailedChannelJson, type PlacedChannel } from "./connection-json.ts";
import { allConsumers, channelName, consumerJson, type PlacedConsumer } from "./consumer-json.ts";
import { requestRanges } from "./request-ranges.ts";
import { hasSort } from "./queue-routes.ts";
import type { Stats } from "./stats.ts";

const order = ["vhost", "name"] as const;

const everybody = (): boolean => true;

export function connectionRoutes(stats: Stats): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/connections",
      access: "management",
      about: "The connections that the user may see.",
      handle: (call) => listConnections(call, stats, everybody),
    },
    {
      method: "GET",
      path: "/connections/username/:username",
      access: "management",
      about: "The connections of a user.",
      handle: (call) => listConnections(call, stats, ({ user }) => user === call.params["username"]),
    },
    {
      method: "GET",
      path: "/vhosts/:vhost/connections",
      access: "vhost-visible",
      about: "The connections of a virtual host.",
      handle: (call) => inVhost(call, (vhost) => listConnections(call, stats, (each) => each.vhost === vhost)),
    },
    {
      method: "GET",
      path: "/connections/:name",
      access: "management",
      about: "A connection.",
      handle: (call) => oneConnection(call, stats),
    },
    {
      method: "GET",
      path: "/connections/:name/channels",
      access: "management",
      about: "The channels of a connection.",
      handle: (call) => channelsOfConnection(call, stats),
    },
    {
      method: "GET",
      path: "/connections/:name/sessions",
      access: "management",
      about: "The sessions of a connection by AMQP 1.0, which none is: refused.",
      handle(call) {
        const connection = connectionOf(call, stats);
        return "status" in connection ? connection : badRequest("connection does not use AMQP 1.0");
      },
    },
  ];
}

export function channelRoutes(stats: Stats): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/channels",
      access: "management",
      about: "The channels that the user may see.",
      handle: (call) => listChannels(call, stats, everybody),
    },
    {
      method: "GET",
      path: "/vhosts/:vhost/channels",
      access: "vhost-visible",
      about: "The channels of a virtual host.",
      handle: (call) => inVhost(call, (vhost) => listChannels(call, stats, (each) => each.vhost === vhost)),
    },
    {
      method: "GET",
      path: "/channels/:channel",
      access: "management",
      about: "A channel, with its consumers.",
      handle: (call) => oneChannel(call, stats),
    },
    {
      method: "GET",
      path: "/consumers",
      access: "management",
      about: "The consumers that the user may see.",
      handle: (call) => listConsumers(call, stats, undefined),
    },
    {
      method: "GET",
      path: "/consumers/:vhost",
      access: "vhost-visible",
      about: "The consumers of a virtual host.",
      handle: (call) => inVhost(call, (vhost) => listConsumers(call, stats, vhost)),
    },
  ];
}

function inVhost(call: Call, answer: (vhost: string) => Reply): Reply {
  return call.vhost === undefined || call.vhost === "missing" ? objectNotFound : answer(call.vhost.name);
}

type Wanted = (connection: LiveConnection) => boolean;

function* seenConnections(call: Call, stats: Stats, wanted: Wanted): Generator<LiveConnection> {
  for (const connection of stats.server.live.all()) {
    if (wanted(connection) && maySeeOf(call, connection.user)) yield connection;
  }
}

function* sortedConnections(call: Call, stats: Stats, wanted: Wanted): Generator<unknown, readonly LiveConnection[]> {
  const all = yield* stats.connections.all();
  const seen: LiveConnection[] = [];
  for (const connection of all) {
    if (wanted(connection) && maySeeOf(call, connection.user)) seen.push(connection);
    yield;
  }
  return seen;
}

function listConnections(call: Call, stats: Stats, wanted: Wanted): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  return replyList<LiveConnection>(call, {
    things: sortedConnections(call, stats, wanted),
    name: ({ name }) => name,
    json: (connection) => connectionJson(connection, stats, ranges),
    cheap: cheapConnectionValue,
    // They come in this order.
    order: hasSort(call) ? order : [],
  });
}

function cheapConnectionValue(connection: LiveConnection, column: string): unknown {
  switch (column) {
    case "name":
      return connection.name;
    case "vhost":
      return connection.vhost;
    case "user":
      return connection.user;
    case "state":
      return connection.state;
    case "channels":
      return connection.channelCount;
    case "connected_at":
      return connection.connectedAtMs;
    case "recv_oct":
      return connection.traffic.receivedBytes;
    case "send_oct":
      return connection.traffic.sentBytes;
    default:
      return notCheap;
  }
}

/** The one of the path, if the user may see it. */
function connectionOf(call: Call, stats: Stats): LiveConnection | Reply {
  const connection = stats.server.live.find(call.params["name"]!);
  if (connection === undefined) return objectNotFound;
  return checkOwner(call, connection.user) ?? connection;
}

function oneConnection(call: Call, stats: Stats): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const connection = connectionOf(call, stats);
  if ("status" in connection) return connection;
  const fields = connectionJson(connection, stats, ranges);
  // What is null in a list is an empty text in the one object.
  for (const [name, value] of Object.entries(fields)) if (value === null) fields[name] = "";
  return replyObject(call, fields);
}

function channelsOfConnection(call: Call, stats: Stats): Reply {
  const connection = connectionOf(call, stats);
  return "status" in connection ? connection : listChannels(call, stats, (each) => each === connection);
}

function* seenChannels(call: Call, stats: Stats, wanted: Wanted): Generator<PlacedChannel> {
  for (const connection of seenConnections(call, stats, wanted)) {
    for (const channel of connection.channels()) yield { channel, connection };
  }
}

function listChannels(call: Call, stats: Stats, wanted: Wanted): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  return replyList<PlacedChannel>(call, {
    things: gather(seenChannels(call, stats, wanted)),
    name: ({ channel, connection }) => channelName(connection, channel),
    json: (placed) => channelJson(placed, stats, ranges),
    cheap: cheapChannelValue,
    order,
  });
}

function cheapChannelValue({ channel, connection }: PlacedChannel, column: string): unknown {
  switch (column) {
    case "name":
      return channelName(connection, channel);
    case "vhost":
      return connection.vhost;
    case "user":
      return connection.user;
    case "messages_unacknowledged":
      return channel.unacknowledgedCount;
    case "messages_unconfirmed":
      return channel.unconfirmedCount;
    case "consumer_count":
      return channel.consumerCount;
    case "prefetch_count":
      return channel.prefetchCount;
    default:
      return notCheap;
  }
}

/** Channels are named by their connection and number: `127.0.0.1:40000 -> 127.0.0.1:5672 (1)`. */
function oneChannel(call: Call, stats: Stats): Reply {
  const ranges = requestRanges(call, stats);
  if (typeof ranges === "string") return badRequest(ranges);
  const parts = /^(.*) \((\d{1,5})\)$/.exec(call.params["channel"]!);
  const connection = parts === null ? undefined : stats.server.live.find(parts[1]!);
  if (connection === undefined) return objectNotFound;
  const refusal = checkOwner(call, connection.user);
  if (refusal !== undefined) return refusal;
  for (const channel of connection.channels()) {
    if (channel.number !== Number(parts![2])) continue;
    return replyObject(call, detailedChannelJson({ channel, connection }, stats, ranges));
  }
  return objectNotFound;
}

function* seenConsumers(call: Call, stats: Stats, vhost: string | undefined): Generator<PlacedConsumer> {
  for (const placed of allConsumers(stats.server.live)) {
    const isWanted = vhost === undefined || placed.connection.vhost === vhost;
    if (isWanted && maySeeOf(call, placed.connection.user)) yield placed;
  }
}

function listConsumers(call: Call, stats: Stats, vhost: string | undefined): Reply {
  return replyList<PlacedConsumer>(call, {
    things: gather(seenConsumers(call, stats, vhost)),
    name: ({ consumer }) => consumer.tag,
    json: (placed) => consumerJson(placed, stats.server.nodeName),
    order: [],
    hasPages: false,
  });
}
