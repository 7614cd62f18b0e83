// The rows of the comparison: which scenario, with which options, at what durability, and which bar it has to reach.

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly durability: string;
  readonly scenario: string;
  readonly args: readonly string[];
  /** As the project's founding issue states it. */
  readonly bar: string;
  /** The least ratio of Entrepot's rate to RabbitMQ's. */
  readonly ratioMin?: number;
  /** Arguments of the plain process's load that give the same bytes the same way. */
  readonly plainArgs: readonly string[];
  /** RabbitMQ is measured with quorum queues as well: they are durable always, so only durable rows. */
  readonly hasQuorum?: boolean;
}

export const synced = "confirmed when synced";

export const rows: readonly Row[] = [
  { ...row("durable-100b", "durable queue, persistent 100 B, end to end", synced, "10 ×", 10), hasQuorum: true },
  { ...row("transient-100b", "transient queue, transient 100 B", "memory", "5 ×", 5), plainArgs: ["--transient"] },
  {
    ...row("durable-1k", "durable queue, persistent 1 KB", synced, "8 ×", 8),
    plainArgs: ["--body", "1024"],
    hasQuorum: true,
  },
  {
    ...row("durable-16k", "durable queue, persistent 16 KB", synced, "4 ×, or 80 % of the disk", 4),
    plainArgs: ["--body", "16384"],
    hasQuorum: true,
  },
  {
    ...row("fanout-1", "fanout exchange, 1 durable queue, 100 B", synced, "for the bytes of the next row"),
    scenario: "fanout-10",
    args: ["--width", "1"],
    hasQuorum: true,
  },
  {
    ...row("fanout-10", "fanout exchange, 10 durable queues, 100 B", synced, "4 ×, twice the bytes of one queue", 4),
    plainArgs: ["--copies", "10"],
    hasQuorum: true,
  },
  {
    ...row("connections-200", "200 connections, each its queue, publisher, consumer", synced, "4 ×", 4),
    plainArgs: ["--width", "200", "--window", "100"],
    hasQuorum: true,
  },
  { ...row("topic-10000-bindings", "topic exchange, 10,000 wildcard bindings", synced, "5 ×", 5), hasQuorum: true },
];

function row(id: string, title: string, durability: string, bar: string, ratioMin?: number): Row {
  const base = { id, title, durability, scenario: id, args: [], bar, plainArgs: [] };
  return ratioMin === undefined ? base : { ...base, ratioMin };
}
