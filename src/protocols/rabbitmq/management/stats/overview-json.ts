/** Everything in one object, as `/api/overview` shows it: what dashboards ask for every five seconds. */

import type { Call } from "../route.ts";
import { isMonitor, listedVhosts } from "../access.ts";
import { spokenProduct, spokenVersion } from "../../model/server.ts";
import { churnMeasures, totalMeasures } from "./measures.ts";
import { exchangeTypes, httpContexts, listenerProtocol } from "./node-json.ts";
import { measure, SampleView, type Fields, type Measure, type SampleRanges } from "./rates.ts";
import type { Stats } from "./stats.ts";
import type { Totals } from "./totals.ts";

/** For which spans dashboards may ask, in seconds. */
const retention = { global: [600, 3600, 28_800, 86_400], basic: [600, 3600], detailed: [600] };

export interface OverviewOptions {
  readonly ranges: SampleRanges;
  readonly disableStats: boolean;
  readonly enableQueueTotals: boolean;
}

export function overviewJson(call: Call, stats: Stats, clusterName: string, options: OverviewOptions): Fields {
  const { server, sampler } = stats;
  const isAll = isMonitor(call.identity);
  const totals = sampler.totals();
  const fields: Fields = {
    management_version: spokenVersion,
    rates_mode: sampler.ratesMode,
    sample_retention_policies: retention,
    exchange_types: exchangeTypes,
    product_version: spokenVersion,
    product_name: spokenProduct,
    rabbitmq_version: spokenVersion,
    cluster_name: clusterName,
    erlang_version: "25.2.3",
    erlang_full_version: `Erlang/OTP 25; Entrepot ${server.version} on Node.js`,
    release_series_support_status: "supported",
    disable_stats: options.disableStats,
    enable_queue_totals: options.enableQueueTotals,
  };
  if (options.disableStats) {
    fields["node"] = server.nodeName;
    fields["object_totals"] = objectTotals(call, totals, false);
    return fields;
  }
  addSums(fields, call, stats, totals, options.ranges);
  const churn: Fields = {};
  const counts = sampler.churn.counts;
  sampler.viewOfChurn.add(churn, churnMeasures.all, ({ columns }) => counts[columns[0]!]!, options.ranges.lengths);
  Object.assign(fields, {
    churn_rates: churn,
    object_totals: objectTotals(call, totals, true),
    statistics_db_event_queue: 0,
  });
  if (!isAll) return fields;
  const ports = server.ports();
  const listeners = ports.map((port) => ({
    node: server.nodeName,
    protocol: listenerProtocol(port),
    ip_address: port.host,
    port: port.port,
    socket_opts: [],
  }));
  listeners.sort((a, b) => (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.port - b.port));
  return { ...fields, node: server.nodeName, listeners, contexts: httpContexts(ports, server.nodeName) };
}

/** Messages: of all virtual hosts, or of those that may be seen. */
function addSums(fields: Fields, call: Call, stats: Stats, totals: Totals, ranges: SampleRanges): void {
  const { sampler } = stats;
  const seen = isMonitor(call.identity) ? undefined : listedVhosts(stats.server, call.identity);
  const parts: SumPart[] =
    seen === undefined
      ? [{ view: sampler.viewOfAll, sums: totals.sums }]
      : seen.map(({ name }) => ({ view: sampler.viewOfVhost(name), sums: totals.byVhost.get(name)?.sums }));
  fields["message_stats"] = messageStats(parts, ranges);
  const lengths: Fields = {};
  addParts(lengths, parts, totalMeasures.lengths, ranges.lengths);
  fields["queue_totals"] = lengths;
}

interface SumPart {
  readonly view: SampleView;
  readonly sums: Float64Array | undefined;
}

const nothingSampled = new SampleView(undefined, { lastMs: 0, beforeMs: 0 });
const diskMeasures: readonly Measure[] = ["disk_reads", "disk_writes"].map((name) => measure(name, []));

function messageStats(parts: readonly SumPart[], ranges: SampleRanges): Fields {
  const fields: Fields = {};
  addParts(fields, parts, totalMeasures.publish, ranges.messageRates);
  addParts(fields, parts, totalMeasures.deliver, ranges.messageRates);
  // Reads and writes of messages of their own, as RabbitMQ's queues make them, there are none.
  nothingSampled.add(fields, diskMeasures, () => 0, ranges.messageRates);
  return fields;
}

function addParts(
  fields: Fields,
  parts: readonly SumPart[],
  measures: readonly Measure[],
  range: SampleRanges["lengths"],
): void {
  for (const { view, sums } of parts) {
    const now = ({ columns }: Measure): number => columns.reduce((sum, column) => sum + (sums?.[column] ?? 0), 0);
    const part: Fields = {};
    view.add(part, measures, now, range);
    mergeSums(fields, part);
  }
}

/** Numbers are added up, also those deeper down; timestamps are the same in both. */
function mergeSums(to: Fields, from: Fields): void {
  for (const [name, value] of Object.entries(from)) {
    const before = to[name];
    if (before === undefined || name === "timestamp") to[name] = value;
    else if (typeof value === "number") to[name] = (before as number) + value;
    else if (Array.isArray(value)) {
      for (const [index, each] of value.entries()) mergeSums((before as Fields[])[index]!, each as Fields);
    } else mergeSums(before as Fields, value as Fields);
  }
}

function objectTotals(call: Call, totals: Totals, hasAll: boolean): Fields {
  const { server, identity } = call;
  if (isMonitor(identity)) {
    const { queues, exchanges, connections } = totals;
    if (!hasAll) return { queues, exchanges, connections };
    const { consumers, channels } = totals;
    return { consumers, queues, exchanges, connections, channels };
  }
  let queues = 0;
  let exchanges = 0;
  for (const { name } of listedVhosts(server, identity)) {
    queues += totals.byVhost.get(name)?.queues ?? 0;
    exchanges += totals.byVhost.get(name)?.exchanges ?? 0;
  }
  if (!hasAll) return { queues, exchanges };
  let connections = 0;
  let channels = 0;
  for (const connection of server.live.all()) {
    if (connection.user !== identity.name) continue;
    connections++;
    channels += connection.channelCount;
  }
  return { queues, exchanges, connections, channels };
}

/** What statistics add to a virtual host in `/api/vhosts`. */
export function vhostStatsJson(name: string, stats: Stats, totals: Totals, ranges: SampleRanges): Fields {
  const sums = totals.byVhost.get(name)?.sums;
  const part = { view: stats.sampler.viewOfVhost(name), sums };
  const fields: Fields = {};
  addParts(fields, [part], totalMeasures.traffic, ranges.dataRates);
  addParts(fields, [part], totalMeasures.lengths, ranges.lengths);
  const rates: Fields = {};
  addParts(rates, [part], totalMeasures.publish, ranges.messageRates);
  addParts(rates, [part], totalMeasures.deliver, ranges.messageRates);
  if (sums?.subarray(0, totalMeasures.lengthsAt).some((value) => value > 0)) fields["message_stats"] = rates;
  return fields;
}
