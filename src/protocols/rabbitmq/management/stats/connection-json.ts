/** Connections and channels as `/api/connections` and `/api/channels` show them. */

import { fieldValue, type FieldTable } from "../../model/field-table.ts";
import { jsonOfTable } from "../../model/json-table.ts";
import type { LiveChannel, LiveConnection } from "../../model/live.ts";
import { channelName, consumerJson } from "./consumer-json.ts";
import { channelMeasures, connectionMeasures, readChannel, readConnection } from "./measures.ts";
import { noCollector, shownTime } from "./queue-json.ts";
import type { Fields, Measure, SampleRanges } from "./rates.ts";
import type { Stats } from "./stats.ts";

const isSome = (value: number): boolean => value > 0;

/** One literal: see queueJson(). */
export function connectionJson(connection: LiveConnection, stats: Stats, ranges: SampleRanges): Fields {
  const { address, traffic, clientProperties } = connection;
  const { tls } = address;
  const certificate = tls?.certificate;
  const values = new Float64Array(connectionMeasures.columns);
  readConnection(connection, values);
  const octets: Fields = {};
  const now = ({ columns }: Measure): number => values[columns[0]!]!;
  stats.sampler.viewOf(connection).add(octets, connectionMeasures.traffic, now, ranges.dataRates);
  const fields: Fields = {
    auth_mechanism: connection.mechanism,
    channel_max: connection.channelMax,
    channels: connection.channelCount,
    client_properties: propertiesJson(clientProperties),
    connected_at: connection.connectedAtMs,
    frame_max: connection.frameMaxBytes,
    garbage_collection: noCollector,
    host: address.localAddress,
    name: connection.name,
    node: stats.server.nodeName,
    peer_cert_issuer: certificate?.issuer ?? null,
    peer_cert_subject: certificate?.subject ?? null,
    peer_cert_validity:
      certificate === undefined
        ? null
        : `${validityTime(certificate.beginsAtMs)} - ${validityTime(certificate.endsAtMs)}`,
    peer_host: address.remoteAddress,
    peer_port: address.remotePort,
    port: address.localPort,
    protocol: connection.protocol,
    recv_cnt: traffic.receivedPackets,
    recv_oct: octets["recv_oct"],
    recv_oct_details: octets["recv_oct_details"],
    reductions: 0,
    reductions_details: { rate: 0 },
    send_cnt: traffic.sentPackets,
    send_oct: octets["send_oct"],
    send_oct_details: octets["send_oct_details"],
    send_pend: connection.unsentBytes,
    ssl: address.isTls,
    ssl_cipher: tls?.cipher ?? null,
    ssl_hash: tls?.hash ?? null,
    ssl_key_exchange: tls?.keyExchange ?? null,
    ssl_protocol: tls === undefined ? null : tls.version.toLowerCase(),
    state: connection.state,
    timeout: connection.heartbeatSeconds,
    type: "network",
    user: connection.user,
    user_who_performed_action: connection.user,
    vhost: connection.vhost,
  };
  const named = fieldValue(clientProperties, "connection_name");
  if (named?.type === "S") fields["user_provided_name"] = named.value.toString();
  return fields;
}

const jsonByProperties = new WeakMap<FieldTable, Fields>();

/** They are the same for as long as the connection lives. */
function propertiesJson(properties: FieldTable): Fields {
  let json = jsonByProperties.get(properties);
  if (json === undefined) jsonByProperties.set(properties, (json = jsonOfTable(properties)));
  return json;
}

function validityTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "");
}

export interface PlacedChannel {
  readonly channel: LiveChannel;
  readonly connection: LiveConnection;
}

/** As in lists. */
export function channelJson({ channel, connection }: PlacedChannel, stats: Stats, ranges: SampleRanges): Fields {
  const values = new Float64Array(channelMeasures.columns);
  readChannel(channel, values);
  const now = ({ columns }: Measure): number => columns.reduce((sum, column) => sum + values[column]!, 0);
  const view = stats.sampler.viewOf(channel);
  const messageStats: Fields = {};
  const hasPublished = values.subarray(0, 4).some(isSome);
  const hasTaken = values.subarray(4).some(isSome);
  if (hasPublished) view.add(messageStats, channelMeasures.publish, now, ranges.messageRates);
  if (hasTaken) view.add(messageStats, channelMeasures.deliver, now, ranges.messageRates);
  const fields: Fields = {
    acks_uncommitted: channel.uncommittedAckCount,
    confirm: channel.isConfirming,
    connection_details: {
      name: connection.name,
      peer_host: connection.address.remoteAddress,
      peer_port: connection.address.remotePort,
    },
    consumer_count: channel.consumerCount,
    garbage_collection: noCollector,
    global_prefetch_count: channel.globalPrefetchCount,
    messages_unacknowledged: channel.unacknowledgedCount,
    messages_uncommitted: channel.uncommittedCount,
    messages_unconfirmed: channel.unconfirmedCount,
    name: channelName(connection, channel),
    node: stats.server.nodeName,
    number: channel.number,
    pending_raft_commands: 0,
    prefetch_count: channel.prefetchCount,
    reductions: 0,
    reductions_details: { rate: 0 },
    state: channel.state,
    transactional: channel.isTransactional,
    user: connection.user,
    user_who_performed_action: connection.user,
    vhost: connection.vhost,
  };
  if (hasPublished || hasTaken) fields["message_stats"] = messageStats;
  const idleMs = stats.server.clock.now() - channel.idleSinceMs;
  if (channel.state === "running" && idleMs >= stats.options.sampleIntervalMs)
    fields["idle_since"] = shownTime(channel.idleSinceMs);
  return fields;
}

/** As for one channel. */
export function detailedChannelJson(placed: PlacedChannel, stats: Stats, ranges: SampleRanges): Fields {
  const { channel, connection } = placed;
  const consumers = [...channel.consumers()];
  return {
    ...channelJson(placed, stats, ranges),
    consumer_details: consumers.map((consumer) =>
      consumerJson({ consumer, channel, connection }, stats.server.nodeName),
    ),
    deliveries: [],
    publishes: [],
  };
}
