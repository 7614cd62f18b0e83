/**
 * When a connection's frames are handled, and when they have to wait.
 *
 * Frames are handled as they come, but for two kinds of stop. *Held*: something must be answered first, and not one frame more
 * may be handled until it is; the rest of the chunk stays with the frames. *Paused*: no further chunk is wanted, for one of
 * several reasons, but what has come is handled. Either way the socket is not read, which is how a peer notices. Chunks that
 * were on their way wait here; it is one, rarely two.
 *
 * It knows neither what a frame is nor what becomes of it: those are the protocol's, which it is given as two objects, so
 * that a frame costs two calls and nothing is made for it.
 */

import { assert } from "../base/assert.ts";
import type { Peer } from "./protocol.ts";

/** Why no further chunk is wanted: bits, since several may be true at once. */
export const pauses = {
  /** The broker has taken in more than it has made durable. */
  congested: 1,
  /** The broker has no memory or no disk left for messages. */
  blocked: 2,
  /** The peer does not read what it is sent. */
  outputFull: 4,
  /** There is no room for all of what has begun to come in. */
  crowded: 8,
} as const;

/** What cuts bytes into frames, such as wire/frame-reader.ts; the handler knows how to look at the one that it stands at. */
export interface Frames {
  /** Where the frame lies. */
  readonly buffer: Buffer;
  push(chunk: Buffer): void;
  /** Copies what was not read of the chunk: its memory is about to be used again. */
  keepChunk(): void;
  next(): boolean;
  close(): void;
}

export interface FrameHandler {
  /** For each frame. `isStable`: its bytes stay as they are until `afterChunk`; else they are gone when the call returns. */
  frame(isStable: boolean): void;
  /** All frames of a chunk were handled, or handling stopped within it, be it because what comes is no frame. */
  afterChunk(): void;
}

export class Intake {
  readonly #peer: Peer;
  readonly #frames: Frames;
  readonly #handler: FrameHandler;
  #reasons = 0;
  #holds = 0;
  #isReadingPaused = false;
  #isHandling = false;
  #isFinishing = false;
  #isClosed = false;
  #unread: Buffer[] = [];

  constructor(peer: Peer, frames: Frames, handler: FrameHandler) {
    this.#peer = peer;
    this.#frames = frames;
    this.#handler = handler;
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** Frames are being handled just now: whoever does it will call `afterChunk`. */
  get isHandling(): boolean {
    return this.#isHandling;
  }

  /** The socket is not read, so the peer's silence is not its own. */
  get isStopped(): boolean {
    return !this.#isFinishing && (this.#holds > 0 || this.#reasons !== 0);
  }

  isPausedFor(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.isStopped || this.#unread.length > 0 || this.#isHandling) {
      this.#unread.push(Buffer.from(chunk));
      return;
    }
    this.#frames.push(chunk);
    this.#run(chunk);
    // What is left of the chunk has to wait, and its memory is used again.
    if (this.#holds > 0 && !this.#isClosed) this.#frames.keepChunk();
    this.#apply();
  }

  /** Handles not one frame more until `release`. */
  hold(): void {
    this.#holds++;
    if (!this.#isHandling) this.#apply();
  }

  /** Each `hold` has its own. */
  release(): void {
    assert(this.#holds > 0, "frames are held");
    // While frames are handled, the loop that handles them goes on by itself.
    if (--this.#holds > 0 || this.#isHandling || this.#isClosed) return;
    this.#run(undefined);
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

  /**
   * Nothing waits any more: all that comes is dropped but for the peer's answer to our close, and that one must not stand
   * behind what is never read.
   */
  finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    if (this.#isHandling || this.#isClosed) return;
    this.#run(undefined);
    this.#goOn();
  }

  /** Nothing is handled any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unread = [];
    // While frames are handled, one of them is being read.
    if (!this.#isHandling) this.#frames.close();
  }

  /** @param chunk which lies still until it is handled to its end. */
  #run(chunk: Buffer | undefined): void {
    const frames = this.#frames;
    this.#isHandling = true;
    while ((this.#holds === 0 || this.#isFinishing) && !this.#isClosed && frames.next())
      this.#handler.frame(frames.buffer === chunk);
    this.#isHandling = false;
    if (this.#isClosed) frames.close();
    else this.#handler.afterChunk();
  }

  #goOn(): void {
    while (!this.isStopped && !this.#isClosed && this.#unread.length > 0) {
      const chunk = this.#unread.shift()!;
      this.#frames.push(chunk);
      this.#run(chunk);
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
