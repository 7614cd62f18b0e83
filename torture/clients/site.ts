/** What every client of a round needs: the way to the broker, its books, its chance, and when to stop. */

import { setTimeout as wait } from "node:timers/promises";
import type { Chance } from "../../sim/chance.ts";
import type { History } from "../history.ts";

export interface Site {
  readonly history: History;
  /** Ports of the proxies. */
  readonly ports: { readonly amqp: number; readonly kafka: number };
  /** Writers stop, and come to an end of what they have begun. */
  readonly writersStop: AbortSignal;
  readonly readersStop: AbortSignal;
  readonly upsets: Upsets;
  /** A name that nobody else of the run has. */
  readonly nameFor: (kind: string) => string;
}

/** What makes the time of the broker another one than that of its clients, as often as it has happened. */
export interface Upsets {
  /** Its clock was set. */
  readonly clockSets: number;
  /** It was held up, or went on. */
  readonly stops: number;
}

export interface Client {
  readonly name: string;
  /** Returns when it has stopped. Never throws for what happens to its connection. */
  run(site: Site, chance: Chance): Promise<void>;
}

/** Rejects if it takes longer; what it waits for is left to itself. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} took more than ${ms} ms`)), ms);
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sooner over if the signal comes. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}

export function whenStopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
