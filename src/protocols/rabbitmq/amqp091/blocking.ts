/**
 * Publishers are held back while the broker has no memory or no disk left: a connection that publishes then is not read
 * any more, and is told so, if it can be told. One that only consumes goes on.
 */

import type { Pressure } from "../../../broker/api.ts";
import { logHeldBack, logLetGo } from "./connection-log.ts";
import type { AmqpConnection } from "./connection.ts";
import { pauses, type Intake } from "../../../server/intake.ts";

export class Blocking {
  readonly #connection: AmqpConnection;
  readonly #intake: Intake;
  readonly #forget: () => void;
  #isTold = false;
  #heldSinceMs = 0;

  constructor(connection: AmqpConnection, intake: Intake) {
    this.#connection = connection;
    this.#intake = intake;
    this.#forget = connection.hub.broker.onPressure((pressure) => this.#changed(pressure));
  }

  /** Whether this connection is held back, or would be if it published. */
  get state(): "blocked" | "blocking" | undefined {
    if (this.#intake.isPausedFor(pauses.blocked)) return "blocked";
    const { memory, disk } = this.#connection.hub.broker.pressure;
    return memory || disk ? "blocking" : undefined;
  }

  /** It has published: it waits, if publishers have to. */
  apply(canBeTold: boolean): void {
    const { memory, disk } = this.#connection.hub.broker.pressure;
    if (!memory && !disk) return;
    const reasons = [...(memory ? ["memory"] : []), ...(disk ? ["disk"] : [])].join(" & ");
    const connection = this.#connection;
    if (!this.#intake.isPausedFor(pauses.blocked)) {
      this.#heldSinceMs = connection.hub.clock.now();
      logHeldBack(connection, reasons);
    }
    this.#intake.pause(pauses.blocked);
    if (this.#isTold || !canBeTold) return;
    this.#isTold = true;
    connection.send(0, "connection.blocked", { reason: `low on ${reasons}` });
  }

  /** The connection has gone. */
  end(): void {
    this.#forget();
  }

  #changed({ memory, disk }: Pressure): void {
    if (memory || disk) return;
    const connection = this.#connection;
    if (this.#isTold) {
      this.#isTold = false;
      connection.send(0, "connection.unblocked", {});
    }
    if (!this.#intake.isPausedFor(pauses.blocked)) return;
    logLetGo(connection, connection.hub.clock.now() - this.#heldSinceMs);
    this.#intake.resume(pauses.blocked);
  }
}
