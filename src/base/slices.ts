/**
 * The turns of a long piece of work in an asynchronous function: promises that are fulfilled already are no turns of the event
 * loop, so that such work, if all that it needs is there at once, would have nothing else done until it is over. It asks
 * `isOver()` wherever it can be interrupted, and gives the turn back with `pause()`.
 */
import type { Clock } from "./clock.ts";

export class Slices {
  readonly #clock: Pick<Clock, "defer" | "elapsedMs">;
  readonly #ms: number;
  readonly #things: number;
  #fromMs: number;
  #thingsDone = 0;

  /** Milliseconds and things, whichever come first, after which the turn is to be given back. */
  constructor(clock: Pick<Clock, "defer" | "elapsedMs">, ms: number, things = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#ms = ms;
    this.#things = things;
    this.#fromMs = clock.elapsedMs();
  }

  /** Asked after each thing. */
  isOver(): boolean {
    return ++this.#thingsDone >= this.#things || this.#clock.elapsedMs() - this.#fromMs > this.#ms;
  }

  async pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#clock.defer(resolve);
    await promise;
    this.#fromMs = this.#clock.elapsedMs();
    this.#thingsDone = 0;
  }
}
