/**
 * Ids of messages, as the journal has them: each before the message that it guards. Whether that is in a transaction is told
 * by its producer's record behind all of a batch, in the same atomic group. So ids are noted until the group is at its end;
 * what a transaction has not taken by then was seen.
 */
import type { QueueState } from "../catalog/queue-state.ts";
import { restoreId } from "../catalog/remembered-ids.ts";

interface NotedId {
  readonly queue: QueueState;
  readonly id: string;
  /** As restoreId() takes it. */
  readonly at: number;
  /** Of its message; -1: there is none, since that does not outlive the process. */
  offset: number;
}

export class ReplayedIds {
  readonly #noted: NotedId[] = [];
  /** The last so many have not met their message yet. */
  #waiting = 0;
  /** Behind the one that has met its message last: a fan-out names its queues in the order in which it wrote their ids. */
  #next = 0;

  note(queue: QueueState, id: string, at: number): void {
    this.#noted.push({ queue, id, at, offset: -1 });
    this.#waiting++;
  }

  /** The message of those that wait has this offset in one of its queues. */
  guards(queue: number, offset: number): void {
    const next = this.#noted[this.#next];
    if (this.#next > this.#noted.length - this.#waiting && next?.queue.id === queue) {
      next.offset = offset;
      this.#next++;
      return;
    }
    // Of several the last is its own: those before had messages that do not outlive the process.
    for (let i = 1; i <= this.#waiting; i++) {
      const noted = this.#noted.at(-i)!;
      if (noted.queue.id !== queue) continue;
      noted.offset = offset;
      this.#next = this.#noted.length - i + 1;
      return;
    }
  }

  /** That message was read. */
  met(): void {
    this.#waiting = 0;
    this.#next = 0;
  }

  /** Those of the batch that lies in [start, end) of the queue, the last that was appended. */
  take(queue: number, start: number, end: number): [string, number][] {
    const ids: [string, number][] = [];
    for (let noted = this.#noted.at(-1); noted !== undefined; noted = this.#noted.at(-1)) {
      if (noted.queue.id !== queue || noted.offset < start || noted.offset >= end) break;
      ids.push([noted.id, noted.at]);
      this.#noted.pop();
    }
    return ids.toReversed();
  }

  /** The atomic group is at its end. */
  settle(): void {
    for (const { queue, id, at } of this.#noted) restoreId(queue, id, at);
    this.#noted.length = 0;
    this.#waiting = 0;
  }
}
