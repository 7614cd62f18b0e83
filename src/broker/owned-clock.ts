import type { Clock, TimerHandle } from "../base/clock.ts";

/** The clock of one broker: says when one of its timers fires, and knows all of them, so that none outlives it. */
export class OwnedClock implements Clock {
  readonly #clock: Clock;
  readonly #onTimer: () => void;
  readonly #timers = new Set<TimerHandle>();
  #isStopped = false;

  constructor(clock: Clock, onTimer: () => void) {
    this.#clock = clock;
    this.#onTimer = onTimer;
  }

  now(): number {
    return this.#clock.now();
  }

  elapsedMs(): number {
    return this.#clock.elapsedMs();
  }

  setTimer(atMs: number, run: () => void): TimerHandle {
    if (this.#isStopped) return { atMs };
    const timer = this.#clock.setTimer(atMs, () => this.#fired(timer, run));
    this.#timers.add(timer);
    return timer;
  }

  setDelay(delayMs: number, run: () => void): TimerHandle {
    if (this.#isStopped) return { atMs: Infinity };
    const timer = this.#clock.setDelay(delayMs, () => this.#fired(timer, run));
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    if (this.#timers.delete(timer)) this.#clock.clearTimer(timer);
  }

  defer(run: () => void): void {
    this.#clock.defer(run);
  }

  #fired(timer: TimerHandle, run: () => void): void {
    this.#timers.delete(timer);
    this.#onTimer();
    run();
  }

  /** Clears what is set; what is set from now on never runs. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) this.#clock.clearTimer(timer);
    this.#timers.clear();
  }
}
