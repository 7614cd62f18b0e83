/** Ids by which queues know a message again: those that they have seen, and those that they know as long as they hold it. */
import type { ModelQueue } from "./copies.ts";
import { before, type When } from "./cut.ts";

/** By queue and id: when it was published, and whether that is sure to have outlived the last crash. */
export type SeenIds = Map<string, { when: When; isSure: boolean }>;

export function recoverSeen(ids: SeenIds, durableTicket: number): void {
  for (const seen of ids.values()) {
    if (seen.when.high > durableTicket) seen.isSure = false;
    else seen.when = before;
  }
}

interface Bringer {
  readonly queue: ModelQueue;
  readonly offset: number;
  readonly number: number;
}

/** Of what queues hold. */
export class HeldIds {
  /** By queue and id. Of several a crash may give any back. */
  readonly #bringers = new Map<string, Bringer[]>();

  /** A queue took the message at this offset, with this id. */
  add(queue: ModelQueue, id: string, offset: number, number: number): void {
    const key = `${queue.id}:${id}`;
    this.#bringers.set(key, [...(this.#bringers.get(key) ?? []), { queue, offset, number }]);
  }

  /** Whether the queue has a message that brought the id, so that it is to refuse another with it. */
  has(queue: ModelQueue, id: string): boolean {
    const { settled } = queue.state.subscription!;
    const bringers = this.#bringers.get(`${queue.id}:${id}`) ?? [];
    return bringers.some(({ offset, number }) => {
      // What is not registered yet was published in this group.
      const isThere = offset >= queue.seenNext || queue.copies.get(offset)?.number === number;
      return isThere && !settled.has(offset);
    });
  }

  /** After a restart: what is not there is forgotten, before another message has its place. */
  recovered(isThere: (queue: ModelQueue) => boolean): void {
    for (const [key, bringers] of this.#bringers) {
      const left = bringers.filter(
        ({ queue, offset, number }) => isThere(queue) && queue.copies.get(offset)?.number === number,
      );
      this.#bringers.set(key, left);
    }
  }
}
