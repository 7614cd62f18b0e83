/**
 * What a disk that rotted excuses: an entry of which the broker says that it is lost, once, and no other. An entry is a message,
 * or a batch of a producer's; of batches the history knows where they lie, of single messages only how many there were.
 */

import { keyOf, type Books, type Sent } from "./books.ts";

export class Rot {
  /** Offsets of entries that are said to be lost, by place and partition. */
  readonly #offsets = new Map<string, Set<number>>();
  /** Place to entries that may be single messages. */
  readonly #leftByPlace = new Map<string, number>();
  readonly #excused = new Set<string>();

  readonly #books: Books;

  constructor(books: Books) {
    this.#books = books;
    for (const { place, partition, offset } of books.damage) {
      if (place === undefined || offset === undefined) continue;
      const name = `${place}/${partition ?? 0}`;
      const offsets = this.#offsets.get(name) ?? new Set();
      // Each reader that comes past says it again.
      if (!offsets.has(offset)) this.#leftByPlace.set(place, (this.#leftByPlace.get(place) ?? 0) + 1);
      this.#offsets.set(name, offsets.add(offset));
    }
    // What somebody has read there before it rotted.
    for (const got of books.gots) {
      if (got.offset === undefined || this.#offsets.get(`${got.place}/${got.partition}`)?.has(got.offset) !== true)
        continue;
      const key = keyOf(got);
      if (!this.#excused.has(key)) this.#leftByPlace.set(got.place, (this.#leftByPlace.get(got.place) ?? 1) - 1);
      this.#excused.add(key);
    }
  }

  /** Whether something is lost there, or may be. */
  mayHaveHit(place: string): boolean {
    return this.#books.damage.some((each) => each.place === undefined || each.place === place);
  }

  excusesKey(key: string): boolean {
    const sent = this.#books.sentByKey.get(key);
    return sent !== undefined && this.excuses(sent);
  }

  excuses(sent: Sent): boolean {
    const { send, offset, batchEnd, partition } = sent;
    const key = keyOf(send);
    if (this.#excused.has(key)) return true;
    // A topic keeps batches as they came, a queue each message by itself.
    const offsets = this.#offsets.get(`${send.place}/${partition ?? 0}`);
    if (batchEnd >= 0) return offsets?.has(batchEnd) === true || offsets?.has(offset) === true;
    const left = this.#leftByPlace.get(send.place) ?? 0;
    if (left === 0) return false;
    this.#leftByPlace.set(send.place, left - 1);
    this.#excused.add(key);
    return true;
  }
}
