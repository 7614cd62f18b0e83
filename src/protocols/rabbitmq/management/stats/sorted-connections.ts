/**
 * All connections in the order in which lists show them, kept from one request to the next like the queues (sorted-queues.ts): a
 * page of 100 from thousands would cost more to sort than to show. Made anew, in slices, when one has come or gone since.
 */

import { gather, sorting } from "../../../../server/http/slices.ts";
import type { LiveConnection, LiveConnections } from "../../model/live.ts";

export class SortedConnections {
  readonly #live: LiveConnections;
  #kept: readonly LiveConnection[] | undefined;
  /** Counts what has come and gone. */
  #changes = 0;

  constructor(live: LiveConnections) {
    this.#live = live;
    const forget = (): void => {
      this.#kept = undefined;
      this.#changes++;
    };
    const nothing = (): void => undefined;
    live.observe({
      connectionOpened: forget,
      connectionClosed: forget,
      channelOpened: nothing,
      channelClosed: nothing,
    });
  }

  *all(): Generator<unknown, readonly LiveConnection[]> {
    if (this.#kept !== undefined) return this.#kept;
    const changes = this.#changes;
    const sorted = yield* sorting(yield* gather(this.#live.all()), byVhostAndName);
    if (this.#changes === changes) this.#kept = sorted;
    return sorted;
  }
}

function byVhostAndName(a: LiveConnection, b: LiveConnection): number {
  if (a.vhost !== b.vhost) return a.vhost < b.vhost ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
