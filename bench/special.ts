// The measurements that need the broker's process and not only its port: start, backlog with a crash in the middle,
// delayed messages. Each starts brokers of its own over a directory of its own.

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { BrokerKind } from "./brokers.ts";
import { usageOf } from "./broker-usage.ts";
import { type LoadResult, round, seconds } from "./load-options.ts";
import { numberOf, runLoad } from "./run-load.ts";

/** A start over an empty directory: ms to readiness, and resident MB after two idle seconds. */
export async function measureStart(kind: BrokerKind, dir: string): Promise<LoadResult> {
  const home = join(dir, `start-${kind.name}`);
  const broker = await kind.start(home);
  await seconds(2);
  const { rssMb } = usageOf(broker.pid);
  await broker.stop();
  rmSync(home, { recursive: true, force: true });
  return { readyMs: round(broker.readyMs), idleRssMb: round(rssMb, 1) };
}

/** Fill, SIGKILL, start, drain. */
export async function measureBacklog(kind: BrokerKind, dir: string, messages: number): Promise<LoadResult> {
  const home = join(dir, `backlog-${kind.name}`);
  const args = ["--messages", String(messages)];
  let broker = await kind.start(home);
  const fill = await runLoad(broker, "backlog-fill", args);
  const rssWaitingMb = usageOf(broker.pid).rssMb;
  await broker.kill();
  broker = await kind.start(home);
  const { readyMs } = broker;
  const drain = await runLoad(broker, "backlog-drain", args);
  await broker.stop();
  rmSync(home, { recursive: true, force: true });
  return {
    messages,
    fillRate: numberOf(fill, "rate"),
    fillLimit: fill["limit"] ?? "",
    rssMbMaxFilling: numberOf(fill, "brokerRssMbMax"),
    rssMbWaiting: round(rssWaitingMb, 1),
    readyAfterKillMs: round(readyMs),
    drainRate: numberOf(drain, "rate"),
    drainLimit: drain["limit"] ?? "",
    firstAfterMs: numberOf(drain, "firstAfterMs"),
    rssMbMaxDraining: numberOf(drain, "brokerRssMbMax"),
    missing: numberOf(drain, "missing"),
    disordered: numberOf(drain, "disordered"),
    redelivered: numberOf(drain, "redelivered"),
  };
}

/** A million messages delayed at random over an hour; the first half minute in which any are due is watched. */
export async function measureDelayed(kind: BrokerKind, dir: string, messages: number): Promise<LoadResult> {
  const home = join(dir, `delayed-${kind.name}`);
  const broker = await kind.start(home);
  const plain = await runLoad(broker, "backlog-fill", ["--messages", String(messages)]);
  const result = await runLoad(broker, "delayed-1m", ["--messages", String(messages), "--seconds", "30"]);
  await broker.stop();
  rmSync(home, { recursive: true, force: true });
  return { ...result, plainRate: numberOf(plain, "rate"), messages };
}
