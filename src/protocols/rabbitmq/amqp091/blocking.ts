/**
 * Publishers are held back while the broker has no memory or no disk left: a connection that publishes then is not read
 * any more, and is told so, if it can be told. One that only consumes goes on.
 */

import type { Pressure } from "../../../broker/api.ts";
import type { Hub } from "./hub.ts";
import { pauses, type Intake } from "./intake.ts";

export class Blocking {
  readonly #hub: Hub;
  readonly #intake: Intake;
  /** Says `connection.blocked` with a reason, or, without one, `connection.unblocked`. */
  readonly #tell: (reason: string | undefined) => void;
  readonly #forget: () => void;
  #isTold = false;

  constructor(hub: Hub, intake: Intake, tell: (reason: string | undefined) => void) {
    this.#hub = hub;
    this.#intake = intake;
    this.#tell = tell;
    this.#forget = hub.broker.onPressure((pressure) => this.#changed(pressure));
  }

  /** Whether this connection is held back, or would be if it published. */
  get state(): "blocked" | "blocking" | undefined {
    if (this.#intake.isPausedFor(pauses.blocked)) return "blocked";
    const { memory, disk } = this.#hub.broker.pressure;
    return memory || disk ? "blocking" : undefined;
  }

  /** It has published: it waits, if publishers have to. */
  apply(canBeTold: boolean): void {
    const { memory, disk } = this.#hub.broker.pressure;
    if (!memory && !disk) return;
    this.#intake.pause(pauses.blocked);
    if (this.#isTold || !canBeTold) return;
    this.#isTold = true;
    const reasons = [...(memory ? ["memory"] : []), ...(disk ? ["disk"] : [])];
    this.#tell(`low on ${reasons.join(" & ")}`);
  }

  /** The connection has gone. */
  end(): void {
    this.#forget();
  }

  #changed({ memory, disk }: Pressure): void {
    if (memory || disk) return;
    if (this.#isTold) {
      this.#isTold = false;
      this.#tell(undefined);
    }
    this.#intake.resume(pauses.blocked);
  }
}
