/**
 * Who waits until entries of a partition are in memory: served in the order of asking, and told one after the other. A reader
 * may ask for more while it is told of what came; nobody else hears of anything before it has done, for it is perhaps in the
 * midst of an answer that others would write into. Ten thousand may wait for the same.
 */

export interface WaitingReader {
  readonly offset: number;
  /** It wants this one entry, not those behind it. */
  readonly isStray: boolean;
  /** What lies in [offset, coveredEnd) and is not in memory now does not exist. */
  readonly done: (coveredEnd: number) => void;
}

/** Served ones that are kept before they go together. */
const chunk = 1024;

export class WaitingReaders {
  readonly #serve: (reader: WaitingReader) => number | undefined;
  readonly #waiting: WaitingReader[] = [];
  /** Those before it have been served. Taking each from the front would move all behind it. */
  #next = 0;
  /** Somebody is told, or waits for the disk. */
  #isBusy = false;

  /** @param serve answers the `coveredEnd` if nothing has to be read, and else calls `came()` when it is. */
  constructor(serve: (reader: WaitingReader) => number | undefined) {
    this.#serve = serve;
  }

  wait(reader: WaitingReader): void {
    this.#waiting.push(reader);
    if (!this.#isBusy) this.#goOn();
  }

  /** What was read for this one is in memory. */
  came(reader: WaitingReader, coveredEnd: number): void {
    reader.done(coveredEnd);
    this.#goOn();
  }

  /** Nothing is there any more. */
  tellAll(coveredEnd: number): void {
    const left = this.#waiting.splice(0).slice(this.#next);
    this.#next = 0;
    for (const { done } of left) done(coveredEnd);
  }

  #goOn(): void {
    this.#isBusy = true;
    for (let reader = this.#take(); reader !== undefined; reader = this.#take()) {
      const coveredEnd = this.#serve(reader);
      if (coveredEnd === undefined) return;
      reader.done(coveredEnd);
    }
    this.#isBusy = false;
  }

  #take(): WaitingReader | undefined {
    const reader = this.#waiting[this.#next++];
    if (reader === undefined || this.#next === chunk) {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
    }
    return reader;
  }
}
