/** How long a login counts: one by token ends by itself, unless it is renewed. */

import type { Identity } from "../../../auth/identity.ts";
import type { Clock, TimerHandle } from "../../../base/clock.ts";

export class LoginTerm {
  readonly #clock: Clock;
  #timer: TimerHandle | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `ended` when this login ends; an earlier one is forgotten. */
  begin({ expiresAtMs }: Identity, ended: () => void): void {
    this.end();
    if (expiresAtMs === Infinity) return;
    this.#timer = this.#clock.setTimer(expiresAtMs, () => {
      this.#timer = undefined;
      ended();
    });
  }

  end(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
