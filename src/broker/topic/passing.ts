/**
 * What a compacted log loses when its time has come: tombstones, and the ends of transactions.
 *
 * A key has one tombstone here at most, and none when a newer message has come. An end is three numbers, for each transaction of
 * which something is left. Both have a bound that all compacted logs share, ends one of their own, so that many transactions
 * take no room from keys; what finds none is not removed before the next start. By when a pass saw them, nearly: who is put off
 * goes to the end. How long they stay from then on is the caller's to say each time, since it can be set anew.
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
  /** By key: when it was seen. */
  readonly #tombstones = new Map<string, number>();
  /** No tombstone was seen before. */
  #tombstonesSeenMs = Infinity;
  /** When it was seen, offset and begin of each. */
  readonly #ends = new NumberRing();

  constructor(roomOfKeys: Room, roomOfEnds: Room) {
    this.#roomOfKeys = roomOfKeys;
    this.#roomOfEnds = roomOfEnds;
  }

  /** Nothing was seen before. Infinity: there is nothing. */
  get seenMs(): number {
    return Math.min(this.#tombstonesSeenMs, this.#ends.size > 0 ? this.#ends.peek() : Infinity);
  }

  addTombstone(key: string, seenMs: number): void {
    this.removeTombstone(key);
    if (!this.#roomOfKeys.take(tombstoneBytes + key.length)) return;
    this.#tombstones.set(key, seenMs);
    this.#tombstonesSeenMs = Math.min(this.#tombstonesSeenMs, seenMs);
  }

  removeTombstone(key: string): void {
    if (this.#tombstones.delete(key)) this.#roomOfKeys.giveBack(tombstoneBytes + key.length);
  }

  /** Takes away those that were seen by then, so many at most. */
  takeTombstones(byMs: number, most: number, take: (key: string) => void): void {
    let count = 0;
    this.#tombstonesSeenMs = Infinity;
    // One walk: from a Map whose first entries were removed, each look at the first passes over all of their places.
    for (const [key, seenMs] of this.#tombstones) {
      if (seenMs > byMs || count++ === most) {
        this.#tombstonesSeenMs = seenMs;
        return;
      }
      this.removeTombstone(key);
      take(key);
    }
  }

  forgetTombstones(): void {
    for (const key of this.#tombstones.keys()) this.removeTombstone(key);
    this.#tombstonesSeenMs = Infinity;
  }

  /** @param from where its transaction began */
  addEnd(offset: number, from: number, seenMs: number): void {
    if (!this.#roomOfEnds.take(endBytes)) return;
    for (const value of [seenMs, offset, from]) this.#ends.push(value);
  }

  /** As takeTombstones(). */
  takeEnds(byMs: number, most: number, take: (offset: number, from: number) => void): void {
    for (let count = 0; count < most && this.#ends.size > 0 && this.#ends.peek() <= byMs; count++) {
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
