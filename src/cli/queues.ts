/** `entrepot queues`: list, show, declare, purge, delete, redrive. */

import { pathOf } from "./api-client.ts";
import { done, vhostFilter, vhostFlag, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { UsageError } from "./usage-error.ts";
import { pairs, table, type Column } from "./table.ts";

interface QueueRow {
  readonly name: string;
  readonly vhost: string;
  readonly type?: string;
  readonly durable?: boolean;
  readonly auto_delete?: boolean;
  readonly exclusive?: boolean;
  readonly state?: string;
  readonly messages?: number;
  readonly messages_ready?: number;
  readonly messages_unacknowledged?: number;
  readonly consumers?: number;
  readonly policy?: string | null;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly message_stats?: Readonly<Record<string, unknown>>;
}

const columns: readonly Column<QueueRow>[] = [
  { heading: "VHOST", value: ({ vhost }) => vhost },
  { heading: "NAME", value: ({ name }) => name },
  { heading: "TYPE", value: ({ type }) => type },
  { heading: "STATE", value: ({ state }) => state },
  { heading: "READY", value: ({ messages_ready: ready }) => ready ?? 0 },
  { heading: "UNACKED", value: ({ messages_unacknowledged: unacked }) => unacked ?? 0 },
  { heading: "CONSUMERS", value: ({ consumers }) => consumers ?? 0 },
  { heading: "POLICY", value: ({ policy }) => policy },
];

const pageSize = 500;

/** Page by page, so that ten thousand queues are no single answer. */
async function list({ api, flags }: ApiCall): Promise<Shown> {
  const of = typeof flags["vhost"] === "string" ? pathOf("queues", flags["vhost"]) : pathOf("queues");
  const filter =
    typeof flags["filter"] === "string" ? `&use_regex=true&name=${encodeURIComponent(flags["filter"])}` : "";
  const rows: QueueRow[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const query = `page=${page}&page_size=${pageSize}&pagination=true${filter}`;
    const answer = await api.ask<{ items: QueueRow[]; page_count: number }>(`${of}?${query}`);
    rows.push(...answer.items);
    pages = answer.page_count;
  }
  return { json: rows, text: table(rows, columns) };
}

async function show({ api, args: [name = ""], vhost }: ApiCall): Promise<Shown> {
  const queue = await api.ask<QueueRow>(pathOf("queues", vhost, name));
  const { arguments: given = {}, message_stats: counters = {} } = queue;
  const counts = Object.entries(counters).filter(([, value]) => typeof value === "number");
  const text = pairs({
    name: queue.name,
    vhost: queue.vhost,
    type: queue.type,
    state: queue.state,
    durable: queue.durable,
    "auto delete": queue.auto_delete,
    exclusive: queue.exclusive,
    policy: queue.policy,
    ready: queue.messages_ready,
    unacknowledged: queue.messages_unacknowledged,
    consumers: queue.consumers,
    ...Object.fromEntries(counts),
    ...given,
  });
  return { json: queue, text };
}

async function declare({ api, args: [name = ""], flags, vhost }: ApiCall): Promise<Shown> {
  const given = argumentsOf(flags["arguments"]);
  const type = flags["type"];
  await api.ask(pathOf("queues", vhost, name), {
    method: "PUT",
    body: {
      durable: flags["transient"] !== true,
      auto_delete: flags["autoDelete"] === true,
      arguments: { ...(type !== undefined && { "x-queue-type": type }), ...given },
    },
  });
  return done(`queue ${name} is declared`);
}

function argumentsOf(text: unknown): Readonly<Record<string, unknown>> {
  if (typeof text !== "string") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new UsageError(`--arguments is ${text}, which is not a JSON object such as {"x-max-length":1000}`);
}

async function purge({ api, args: [name = ""], vhost }: ApiCall): Promise<Shown> {
  await api.ask(`${pathOf("queues", vhost, name)}/contents`, { method: "DELETE" });
  return done(`queue ${name} is empty of what was ready`);
}

async function remove({ api, args: [name = ""], flags, vhost }: ApiCall): Promise<Shown> {
  const conditions = [flags["ifEmpty"] === true && "if-empty=true", flags["ifUnused"] === true && "if-unused=true"];
  const query = conditions.filter((each) => each !== false).join("&");
  await api.ask(`${pathOf("queues", vhost, name)}${query === "" ? "" : `?${query}`}`, { method: "DELETE" });
  return done(`queue ${name} is deleted`);
}

async function redrive({ api, args: [name = ""], flags, vhost }: ApiCall): Promise<Shown> {
  const { count } = flags;
  if (count !== undefined && !/^\d{1,15}$/.test(String(count))) {
    throw new UsageError(`--count is ${String(count)}, which is not a whole number`);
  }
  const answer = await api.ask<{ moved: number }>(`${pathOf("entrepot", "queues", vhost, name)}/redrive`, {
    method: "POST",
    body: count === undefined ? {} : { count: Number(count) },
  });
  return done(`${answer.moved} messages went back to the queues in which they had died`, answer);
}

export const queueCommands: readonly ApiCommand[] = [
  {
    name: "queues list",
    about: "What queues there are, and what is in them.",
    flags: { ...vhostFilter, "--filter <REGEX>": "those whose names it fits" },
    run: list,
  },
  { name: "queues show", about: "All about one queue.", takes: "<NAME>", flags: vhostFlag, run: show },
  {
    name: "queues declare",
    about: "Make a queue, or see that it is there as described.",
    takes: "<NAME>",
    flags: {
      ...vhostFlag,
      "--type <TYPE>": "classic, quorum or stream",
      "--transient": "gone when the broker stops",
      "--auto-delete": "gone with its last consumer",
      "--arguments <JSON>": 'more arguments, such as {"x-max-length":1000}',
    },
    run: declare,
  },
  { name: "queues purge", about: "Drop all ready messages of a queue.", takes: "<NAME>", flags: vhostFlag, run: purge },
  {
    name: "queues delete",
    about: "Delete a queue with what is in it.",
    takes: "<NAME>",
    flags: { ...vhostFlag, "--if-empty": "only if nothing is in it", "--if-unused": "only if nobody consumes it" },
    run: remove,
  },
  {
    name: "queues redrive",
    about: "Move messages of a dead-letter queue back to where they died.",
    takes: "<NAME>",
    flags: { ...vhostFlag, "--count <N>": "so many at most" },
    run: redrive,
  },
];
