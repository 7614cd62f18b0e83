/**
 * Room for requests that have begun to come in: what all connections together hold of them is bounded.
 *
 * A request may be 100 MB, and a broker without SASL takes one from anybody. What was promised costs nothing, but what came of
 * it is in memory until the rest is there: a thousand clients that send all but the last byte would hold 100 GB. (Kafka's
 * broker has no bound there, unless queued.max.request.bytes is set.) So whoever is to send more than a little takes a
 * place for all of the request when its beginning is there. Without room it is not read on until its turn has come, in the
 * order of asking: the others that have a place have it for all that they want, so they are able to end.
 *
 * Who has a place while others wait has to use it: after ten seconds, a megabyte must have come for each further second.
 * Else its connection is ended, since it is slower than anybody who means it. What counts is what came and not what was
 * promised, or two clients that promise 100 MB and stop would keep all others waiting for two minutes. A place is for one
 * request: with the next one its user waits behind those who came before.
 */

/** A connection. */
export interface RoomUser {
  /** Its turn has come: it has its place. */
  roomMade(): void;
}

interface Place {
  readonly bytes: number;
  sinceMs: number;
}

/** Of these there may be as many as connections. */
const smallBytes = 65_536;
const placeMsLeast = 10_000;
const bytesPerMs = 1000;

export class RequestRoom {
  readonly #bytesMax: number;
  #takenBytes = 0;
  readonly #placeOf = new Map<RoomUser, Place>();
  /** Bytes wanted, in the order of asking. */
  readonly #waiting = new Map<RoomUser, number>();

  /** @param bytesMax the largest request finds room in it */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** A request of so many bytes has begun to come in; 0: none has. False: it waits. */
  take(user: RoomUser, bytes: number, nowMs: number): boolean {
    if (this.#placeOf.get(user)?.bytes === bytes) return true;
    this.giveBack(user, nowMs);
    if (bytes <= smallBytes) return true;
    if (this.#waiting.size === 0 && this.#hasRoom(bytes)) {
      this.#place(user, bytes, nowMs);
      return true;
    }
    this.#waiting.set(user, bytes);
    return false;
  }

  /** It has gone. */
  leave(user: RoomUser, nowMs: number): void {
    this.#waiting.delete(user);
    this.giveBack(user, nowMs);
    this.#letIn(nowMs);
  }

  /** All of its request is there. */
  giveBack(user: RoomUser, nowMs: number): void {
    const place = this.#placeOf.get(user);
    if (place === undefined) return;
    this.#placeOf.delete(user);
    this.#takenBytes -= place.bytes;
    this.#letIn(nowMs);
  }

  /** It is not read just now, which is not its fault: its time begins anew. */
  excuse(user: RoomUser, nowMs: number): void {
    const place = this.#placeOf.get(user);
    if (place !== undefined) place.sinceMs = nowMs;
  }

  /** Whether it has had its place for too long, while others wait, for the bytes that came. */
  isTooSlow(user: RoomUser, cameBytes: number, nowMs: number): boolean {
    const place = this.#placeOf.get(user);
    if (place === undefined || this.#waiting.size === 0) return false;
    return nowMs - place.sinceMs > placeMsLeast + cameBytes / bytesPerMs;
  }

  #hasRoom(bytes: number): boolean {
    return this.#takenBytes + bytes <= this.#bytesMax;
  }

  #place(user: RoomUser, bytes: number, sinceMs: number): void {
    this.#takenBytes += bytes;
    this.#placeOf.set(user, { bytes, sinceMs });
  }

  #letIn(nowMs: number): void {
    for (const [user, bytes] of this.#waiting) {
      if (!this.#hasRoom(bytes)) return;
      this.#waiting.delete(user);
      this.#place(user, bytes, nowMs);
      user.roomMade();
    }
  }
}
