// What a broker's operating system process has used, from /proc: CPU time and resident memory; and what its disk has
// been written. Linux only.
//
// Written bytes are those of the whole disk, after a sync, and so contain what others wrote in the same time. The
// process's own counter (write_bytes) is of no use: where the page cache holds a file in large folios, it counts the whole
// folio for each write into it; 256 times too much was seen for synced writes of 4 KB into a preallocated file.

import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";

const ticksPerSecond = 100;
const sampleMs = 200;

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMb: number;
}

/** The usage of process `pid` until now. Errors: no such process. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The command name may hold spaces; what follows its closing parenthesis does not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const rssKb = numberAfter(readFileSync(`/proc/${pid}/status`, "latin1"), "VmRSS:");
  return { cpuSeconds: ticks / ticksPerSecond, rssMb: (rssKb * 1024) / 1e6 };
}

function numberAfter(text: string, label: string): number {
  const at = text.indexOf(label);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + label.length), 10);
}

/** Watches a process; without a pid it watches nothing and answers undefined. */
export class UsageWatch {
  rssMbMax = 0;
  readonly #pid: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(pid: number | undefined) {
    this.#pid = pid;
    if (pid !== undefined) this.#timer = setInterval(() => this.now(), sampleMs).unref();
  }

  now(): Usage | undefined {
    if (this.#pid === undefined) return undefined;
    const usage = usageOf(this.#pid);
    if (usage.rssMb > this.rssMbMax) this.rssMbMax = usage.rssMb;
    return usage;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** CPU seconds that all processes of the machine together have used since it started. */
export function machineCpuSeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupt + softInterrupt) / ticksPerSecond;
}

/** Bytes that the disk under `dir` was written since the machine started, with all that waited; 0 where unknown. */
export function diskWrittenBytes(dir: string): number {
  execFileSync("sync");
  return diskCounters(dir).writtenBytes;
}

/** Of the disk under `dir` since the machine started: what it was written, and for how long it had something to do; 0 where unknown. */
export function diskCounters(dir: string): { writtenBytes: number; busyMs: number } {
  const { dev } = statSync(dir);
  const device = `${(dev >>> 8) & 0xfff} ${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`;
  for (const line of readFileSync("/proc/diskstats", "latin1").split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (`${fields[0]} ${fields[1]}` !== device) continue;
    return { writtenBytes: Number(fields[9]) * 512, busyMs: Number(fields[12]) };
  }
  return { writtenBytes: 0, busyMs: 0 };
}
