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

/** From such a share on, as it is shown, a thread or a disk is called the limit: ticks, and the waits that no program is without, take the rest. */
export const busyPercentMin = 85;
export const coresPercentMin = 92;

/** Which resource was the limit, in words; where none was, how far each was from it. */
export function limitOf(shares: Shares, cores = cpus().length): string {
  const percent = (share: number): number => Math.round(share * 100);
  const { machine } = shares;
  const client = percent(shares.clientThread);
  const broker = percent(shares.brokerThread);
  const disk = percent(shares.disk);
  const thread = busyThread(client, broker);
  if (thread !== undefined) return thread;
  if (percent(machine / cores) >= coresPercentMin) {
    const others = Math.max(0, machine - shares.broker - shares.client);
    const parts = `client ${shares.client.toFixed(1)}, broker ${shares.broker.toFixed(1)}, others ${others.toFixed(1)}`;
    return `all ${cores} cores (${parts})`;
  }
  if (disk >= busyPercentMin) return busyDisk(disk);
  const parts = `client's thread ${client} %, broker's ${broker} %, disk ${disk} %`;
  return `latency × window (${parts}, ${machine.toFixed(1)} of ${cores} cores)`;
}

function busyThread(clientPercent: number, brokerPercent: number): string | undefined {
  if (clientPercent >= busyPercentMin) return `a client's thread (${clientPercent} %)`;
  if (brokerPercent >= busyPercentMin) return `a broker's thread (${brokerPercent} %)`;
  return undefined;
}

const busyDisk = (percent: number): string => `the disk (busy ${percent} %)`;

/** A limit that a run has told. Older results were judged before their percentages were rounded, and could say 85 % and not mean it. */
function limitAsShown(told: string): string {
  const found = /^latency × window \(client's thread (\d+) %, broker's (\d+) %, disk (\d+) %/.exec(told);
  if (found === null) return told;
  const [client, broker, disk] = found.slice(1).map(Number);
  return busyThread(client!, broker!) ?? (disk! >= busyPercentMin ? busyDisk(disk!) : told);
}

/**
 * Which resource was the limit of most of the runs, in the words of that one of these whose figure is next to the median of all;
 * undefined: no run has told any.
 */
export function usualLimit(
  runs: readonly { readonly told: string; readonly figure: number }[],
  median: number,
): string | undefined {
  const limits = runs.map(({ told, figure }) => ({ limit: limitAsShown(told), away: Math.abs(figure - median) }));
  const kind = ({ limit }: { readonly limit: string }): string => limit.replace(/ \(.*/, "");
  const often = (one: { readonly limit: string }): number => limits.filter((other) => kind(other) === kind(one)).length;
  return limits.toSorted((a, b) => often(b) - often(a) || a.away - b.away)[0]?.limit;
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
