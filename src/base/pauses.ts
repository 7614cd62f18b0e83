/**
 * For work that goes through many things, each of them there at once, in one asynchronous function: promises that are fulfilled
 * already are no turns of the event loop, so that it would have no other work done until it is over. Each thing ends with
 * `await pause()`, which gives the turn back now and then.
 */
import type { Clock } from "./clock.ts";

/** Things, or milliseconds, whichever come first, after which the turn is given back. */
const sliceThings = 128;
const sliceMs = 3;

/** To be called after each thing: a promise when it is time for others. */
export function pausesOf(clock: Pick<Clock, "defer" | "elapsedMs">): () => Promise<void> | undefined {
  let count = 0;
  let fromMs = clock.elapsedMs();
  return () => {
    if (++count % sliceThings !== 0 && clock.elapsedMs() - fromMs < sliceMs) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.defer(() => {
      fromMs = clock.elapsedMs();
      resolve();
    });
    return promise;
  };
}
