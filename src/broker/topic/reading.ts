/**
 * Reading a partition by offset, entry by entry, in the form in which they came: for those who keep their place themselves.
 *
 * A read visits what is in memory and costs nothing else; what is not there is asked for, in spans of a megabyte, and
 * visited by the next read. What a load shows to be missing (a crash took it before it was durable, or its bytes are
 * damaged) is remembered as a hole, so that reads pass over it. Who waits for more is told once a turn, however many
 * blocks became durable in it.
 */
import { RangeSet } from "../../base/range-set.ts";
import type { Entry } from "../api.ts";
import type { Core, Dispatchable } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Subscription } from "../subscription/subscription.ts";
import type { Partition, Wakeable } from "./partition.ts";

/** Holes are found anew by loading: so many are remembered. */
const holesMax = 1024;

export class Reading implements Wakeable, Dispatchable {
  isWoken = false;
  readonly #core: Core;
  readonly #partition: Partition;
  /** Whose settled entries are not there any more; undefined: a log. */
  readonly #subscription: Subscription | undefined;
  readonly #entry = new EntryCursor();
  readonly #followers = new Set<() => void>();
  #holes = new RangeSet();

  constructor(core: Core, partition: Partition, subscription: Subscription | undefined) {
    this.#core = core;
    this.#partition = partition;
    this.#subscription = subscription;
  }

  /** As PartitionReading.read(). */
  read(offset: number, end: number, visit: (entry: Entry) => boolean): number {
    const partition = this.#partition;
    const entry = this.#entry;
    let at = Math.max(offset, partition.first);
    while (at < end) {
      if (partition.look(at, entry)) {
        const next = entry.offset + 1;
        // Nothing that may be read reaches beyond: whoever asks for less has it all.
        if (next > end) return end;
        if (!visit(entry)) return at;
        at = next;
        continue;
      }
      const behind = this.#behindGap(at);
      if (behind === at) return at;
      at = behind;
    }
    return at;
  }

  /** As PartitionReading.load(). */
  load(offset: number, done: () => void): void {
    const partition = this.#partition;
    const from = Math.max(offset, partition.first);
    partition.load(from, false, (coveredEnd) => {
      this.#holes.add(from, partition.firstInMemory(from, Math.min(coveredEnd, partition.visibleEnd)));
      if (this.#holes.starts.length > holesMax) this.#holes = new RangeSet();
      this.#holes.removeBelow(partition.first);
      done();
    });
  }

  /** As PartitionReading.offsetAtTime(). */
  async offsetAtTime(timeMs: number): Promise<number> {
    return Math.min(await this.#partition.offsetAtTime(timeMs), this.#partition.visibleEnd);
  }

  /** As PartitionReading.follow(). */
  follow(advanced: () => void): () => void {
    // One of its own each: the same function may follow twice.
    const follower = (): void => advanced();
    if (this.#followers.size === 0) this.#partition.readers.add(this);
    this.#followers.add(follower);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#partition.readers.delete(this);
    };
  }

  wake(): void {
    this.#core.wake(this);
  }

  dispatch(): void {
    for (const follower of [...this.#followers]) if (this.#followers.has(follower)) follower();
  }

  /** Where what is known to be missing at `at` ends; `at` if nothing is known. */
  #behindGap(at: number): number {
    const subscription = this.#subscription;
    if (subscription !== undefined && !subscription.keepsHistory && subscription.settled.has(at)) {
      return Math.max(at + 1, subscription.settled.floor);
    }
    if (this.#partition.isGone(at, 1)) return at + 1;
    return this.#holes.endOf(at) ?? at;
  }
}
