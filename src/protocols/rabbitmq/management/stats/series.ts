/**
 * What the counters and gauges of one object were at the last passes of the sampler.
 *
 * A row is kept when something changed, and stands for all passes until the next row: an object that does nothing costs one
 * row, however long it is watched. Rows lie in one typed array that doubles until it has as many as were allowed, and then
 * the oldest row gives way. So the memory of a busy object is bounded, and nothing is allocated a pass.
 *
 * Rejected: a ring with a row a pass (10,000 queues over ten minutes would be 100 MB, nearly all of it repetition), and 32-bit
 * floats (a counter past 16 million would stand still).
 */

const rowsFirst = 1;

/** Who allows a series to become longer than the shortest that is useful. */
export interface SampleSpace {
  /** Whether so many bytes more are to be had; they are taken then. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export class Series {
  readonly #columns: number;
  readonly #rowsMin: number;
  readonly #rowsMax: number;
  readonly #space: SampleSpace;
  /** Rows of time and values; the newest is `#newest`. */
  #rows: Float64Array;
  #capacity = rowsFirst;
  #count = 0;
  #newest = -1;
  /** A row was dropped: what was before the oldest is not known. */
  #isCut = false;

  /** Grows up to `rowsMin` as of right, and up to `rowsMax` where there is space. */
  constructor(columns: number, rowsMin: number, rowsMax: number, space: SampleSpace) {
    this.#columns = columns;
    this.#rowsMin = rowsMin;
    this.#rowsMax = rowsMax;
    this.#space = space;
    this.#rows = new Float64Array(rowsFirst * (columns + 1));
  }

  get rowCount(): number {
    return this.#count;
  }

  /** When it last changed, ms; 0 before the first. */
  get changedAtMs(): number {
    return this.#count === 0 ? 0 : this.#rows[this.#newest * (this.#columns + 1)]!;
  }

  /** Notes `values` as they were at `atMs`, which is later than all before; true if they differ from the last. */
  record(atMs: number, values: ArrayLike<number>): boolean {
    const width = this.#columns + 1;
    if (this.#count > 0) {
      const last = this.#newest * width + 1;
      let column = 0;
      while (column < this.#columns && this.#rows[last + column] === values[column]) column++;
      if (column === this.#columns) return false;
    }
    if (this.#count === this.#capacity) this.#makeRoom();
    this.#newest = (this.#newest + 1) % this.#capacity;
    if (this.#count < this.#capacity) this.#count++;
    else this.#isCut = true;
    const start = this.#newest * width;
    this.#rows[start] = atMs;
    for (let column = 0; column < this.#columns; column++) this.#rows[start + 1 + column] = values[column]!;
    return true;
  }

  /** Which row holds at `atMs`, by its age: 0 is the newest; -1: from before the first. `from`: one that is not older. */
  rowAt(atMs: number, from = 0): number {
    const width = this.#columns + 1;
    for (let age = from; age < this.#count; age++) {
      if (this.#rows[this.#place(age) * width]! <= atMs) return age;
    }
    return this.#isCut ? this.#count - 1 : -1;
  }

  /** Of a row that rowAt() named; 0 before the first. */
  value(age: number, column: number): number {
    if (age < 0) return 0;
    return this.#rows[this.#place(age) * (this.#columns + 1) + 1 + column]!;
  }

  /** Bytes that were taken from the space are given back. */
  drop(): void {
    if (this.#capacity > this.#rowsMin) this.#space.give((this.#capacity - this.#rowsMin) * this.#rowBytes);
    this.#capacity = rowsFirst;
    this.#count = 0;
  }

  get #rowBytes(): number {
    return (this.#columns + 1) * 8;
  }

  #place(age: number): number {
    return (this.#newest - age + this.#capacity) % this.#capacity;
  }

  #makeRoom(): void {
    const capacity = Math.min(this.#capacity * 2, this.#capacity < this.#rowsMin ? this.#rowsMin : this.#rowsMax);
    if (capacity === this.#capacity) return;
    const over = capacity - Math.max(this.#capacity, this.#rowsMin);
    if (over > 0 && !this.#space.take(over * this.#rowBytes)) return;
    const width = this.#columns + 1;
    const rows = new Float64Array(capacity * width);
    for (let age = this.#count - 1, to = 0; age >= 0; age--, to++) {
      const from = this.#place(age) * width;
      rows.set(this.#rows.subarray(from, from + width), to * width);
    }
    this.#rows = rows;
    this.#capacity = capacity;
    this.#newest = this.#count - 1;
  }
}

/** How long samples are kept, and one for how long each: RabbitMQ's defaults for what spans many objects. */
const tiers = [
  { ageMs: 605_000, stepMs: 5_000 },
  { ageMs: 3_660_000, stepMs: 60_000 },
  { ageMs: 29_400_000, stepMs: 600_000 },
  { ageMs: 86_400_000, stepMs: 1_800_000 },
] as const;

/** The last ten minutes finely, the last day coarsely. */
export class LongSeries {
  readonly #series: readonly Series[];
  readonly #recordedMs = new Float64Array(tiers.length).fill(-1);

  constructor(columns: number, intervalMs: number) {
    this.#series = tiers.map(({ ageMs, stepMs }) => {
      const rows = Math.ceil(ageMs / Math.max(stepMs, intervalMs)) + 1;
      return new Series(columns, rows, rows, noSpace);
    });
  }

  record(atMs: number, values: ArrayLike<number>): void {
    for (const [index, series] of this.#series.entries()) {
      const { stepMs } = tiers[index]!;
      const step = index === 0 ? atMs : Math.floor(atMs / stepMs);
      if (this.#recordedMs[index] === step) continue;
      this.#recordedMs[index] = step;
      series.record(atMs, values);
    }
  }

  /** The finest that reaches back so far. */
  reaching(ageMs: number): Series {
    const index = tiers.findIndex((tier) => tier.ageMs >= ageMs);
    return this.#series[index < 0 ? tiers.length - 1 : index]!;
  }
}

const noSpace: SampleSpace = { take: () => false, give: () => undefined };
