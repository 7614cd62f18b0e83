/** What the system says of this process: memory, files, work. Read when it is asked for; what is not to be had is 0. */

import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface ProcessReading {
  readonly pid: number;
  readonly processors: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  /** Outside the heap: buffers among them. */
  readonly externalBytes: number;
  readonly openFiles: number;
  readonly openFilesMax: number;
  readonly contextSwitches: number;
  readonly fileReads: number;
  readonly cpuSeconds: number;
}

export type ProcessProbe = () => ProcessReading;

/** Reads the process that it runs in. */
export function processProbe(): ProcessProbe {
  const openFilesMax = fileLimit();
  const processors = availableParallelism();
  return () => {
    const memory = process.memoryUsage();
    const use = process.resourceUsage();
    return {
      pid: process.pid,
      processors,
      residentBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      heapTotalBytes: memory.heapTotal,
      externalBytes: memory.external,
      openFiles: openFiles(),
      openFilesMax,
      contextSwitches: use.voluntaryContextSwitches + use.involuntaryContextSwitches,
      fileReads: use.fsRead,
      cpuSeconds: (use.userCPUTime + use.systemCPUTime) / 1e6,
    };
  };
}

/** Linux lists them; elsewhere nobody does. */
function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

/** Descriptors that this process may have; 0: the system does not say. */
export function fileLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return Number(soft ?? 0);
  } catch {
    return 0;
  }
}
