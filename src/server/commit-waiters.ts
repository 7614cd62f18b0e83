/**
 * Connections that owe an answer which waits for the disk. Told of each commit, those who still wait for a later one stay on
 * the list, the others leave it: one call a connection and commit, however many answers it owes.
 */

import type { CommitListener } from "../broker/api.ts";

/** One who waits for commits: a connection. */
export interface CommitWaiter {
  /** Answers whether it waits for another one. */
  committed(durableTicket: number): boolean;
}

export class CommitWaiters implements CommitListener {
  #waiting: CommitWaiter[] = [];
  #spare: CommitWaiter[] = [];

  /** Tells `waiter` of the next commit. It must not be waiting already. */
  add(waiter: CommitWaiter): void {
    this.#waiting.push(waiter);
  }

  committed(durableTicket: number): void {
    if (this.#waiting.length === 0) return;
    const told = this.#waiting;
    this.#waiting = this.#spare;
    for (const waiter of told) if (waiter.committed(durableTicket)) this.#waiting.push(waiter);
    told.length = 0;
    this.#spare = told;
  }
}
