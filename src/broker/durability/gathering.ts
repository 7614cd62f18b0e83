/**
 * Memory without a disk: entries that stay behind are moved together.
 *
 * A block buffer is given back when its last entry goes, so one message that nobody takes keeps a megabyte of others that
 * are long gone. Over a disk that ends at the next checkpoint. Without one, this looks at all entries when memory has
 * grown by half since the last look, and once a second while producers are held back: entries of buffers that are less
 * than a quarter alive are copied into new ones. Bytes that several queues share are copied once.
 */
import type { TimerHandle } from "../../base/clock.ts";
import type { Core } from "../core.ts";
import { entryMark } from "../entry.ts";
import { type EntryPlace, moveEntries } from "../topic/page.ts";

const sparseBelow = 0.25;
const againMs = 1000;
/** The share of the time that looking may take while producers are held back is one in so many. */
const shareOfTime = 20;

export class Gathering {
  readonly #core: Core;
  #aboveBytes: number;
  #isDeferred = false;
  #timer: TimerHandle | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.#aboveBytes = core.settings.memoryHighBytes / 2;
  }

  /** After each commit. */
  check(): void {
    const { cache, clock } = this.#core;
    if (this.#isDeferred || cache.bytes < this.#aboveBytes) return;
    this.#isDeferred = true;
    // In a turn of its own: nobody is looking at an entry then.
    clock.defer(this.#run);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#core.clock.clearTimer(this.#timer);
    this.#isDeferred = true;
  }

  readonly #run = (): void => {
    const core = this.#core;
    this.#timer = undefined;
    const startMs = core.clock.now();
    this.#gather();
    const endMs = core.clock.now();
    this.#isDeferred = false;
    this.#aboveBytes = Math.max(core.settings.memoryHighBytes / 2, core.cache.bytes * 1.5);
    if (!core.pressure.memory) return;
    this.#isDeferred = true;
    const afterMs = Math.max(againMs, (endMs - startMs) * shareOfTime);
    this.#timer = core.clock.setTimer(endMs + afterMs, this.#run);
  };

  #gather(): void {
    const { cache, queueById, commit } = this.#core;
    const liveBytes = new Float64Array(cache.slotCount);
    for (const { partition } of queueById.values()) {
      moveEntries(partition.pages, (slot, _position, length) => void (liveBytes[slot]! += length));
    }
    const kept = [commit.slot, commit.sideSlot];
    const sharedPlaces = new Map<number, EntryPlace>();
    // Buffers that are begun on the way are met by nobody: whoever lies in them was visited before.
    const move = (slot: number, position: number, length: number, place: EntryPlace): void => {
      const buffer = cache.buffer(slot);
      if (kept.includes(slot) || liveBytes[slot]! >= buffer.length * sparseBelow) return;
      const isShared = (buffer[position + 3]! & entryMark.shared) !== 0;
      const identity = slot * 0x1_0000_0000 + position;
      let moved = isShared ? sharedPlaces.get(identity) : undefined;
      if (moved === undefined) {
        commit.reserveSide(length);
        moved = { slot: commit.sideSlot, position: commit.sideAt };
        buffer.copy(commit.sideBuffer, commit.sideAt, position, position + length);
        commit.sideAt += length;
        if (isShared) sharedPlaces.set(identity, moved);
      }
      cache.retain(moved.slot);
      cache.release(slot);
      place.slot = moved.slot;
      place.position = moved.position;
    };
    for (const { partition } of queueById.values()) moveEntries(partition.pages, move);
  }
}
