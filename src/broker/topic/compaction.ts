/**
 * Only the newest entry of each key stays: a log as a table of last values.
 *
 * A pass walks over what came in since the last, keeps in a map where each key was seen last, and removes the entry that
 * a newer one supersedes. Passes are a second apart, so that readers who follow the log see every value, and those who
 * catch up see the last of each key, perhaps with a few that the next pass would have taken. Entries without a key stay.
 *
 * What is superseded is written to the journal and to checkpoints like settlements are, so it does not come back; the
 * map is not: the first pass after a start reads the log once, a bounded piece a turn. The map costs memory for each
 * key, not for each entry. Rejected: superseding at the append, which would hide values from followers and cost a map
 * look-up on the hot path.
 */
import { putU16, putU32 } from "../../base/bytes.ts";
import type { TimerHandle } from "../../base/clock.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { EntryCursor, writeU48 } from "../entry.ts";
import { SettledSet } from "../subscription/settled-set.ts";
import type { Partition } from "./partition.ts";

const passEveryMs = 1000;
/** Entries that one turn looks at, at most. */
const looksPerTurn = 4096;

export class Compaction {
  /** Offsets of entries that a newer one of the same key has taken the place of. */
  superseded = new SettledSet();
  readonly #core: Core;
  readonly #partition: Partition;
  readonly #newestByKey = new Map<string, number>();
  readonly #entry = new EntryCursor();
  /** The next to look at. */
  #at = 0;
  /** What the map was last swept for. */
  #sweptFirst = 0;
  #timer: TimerHandle | undefined;
  #isRunning = false;

  constructor(core: Core, partition: Partition) {
    this.#core = core;
    this.#partition = partition;
    partition.isGone = (offset): boolean => this.superseded.has(offset);
  }

  /** The log grew, or has just been opened. */
  wake(): void {
    if (this.#timer !== undefined || this.#isRunning || this.#at >= this.#partition.stableEnd) return;
    const { clock } = this.#core;
    this.#timer = clock.setTimer(clock.now() + passEveryMs, () => {
      this.#timer = undefined;
      this.#isRunning = true;
      this.#pass();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#core.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Recovery: what the journal says. */
  restore(start: number, count: number): void {
    for (let offset = start; offset < start + count; offset++) {
      if (this.superseded.add(offset)) this.#partition.forget(offset);
    }
  }

  /** Entries that are kept from `first` on. */
  countKept(): number {
    const { first, next } = this.#partition;
    return next - first - this.superseded.countIn(first, next);
  }

  readonly #pass = (): void => {
    const partition = this.#partition;
    if (partition.isDeleted) return;
    const removed: number[] = [];
    // What is undecided takes the place of nothing.
    const end = partition.stableEnd;
    this.#at = Math.max(this.#at, partition.first);
    let looks = 0;
    let missing = -1;
    for (; this.#at < end && looks < looksPerTurn; looks++) {
      if (this.superseded.has(this.#at)) this.#at++;
      else if (partition.look(this.#at, this.#entry)) this.#noteKey(this.#at++, removed);
      else {
        missing = this.#at;
        break;
      }
    }
    this.#supersede(removed);
    if (missing >= 0) this.#load(missing);
    else if (this.#at < end) this.#core.clock.defer(this.#pass);
    else {
      this.#sweep();
      this.#isRunning = false;
      this.wake();
    }
  };

  #noteKey(offset: number, removed: number[]): void {
    const key = this.#entry.key();
    if (key === undefined || this.#partition.transactions?.isAborted(offset) === true) return;
    const older = this.#newestByKey.get(key);
    if (older !== undefined && older >= this.#partition.first && !this.superseded.has(older)) removed.push(older);
    this.#newestByKey.set(key, offset);
  }

  #load(offset: number): void {
    this.#core.evict();
    this.#partition.load(offset, false, (coveredEnd) => {
      // What is covered and not there does not exist.
      this.#at = this.#partition.firstInMemory(offset, Math.min(coveredEnd, this.#partition.visibleEnd));
      this.#core.clock.defer(this.#pass);
    });
  }

  #supersede(offsets: number[]): void {
    if (offsets.length === 0) return;
    for (const offset of offsets) {
      this.superseded.add(offset);
      this.#partition.remove(offset);
    }
    const { id, isDurable } = this.#partition;
    if (!isDurable) return;
    const { commit } = this.#core;
    commit.reserve(7 + offsets.length * 10);
    const { buffer } = commit;
    let { at } = commit;
    buffer[at] = record.settled;
    putU32(buffer, at + 1, id);
    putU16(buffer, at + 5, offsets.length);
    at += 7;
    for (const offset of offsets) {
      writeU48(buffer, at, offset);
      putU32(buffer, at + 6, 1);
      at += 10;
    }
    commit.at = at;
  }

  /** Keys whose newest entry retention has taken are forgotten. */
  #sweep(): void {
    const { first } = this.#partition;
    if (first === this.#sweptFirst) return;
    this.#sweptFirst = first;
    this.superseded.addRange(this.superseded.floor, first);
    for (const [key, offset] of this.#newestByKey) if (offset < first) this.#newestByKey.delete(key);
  }
}
