/**
 * Ids of messages that are appended in a transaction. They are its own until it is committed, and are seen by others from
 * then on: what is aborted is to be sent again, and who else sends such an id meanwhile must not have it taken for what may
 * never come. So of two who send one id at the same time, one of them in a transaction, both may be heard.
 *
 * Rejected: to hold back the second until the first is decided, which keeps its confirm for as long as a transaction takes.
 */
import { DedupWindow } from "../dedup-window.ts";

export class UndecidedIds {
  readonly #own: readonly (DedupWindow | undefined)[];
  readonly #added: DedupWindow;

  /** `before`: what the transaction has added before, in each partition of the topic. */
  constructor(idsMax: number, before: readonly (DedupWindow | undefined)[]) {
    this.#added = new DedupWindow({ windowMs: 0, maxIds: idsMax });
    this.#own = [this.#added, ...before];
  }

  has(id: string, nowMs: number): boolean {
    return this.#own.some((window) => window?.has(id, nowMs) === true);
  }

  /** `at`: as restoreId() takes it. */
  add(id: string, at: number): void {
    this.#added.add(id, at);
  }

  /** In order of arrival, with what add() was told. */
  get added(): Iterable<[string, number]> {
    return this.#added.toJson();
  }
}
