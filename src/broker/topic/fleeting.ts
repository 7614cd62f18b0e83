/**
 * Which entries of a partition that outlives the process do not: a checkpoint says so, for they come to be in segments like
 * all others. What is gone need not be known any more. It is cut off when the ranges have doubled since, and before they are
 * written down: one message that nobody takes must not make a range of every second one that came and went behind it.
 */
import { RangeSet } from "../../base/range-set.ts";
import type { Partition } from "./partition.ts";

const rangesMin = 1024;

export class Fleeting {
  readonly #ranges = new RangeSet();
  readonly #partition: Partition;
  #rangesMax = rangesMin;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  get rangeCount(): number {
    return this.#ranges.starts.length;
  }

  /** The entry that was appended last. */
  add(offset: number): void {
    this.#ranges.add(offset, offset + 1);
    if (this.rangeCount <= this.#rangesMax) return;
    this.#cut();
    this.#rangesMax = Math.max(rangesMin, 2 * this.rangeCount);
  }

  removeBelow(offset: number): void {
    this.#ranges.removeBelow(offset);
  }

  /** Start, end, start, end, ... of the ranges. */
  toList(): number[] {
    this.#cut();
    return this.#ranges.toList();
  }

  #cut(): void {
    const [start] = this.#ranges.starts;
    if (start === undefined) return;
    const partition = this.#partition;
    this.#ranges.removeBelow(partition.goneEnd(start));
    this.#ranges.cut((offset) => partition.isGone(offset, 1));
  }
}
