/**
 * When a connection's bytes are handled, and when they have to wait.
 *
 * Frames are handled as they come, but for two kinds of stop. *Held*: a method waits for something, an answer for its
 * commit, and not one frame more may be handled until it has it; the rest of the chunk stays in the parser. *Paused*: no
 * further chunk is wanted, for one of several reasons, but what has come is handled. Either way the socket is not read,
 * which is how a peer notices. Chunks that were on their way wait here; it is one, rarely two.
 */

import { assert } from "../../../base/assert.ts";
import type { Peer } from "../../../server/protocol.ts";
import type { FrameParser } from "./codec-parser.ts";

/** Why no further chunk is wanted: bits, since several may be true at once. */
export const pauses = {
  /** The broker has taken in more than it has made durable. */
  congested: 1,
  /** The broker has no memory or no disk left for messages. */
  blocked: 2,
  /** The peer does not read what it is sent. */
  outputFull: 4,
} as const;

export class Intake {
  readonly #peer: Peer;
  readonly #parser: FrameParser;
  readonly #handle: (isStable: boolean) => void;
  readonly #afterChunk: () => void;
  #reasons = 0;
  #holds = 0;
  #isReadingPaused = false;
  #isHandling = false;
  #isFinishing = false;
  #isClosed = false;
  #unread: Buffer[] = [];

  /**
   * @param handle is called for each frame that the parser stands at; `isStable`: its bytes stay as they are until
   *   `afterChunk`.
   * @param afterChunk is called when all frames of a chunk were handled, or handling stopped within it.
   */
  constructor(peer: Peer, parser: FrameParser, handle: (isStable: boolean) => void, afterChunk: () => void) {
    this.#peer = peer;
    this.#parser = parser;
    this.#handle = handle;
    this.#afterChunk = afterChunk;
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
    if (this.isStopped || this.#unread.length > 0 || this.#isHandling) {
      this.#unread.push(Buffer.from(chunk));
      return;
    }
    this.#parser.push(chunk);
    this.#run(chunk);
    // What is left of the chunk has to wait, and its memory is used again.
    if (this.isHeld) this.#parser.keepChunk();
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
    this.#isClosed = true;
    this.#unread = [];
  }

  #run(chunk: Buffer | undefined): void {
    const parser = this.#parser;
    this.#isHandling = true;
    while ((this.#holds === 0 || this.#isFinishing) && !this.#isClosed && parser.next())
      this.#handle(parser.buffer === chunk);
    this.#isHandling = false;
    this.#afterChunk();
  }

  #goOn(): void {
    while (!this.isStopped && !this.#isClosed && this.#unread.length > 0) {
      const chunk = this.#unread.shift()!;
      this.#parser.push(chunk);
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
