/**
 * What a run's reader will ask for next, asked of the disk before he does: while what he has got is verified and sent,
 * the disk reads what is behind it. One who comes from where the last read of a run ended, or begins at its first
 * entry, is taken for one who reads on; one span is read ahead for him, of the size that he asked for before.
 *
 * So many spans are ahead at most, whoever reads: a reader for whom there is no room reads as if this were not here. What
 * nobody came for goes when many others have read since. An error of reading ahead is nobody's: who comes for it reads anew.
 */

import type { RunMeta } from "./log.ts";

const aheadMax = 8;
/** An entry that is larger is not read ahead: it would wait in memory for one who may never come. */
export const aheadBytesMax = 4 << 20;
/** Reads after which a span that nobody came for makes room. */
const staleReads = 1024;

/** Where a read of a run ended: behind the entry at `lastOffset`, before the one at `nextOffset`. */
export interface ReadEnd {
  readonly lastOffset: number;
  readonly nextOffset: number;
}

/** What is to be read of a run, as SegmentStore.read() has it. */
export interface Wanted {
  readonly fromOffset: number;
  readonly bytesMax: number;
  readonly entriesMax: number;
  readonly covering: boolean;
}

interface Ahead<T> {
  readonly run: RunMeta;
  readonly from: ReadEnd;
  readonly wanted: Wanted;
  readonly fetching: Promise<T | undefined>;
  readonly begunAt: number;
}

export class ReadAhead<T> {
  /** How often segments were forgotten: a read that was under way meanwhile begins none, for its segment may be gone. */
  forgets = 0;
  /** Oldest first. */
  readonly #aheads: Ahead<T>[] = [];
  /** Of the last read of a run. */
  readonly #endByRun = new WeakMap<RunMeta, ReadEnd>();
  #reads = 0;

  /** What was begun for just this read, if it was and came to something. */
  take(run: RunMeta, wanted: Wanted): Promise<T | undefined> | undefined {
    this.#reads++;
    const index = this.#find(run, wanted);
    return index < 0 ? undefined : this.#aheads.splice(index, 1)[0]!.fetching;
  }

  /** Notes a read, and where it ended: whether its reader will want what is behind it. */
  isReadOn(run: RunMeta, { fromOffset }: Wanted, end: ReadEnd): boolean {
    const before = this.#endByRun.get(run);
    this.#endByRun.set(run, end);
    return before === undefined ? fromOffset <= run.firstOffset : goesOn(fromOffset, before);
  }

  /** @param fetch what is `wanted`, which begins where that read ended; undefined: it is not to be read ahead. */
  begin(run: RunMeta, from: ReadEnd, wanted: Wanted, fetch: () => Promise<T | undefined>): void {
    if (this.#find(run, wanted) >= 0) return;
    if (this.#aheads.length === aheadMax) {
      if (this.#reads - this.#aheads[0]!.begunAt < staleReads) return;
      this.#aheads.shift();
    }
    const fetching = fetch().catch(() => undefined);
    this.#aheads.push({ run, from, wanted, fetching, begunAt: this.#reads });
  }

  /** The segment is removed; without one: all are closed. */
  forget(segment?: number): void {
    this.forgets++;
    for (let index = this.#aheads.length - 1; index >= 0; index--)
      if (segment === undefined || this.#aheads[index]!.run.segment === segment) this.#aheads.splice(index, 1);
  }

  /** One that covers its first offset is the same where an entry begins, and nowhere else. */
  #find(run: RunMeta, { fromOffset, bytesMax, entriesMax, covering }: Wanted): number {
    return this.#aheads.findIndex(
      ({ run: of, from, wanted }) =>
        of === run &&
        (covering ? fromOffset === from.nextOffset : goesOn(fromOffset, from)) &&
        wanted.bytesMax === bytesMax &&
        wanted.entriesMax === entriesMax,
    );
  }
}

/** No entry lies between the two: a batch stands at its last offset, and is asked for by its first. */
function goesOn(fromOffset: number, { lastOffset, nextOffset }: ReadEnd): boolean {
  return fromOffset > lastOffset && fromOffset <= nextOffset;
}
