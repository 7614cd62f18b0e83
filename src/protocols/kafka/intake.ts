/**
 * When a connection's requests are handled, and when they have to wait.
 *
 * Two kinds of stop. *Held*: not one request more may be handled now, the rest of the chunk waits in the reader. *Paused*: no
 * further chunk is wanted, for one of several reasons, but what has come is handled. Either way the socket is not read, which
 * is how a peer notices. Chunks that were on their way wait here; it is one, rarely two.
 */

import { assert } from "../../base/assert.ts";
import type { Peer } from "../../server/protocol.ts";
import { FrameReader } from "./codec/framing.ts";

/** Why no further chunk is wanted: bits, since several may be true at once. */
export const pauses = {
  /** The broker has taken in more than it has made durable. */
  congested: 1,
  /** The peer does not read what it is sent. */
  outputFull: 2,
} as const;

export interface RequestHandler {
  /** `buffer[start, end)` is a request without its size; it is gone when the call returns. */
  request(buffer: Buffer, start: number, end: number): void;
  /** All requests of a chunk were handled, or handling stopped within it. */
  afterChunk(): void;
  /** What comes is no request; nothing more is handled. */
  unreadable(reason: string): void;
}

export class Intake {
  readonly #peer: Peer;
  readonly #frames: FrameReader;
  readonly #handler: RequestHandler;
  #reasons = 0;
  #holds = 0;
  #isReadingPaused = false;
  #isHandling = false;
  #isClosed = false;
  #unread: Buffer[] = [];

  constructor(peer: Peer, requestBytesMax: number, handler: RequestHandler) {
    this.#peer = peer;
    this.#frames = new FrameReader(requestBytesMax);
    this.#handler = handler;
  }

  /** Who has logged in may send so much at once. */
  allow(requestBytesMax: number): void {
    this.#frames.frameBytesMax = requestBytesMax;
  }

  /** The socket is not read, so the peer's silence is not its own. */
  get isStopped(): boolean {
    return this.#holds > 0 || this.#reasons !== 0;
  }

  /** Requests are being handled just now: whoever does it will call `afterChunk`. */
  get isHandling(): boolean {
    return this.#isHandling;
  }

  receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.isStopped || this.#unread.length > 0 || this.#isHandling) {
      this.#unread.push(Buffer.from(chunk));
      return;
    }
    this.#frames.push(chunk);
    this.#run();
    // What is left of the chunk has to wait, and its memory is used again.
    if (this.#holds > 0 && !this.#isClosed) this.#frames.keepChunk();
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
    // While requests are handled, the loop that handles them goes on by itself.
    if (--this.#holds > 0 || this.#isHandling || this.#isClosed) return;
    this.#run();
    this.#goOn();
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
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unread = [];
    // While requests are handled, one of them is being read.
    if (!this.#isHandling) this.#frames.close();
  }

  #run(): void {
    const frames = this.#frames;
    this.#isHandling = true;
    while (this.#holds === 0 && !this.#isClosed && frames.next())
      this.#handler.request(frames.buffer, frames.start, frames.end);
    this.#isHandling = false;
    if (this.#isClosed) {
      frames.close();
      return;
    }
    if (frames.fault !== null) this.#handler.unreadable(frames.fault);
    this.#handler.afterChunk();
  }

  #goOn(): void {
    while (!this.isStopped && !this.#isClosed && this.#unread.length > 0) {
      this.#frames.push(this.#unread.shift()!);
      this.#run();
    }
    this.#apply();
  }

  #apply(): void {
    if (this.isStopped === this.#isReadingPaused || this.#isClosed) return;
    this.#isReadingPaused = this.isStopped;
    if (this.#isReadingPaused) this.#peer.pauseReading();
    else this.#peer.resumeReading();
  }
}
