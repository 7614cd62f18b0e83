/**
 * The pages of metrics:
 *
 *     /metrics                    all objects of a kind together; cheap however many there are
 *     /metrics/per-object         each object on its own
 *     /metrics/detailed           the families that are asked for (?family=...&vhost=...), of each object; nothing without
 *     /metrics/memory-breakdown   where memory goes
 */

import type { Stats } from "../stats/stats.ts";
import { spokenVersion } from "../../model/server.ts";
import {
  alarmMetrics,
  channelFamilies,
  connectionFamilies,
  countMetrics,
  memoryMetrics,
  nodeFamilies,
  queueFamilies,
  type Family,
  type ObjectMetric,
  type TotalMetric,
} from "./families.ts";
import { globalMetrics } from "./global.ts";
import { groupMetrics, groupPrefix, placeLabels, places } from "./groups.ts";
import { ownPrefix, ownQueueMetrics, writeOwn } from "./own.ts";
import {
  channelLabels,
  connectionLabels,
  exchangeLabels,
  queueLabels,
  Snapshot,
  type PlacedExchange,
} from "./snapshot.ts";
import { labelsOf, MetricsText, type Heading } from "./text.ts";

const plainPrefix = "rabbitmq_";
const detailedPrefix = "rabbitmq_detailed_";
const clusterPrefix = "rabbitmq_cluster_";
const alarmPrefix = "rabbitmq_alarms_";
const globalPrefix = "rabbitmq_global_";

type Endpoint = "aggregated" | "per-object" | "detailed" | "memory-breakdown";

/** Which families a page has; undefined: all. */
type Wanted = ReadonlySet<string> | undefined;

interface ObjectKind<T> {
  readonly families: readonly Family<ObjectMetric<T>>[];
  readonly labels: (object: T) => string;
  readonly all: (snapshot: Snapshot) => Iterable<T>;
}

function kind<T>(of: ObjectKind<T>): ObjectKind<unknown> {
  return of as ObjectKind<unknown>;
}

const kinds = [
  kind({ families: queueFamilies, labels: queueLabels, all: (snapshot) => snapshot.queues() }),
  kind({ families: channelFamilies, labels: channelLabels, all: (snapshot) => snapshot.channels() }),
  kind({ families: connectionFamilies, labels: connectionLabels, all: (snapshot) => snapshot.connections() }),
];

export function* totalsPage(stats: Stats): Generator<string> {
  const snapshot = new Snapshot(stats, undefined);
  const text = new MetricsText();
  writeCommon(text, snapshot, "aggregated");
  for (const { families } of kinds) {
    for (const { metrics } of families) for (const metric of metrics) writeTotal(text, plainPrefix, metric, snapshot);
  }
  writeOwn(text, snapshot);
  yield text.take();
}

export function* perObjectPage(stats: Stats): Generator<string> {
  const snapshot = new Snapshot(stats, undefined);
  const text = new MetricsText();
  writeCommon(text, snapshot, "per-object");
  for (const each of kinds) yield* objects(text, plainPrefix, each, snapshot, undefined);
  // Of all queues together they would have the same names.
  const queues = new Labelled(snapshot.queues(), queueLabels);
  for (const metric of ownQueueMetrics) {
    yield* lines(text, ownPrefix, metric, queues, (queue) => metric.value(queue, snapshot));
  }
  const positions = new Labelled(places(snapshot), placeLabels);
  for (const metric of groupMetrics) yield* lines(text, groupPrefix, metric, positions, metric.value);
  yield text.take();
}

export function* detailedPage(stats: Stats, wanted: ReadonlySet<string>, vhosts: Wanted): Generator<string> {
  const snapshot = new Snapshot(stats, vhosts);
  const text = new MetricsText();
  for (const { name, metrics } of nodeFamilies) {
    if (wanted.has(name)) for (const metric of metrics) writeTotal(text, detailedPrefix, metric, snapshot);
  }
  for (const each of kinds) yield* objects(text, detailedPrefix, each, snapshot, wanted);
  if (wanted.has("vhost_status")) {
    const heading = { name: "vhost_status", type: "gauge", help: "Whether a given vhost is running" } as const;
    yield* lines(
      text,
      clusterPrefix,
      heading,
      new Labelled(stats.server.vhosts.all(), ({ name }) => labelsOf({ vhost: name })),
      () => 1,
    );
  }
  const exchanges = (): Labelled<PlacedExchange> => new Labelled(namedExchanges(snapshot), exchangeLabels);
  if (wanted.has("exchange_bindings"))
    yield* lines(text, clusterPrefix, bindingsHeading, exchanges(), countBindings(snapshot));
  if (wanted.has("exchange_names")) yield* lines(text, clusterPrefix, namesHeading, exchanges(), () => 1);
  writeIdentity(text, snapshot, "detailed");
  yield text.take();
}

export function* memoryPage(stats: Stats): Generator<string> {
  const snapshot = new Snapshot(stats, undefined);
  const text = new MetricsText();
  for (const metric of memoryMetrics) writeTotal(text, plainPrefix, metric, snapshot);
  writeIdentity(text, snapshot, "memory-breakdown");
  yield text.take();
}

const bindingsHeading = {
  name: "exchange_bindings",
  type: "gauge",
  help: "Number of bindings for an exchange. This value is cluster-wide.",
} as const;
const namesHeading = {
  name: "exchange_name",
  type: "gauge",
  help: "Enumerates exchanges without any additional info. This value is cluster-wide. A cheaper alternative to `exchange_bindings`",
} as const;

function* namedExchanges(snapshot: Snapshot): ReturnType<Snapshot["exchanges"]> {
  for (const placed of snapshot.exchanges()) if (placed.exchange.name !== "") yield placed;
}

function countBindings({ stats }: Snapshot) {
  return ({ exchange, vhost }: { readonly exchange: { readonly name: string }; readonly vhost: string }): number => {
    let count = 0;
    for (const binding of stats.server.vhosts.find(vhost)?.namespace.bindingsFrom(exchange.name) ?? []) {
      void binding;
      count++;
    }
    return count;
  };
}

/** What is the same on pages of totals and of objects. Dashboards choose between the two by the endpoint. */
function writeCommon(text: MetricsText, snapshot: Snapshot, endpoint: Endpoint): void {
  const { server } = snapshot.stats;
  for (const metric of alarmMetrics) writeTotal(text, alarmPrefix, metric, snapshot);
  for (const { metrics } of nodeFamilies) for (const metric of metrics) writeTotal(text, plainPrefix, metric, snapshot);
  writeLogins(text, snapshot);
  for (const metric of countMetrics) writeTotal(text, plainPrefix, metric, snapshot);
  writeIdentity(text, snapshot, endpoint);
  const sizes = { name: "message_size_bytes", help: "Size of messages received from publishers" };
  text.histogram(plainPrefix, sizes, labelsOf({ protocol: "amqp091" }), server.messageSizes, 1);
  for (const metric of globalMetrics) {
    text.head(globalPrefix, metric);
    for (const [labels, value] of metric.lines(snapshot.totals)) text.line(globalPrefix, metric.name, labels, value);
  }
}

/** Whose page it is, on all of them. */
function writeIdentity(text: MetricsText, { stats: { server, clusterName } }: Snapshot, endpoint: Endpoint): void {
  writeLabels(text, "build_info", "RabbitMQ & Erlang/OTP version info", {
    rabbitmq_version: spokenVersion,
    prometheus_plugin_version: spokenVersion,
    prometheus_client_version: "4.9.1",
    erlang_version: "25.2.3",
    entrepot_version: server.version,
  });
  writeLabels(text, "identity_info", "RabbitMQ node & cluster identity info", {
    rabbitmq_node: server.nodeName,
    rabbitmq_cluster: clusterName,
    rabbitmq_cluster_permanent_id: `rabbitmq-cluster-id-${server.broker.id}`,
    rabbitmq_endpoint: endpoint,
  });
}

function writeTotal(text: MetricsText, prefix: string, metric: TotalMetric, snapshot: Snapshot): void {
  text.head(prefix, metric);
  text.line(prefix, metric.name, "", metric.total(snapshot));
}

function writeLabels(text: MetricsText, name: string, help: string, labels: Readonly<Record<string, string>>): void {
  text.head(plainPrefix, { name, type: "untyped", help });
  text.line(plainPrefix, name, labelsOf(labels), 1);
}

function writeLogins(text: MetricsText, { stats }: Snapshot): void {
  const attempts = [...stats.server.authority.attempts.byProtocol()];
  const counters = [
    ["auth_attempts_total", "Total number of authorization attempts", "attempts"],
    ["auth_attempts_succeeded_total", "Total number of successful authentication attempts", "succeeded"],
    ["auth_attempts_failed_total", "Total number of failed authentication attempts", "failed"],
  ] as const;
  for (const [name, help, field] of counters) {
    text.head(plainPrefix, { name, type: "counter", help });
    for (const each of attempts) {
      text.line(plainPrefix, name, labelsOf({ protocol: each.protocol }), each[field]);
    }
  }
}

function* objects(
  text: MetricsText,
  prefix: string,
  { families, labels, all }: ObjectKind<unknown>,
  snapshot: Snapshot,
  wanted: Wanted,
): Generator<string> {
  const labelled = new Labelled(all(snapshot), labels);
  for (const { name, metrics } of families) {
    if (wanted !== undefined && !wanted.has(name)) continue;
    for (const metric of metrics) {
      yield* lines(text, prefix, metric, labelled, (object) => metric.value(object, snapshot));
    }
  }
}

/**
 * The objects of a page with their labels, which cost more to make than a line: each is made once, for all metrics of the page.
 * What goes while the page is sent is told with what it last counted.
 */
class Labelled<T> {
  readonly things: readonly T[];
  readonly #labels: string[] = [];
  readonly #of: (thing: T) => string;

  constructor(things: Iterable<T>, labelsOf: (thing: T) => string) {
    this.things = [...things];
    this.#of = labelsOf;
  }

  labels(index: number): string {
    return (this.#labels[index] ??= this.#of(this.things[index]!));
  }
}

function* lines<T>(
  text: MetricsText,
  prefix: string,
  heading: Heading,
  labelled: Labelled<T>,
  value: (thing: T) => number,
): Generator<string> {
  text.head(prefix, heading);
  const before = `${prefix}${heading.name}{`;
  for (let index = 0; index < labelled.things.length; index++) {
    text.labelledLine(before, labelled.labels(index), value(labelled.things[index]!));
    if (text.isFull) yield text.take();
  }
}
