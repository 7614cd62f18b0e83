/**
 * Which offsets of a partition are done with: everything below `floor`, and a bitmap of what was settled out of order
 * above it. Settling in order costs a compare and an increment; out of order a bit in a page of 1,024. A page whose bits
 * are all set costs nothing but its number, so ten million messages settled behind one straggler are ten thousand numbers.
 * A page goes when the floor leaves it, also where that went over its last bits one by one.
 */
const pageBits = 1024;
const pageWords = pageBits / 32;

interface BitPage {
  /** undefined: all bits are set */
  words: Uint32Array | undefined;
  count: number;
}

export class SettledSet {
  /** All offsets below are in the set. */
  floor = 0;
  /** Number of offsets above the floor that are in the set. */
  above = 0;
  readonly #pages = new Map<number, BitPage>();

  has(offset: number): boolean {
    if (offset < this.floor) return true;
    if (this.above === 0) return false;
    const page = this.#pages.get(Math.floor(offset / pageBits));
    if (page === undefined) return false;
    if (page.words === undefined) return true;
    const bit = offset % pageBits;
    return (page.words[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  /** Pages in memory. */
  get pageCount(): number {
    return this.#pages.size;
  }

  /** The first offset from `offset` on that is not in the set. */
  endFrom(offset: number): number {
    let at = Math.max(offset, this.floor);
    while (this.above > 0 && this.has(at)) {
      const number = Math.floor(at / pageBits);
      at = this.#pages.get(number)!.words === undefined ? (number + 1) * pageBits : at + 1;
    }
    return at;
  }

  /** Answers false when it was there. */
  add(offset: number): boolean {
    if (offset === this.floor) {
      this.floor++;
      if (this.#pages.size > 0 && this.floor % pageBits === 0) this.#pages.delete(this.floor / pageBits - 1);
      if (this.above > 0) this.#absorb();
      return true;
    }
    if (this.has(offset)) return false;
    const number = Math.floor(offset / pageBits);
    let page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, (page = { words: new Uint32Array(pageWords), count: 0 }));
    const bit = offset % pageBits;
    page.words![bit >>> 5]! |= 1 << (bit & 31);
    this.above++;
    if (++page.count === pageBits) page.words = undefined;
    return true;
  }

  /** Adds [start, end); what was there stays. Answers how many were new. */
  addRange(start: number, end: number): number {
    const from = Math.max(start, this.floor);
    if (from >= end) return 0;
    if (from === this.floor && this.above === 0) {
      this.floor = end;
      this.#pages.clear();
      return end - from;
    }
    let added = 0;
    let offset = from;
    while (offset < end) {
      const number = Math.floor(offset / pageBits);
      const isWhole = offset === number * pageBits && offset + pageBits <= end && offset > this.floor;
      if (isWhole) {
        added += this.#fillPage(number);
        offset += pageBits;
      } else if (this.add(offset++)) added++;
    }
    return added;
  }

  /** All of [start, end) are in the set. Looks at one after the other, up to the first that is not. */
  hasAll(start: number, end: number): boolean {
    return start >= end || (this.has(start) && this.endFrom(start) >= end);
  }

  /** How many of [start, end) are in the set. */
  countIn(start: number, end: number): number {
    let count = Math.max(0, Math.min(end, this.floor) - start);
    const from = Math.max(start, this.floor);
    if (this.above === 0 || from >= end) return count;
    const first = Math.floor(from / pageBits);
    const last = Math.floor((end - 1) / pageBits);
    // Whichever are fewer to look at.
    if (last - first < this.#pages.size) {
      for (let number = first; number <= last; number++) count += this.#countInPage(number, from, end);
    } else for (const number of this.#pages.keys()) count += this.#countInPage(number, from, end);
    return count;
  }

  #countInPage(number: number, from: number, end: number): number {
    const page = this.#pages.get(number);
    const low = Math.max(from, number * pageBits);
    const high = Math.min(end, (number + 1) * pageBits);
    if (page === undefined || low >= high) return 0;
    if (page.words === undefined) return high - low;
    if (high - low === pageBits) return page.count;
    let count = 0;
    for (let offset = low; offset < high; offset++) if (this.has(offset)) count++;
    return count;
  }

  /** JSON form: [floor, [page number, base64 of its words or ''], ...]. */
  toJson(): unknown[] {
    const pages: unknown[] = [this.floor];
    for (const [number, { words }] of this.#pages) {
      if ((number + 1) * pageBits <= this.floor) continue;
      pages.push([
        number,
        words === undefined ? "" : Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString("base64"),
      ]);
    }
    return pages;
  }

  static fromJson(json: readonly unknown[]): SettledSet {
    const set = new SettledSet();
    set.floor = json[0] as number;
    for (const [number, text] of json.slice(1) as [number, string][]) {
      if (text === "") {
        set.#pages.set(number, { words: undefined, count: pageBits });
        set.above += pageBits - Math.max(0, set.floor - number * pageBits);
        continue;
      }
      const bytes = new Uint8Array(Buffer.from(text, "base64"));
      const words = new Uint32Array(bytes.buffer, 0, pageWords);
      const page: BitPage = { words, count: 0 };
      set.#pages.set(number, page);
      for (let bit = 0; bit < pageBits; bit++) {
        if ((words[bit >>> 5]! & (1 << (bit & 31))) === 0) continue;
        page.count++;
        if (number * pageBits + bit >= set.floor) set.above++;
      }
    }
    return set;
  }

  /** Sets all bits of a page above the floor; answers how many were not. */
  #fillPage(number: number): number {
    const page = this.#pages.get(number);
    const added = pageBits - (page?.count ?? 0);
    this.#pages.set(number, { words: undefined, count: pageBits });
    this.above += added;
    return added;
  }

  /** The floor moves over what was settled before it got there. */
  #absorb(): void {
    for (;;) {
      const number = Math.floor(this.floor / pageBits);
      const page = this.#pages.get(number);
      if (page === undefined) return;
      const end = (number + 1) * pageBits;
      if (page.words === undefined) {
        this.above -= end - this.floor;
        this.floor = end;
      } else {
        let { floor } = this;
        while (floor < end && (page.words[(floor % pageBits) >>> 5]! & (1 << (floor & 31))) !== 0) floor++;
        this.above -= floor - this.floor;
        this.floor = floor;
        if (floor < end) return;
      }
      this.#pages.delete(number);
    }
  }
}
