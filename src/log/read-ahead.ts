/**
 * What a run's reader will ask for next, asked of the disk before he does: while a span is verified, taken into memory and
 * sent, the disk reads the one behind it. One who comes from where the last read of a run ended, or begins at its first
 * entry, is taken for one who reads on; one span is read ahead for him, of the size that he asked for before.
 *
 * So many spans are ahead at most, whoever reads: a reader for whom there is no room reads as if this were not here. What
 * nobody came for goes when many others have read since.
 */

import type { RunMeta } from "./log.ts";

const aheadMax = 8;
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
  readonly fetching: Promise<T>;
  readonly begunAt: number;
}

export class ReadAhead<T> {
  /** Oldest first. */
  readonly #aheads: Ahead<T>[] = [];
  /** Of the last read of a run. */
  readonly #endByRun = new WeakMap<RunMeta, ReadEnd>();
  #reads = 0;

  /** What was begun for just this read, if it was. */
  take(run: RunMeta, wanted: Wanted): Promise<T> | undefined {
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

  /** @param fetch what is `wanted`, which begins where that read ended. */
  begin(run: RunMeta, from: ReadEnd, wanted: Wanted, fetch: () => Promise<T>): void {
    if (this.#find(run, wanted) >= 0) return;
    if (this.#aheads.length === aheadMax) {
      if (this.#reads - this.#aheads[0]!.begunAt < staleReads) return;
      this.#aheads.shift();
    }
    const fetching = fetch();
    // Whoever comes for it is told of its error; nobody else minds.
    fetching.catch(() => undefined);
    this.#aheads.push({ run, from, wanted, fetching, begunAt: this.#reads });
  }

  /** The segment is removed. */
  forget(segment: number): void {
    for (let index = this.#aheads.length - 1; index >= 0; index--)
      if (this.#aheads[index]!.run.segment === segment) this.#aheads.splice(index, 1);
  }

  /** One that covers its first offset as well is the same: reads end where an entry begins. */
  #find(run: RunMeta, { fromOffset, bytesMax, entriesMax }: Wanted): number {
    return this.#aheads.findIndex(
      ({ run: of, from, wanted }) =>
        of === run &&
        goesOn(fromOffset, from) &&
        wanted.bytesMax === bytesMax &&
        wanted.entriesMax === entriesMax,
    );
  }
}

/** No entry lies between the two: a batch stands at its last offset, and is asked for by its first. */
function goesOn(fromOffset: number, { lastOffset, nextOffset }: ReadEnd): boolean {
  return fromOffset > lastOffset && fromOffset <= nextOffset;
}
