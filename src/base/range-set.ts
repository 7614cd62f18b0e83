/** Fewer are added one by one. */
const mergedFrom = 32;

/**
 * A set of integers kept as sorted, disjoint ranges [start, end).
 *
 * Made for offsets, which come nearly in order: adding behind the last range, or right next to it, is O(1); anything
 * else is a binary search and a splice. Used where ranges are few; the delivery state of a busy subscription, where
 * they may be many, is a bitmap (`SettledSet`).
 */
export class RangeSet {
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  /** Number of integers in the set. */
  get size(): number {
    let size = 0;
    for (let i = 0; i < this.starts.length; i++) size += this.ends[i]! - this.starts[i]!;
    return size;
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    const { starts, ends } = this;
    const last = ends.length - 1;
    if (last < 0 || start > ends[last]!) {
      starts.push(start);
      ends.push(end);
      return;
    }
    if (start >= starts[last]!) {
      if (end > ends[last]!) ends[last] = end;
      return;
    }
    const from = this.#firstEndingAtOrAfter(start);
    let to = from;
    let low = start;
    let high = end;
    while (to < starts.length && starts[to]! <= end) {
      low = Math.min(low, starts[to]!);
      high = Math.max(high, ends[to]!);
      to++;
    }
    starts.splice(from, to - from, low);
    ends.splice(from, to - from, high);
  }

  /** Adds all of the others: in one pass over both where they lie among each other, however many they are. */
  addAll(others: RangeSet): void {
    const { starts, ends } = this;
    const isBehind = ends.length === 0 || others.starts.length === 0 || others.starts[0]! > ends.at(-1)!;
    if (isBehind || others.starts.length < mergedFrom) {
      for (const [i, start] of others.starts.entries()) this.add(start, others.ends[i]!);
      return;
    }
    const merged = new RangeSet();
    let at = 0;
    for (const [i, start] of starts.entries()) {
      for (; at < others.starts.length && others.starts[at]! < start; at++)
        merged.add(others.starts[at]!, others.ends[at]!);
      merged.add(start, ends[i]!);
    }
    for (; at < others.starts.length; at++) merged.add(others.starts[at]!, others.ends[at]!);
    const count = merged.starts.length;
    starts.length = count;
    ends.length = count;
    for (let i = 0; i < count; i++) {
      starts[i] = merged.starts[i]!;
      ends[i] = merged.ends[i]!;
    }
  }

  has(value: number): boolean {
    const at = this.#firstEndingAtOrAfter(value + 1);
    return at < this.starts.length && this.starts[at]! <= value;
  }

  /** Where the range that holds `value` ends; undefined: none does. */
  endOf(value: number): number | undefined {
    const at = this.#firstEndingAtOrAfter(value + 1);
    return at < this.starts.length && this.starts[at]! <= value ? this.ends[at] : undefined;
  }

  /** Forgets everything below `value`. */
  removeBelow(value: number): void {
    const { starts, ends } = this;
    let gone = 0;
    while (gone < ends.length && ends[gone]! <= value) gone++;
    if (gone > 0) {
      starts.splice(0, gone);
      ends.splice(0, gone);
    }
    if (starts.length > 0 && starts[0]! < value) starts[0] = value;
  }

  /** Cuts from the beginning of each range what `isOver`, up to the first that is not; whole ranges too. */
  cut(isOver: (value: number) => boolean): void {
    const { starts, ends } = this;
    let kept = 0;
    for (let i = 0; i < starts.length; i++) {
      const end = ends[i]!;
      let start = starts[i]!;
      while (start < end && isOver(start)) start++;
      if (start === end) continue;
      starts[kept] = start;
      ends[kept++] = end;
    }
    starts.length = kept;
    ends.length = kept;
  }

  /** As a flat list start, end, start, end, ...: the form in which it is stored. */
  toList(): number[] {
    return this.starts.flatMap((start, i) => [start, this.ends[i]!]);
  }

  static fromList(list: readonly number[]): RangeSet {
    const set = new RangeSet();
    for (let i = 0; i + 1 < list.length; i += 2) set.add(list[i]!, list[i + 1]!);
    return set;
  }

  #firstEndingAtOrAfter(value: number): number {
    let low = 0;
    let high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
