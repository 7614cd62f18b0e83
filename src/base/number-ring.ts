/** A first-in-first-out queue of numbers in a growing typed array: 8 bytes an element, no allocation in steady state. */
export class NumberRing {
  #slots = new Float64Array(16);
  #head = 0;
  size = 0;

  push(value: number): void {
    if (this.size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.size++) & (this.#slots.length - 1)] = value;
  }

  /** The oldest; -1 when empty. */
  peek(): number {
    return this.size === 0 ? -1 : this.#slots[this.#head]!;
  }

  /** Removes and answers the oldest; -1 when empty. */
  shift(): number {
    if (this.size === 0) return -1;
    const value = this.#slots[this.#head]!;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    if (--this.size === 0 && this.#slots.length > 4096) this.clear();
    return value;
  }

  clear(): void {
    this.#slots = new Float64Array(16);
    this.#head = 0;
    this.size = 0;
  }

  /** Element i from the oldest, 0 <= i < size. */
  at(i: number): number {
    return this.#slots[(this.#head + i) & (this.#slots.length - 1)]!;
  }

  #grow(): void {
    const slots = new Float64Array(this.#slots.length * 2);
    for (let i = 0; i < this.size; i++) slots[i] = this.at(i);
    this.#slots = slots;
    this.#head = 0;
  }
}
