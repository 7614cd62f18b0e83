// A histogram of latencies with a relative error under 1 %: 128 buckets for each power of two of microseconds, so that
// recording is one array increment, however long the run.

const stepsPerOctave = 128;
const octaves = 40;

export class Histogram {
  readonly #counts = new Float64Array(stepsPerOctave * octaves);
  #total = 0;
  #maxUs = 0;

  record(us: number): void {
    const value = us < 1 ? 1 : us;
    const octave = 31 - Math.clz32(value);
    const step = Math.floor((value / 2 ** octave - 1) * stepsPerOctave);
    const slot = octave * stepsPerOctave + step;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#total++;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  get count(): number {
    return this.#total;
  }

  get maxUs(): number {
    return this.#maxUs;
  }

  /** The value, in microseconds, under or at which `fraction` of the recorded ones lie; 0 of none. */
  quantileUs(fraction: number): number {
    let left = Math.max(1, Math.ceil(this.#total * fraction));
    for (let slot = 0; slot < this.#counts.length; slot++) {
      left -= this.#counts[slot] ?? 0;
      if (left <= 0 && this.#total > 0) {
        const octave = Math.floor(slot / stepsPerOctave);
        return 2 ** octave * (1 + ((slot % stepsPerOctave) + 0.5) / stepsPerOctave);
      }
    }
    return 0;
  }

  /** Adds what another one has recorded. */
  add(other: Histogram): void {
    for (let slot = 0; slot < this.#counts.length; slot++) {
      this.#counts[slot] = (this.#counts[slot] ?? 0) + (other.#counts[slot] ?? 0);
    }
    this.#total += other.#total;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#maxUs = 0;
  }

  summary(): { p50: number; p99: number; p999: number; max: number } {
    const round = (us: number): number => Math.round(us);
    return {
      p50: round(this.quantileUs(0.5)),
      p99: round(this.quantileUs(0.99)),
      p999: round(this.quantileUs(0.999)),
      max: round(this.#maxUs),
    };
  }
}
