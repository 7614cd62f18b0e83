/** Shovels as RabbitMQ's management shows them. */

import type { Shovel } from "./shovel.ts";

export interface ShovelStatus {
  readonly [field: string]: unknown;
  readonly node: string;
  /** When it came into its state, local time: `2026-01-31 9:05:00`. */
  readonly timestamp: string;
  readonly name: string;
  /** Absent: it is static. */
  readonly vhost?: string;
  readonly type: "static" | "dynamic";
  readonly state: "starting" | "running" | "flow" | "blocked" | "terminated";
}

export function shownStatus(shovel: Shovel, node: string): ShovelStatus {
  const { name, vhost } = shovel.identity;
  return {
    node,
    timestamp: localTime(shovel.changedAtMs),
    name,
    ...(vhost !== undefined && { vhost }),
    type: vhost === undefined ? "static" : "dynamic",
    ...stateOf(shovel),
  };
}

function stateOf(shovel: Shovel): { readonly state: ShovelStatus["state"] } {
  const { state } = shovel;
  if (state.kind !== "running")
    return { ...(state.kind === "terminated" && { reason: state.reason }), state: state.kind };
  const { source, destination } = shovel.plan;
  const { forwarding } = state;
  const endpoints = {
    src_queue: source.queue,
    src_exchange: source.exchange,
    src_exchange_key: source.exchange === undefined ? undefined : source.exchangeKey,
    dest_queue: destination.queue,
    dest_exchange: destination.exchange,
    dest_exchange_key: destination.exchangeKey,
  };
  return {
    ...counters(forwarding.remainingCount, forwarding.unpublishedCount),
    pending: 0,
    forwarded: forwarding.forwardedCount,
    state: forwarding.state,
    src_uri: state.source.uri,
    src_protocol: "amqp091",
    dest_protocol: "amqp091",
    dest_uri: state.destination.uri,
    ...Object.fromEntries(Object.entries(endpoints).filter(([, value]) => value !== undefined)),
    blocked_status: forwarding.state,
  } as { readonly state: ShovelStatus["state"] };
}

function counters(remaining: number, unpublished: number): Readonly<Record<string, unknown>> {
  if (remaining === Infinity) return { remaining: "unlimited", remaining_unacked: "unlimited" };
  return { remaining, remaining_unacked: unpublished };
}

/** As RabbitMQ writes it, with an hour of one digit before ten. */
function localTime(ms: number): string {
  const time = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${time.getHours()}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
