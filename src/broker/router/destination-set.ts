/**
 * Distinct destinations in the order in which they were first added, each with a count.
 *
 * Several bindings can lead from one place to the same destination (they differ in arguments), so each is counted and
 * leaves with its last. Matches outnumber changes by far: they read a plain array, which is built anew by the first
 * match behind a change. Most places of a large exchange hold one destination, bound once: counts begin with the second
 * binding, which saves 200 bytes at each of those places.
 */

import { assert, must } from "../../base/assert.ts";

export class DestinationSet<D> {
  #counts: Map<D, number> | undefined;
  #list: readonly D[] | undefined = [];

  get size(): number {
    return this.#counts === undefined ? this.list.length : this.#counts.size;
  }

  /** The distinct destinations, oldest first. Valid until the next change. */
  get list(): readonly D[] {
    return (this.#list ??= this.#counts === undefined ? [] : Array.from(this.#counts.keys()));
  }

  add(destination: D): void {
    if (this.#counts === undefined) {
      const first = this.list[0];
      if (first === undefined) {
        this.#list = [destination];
        return;
      }
      this.#counts = new Map([[first, 1]]);
    }
    const count = this.#counts.get(destination);
    this.#counts.set(destination, (count ?? 0) + 1);
    if (count === undefined) this.#list = undefined;
  }

  remove(destination: D): void {
    if (this.#counts === undefined) {
      assert(this.list[0] === destination, "a destination is removed as often as it was added");
      this.#list = [];
      return;
    }
    const count = must(this.#counts.get(destination), "a destination is removed as often as it was added");
    if (count > 1) {
      this.#counts.set(destination, count - 1);
      return;
    }
    this.#counts.delete(destination);
    if (this.#counts.size === 0) this.#counts = undefined;
    this.#list = undefined;
  }

  visit(visitor: (destination: D) => void): void {
    const list = this.list;
    for (let at = 0; at < list.length; at++) visitor(list[at] as D);
  }
}
