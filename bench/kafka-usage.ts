// What the broker, its client and the disk did while a load was measured, and which of them was the limit.
//
// Rates say little without it: where the client's one thread is busy all the time, two brokers differ by how much of the
// machine they leave to it, and not by what they can do.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { diskCounters, machineCpuSeconds } from "./broker-usage.ts";

const ticksPerSecond = 100;

/** In seconds of processor time. */
export interface ProcessTimes {
  /** Of threads that have ended too. */
  readonly all: number;
  /** Of those that live, by thread. */
  readonly threads: ReadonlyMap<string, number>;
}

/** Undefined: the process, or the thread, has just ended. */
function secondsIn(statPath: string): number | undefined {
  try {
    const stat = readFileSync(statPath, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return undefined;
  }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Of a process that has ended nothing is known: all of it is 0. */
function timesOf(pid: number): ProcessTimes {
  const threads = new Map<string, number>();
  const all = secondsIn(`/proc/${pid}/stat`);
  if (all === undefined) return { all: 0, threads };
  for (const thread of threadsOf(pid)) {
    const seconds = secondsIn(`/proc/${pid}/task/${thread}/stat`);
    if (seconds !== undefined) threads.set(thread, seconds);
  }
  return { all, threads };
}

export interface Moment {
  readonly ms: number;
  readonly broker: ProcessTimes;
  readonly client: ProcessTimes;
  readonly machineSeconds: number;
  readonly diskBusyMs: number;
}

export function momentOf(brokerPid: number, clientPid: number, dir: string): Moment {
  return {
    ms: performance.now(),
    broker: timesOf(brokerPid),
    client: timesOf(clientPid),
    machineSeconds: machineCpuSeconds(),
    diskBusyMs: diskCounters(dir).busyMs,
  };
}

/** Shares are of the time between two moments. */
export interface Shares {
  readonly seconds: number;
  /** In cores. */
  readonly machine: number;
  readonly broker: number;
  readonly client: number;
  readonly brokerThread: number;
  readonly clientThread: number;
  readonly disk: number;
}

export function sharesBetween(from: Moment, to: Moment): Shares {
  const seconds = (to.ms - from.ms) / 1000;
  const cores = (before: ProcessTimes, after: ProcessTimes): number => Math.max(0, (after.all - before.all) / seconds);
  const busiest = (before: ProcessTimes, after: ProcessTimes): number => {
    const used = [...after.threads].map(([thread, time]) => (time - (before.threads.get(thread) ?? 0)) / seconds);
    return Math.max(0, ...used);
  };
  return {
    seconds,
    machine: (to.machineSeconds - from.machineSeconds) / seconds,
    broker: cores(from.broker, to.broker),
    client: cores(from.client, to.client),
    brokerThread: busiest(from.broker, to.broker),
    clientThread: busiest(from.client, to.client),
    disk: (to.diskBusyMs - from.diskBusyMs) / 1000 / seconds,
  };
}

/**
 * Of a load that does not say when it is measured: the mean over the intervals between `moments` in which its client did at
 * least half of the most that it did in any. So waiting for a group's assignment, or the client's end, are not in it.
 */
export function workingShares(moments: readonly Moment[]): Shares | undefined {
  const intervals = moments.slice(1).map((moment, index) => sharesBetween(moments[index]!, moment));
  const most = Math.max(...intervals.map(({ client }) => client));
  const working = intervals.filter(({ client }) => client > 0 && client >= most / 2);
  if (working.length === 0) return undefined;
  const seconds = working.reduce((sum, each) => sum + each.seconds, 0);
  const mean = (pick: (shares: Shares) => number): number =>
    working.reduce((sum, each) => sum + pick(each) * each.seconds, 0) / seconds;
  return {
    seconds,
    machine: mean(({ machine }) => machine),
    broker: mean(({ broker }) => broker),
    client: mean(({ client }) => client),
    brokerThread: mean(({ brokerThread }) => brokerThread),
    clientThread: mean(({ clientThread }) => clientThread),
    disk: mean(({ disk }) => disk),
  };
}

/** From such a share on a thread or a disk is called the limit: ticks, and the waits that no program is without, take the rest. */
const busyShareMin = 0.85;
const coresShareMin = 0.92;

/** Which resource was the limit, in words; where none was, how far each was from it. */
export function limitOf(shares: Shares, cores = cpus().length): string {
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const { clientThread, brokerThread, disk, machine } = shares;
  if (clientThread >= busyShareMin) return `a client's thread (${percent(clientThread)})`;
  if (brokerThread >= busyShareMin) return `a broker's thread (${percent(brokerThread)})`;
  if (machine >= cores * coresShareMin) {
    const others = Math.max(0, machine - shares.broker - shares.client);
    const parts = `client ${shares.client.toFixed(1)}, broker ${shares.broker.toFixed(1)}, others ${others.toFixed(1)}`;
    return `all ${cores} cores (${parts})`;
  }
  if (disk >= busyShareMin) return `the disk (busy ${percent(disk)})`;
  const parts = `client's thread ${percent(clientThread)}, broker's ${percent(brokerThread)}, disk ${percent(disk)}`;
  return `latency × window (${parts}, ${machine.toFixed(1)} of ${cores} cores)`;
}

/** Lets the peak of resident memory be counted anew; where that is not allowed, it is that since the start. */
export function resetPeakMemory(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5\n");
  } catch {
    process.stderr.write("the peak of memory cannot be reset: it is that since the broker started\n");
  }
}

/** The peak of resident memory since it was reset. */
export function peakMemoryMb(pid: number): number {
  return peakMbIn(readFileSync(`/proc/${pid}/status`, "latin1"));
}

export function peakMbIn(status: string): number {
  return (Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024) / 1e6;
}
