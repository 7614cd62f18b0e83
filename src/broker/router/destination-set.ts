/**
 * Distinct destinations in the order in which they were first added, each with a count.
 *
 * Several bindings can lead from one place to the same destination (they differ in arguments), so each is counted and
 * leaves with its last. Matches outnumber changes by far: they read a plain array, which is built anew by the first
 * match behind a change.
 */

import { must } from "../../base/assert.ts";

export class DestinationSet<D> {
  readonly #counts = new Map<D, number>();
  #list: readonly D[] | undefined;

  get size(): number {
    return this.#counts.size;
  }

  /** The distinct destinations, oldest first. Valid until the next change. */
  get list(): readonly D[] {
    return (this.#list ??= Array.from(this.#counts.keys()));
  }

  add(destination: D): void {
    const count = this.#counts.get(destination);
    this.#counts.set(destination, (count ?? 0) + 1);
    if (count === undefined) this.#list = undefined;
  }

  remove(destination: D): void {
    const count = must(this.#counts.get(destination), "a destination is removed as often as it was added");
    if (count > 1) {
      this.#counts.set(destination, count - 1);
      return;
    }
    this.#counts.delete(destination);
    this.#list = undefined;
  }

  visit(visitor: (destination: D) => void): void {
    const list = this.list;
    for (let at = 0; at < list.length; at++) visitor(list[at] as D);
  }
}
