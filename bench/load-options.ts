// The options that every scenario of the load program takes, and what its result line may say.

import { parseArgs } from "node:util";
import type { Usage, UsageWatch } from "./broker-usage.ts";

export interface LoadOptions {
  readonly uri: string;
  /** Process whose CPU time, memory and written bytes are reported. */
  readonly pid: number | undefined;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** For the scenarios that are counted rather than timed. */
  readonly messages: number;
  readonly bodyBytes: number | undefined;
  readonly window: number | undefined;
  readonly prefetch: number | undefined;
  readonly ackEvery: number;
  /** Queues of a fan-out or topic scenario, connections of the connections scenario, or producers of Kafka's. */
  readonly width: number | undefined;
  /** Of a topic of Kafka's. */
  readonly partitions: number;
  /** Messages that lie in that topic from before. */
  readonly held: number;
  readonly bindings: number;
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** A directory on the disk that the broker writes to: what is written there is counted, and compared with. */
  readonly dir: string;
  /** Sent with each queue.declare of a durable queue as x-queue-type, where given: "quorum" is RabbitMQ's other kind. */
  readonly queueType: string | undefined;
  /** Of a backlog that others have filled before: the next message's number. */
  readonly firstSequence: number;
  /** Deliveries of each message: of the plain process, and of Kafka's, where so many readers read all. Whether nothing is written. */
  readonly copies: number;
  readonly isTransient: boolean;
}

/** One line of JSON of a run: numbers, and small objects of numbers. */
export type LoadResult = Record<string, number | string | Record<string, number> | undefined>;

export const usage = `load SCENARIO [options]
  --uri URI            amqp://guest:guest@127.0.0.1:5672
  --pid N              report this process's CPU time, memory and written bytes
  --seconds N          measured time (10)       --warmup N     seconds before it (2)
  --messages N         for counted scenarios (1000000)
  --body N             bytes of a message       --window N     unconfirmed messages allowed (1000)
  --prefetch N         (1000)                   --ack-every N  1: each alone; n: multiple, every n-th (1)
  --width N            queues, or connections   --bindings N   (10000)
  --delay-min MS  --delay-max MS                --dir DIR      on the broker's disk (.)
  --queue-type TYPE    x-queue-type of durable queues
  --first N            the first message's number (0)
  --copies N           (1)                      --transient    (of plain-bytes)
  --partitions N       of Kafka's topic (1)     --held N       messages in it before (0)`;

/** Reads the command line. Errors: an unknown option, or a value that is not a number where one is due. */
export function parseLoadOptions(args: string[]): { scenario: string; options: LoadOptions } {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      uri: text,
      pid: text,
      seconds: text,
      warmup: text,
      messages: text,
      body: text,
      window: text,
      prefetch: text,
      "ack-every": text,
      width: text,
      partitions: text,
      held: text,
      bindings: text,
      "delay-min": text,
      "delay-max": text,
      dir: text,
      "queue-type": text,
      first: text,
      copies: text,
      transient: { type: "boolean", default: false },
    },
  });
  const number = (name: keyof typeof values): number | undefined => {
    const value = values[name];
    if (value === undefined) return undefined;
    if (!(Number(value) >= 0)) throw new Error(`--${name} ${value}: a number is needed`);
    return Number(value);
  };
  return {
    scenario: positionals[0] ?? "",
    options: {
      uri: values.uri ?? "amqp://guest:guest@127.0.0.1:5672",
      pid: number("pid"),
      seconds: number("seconds") ?? 10,
      warmupSeconds: number("warmup") ?? 2,
      messages: number("messages") ?? 1_000_000,
      bodyBytes: number("body"),
      window: number("window"),
      prefetch: number("prefetch"),
      ackEvery: number("ack-every") ?? 1,
      width: number("width"),
      partitions: number("partitions") ?? 1,
      held: number("held") ?? 0,
      bindings: number("bindings") ?? 10_000,
      delayMinMs: number("delay-min") ?? 20_000,
      delayMaxMs: number("delay-max") ?? 3_600_000,
      dir: values.dir ?? ".",
      queueType: values["queue-type"],
      firstSequence: number("first") ?? 0,
      copies: number("copies") ?? 1,
      isTransient: values.transient,
    },
  };
}

/** What the broker used between two moments, as fields of a result. */
export function usageFields(before: Usage | undefined, after: Usage | undefined, watch: UsageWatch): LoadResult {
  if (!before || !after) return {};
  return {
    brokerCpuSeconds: round(after.cpuSeconds - before.cpuSeconds, 2),
    brokerRssMb: round(after.rssMb, 1),
    brokerRssMbMax: round(watch.rssMbMax, 1),
  };
}

export function round(value: number, digits = 0): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

export function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
