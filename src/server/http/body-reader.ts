/**
 * Reads the bodies of requests, each up to a bound and all of them together up to one. A peer that announces too much is
 * refused before it has sent it; one that sends nothing for half a minute is not waited for any longer.
 */

import type { IncomingMessage } from "node:http";
import type { Clock, TimerHandle } from "../../base/clock.ts";

/** Why there is no body. */
export type BodyFault = "too-large" | "too-many" | "timed-out" | "cut-off";

const idleMsMax = 30_000;

export class BodyReader {
  readonly #clock: Clock;
  readonly #allBytesMax: number;
  #allBytes = 0;

  constructor(clock: Clock, allBytesMax: number) {
    this.#clock = clock;
    this.#allBytesMax = allBytesMax;
  }

  async read(incoming: IncomingMessage, bytesMax: number): Promise<Buffer | BodyFault> {
    const announced = Number(incoming.headers["content-length"] ?? 0);
    if (announced > bytesMax) return "too-large";
    if (incoming.readableAborted || incoming.destroyed) return "cut-off";
    const { promise, resolve } = Promise.withResolvers<Buffer | BodyFault>();
    const chunks: Buffer[] = [];
    let bytes = 0;
    let heardMs = this.#clock.now();
    let timer: TimerHandle;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      this.#allBytes += chunk.length;
      heardMs = this.#clock.now();
      chunks.push(chunk);
      if (bytes > bytesMax) finish("too-large");
      else if (this.#allBytes > this.#allBytesMax) finish("too-many");
    };
    const ended = (): void => finish(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
    const closed = (): void => finish("cut-off");
    const finish = (outcome: Buffer | BodyFault): void => {
      this.#clock.clearTimer(timer);
      incoming.off("data", take).off("end", ended).off("close", closed);
      incoming.pause();
      this.#allBytes -= bytes;
      resolve(outcome);
    };
    const watch = (): void => {
      const dueMs = heardMs + idleMsMax;
      if (this.#clock.now() >= dueMs) finish("timed-out");
      else timer = this.#clock.setTimer(dueMs, watch);
    };
    timer = this.#clock.setTimer(heardMs + idleMsMax, watch);
    incoming.on("data", take).on("end", ended).on("close", closed);
    return promise;
  }
}
