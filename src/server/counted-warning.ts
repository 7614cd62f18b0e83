/**
 * A warning that strangers can bring about at any rate, and that is logged once a second at most: the first at once,
 * then how many there were, with the fields of the last.
 */

import type { Clock, TimerHandle } from "../base/clock.ts";
import type { LogFields, Logger } from "../observe/log.ts";

const periodMs = 1000;

/** What every kind of listener says of those past its bound. */
export const connectionsRefused = "connections were refused: there are as many as allowed";

export class CountedWarning {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #message: string;
  #timer: TimerHandle | undefined;
  #count = 0;
  #fields: LogFields = {};

  constructor(clock: Clock, logger: Logger, message: string) {
    this.#clock = clock;
    this.#logger = logger;
    this.#message = message;
  }

  warn(fields: LogFields): void {
    if (this.#timer === undefined) {
      this.#logger.warn(this.#message, { ...fields, count: 1 });
      this.#arm();
      return;
    }
    this.#count++;
    this.#fields = fields;
  }

  /** Says what is left to say, and nothing more. */
  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#say();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#clock.now() + periodMs, () => {
      this.#timer = undefined;
      if (this.#count === 0) return;
      this.#say();
      this.#arm();
    });
  }

  #say(): void {
    if (this.#count === 0) return;
    this.#logger.warn(this.#message, { ...this.#fields, count: this.#count });
    this.#count = 0;
  }
}
