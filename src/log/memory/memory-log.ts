/**
 * The log of a broker without a directory. An append is done at the next turn and keeps nothing, so that group commit
 * works as it does over a disk: what arrives in one turn is one block. Segments are kept in memory as long as they are
 * not removed, in the same format, for a caller who moves entries there; checkpoints are taken and forgotten.
 */

import { assert } from "../../base/assert.ts";
import { BLOCK_HEADER_BYTES } from "../log.ts";
import type { CheckpointStore, Journal, Log } from "../log.ts";
import { openSegments } from "../segment.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** `defer` runs what it is given in a later turn, in order. */
export function createMemoryLog(defer: (run: () => void) => void): Log {
  const segments = openSegments(new MemoryDisk());
  const checkpoints: CheckpointStore = {
    write: async () => undefined,
    readNewest: async () => ({ id: 0, damage: [] }),
    removeOthers: async () => undefined,
  };
  return {
    journalOpen: async (fromSeq) => ({ journal: new VolatileJournal(fromSeq, defer), damage: [] }),
    checkpoints,
    segments,
    allocate: () => undefined,
    copying: undefined,
    freeBytes: async () => Number.MAX_SAFE_INTEGER,
    close: () => segments.close(),
    isVolatile: true,
  };
}

class VolatileJournal implements Journal {
  nextSeq: number;
  bytesSinceTrim = 0;
  bytesSinceRotate = 0;
  readonly #defer: (run: () => void) => void;
  #done: ((error: Error | undefined) => void) | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(fromSeq: number, defer: (run: () => void) => void) {
    this.nextSeq = fromSeq;
    this.#defer = defer;
  }

  append(buffer: Buffer, length: number, _known: readonly number[], done: (error: Error | undefined) => void): void {
    assert(this.#done === undefined, "one append at a time");
    assert(length >= BLOCK_HEADER_BYTES && length <= buffer.length, "a block lies in its buffer");
    this.nextSeq++;
    this.#done = done;
    this.#defer(this.#finish);
  }

  readonly #finish = (): void => {
    const done = this.#done!;
    this.#done = undefined;
    const whenIdle = this.#whenIdle;
    this.#whenIdle = undefined;
    done(undefined);
    whenIdle?.();
  };

  rotate(): number {
    return this.nextSeq;
  }

  async trim(): Promise<void> {}

  extents(): [] {
    return [];
  }

  async giveBackSpare(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#done !== undefined) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
  }
}
