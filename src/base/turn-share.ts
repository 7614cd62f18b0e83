/**
 * The part of a turn of the event loop that one kind of long work may take, all of it together: opening what is compressed,
 * above all, where a few bytes may be a lot of work.
 *
 * Whoever does such work counts its time here, looks whether the share is used up before the next piece, and waits its turn
 * then. Who waits is run in the order in which they came, as far as the share of that turn goes, so nobody waits for ever. A
 * piece that has begun is not cut short: a turn takes the share and one piece at most.
 */

import type { Clock } from "./clock.ts";

const shareMsUsual = 10;

export class TurnShare {
  readonly #clock: Pick<Clock, "defer" | "elapsedMs">;
  readonly #shareMs: number;
  /** Whoever waits twice is run once. */
  readonly #waiting = new Set<() => void>();
  #spentMs = 0;
  #isTurnAwaited = false;

  constructor(clock: Pick<Clock, "defer" | "elapsedMs">, shareMs = shareMsUsual) {
    this.#clock = clock;
    this.#shareMs = shareMs;
  }

  /** Nothing more of this kind is to be done in this turn. */
  get isUsedUp(): boolean {
    return this.#spentMs > this.#shareMs;
  }

  /** So long it took. */
  spent(ms: number): void {
    this.#spentMs += ms;
    this.#awaitTurn();
  }

  /** Runs `run` in a later turn. */
  wait(run: () => void): void {
    this.#waiting.add(run);
    this.#awaitTurn();
  }

  /** What `work` answers, which is done in a later turn, and counted. */
  take<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.wait(() => {
      const fromMs = this.#clock.elapsedMs();
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
      this.spent(this.#clock.elapsedMs() - fromMs);
    });
    return promise;
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#clock.defer(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isTurnAwaited = false;
    this.#spentMs = 0;
    const waiting = this.#waiting;
    // Who comes back is of the next turn.
    let left = waiting.size;
    for (const run of waiting) {
      if (left-- === 0 || this.isUsedUp) break;
      waiting.delete(run);
      run();
    }
    if (waiting.size > 0) this.#awaitTurn();
  };
}
