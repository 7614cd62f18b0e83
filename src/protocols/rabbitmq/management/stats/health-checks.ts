/**
 * `/api/health/checks/...`: what load balancers and operators probe. 200 with `{"status":"ok"}`, or 503 with what is wrong, in
 * RabbitMQ's words. Paths of later versions than 3.10 are here, too: tools ask for them whatever the version.
 */

import type { OpenPort } from "../../../../server/protocol.ts";
import { badRequest, objectNotFound, reply, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { listenerProtocol } from "./node-json.ts";
import type { Fields } from "./rates.ts";
import type { Stats } from "./stats.ts";

const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = {
  days: dayMs,
  weeks: 7 * dayMs,
  months: 30 * dayMs,
  years: 365 * dayMs,
};

const ok = reply({ status: "ok" });
const singleNode = reply({ status: "ok", reason: "single node cluster" });

function failed(reason: string, more: Fields): Reply {
  return { status: 503, value: { status: "failed", reason, ...more } };
}

/** What RabbitMQ calls the protocols that it knows, by what people write. */
const protocolAliases: readonly (readonly [RegExp, string])[] = [
  [/^amqp(091|0[._-]9[._-]1|10|1[._-]0)$/, "amqp"],
  [/^amqps$/, "amqp/ssl"],
  [/^mqtt3[._]?1([._]?1)?$/, "mqtt"],
  [/^mqtt(s|\+tls|\+ssl)$/, "mqtt/ssl"],
  [/^stomp1[._]?[012]$/, "stomp"],
  [/^stomp(s|\+tls|\+ssl)$/, "stomp/ssl"],
  [/^(http1|http1\.1|http_api|management|management_ui|ui)$/, "http"],
  [/^(cli|distribution)$/, "clustering"],
  [/^web[_-]?mqtt$/, "http/web-mqtt"],
  [/^web-?mqtt[/+](tls|ssl)$/, "https/web-mqtt"],
  [/^web[_-]?stomp$/, "http/web-stomp"],
  [/^web-?stomp[/+](tls|ssl)$/, "https/web-stomp"],
];

export function healthRoutes(stats: Stats): readonly Route[] {
  const check = (path: string, about: string, handle: (call: Call) => Reply): Route => ({
    method: "GET",
    path,
    access: "management",
    about,
    handle,
  });
  const alarms = (where: string) => (): Reply => checkAlarms(stats, where);
  const always = (): Reply => ok;
  const alone = (): Reply => singleNode;
  const node = (call: Call): Reply => {
    const name = call.params["node"];
    if (name !== undefined && name !== stats.server.nodeName) return objectNotFound;
    const unwell = checkAlarms(stats, "on the node");
    return unwell === ok ? ok : failed("resource alarm(s) in effect", {});
  };
  return [
    check("/health/checks/alarms", "No alarm in the cluster.", alarms("in the cluster")),
    check("/health/checks/local-alarms", "No alarm on this node.", alarms("on the node")),
    check(
      "/health/checks/certificate-expiration/:within/:unit",
      "No certificate of a listener ends within a time.",
      (call) => checkCertificates(call, stats),
    ),
    check("/health/checks/port-listener/:port", "Something listens on the port.", (call) => checkPort(call, stats)),
    check("/health/checks/protocol-listener/:protocol", "The protocol is listened for.", (call) =>
      checkProtocol(call, stats),
    ),
    check("/health/checks/virtual-hosts", "All virtual hosts run.", always),
    check("/health/checks/node-is-mirror-sync-critical", "Nothing is mirrored.", alone),
    check("/health/checks/node-is-quorum-critical", "No quorum depends on this node.", alone),
    ...["all-vhosts", "vhost/:vhost"].flatMap((where) =>
      ["", "/pattern/:pattern"].map((which) =>
        check(
          `/health/checks/quorum-queues-without-elected-leaders/${where}${which}`,
          "Every queue has its leader.",
          always,
        ),
      ),
    ),
    check("/health/checks/metadata-store/initialized", "The definitions are read.", always),
    check("/health/checks/metadata-store/initialized/with-data", "The definitions are read.", always),
    check("/health/checks/is-in-service", "The node takes clients.", () => checkService(stats)),
    check("/health/checks/ready-to-serve-clients", "The node takes clients.", () => checkService(stats)),
    check("/health/checks/below-node-connection-limit", "There is room for connections.", () =>
      checkConnections(stats),
    ),
    check("/health/checks/reached-target-cluster-size", "The cluster of one is complete.", always),
    check("/healthchecks/node", "This node is well.", node),
    check("/healthchecks/node/:node", "The node of this name is well.", node),
  ];
}

function checkAlarms(stats: Stats, where: string): Reply {
  const { pressure } = stats.server.broker;
  const node = stats.server.nodeName;
  const alarms = (["memory", "disk"] as const).filter((resource) => pressure[resource]);
  if (alarms.length === 0) return ok;
  return failed(`There are alarms in effect ${where}`, {
    alarms: alarms.map((resource) => ({ node, resource })),
  });
}

function checkCertificates({ params }: Call, stats: Stats): Reply {
  const amount = params["within"]!;
  const unit = unitMs[params["unit"]!.toLowerCase()];
  if (!/^[+-]?\d{1,9}$/.test(amount)) return badRequest("Invalid expiration value.");
  if (unit === undefined) {
    return badRequest("Time unit not recognised. Supported units: days, weeks, months, years.");
  }
  const endMs = stats.server.clock.now() + Number(amount) * unit;
  const expired = stats.server
    .ports()
    .filter(({ certificateEndsAtMs = Infinity }) => certificateEndsAtMs < endMs)
    .map((port) => ({
      node: stats.server.nodeName,
      protocol: listenerProtocol(port),
      interface: port.host,
      port: port.port,
      certfile_expires_on: [expiry(port.certificateEndsAtMs!)],
      cacertfile_expires_on: [],
    }));
  return expired.length === 0 ? ok : failed("Certificates expiring", { expired });
}

/** `2026-11-02 9:05:00`, as RabbitMQ writes it. */
function expiry(ms: number): string {
  const [date, time] = new Date(ms).toISOString().slice(0, 19).split("T");
  return `${date} ${time!.replace(/^0/, "")}`;
}

function checkPort({ params }: Call, stats: Stats): Reply {
  const text = params["port"]!;
  if (!/^[+-]?\d{1,9}$/.test(text)) return badRequest("Invalid port");
  const wanted = Number(text);
  const ports = stats.server.ports().map(({ port }) => port);
  if (ports.includes(wanted)) return reply({ status: "ok", port: wanted });
  return failed("No active listener", { missing: wanted, ports });
}

function checkProtocol({ params }: Call, stats: Stats): Reply {
  const asked = params["protocol"]!.toLowerCase();
  const wanted = protocolAliases.find(([pattern]) => pattern.test(asked))?.[1] ?? asked;
  const protocols = stats.server.ports().map((port: OpenPort) => listenerProtocol(port));
  if (protocols.includes(wanted)) return reply({ status: "ok", protocol: wanted });
  return failed("No active listener", { missing: wanted, protocols });
}

function checkConnections(stats: Stats): Reply {
  const limit = stats.options.connectionsMax;
  const connections = stats.socketCount();
  if (connections < limit) return reply({ status: "ok", limit, connections });
  return failed("node connection limit is reached", { limit, connections });
}

function checkService(stats: Stats): Reply {
  return stats.server.ports().length > 0 ? ok : failed("this node is not in service", {});
}
