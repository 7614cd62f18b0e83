/**
 * Time as something that is handed in.
 *
 * Nothing outside base, config and main reads a clock or sets a timer: everyone is given a `Clock`. In production that
 * is `systemClock()`. In tests, in the simulator, and for users with `startBroker({ clock: 'virtual' })`, it is a
 * `VirtualClock`, where an hour passes by saying so, and where timers run in one order: by time, then by the order in
 * which they were set. So the same inputs give the same trace.
 *
 * Times are whole milliseconds since 1970 (the form in which they are stored and sent). A timer has a point in time,
 * not a delay, for the same reason: what is kept on disk is when, not how long still. The system's timers fire at most
 * an hour late after the wall clock was set forward, since long ones are cut into pieces of that size; setTimeout
 * itself would count on, and overflows past 24.8 days. After the clock was set back, by more than a second, a timer fires when
 * the time has passed that there was to wait when it was set, though its point in time has not come: most of them are
 * for how long a peer may take, and a broker that neither gives up nor beats its heart until the clock has caught up would be
 * worse than one that looks too early. So who has something due looks whether it is.
 */

import { assert } from "./assert.ts";

/** What `setTimer` returned, to be given back to `clearTimer`. Opaque. */
export interface TimerHandle {
  readonly atMs: number;
}

export interface Clock {
  /** Milliseconds since 1970, whole. May go back when somebody sets the machine's clock. */
  now(): number;
  /**
   * Calls `run` once when `now()` has reached `atMs`; soon, but never at once, if that is past. Before it only where the
   * machine's clock was set back meanwhile: then when as much time has passed as there was to wait.
   */
  setTimer(atMs: number, run: () => void): TimerHandle;
  /** Calls `run` once after so long, a day at most, whatever the machine's clock is set to meanwhile: for another try. */
  setDelay(delayMs: number, run: () => void): TimerHandle;
  /** No effect if the timer has run or was cleared. */
  clearTimer(timer: TimerHandle): void;
  /** Calls `run` after everything that this turn of the event loop has to read was read. */
  defer(run: () => void): void;
  /** Milliseconds of a clock that only goes forward, with fractions: for how long something took, never for when. */
  elapsedMs(): number;
}

const timerPieceMs = 3_600_000;
/** So much sooner than it should setTimeout may fire, and so much may the clock be corrected, for which a timer waits. */
const earlyMsMax = 10;
const correctionMsMax = 1000;

class SystemTimer implements TimerHandle {
  readonly atMs: number;
  readonly run: () => void;
  /** When it will have waited for as long as there was to wait when it was set, by elapsedMs(). */
  readonly waitedAtMs: number;
  timeout: NodeJS.Timeout | null = null;

  constructor(atMs: number, run: () => void) {
    this.atMs = atMs;
    this.run = run;
    this.waitedAtMs = elapsedMs() + atMs - Date.now();
  }
}

function arm(timer: SystemTimer): void {
  const delayMs = Math.max(0, timer.atMs - Date.now());
  timer.timeout = setTimeout(fire, Math.min(delayMs, timerPieceMs), timer);
}

function fire(timer: SystemTimer): void {
  // setTimeout may fire up to a millisecond early against Date.now(): a promise is not kept early.
  const leftMs = timer.atMs - Date.now();
  const hasWaited = elapsedMs() + earlyMsMax >= timer.waitedAtMs;
  if (leftMs > 0 && !(hasWaited && leftMs > correctionMsMax)) return arm(timer);
  timer.timeout = null;
  timer.run();
}

const theSystemClock: Clock = {
  now: Date.now,
  setTimer(atMs, run) {
    const timer = new SystemTimer(atMs, run);
    arm(timer);
    return timer;
  },
  setDelay(delayMs, run) {
    const timer = new SystemTimer(Date.now() + delayMs, run);
    timer.timeout = setTimeout(() => {
      timer.timeout = null;
      run();
    }, delayMs);
    return timer;
  },
  clearTimer(timer) {
    assert(timer instanceof SystemTimer, "a timer goes back to the clock that set it");
    if (timer.timeout !== null) clearTimeout(timer.timeout);
    timer.timeout = null;
  },
  defer: setImmediate,
  elapsedMs,
};

/** The machine's, where no clock was handed in. */
export function elapsedMs(): number {
  return performance.now();
}

/** The machine's clock. */
export function systemClock(): Clock {
  return theSystemClock;
}

interface VirtualTimer extends TimerHandle {
  atMs: number;
  readonly isDelay: boolean;
  readonly order: number;
  run: () => void;
  isSet: boolean;
}

const nothing = (): void => undefined;
/** So few are not worth looking through. */
const clearedMin = 64;

/** A clock that moves only when told to. */
export class VirtualClock implements Clock {
  #nowMs: number;
  /** The part of it that nobody has waited for. */
  #jumpedMs = 0;
  #order = 0;
  /** A binary heap by time, then order. Cleared timers stay until they reach the top, or are more than half of it. */
  #timers: VirtualTimer[] = [];
  #clearedCount = 0;
  readonly #deferred: (() => void)[] = [];
  readonly #deferOutside: ((run: () => void) => void) | undefined;

  /**
   * @param startMs where it starts; the default is 2020-01-01, a fixed time so that traces are equal.
   * @param defer when given, deferred calls go there (setImmediate, when sockets and files are real), and
   *   `runDeferred` has nothing to do.
   */
  constructor(startMs = 1_577_836_800_000, defer?: (run: () => void) => void) {
    this.#nowMs = startMs;
    this.#deferOutside = defer;
  }

  now(): number {
    return this.#nowMs;
  }

  elapsedMs(): number {
    return this.#nowMs - this.#jumpedMs;
  }

  setTimer(atMs: number, run: () => void): TimerHandle {
    return this.#set(atMs, run, false);
  }

  setDelay(delayMs: number, run: () => void): TimerHandle {
    return this.#set(this.#nowMs + delayMs, run, true);
  }

  clearTimer(timer: TimerHandle): void {
    const cleared = timer as VirtualTimer;
    if (!cleared.isSet) return;
    cleared.isSet = false;
    // What it would have run is not kept alive by a time that may never come.
    cleared.run = nothing;
    if (++this.#clearedCount < Math.max(clearedMin, this.#timers.length / 2)) return;
    const kept = this.#timers.filter(({ isSet }) => isSet);
    this.#timers = [];
    this.#clearedCount = 0;
    for (const one of kept) siftUp(this.#timers, one);
  }

  defer(run: () => void): void {
    if (this.#deferOutside !== undefined) this.#deferOutside(run);
    else this.#deferred.push(run);
  }

  /** Runs what was deferred, and what that defers, until nothing is left. */
  runDeferred(): void {
    for (let run = this.#deferred.shift(); run !== undefined; run = this.#deferred.shift()) run();
  }

  /** When the next timer is due, or undefined if none is set. */
  nextTimerMs(): number | undefined {
    this.#dropCleared();
    return this.#timers[0]?.atMs;
  }

  /** Moves on by `ms`, and runs each timer on the way at its own time, with what it defers behind it. */
  advance(ms: number): void {
    assert(ms >= 0, "time goes forward");
    const endMs = this.#nowMs + ms;
    this.runDeferred();
    for (;;) {
      this.#dropCleared();
      const timer = this.#timers[0];
      if (timer === undefined || timer.atMs > endMs) break;
      dropTop(this.#timers);
      timer.isSet = false;
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.run();
      this.runDeferred();
    }
    this.#nowMs = endMs;
  }

  /** Sets the clock to another time, back or forth, as an operator would; no timer runs by it. */
  jumpTo(nowMs: number): void {
    const jumpMs = nowMs - this.#nowMs;
    this.#nowMs = nowMs;
    this.#jumpedMs += jumpMs;
    for (const timer of this.#timers.splice(0)) {
      if (timer.isDelay) timer.atMs += jumpMs;
      siftUp(this.#timers, timer);
    }
  }

  #set(atMs: number, run: () => void, isDelay: boolean): TimerHandle {
    const timer: VirtualTimer = { atMs, isDelay, order: this.#order++, run, isSet: true };
    siftUp(this.#timers, timer);
    return timer;
  }

  #dropCleared(): void {
    for (let top = this.#timers[0]; top !== undefined && !top.isSet; top = this.#timers[0]) {
      dropTop(this.#timers);
      this.#clearedCount--;
    }
  }
}

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function siftUp(heap: VirtualTimer[], timer: VirtualTimer): void {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above]!;
    if (!isBefore(timer, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = timer;
}

function dropTop(heap: VirtualTimer[]): void {
  const last = heap.pop()!;
  const length = heap.length;
  if (length === 0) return;
  let at = 0;
  for (;;) {
    let below = at * 2 + 1;
    if (below >= length) break;
    if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below++;
    const child = heap[below]!;
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * Reads `15m`, `1h30m`, `250ms`, `1.5s`, `7d` or a plain number of milliseconds.
 * @returns whole milliseconds, or undefined if the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return wholeMs(Number(text));
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text)) return undefined;
  let sumMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    sumMs += Number(amount) * unitMs[unit!]!;
  }
  return wholeMs(Math.round(sumMs));
}

function wholeMs(ms: number): number | undefined {
  return Number.isSafeInteger(ms) ? ms : undefined;
}
