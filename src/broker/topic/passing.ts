/**
 * What a compacted log loses when its time has come: tombstones, and the ends of transactions.
 *
 * A key has one tombstone here at most, and none when a newer message has come. An end is three numbers, for each transaction of
 * which something is left. Both have a bound that all compacted logs share, ends one of their own, so that many transactions
 * take no room from keys; what finds none is not removed before the next start. By when they are due, nearly: who is put off goes
 * to the end.
 */
import { NumberRing } from "../../base/number-ring.ts";

/** Bytes of memory that somebody else counts. */
export interface Room {
  /** False: there is none. */
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
}

/** What a tombstone takes, about, beside the octets of its key. */
const tombstoneBytes = 80;
/** What an end takes: three numbers of 8 bytes, in a ring that is half full at times. */
const endBytes = 48;

export class Passing {
  readonly #roomOfKeys: Room;
  readonly #roomOfEnds: Room;
  /** By key: when it is due. */
  readonly #tombstones = new Map<string, number>();
  /** No tombstone is due before. */
  #tombstonesDueMs = Infinity;
  /** Due, offset and begin of each. */
  readonly #ends = new NumberRing();

  constructor(roomOfKeys: Room, roomOfEnds: Room) {
    this.#roomOfKeys = roomOfKeys;
    this.#roomOfEnds = roomOfEnds;
  }

  /** Nothing is due before. Infinity: there is nothing. */
  get dueMs(): number {
    return Math.min(this.#tombstonesDueMs, this.#ends.size > 0 ? this.#ends.peek() : Infinity);
  }

  addTombstone(key: string, dueMs: number): void {
    this.removeTombstone(key);
    if (!this.#roomOfKeys.take(tombstoneBytes + key.length)) return;
    this.#tombstones.set(key, dueMs);
    this.#tombstonesDueMs = Math.min(this.#tombstonesDueMs, dueMs);
  }

  removeTombstone(key: string): void {
    if (this.#tombstones.delete(key)) this.#roomOfKeys.giveBack(tombstoneBytes + key.length);
  }

  /** Takes away those that are due, so many at most. */
  takeTombstones(nowMs: number, most: number, take: (key: string) => void): void {
    let count = 0;
    this.#tombstonesDueMs = Infinity;
    // One walk: from a Map whose first entries were removed, each look at the first passes over all of their places.
    for (const [key, dueMs] of this.#tombstones) {
      if (dueMs > nowMs || count++ === most) {
        this.#tombstonesDueMs = dueMs;
        return;
      }
      this.removeTombstone(key);
      take(key);
    }
  }

  forgetTombstones(): void {
    for (const key of this.#tombstones.keys()) this.removeTombstone(key);
    this.#tombstonesDueMs = Infinity;
  }

  /** @param from where its transaction began */
  addEnd(offset: number, from: number, dueMs: number): void {
    if (!this.#roomOfEnds.take(endBytes)) return;
    for (const value of [dueMs, offset, from]) this.#ends.push(value);
  }

  /** As takeTombstones(). */
  takeEnds(nowMs: number, most: number, take: (offset: number, from: number) => void): void {
    for (let count = 0; count < most && this.#ends.size > 0 && this.#ends.peek() <= nowMs; count++) {
      this.#ends.shift();
      const offset = this.#ends.shift();
      this.#roomOfEnds.giveBack(endBytes);
      take(offset, this.#ends.shift());
    }
  }

  forgetAll(): void {
    this.forgetTombstones();
    this.#roomOfEnds.giveBack((this.#ends.size / 3) * endBytes);
    this.#ends.clear();
  }
}
