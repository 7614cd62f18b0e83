/**
 * A binary min-heap of (key, value) number pairs in typed arrays: no object per element, so that hundreds of
 * thousands of waiting offsets or due times cost 16 bytes each. Equal keys come out in order of their values.
 */
export class OffsetHeap {
  #keys = new Float64Array(16);
  #values = new Float64Array(16);
  size = 0;

  push(key: number, value: number): void {
    if (this.size === this.#keys.length) this.#grow();
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentKey = this.#keys[parent]!;
      if (parentKey < key || (parentKey === key && this.#values[parent]! <= value)) break;
      this.#keys[at] = parentKey;
      this.#values[at] = this.#values[parent]!;
      at = parent;
    }
    this.#keys[at] = key;
    this.#values[at] = value;
  }

  /** Smallest key; Infinity when empty. */
  peekKey(): number {
    return this.size === 0 ? Infinity : this.#keys[0]!;
  }

  /** Value that goes with the smallest key; -1 when empty. */
  peekValue(): number {
    return this.size === 0 ? -1 : this.#values[0]!;
  }

  /** Removes the smallest; its key is answered (Infinity when empty). */
  pop(): number {
    if (this.size === 0) return Infinity;
    const top = this.#keys[0]!;
    const key = this.#keys[--this.size]!;
    const value = this.#values[this.size]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.#isLess(child + 1, child)) child++;
      if (this.#keys[child]! > key || (this.#keys[child]! === key && this.#values[child]! >= value)) break;
      this.#keys[at] = this.#keys[child]!;
      this.#values[at] = this.#values[child]!;
      at = child;
    }
    if (this.size > 0) {
      this.#keys[at] = key;
      this.#values[at] = value;
    }
    if (this.size === 0 && this.#keys.length > 1024) this.clear();
    return top;
  }

  clear(): void {
    this.size = 0;
    this.#keys = new Float64Array(16);
    this.#values = new Float64Array(16);
  }

  /** A copy that shares nothing. */
  clone(): OffsetHeap {
    const copy = new OffsetHeap();
    copy.#keys = this.#keys.slice();
    copy.#values = this.#values.slice();
    copy.size = this.size;
    return copy;
  }

  /** Visits every pair, in no order. */
  forEach(visit: (key: number, value: number) => void): void {
    for (let i = 0; i < this.size; i++) visit(this.#keys[i]!, this.#values[i]!);
  }

  #isLess(a: number, b: number): boolean {
    const difference = this.#keys[a]! - this.#keys[b]!;
    return difference < 0 || (difference === 0 && this.#values[a]! < this.#values[b]!);
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    const values = new Float64Array(keys.length);
    values.set(this.#values);
    this.#values = values;
  }
}
