/**
 * Work that may be long, done in slices of a few milliseconds: after each, the turn of the event loop is given back, so that
 * who sends messages waits for a slice at most and not for all of a list of 10,000. What it took is charged to the pace, which
 * may have the next slice wait.
 *
 * Such work is a generator: it yields wherever it can be interrupted, each few microseconds or, where a step is long by itself,
 * around each step, and ends with its result. What it reads may change between two slices; who writes one goes through live
 * things only by iterators that bear that, and lists are true thing by thing, not as one moment's picture.
 *
 * Rejected: handlers that are asynchronous all the way down (each list would say itself where it lets go, and forget it), and
 * a thread of its own (see pace.ts).
 */

import type { Clock } from "../../base/clock.ts";
import type { Pace } from "./pace.ts";

export type Work<R> = Iterator<unknown, R>;

export interface Turns {
  readonly clock: Clock;
  /** Without it nothing waits but for its next turn. */
  readonly pace?: Pace;
}

/** After so much work the turn is given back. */
const sliceMs = 3;
/** So many elements are sorted at once: a tenth of a millisecond. */
const runLength = 128;

/** @param isOver asked before each slice: nobody wants the result any more. @returns undefined when it was over. */
export async function runInSlices<R>(work: Work<R>, turns: Turns, isOver: () => boolean): Promise<R | undefined> {
  const { clock } = turns;
  for (;;) {
    await untilPaceAllows(turns);
    if (isOver()) return undefined;
    const step = slice(work, turns);
    if (step.done === true) return step.value;
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.defer(resolve);
    await promise;
  }
}

/** The next of pieces that each are a slice. */
export async function nextPiece<T>(pieces: Iterator<T>, turns: Turns): Promise<IteratorResult<T>> {
  await untilPaceAllows(turns);
  return charged(turns, () => pieces.next());
}

/** Takes as long as there is something to gather. */
export function* gather<T>(things: Iterable<T>): Generator<undefined, T[]> {
  const found: T[] = [];
  for (const thing of things) {
    found.push(thing);
    if (found.length % runLength === 0) yield;
  }
  return found;
}

/** Sorts in place; what is equal keeps its order. */
export function* sorting<T>(things: T[], compare: (a: T, b: T) => number): Generator<undefined, T[]> {
  const { length } = things;
  for (let start = 0; start < length; start += runLength) {
    const run = things.slice(start, start + runLength).sort(compare);
    for (const [index, thing] of run.entries()) things[start + index] = thing;
    yield;
  }
  let from = things;
  let to = length > runLength ? things.slice() : things;
  for (let width = runLength; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      yield* merging(
        { from, to, start, middle: Math.min(start + width, length), end: Math.min(start + 2 * width, length) },
        compare,
      );
    }
    [from, to] = [to, from];
  }
  return from;
}

interface Halves<T> {
  readonly from: readonly T[];
  readonly to: T[];
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

function* merging<T>(
  { from, to, start, middle, end }: Halves<T>,
  compare: (a: T, b: T) => number,
): Generator<undefined> {
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const takesLeft = right >= end || (left < middle && compare(from[left]!, from[right]!) <= 0);
    to[at] = from[takesLeft ? left++ : right++]!;
    if (at % runLength === 0) yield;
  }
}

function slice<R>(work: Work<R>, turns: Turns): IteratorResult<unknown, R> {
  const { clock } = turns;
  const endMs = clock.elapsedMs() + sliceMs;
  return charged(turns, () => {
    for (;;) {
      const step = work.next();
      if (step.done === true || clock.elapsedMs() >= endMs) return step;
    }
  });
}

function charged<R>({ clock, pace }: Turns, run: () => R): R {
  const startMs = clock.elapsedMs();
  try {
    return run();
  } finally {
    pace?.spent(clock.elapsedMs() - startMs);
  }
}

async function untilPaceAllows({ clock, pace }: Turns): Promise<void> {
  if (pace === undefined) return;
  for (let { waitMs } = pace; waitMs > 0; waitMs = pace.waitMs) {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.setTimer(clock.now() + waitMs, resolve);
    await promise;
  }
}
