/**
 * What a compacted log loses when its time has come: tombstones, and the ends of transactions.
 *
 * A key has one tombstone here at most, and none when a newer message has come. An end is three numbers. Both count against the
 * room that all compacted logs have for what they keep in mind; what finds none is not removed before the next start. By when they
 * are due, nearly: who is put off goes to the end.
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
  /** Of the end that shiftEnd() has just taken away: where it stands, and where its transaction began. */
  offset = 0;
  from = 0;
  readonly #room: Room;
  /** By key: when it is due. */
  readonly #tombstones = new Map<string, number>();
  /** Due, offset and begin of each. */
  readonly #ends = new NumberRing();

  constructor(room: Room) {
    this.#room = room;
  }

  /** When the first is due; Infinity: there is none. */
  get dueMs(): number {
    const tombstone = this.#tombstones.values().next();
    const endMs = this.#ends.size > 0 ? this.#ends.peek() : Infinity;
    return tombstone.done === true ? endMs : Math.min(endMs, tombstone.value);
  }

  addTombstone(key: string, dueMs: number): void {
    this.removeTombstone(key);
    if (this.#room.take(tombstoneBytes + key.length)) this.#tombstones.set(key, dueMs);
  }

  removeTombstone(key: string): void {
    if (this.#tombstones.delete(key)) this.#room.giveBack(tombstoneBytes + key.length);
  }

  /** Takes away the first if it is due, and answers its key. */
  shiftTombstone(nowMs: number): string | undefined {
    const [first] = this.#tombstones;
    if (first === undefined || first[1] > nowMs) return undefined;
    this.removeTombstone(first[0]);
    return first[0];
  }

  forgetTombstones(): void {
    for (const key of this.#tombstones.keys()) this.removeTombstone(key);
  }

  addEnd(offset: number, from: number, dueMs: number): void {
    if (!this.#room.take(endBytes)) return;
    for (const value of [dueMs, offset, from]) this.#ends.push(value);
  }

  /** Takes away the first if it is due: `offset` and `from` are its. */
  shiftEnd(nowMs: number): boolean {
    if (this.#ends.size === 0 || this.#ends.peek() > nowMs) return false;
    this.#ends.shift();
    this.offset = this.#ends.shift();
    this.from = this.#ends.shift();
    this.#room.giveBack(endBytes);
    return true;
  }

  forgetAll(): void {
    this.forgetTombstones();
    this.#room.giveBack((this.#ends.size / 3) * endBytes);
    this.#ends.clear();
  }
}
