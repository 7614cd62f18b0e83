/** How long the event loop was held up: measured all the time by node itself, read by who reports it. */

import { monitorEventLoopDelay, performance } from "node:perf_hooks";

export interface LoopDelay {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopDelayMeter {
  /** Since the last reset(). */
  read(): LoopDelay;
  reset(): void;
  stop(): void;
}

/** A tick each so often; what it comes late by is the delay. */
const resolutionMs = 20;

export function startLoopDelayMeter(): LoopDelayMeter {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  // The histogram has the time between ticks, that is the resolution and the delay.
  const delayMs = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / 1e6 - resolutionMs) : 0);
  return {
    read: () =>
      histogram.count === 0
        ? { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }
        : {
            meanMs: delayMs(histogram.mean),
            p50Ms: delayMs(histogram.percentile(50)),
            p99Ms: delayMs(histogram.percentile(99)),
            maxMs: delayMs(histogram.max),
          },
    reset: () => histogram.reset(),
    stop: () => void histogram.disable(),
  };
}

/** Milliseconds in which the event loop had something to do, since the process began. */
export function loopActiveMs(): number {
  return performance.eventLoopUtilization().active;
}
