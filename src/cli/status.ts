/** `entrepot status`: whether a broker is ready, and what it has to do. */

import { ApiError, pathOf, type Api } from "./api-client.ts";
import type { ApiCall, ApiCommand, Shown } from "./api-command.ts";
import { readiness, readinessText } from "./ready.ts";
import { pairs, table } from "./table.ts";

interface Overview {
  readonly node?: string;
  readonly product_name?: string;
  readonly product_version?: string;
  readonly rabbitmq_version?: string;
  readonly erlang_full_version?: string;
  readonly object_totals?: Readonly<Record<string, number>>;
  readonly queue_totals?: Readonly<Record<string, unknown>>;
  readonly listeners?: readonly { readonly protocol: string; readonly ip_address: string; readonly port: number }[];
}

interface Node {
  readonly uptime?: number;
  readonly mem_used?: number;
  readonly mem_limit?: number;
  readonly mem_alarm?: boolean;
  readonly disk_free?: number;
  readonly disk_free_limit?: number;
  readonly disk_free_alarm?: boolean;
}

async function status({ api }: ApiCall): Promise<Shown> {
  const health = await readiness(api);
  const overview = await api.ask<Overview>(pathOf("overview"));
  const [node] = await nodes(api);
  const { listeners = [], object_totals: objects = {}, queue_totals: totals = {} } = overview;
  const text = pairs({
    status: readinessText(health),
    node: overview.node,
    version: versionOf(overview),
    ...(node?.uptime !== undefined && { "up for": durationText(node.uptime) }),
    ...(node?.mem_used !== undefined && {
      // The limit is for what messages take; what the process takes is more.
      memory: `${mebibytes(node.mem_used)}, producers are blocked when messages take ${mebibytes(node.mem_limit ?? 0)} of it`,
    }),
    ...(node?.disk_free !== undefined && {
      "disk free": `${mebibytes(node.disk_free)}, producers are blocked below ${mebibytes(node.disk_free_limit ?? 0)}`,
    }),
    ...objects,
    ready: totals["messages_ready"] ?? 0,
    unacknowledged: totals["messages_unacknowledged"] ?? 0,
  });
  const ports = table(listeners, [
    { heading: "PROTOCOL", value: ({ protocol }) => protocol },
    { heading: "ADDRESS", value: ({ ip_address: host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}` },
  ]);
  return { json: { health, overview, node }, text: `${text}\n${ports}`, isFailure: health.status !== "ok" };
}

/** The broker's own stands beside that of its runtime; where RabbitMQ's clients look, they find RabbitMQ's. */
function versionOf({ erlang_full_version: runtime = "", product_version, rabbitmq_version }: Overview): string {
  const spoken = product_version ?? rabbitmq_version ?? "unknown";
  const own = /\bEntrepot (\S+)/.exec(runtime)?.[1];
  return own === undefined ? spoken : `${own}, to clients RabbitMQ ${spoken}`;
}

/** Only those who may watch the broker see its nodes. */
async function nodes(api: Api): Promise<readonly Node[]> {
  try {
    return await api.ask<Node[]>(pathOf("nodes"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return [];
    throw error;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const first = parts.findIndex((part) => part > 0);
  return parts
    .map((part, at) => `${part}${"dhms"[at]}`)
    .slice(first < 0 ? 3 : first)
    .join(" ");
}

export const statusCommands: readonly ApiCommand[] = [
  { name: "status", about: "Whether a broker is ready, and what it has to do. Status 1 if it is not.", run: status },
];
