/**
 * Notices a client that takes its deliveries too slowly: none are written any more because its socket is full, messages wait
 * for it, and that lasts. Looked at by the connection's tick; deliveries themselves cost nothing. Times are of a clock that only
 * goes forward: the machine's may be set, and nobody is slow for that.
 */

import { logReaderRecovered, logSlowReader } from "./connection-log.ts";
import type { AmqpConnection } from "./connection.ts";

/** How long a full socket is ordinary: a client may be busy with what it has. */
const slowMs = 10_000;
/** Queues that a line names at most. */
const shownQueuesMax = 3;

export class SlowReader {
  readonly #connection: AmqpConnection;
  /** Since when its socket is full; undefined: it is not. */
  #fullSinceMs: number | undefined;
  #isTold = false;

  constructor(connection: AmqpConnection) {
    this.#connection = connection;
  }

  /** The socket takes no more. */
  filled(): void {
    this.#fullSinceMs ??= this.#connection.hub.clock.elapsedMs();
  }

  /** The socket has taken everything. */
  emptied(): void {
    const since = this.#fullSinceMs;
    if (since === undefined) return;
    this.#fullSinceMs = undefined;
    if (!this.#isTold) return;
    this.#isTold = false;
    logReaderRecovered(this.#connection, Math.round(this.#connection.hub.clock.elapsedMs() - since));
  }

  tick(elapsedMs: number): void {
    if (this.#isTold || this.#fullSinceMs === undefined || elapsedMs - this.#fullSinceMs < slowMs) return;
    const queues = this.#queuesThatWait();
    if (queues.length === 0) return;
    this.#isTold = true;
    logSlowReader(this.#connection, queues, Math.round(elapsedMs - this.#fullSinceMs));
  }

  /** Those that have messages for it, by the channels that consume them. */
  #queuesThatWait(): readonly string[] {
    const waiting: string[] = [];
    for (const channel of this.#connection.channels.all()) {
      for (const { queue } of channel.consumerByTag.values()) {
        if (queue.readyCount === 0) continue;
        if (waiting.push(`${queue.name} (channel ${channel.number})`) === shownQueuesMax) return waiting;
      }
    }
    return waiting;
  }
}
