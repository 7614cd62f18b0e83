// What a run took of the machine between two moments, as fields of its result: the broker's processor time and that of its
// busiest thread, the load's own, what others took, and how much of the time the disk was at work. From it follows which resource
// was the limit.

import { availableParallelism } from "node:os";
import { usageOf } from "./broker-usage.ts";
import { limitOf, momentOf, sharesBetween } from "./kafka-usage.ts";
import { type LoadOptions, type LoadResult, round } from "./load-options.ts";

/** No process has it: what is asked of it is empty. */
const nobody = -1;

interface ResourceMark {
  readonly moment: ReturnType<typeof momentOf>;
  readonly brokerCpuSeconds: number;
  readonly brokerRssMb: number;
  readonly loadCpuSeconds: number;
}

export function markResources({ pid, dir }: Pick<LoadOptions, "pid" | "dir">): ResourceMark {
  const broker = pid === undefined ? { cpuSeconds: 0, rssMb: 0 } : usageOf(pid);
  const { user, system } = process.cpuUsage();
  return {
    moment: momentOf(pid ?? nobody, process.pid, dir),
    brokerCpuSeconds: broker.cpuSeconds,
    brokerRssMb: broker.rssMb,
    loadCpuSeconds: (user + system) / 1e6,
  };
}

export function resourceFields(before: ResourceMark, after: ResourceMark): LoadResult {
  const shares = sharesBetween(before.moment, after.moment);
  return {
    brokerCpuSeconds: round(after.brokerCpuSeconds - before.brokerCpuSeconds, 2),
    brokerRssMb: round(after.brokerRssMb, 1),
    loadCpuSeconds: round(after.loadCpuSeconds - before.loadCpuSeconds, 2),
    brokerThreadShare: round(shares.brokerThread, 2),
    loadThreadShare: round(shares.clientThread, 2),
    diskBusyShare: round(shares.disk, 2),
    othersCores: round(Math.max(0, shares.machine - shares.broker - shares.client), 2),
    cores: availableParallelism(),
    limit: limitOf(shares),
  };
}
