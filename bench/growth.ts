// The curves: what grows, at which points, and with which arguments of the load program.
//
// A point that a contestant is not given is one that would take it too long (RabbitMQ fills a backlog of ten million at some
// thousands a second) or that the machine forbids (open files); the page says so.

import { readFileSync } from "node:fs";
import { windowOf } from "./growth-scenarios.ts";

export interface Curve {
  readonly id: string;
  readonly title: string;
  readonly xTitle: string;
  readonly xUnit?: string;
  readonly scenario: string;
  /** Those that are measured by default, and all. */
  readonly quick: readonly number[];
  readonly full: readonly number[];
  readonly args: (x: number) => readonly string[];
  /** Of the plain process's load under AMQP, which is another; absent: what grows is nothing to a process that moves bytes. */
  readonly plainArgs?: (x: number) => readonly string[];
  /** The greatest point at which the plain process is measured: what grows on is nothing to it, and this point stands for those. */
  readonly plainMax?: number;
  /** The greatest point at which RabbitMQ is measured. */
  readonly rabbitMax?: number;
  /** RabbitMQ is measured with quorum queues as well. */
  readonly hasQuorum?: boolean;
  /** Which latency is shown: of a backlog that of confirms, since its messages were published long ago. */
  readonly latency: "latencyUs" | "confirmUs";
  /** Files that a process has open at `x` for what grows: connections, or logs. */
  readonly filesAt?: (x: number, isPlain: boolean) => number;
  /** Seconds that setting up takes at `x` beside measuring, on a machine of today. */
  readonly setupSeconds: (x: number) => number;
}

const some = (x: number): string[] => ["--width", String(x)];

export const curves: readonly Curve[] = [
  {
    id: "size",
    title: "the size of a message",
    xTitle: "body of a message",
    xUnit: "B",
    scenario: "size",
    quick: [10, 1000, 100_000],
    full: [10, 100, 1000, 10_000, 100_000, 1_000_000],
    args: (x) => ["--body", String(x)],
    plainArgs: (x) => ["--body", String(x), "--window", String(windowOf(1, 1, x))],
    hasQuorum: true,
    latency: "latencyUs",
    setupSeconds: () => 1,
  },
  {
    id: "connections",
    title: "the number of connections",
    xTitle: "connections, each with a queue, a publisher and a consumer",
    scenario: "connections",
    quick: [1, 100, 1000],
    full: [1, 10, 100, 1000, 10_000],
    args: some,
    plainArgs: (x) => [...some(x), "--window", String(windowOf(x, 1, 100))],
    latency: "latencyUs",
    // The plain process has two connections where AMQP's load has one.
    filesAt: (x, isPlain) => (isPlain ? 2 * x : x),
    setupSeconds: (x) => 1 + x / 200,
  },
  {
    id: "queues",
    title: "the number of queues",
    xTitle: "queues, all published to in turn and all consumed from",
    scenario: "queues",
    quick: [1, 100, 1000],
    full: [1, 10, 100, 1000, 10_000],
    args: some,
    plainArgs: () => ["--window", String(windowOf(1, 1, 100))],
    plainMax: 1,
    latency: "latencyUs",
    setupSeconds: (x) => 1 + x / 200,
  },
  {
    id: "backlog",
    title: "the messages that wait",
    xTitle: "messages of 100 B in the queue",
    scenario: "backlog",
    quick: [0, 10_000, 100_000],
    full: [0, 1000, 10_000, 100_000, 1_000_000, 10_000_000],
    args: (x) => ["--messages", String(x)],
    plainArgs: () => ["--window", String(windowOf(1, 1, 100))],
    plainMax: 0,
    rabbitMax: 1_000_000,
    latency: "confirmUs",
    setupSeconds: (x) => 1 + x / 100_000,
  },
  {
    id: "fanout",
    title: "the queues of a fanout exchange",
    xTitle: "queues that get a copy of each message",
    scenario: "fanout",
    quick: [1, 10, 100],
    full: [1, 10, 100, 1000],
    args: some,
    plainArgs: (x) => ["--copies", String(x), "--window", String(windowOf(1, x, 100))],
    latency: "latencyUs",
    setupSeconds: (x) => 1 + x / 100,
  },
];

/** How many files a process started from here may open. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const found = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return found === undefined || found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found);
}

/** Files that a process has open beside its connections: journals, segments, libraries. */
const otherFiles = 500;

/** Whether `name` is measured at `x` on a machine where a process may open `filesMax` files. */
export function isMeasured(
  curve: Pick<Curve, "rabbitMax" | "plainMax" | "filesAt">,
  x: number,
  name: string,
  filesMax: number,
): boolean {
  if (name === "RabbitMQ" && curve.rabbitMax !== undefined && x > curve.rabbitMax) return false;
  const isPlain = name.startsWith("plain");
  if (isPlain && curve.plainMax !== undefined && x > curve.plainMax) return false;
  return curve.filesAt === undefined || curve.filesAt(x, isPlain) + otherFiles <= filesMax;
}
