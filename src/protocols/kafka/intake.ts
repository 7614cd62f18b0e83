/**
 * From chunks to requests, and when they have to wait.
 *
 * A request that lies in one chunk is handled where it lies. One that comes in pieces is gathered in a buffer that doubles as
 * bytes arrive, from a pool: what a peer promises costs nothing, what it sends is copied twice at most.
 *
 * Two kinds of stop. *Held*: not one request more may be handled now, the rest of the chunk waits here. *Paused*: no further
 * chunk is wanted, for one of several reasons, but what has come is handled. Either way the socket is not read, which is how
 * a peer notices.
 */

import { assert } from "../../base/assert.ts";
import { getU32 } from "../../base/bytes.ts";
import type { Peer } from "../../server/protocol.ts";
import type { FramePool } from "./frame-pool.ts";

/** Why no further chunk is wanted: bits, since several may be true at once. */
export const pauses = {
  /** The broker has taken in more than it has made durable. */
  congested: 1,
  /** The peer does not read what it is sent. */
  outputFull: 2,
} as const;

/** Room that is taken at once for a request that is as large. */
const trustedBytes = 1_048_576;

export interface RequestHandler {
  /** Largest request that may come now. */
  readonly requestBytesMax: number;
  /** `buffer[start, end)` is a request without its size; it is gone when the call returns. */
  request(buffer: Buffer, start: number, end: number): void;
  /** All requests of a chunk were handled, or handling stopped within it. */
  afterChunk(): void;
  /** What comes is no request; nothing more is handled. */
  badSize(bytes: number): void;
}

export class Intake {
  readonly #peer: Peer;
  readonly #pool: FramePool;
  readonly #handler: RequestHandler;
  #reasons = 0;
  #holds = 0;
  #isReadingPaused = false;
  #isHandling = false;
  #isClosed = false;
  #unread: Buffer[] = [];
  /** The request that is being gathered, its four bytes of size first. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;

  constructor(peer: Peer, pool: FramePool, handler: RequestHandler) {
    this.#peer = peer;
    this.#pool = pool;
    this.#handler = handler;
  }

  /** The socket is not read, so the peer's silence is not its own. */
  get isStopped(): boolean {
    return this.#holds > 0 || this.#reasons !== 0;
  }

  receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.isStopped || this.#unread.length > 0 || this.#isHandling) this.#unread.push(Buffer.from(chunk));
    else this.#run(chunk);
    this.#apply();
  }

  /** Handles not one request more until `release`. */
  hold(): void {
    this.#holds++;
    if (!this.#isHandling) this.#apply();
  }

  /** Each `hold` has its own. */
  release(): void {
    assert(this.#holds > 0, "requests are held");
    if (--this.#holds === 0 && !this.#isHandling) this.#goOn();
  }

  pause(reason: number): void {
    this.#reasons |= reason;
    if (!this.#isHandling) this.#apply();
  }

  resume(reason: number): void {
    if ((this.#reasons & reason) === 0) return;
    this.#reasons &= ~reason;
    if (!this.#isHandling) this.#goOn();
  }

  isPausedFor(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  /** Nothing is handled any more. */
  close(): void {
    this.#isClosed = true;
    this.#unread = [];
    // While requests are handled, the one in the buffer is being read.
    if (!this.#isHandling) this.#dropGathered();
  }

  #goOn(): void {
    while (!this.isStopped && !this.#isClosed && this.#unread.length > 0) this.#run(this.#unread.shift()!);
    this.#apply();
  }

  #apply(): void {
    if (this.isStopped === this.#isReadingPaused || this.#isClosed) return;
    this.#isReadingPaused = this.isStopped;
    if (this.#isReadingPaused) this.#peer.pauseReading();
    else this.#peer.resumeReading();
  }

  #run(chunk: Buffer): void {
    this.#isHandling = true;
    let at = 0;
    while (at < chunk.length && this.#holds === 0 && !this.#isClosed) {
      at = this.#gathered === undefined ? this.#handleInPlace(chunk, at) : this.#gather(chunk, at);
    }
    this.#isHandling = false;
    if (this.#isClosed) this.#dropGathered();
    // The chunk's memory is used again when we return.
    else if (at < chunk.length) this.#unread.unshift(Buffer.from(chunk.subarray(at)));
    this.#handler.afterChunk();
  }

  #handleInPlace(chunk: Buffer, at: number): number {
    const left = chunk.length - at;
    if (left < 4) return this.#begin(chunk, at, 4);
    const bytes = getU32(chunk, at);
    if (this.#isTooLarge(bytes)) return chunk.length;
    if (left < 4 + bytes) return this.#begin(chunk, at, 4 + bytes);
    this.#handler.request(chunk, at + 4, at + 4 + bytes);
    return at + 4 + bytes;
  }

  /** Takes the rest of the chunk as the beginning of a request. */
  #begin(chunk: Buffer, at: number, bytes: number): number {
    const left = chunk.length - at;
    this.#gathered = this.#pool.lend(Math.max(left, Math.min(bytes, trustedBytes)));
    chunk.copy(this.#gathered, 0, at);
    this.#gatheredBytes = left;
    return chunk.length;
  }

  #gather(chunk: Buffer, start: number): number {
    let at = start;
    if (this.#gatheredBytes < 4) {
      at = this.#take(chunk, at, 4);
      if (this.#gatheredBytes < 4) return at;
    }
    const bytes = getU32(this.#gathered!, 0);
    if (this.#isTooLarge(bytes)) return chunk.length;
    at = this.#take(chunk, at, 4 + bytes);
    if (this.#gatheredBytes < 4 + bytes) return at;
    const request = this.#gathered!;
    this.#gathered = undefined;
    this.#handler.request(request, 4, 4 + bytes);
    this.#pool.giveBack(request);
    return at;
  }

  /** Copies until `wanted` bytes are gathered or the chunk ends. */
  #take(chunk: Buffer, at: number, wanted: number): number {
    const have = this.#gatheredBytes;
    const end = Math.min(chunk.length, at + wanted - have);
    const total = have + end - at;
    if (total > this.#gathered!.length) this.#grow(Math.max(total, Math.min(wanted, total * 2)));
    chunk.copy(this.#gathered!, have, at, end);
    this.#gatheredBytes = total;
    return end;
  }

  #grow(bytes: number): void {
    const larger = this.#pool.lend(bytes);
    this.#gathered!.copy(larger, 0, 0, this.#gatheredBytes);
    this.#pool.giveBack(this.#gathered!);
    this.#gathered = larger;
  }

  #isTooLarge(bytes: number): boolean {
    if (bytes <= this.#handler.requestBytesMax) return false;
    this.#handler.badSize(bytes);
    return true;
  }

  #dropGathered(): void {
    if (this.#gathered !== undefined) this.#pool.giveBack(this.#gathered);
    this.#gathered = undefined;
  }
}
