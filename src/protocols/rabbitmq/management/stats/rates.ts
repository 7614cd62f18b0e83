/**
 * Samples as RabbitMQ's dashboards and scalers read them:
 *
 *     "publish": 1200, "publish_details": { "rate": 4.0 }
 *     with msg_rates_age=60&msg_rates_incr=5 also: "samples": [{ "sample", "timestamp" }, ...], "avg_rate", "avg"
 *
 * The rate is that of the last interval between two passes, or, of a range, between its last two samples. The newest sample
 * comes first.
 */

import type { LongSeries, Series } from "./series.ts";

/** A named number that is one column of a series, or the sum of some. */
export interface Measure {
  readonly name: string;
  /** `publish_details`: made once, since it is written a dozen times for each of thousands of objects. */
  readonly detailsName: string;
  readonly columns: readonly number[];
}

export function measure(name: string, columns: readonly number[]): Measure {
  return { name, detailsName: `${name}_details`, columns };
}

/** Which samples are asked for; ms since 1970. */
export interface SampleRange {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly stepMs: number;
}

/** The four that a request may ask for; undefined: no samples. */
export interface SampleRanges {
  readonly lengths: SampleRange | undefined;
  readonly messageRates: SampleRange | undefined;
  readonly dataRates: SampleRange | undefined;
  readonly node: SampleRange | undefined;
}

export const noRanges: SampleRanges = {
  lengths: undefined,
  messageRates: undefined,
  dataRates: undefined,
  node: undefined,
};

/** When the last two passes of the sampler were; both 0 if there were none. */
export interface Passes {
  readonly lastMs: number;
  readonly beforeMs: number;
}

export type Fields = Record<string, unknown>;

/** Most samples in an answer, as in RabbitMQ. */
const samplesMax = 500;

/** The ranges of a request, or the text of what is wrong with them. A number that is none counts as not given. */
export function parseRanges(query: URLSearchParams, nowMs: number): SampleRanges | string {
  const wrong: string[] = [];
  const range = (prefix: string): SampleRange | undefined => {
    const ageS = wholeNumber(query.get(`${prefix}_age`));
    const stepS = wholeNumber(query.get(`${prefix}_incr`));
    if (ageS === undefined || stepS === undefined) return undefined;
    if (ageS <= 0 || stepS <= 0 || Math.floor(ageS / stepS) > samplesMax) {
      wrong.push(`Invalid range parameters: age ${ageS}, incr ${stepS}`);
      return undefined;
    }
    const stepMs = stepS * 1000;
    const lastMs = Math.floor(nowMs / stepMs) * stepMs;
    return { firstMs: lastMs - ageS * 1000, lastMs, stepMs };
  };
  const ranges = {
    lengths: range("lengths"),
    messageRates: range("msg_rates"),
    dataRates: range("data_rates"),
    node: range("node_stats"),
  };
  return wrong[0] ?? ranges;
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^[+-]?\d{1,12}$/.test(text) ? Number(text) : undefined;
}

/** The samples of one object, and what they are measured against. */
export class SampleView {
  readonly #samples: Series | LongSeries | undefined;
  readonly #passes: Passes;

  constructor(samples: Series | LongSeries | undefined, passes: Passes) {
    this.#samples = samples;
    this.#passes = passes;
  }

  /** When anything of it last changed, ms; 0: it never did. */
  get changedAtMs(): number {
    return this.#reaching(0)?.changedAtMs ?? 0;
  }

  /** A second's change of the measure in the last interval. */
  rate(measure: Measure): number {
    const { lastMs, beforeMs } = this.#passes;
    const series = this.#reaching(lastMs - beforeMs);
    if (series === undefined || beforeMs === 0) return 0;
    const newest = series.rowAt(lastMs);
    const older = series.rowAt(beforeMs, Math.max(0, newest));
    return ((valueOf(series, newest, measure) - valueOf(series, older, measure)) * 1000) / (lastMs - beforeMs);
  }

  /** At which share of the passes of a time the measure was 0; undefined: there were none. */
  shareAtZero(measure: Measure, firstMs: number, lastMs: number, stepMs: number): number | undefined {
    const series = this.#reaching(lastMs - firstMs);
    if (series === undefined || series.rowCount === 0 || this.#passes.beforeMs === 0) return undefined;
    let zeros = 0;
    let all = 0;
    let age = 0;
    for (let atMs = lastMs; atMs > firstMs; atMs -= stepMs) {
      age = series.rowAt(atMs, age);
      if (age < 0) break;
      all++;
      if (valueOf(series, age, measure) === 0) zeros++;
    }
    return all === 0 ? undefined : zeros / all;
  }

  /** Adds `name` and `name_details` of each measure to `target`; `now` answers what the measure is now. */
  add(
    target: Fields,
    measures: readonly Measure[],
    now: (measure: Measure) => number,
    range: SampleRange | undefined,
  ): void {
    for (const measure of measures) {
      target[measure.name] = now(measure);
      target[measure.detailsName] = range === undefined ? { rate: this.rate(measure) } : this.#details(measure, range);
    }
  }

  #details(measure: Measure, { firstMs, lastMs, stepMs }: SampleRange): Fields {
    const series = this.#reaching(lastMs - firstMs);
    const samples: { sample: number; timestamp: number }[] = [];
    let sum = 0;
    let age = 0;
    for (let atMs = lastMs; atMs >= firstMs; atMs -= stepMs) {
      if (series !== undefined) age = series.rowAt(atMs, Math.max(0, age));
      const sample = series === undefined ? 0 : valueOf(series, age, measure);
      samples.push({ sample, timestamp: atMs });
      sum += sample;
      if (age < 0) age = series!.rowCount;
    }
    const newest = samples[0]!;
    const oldest = samples.at(-1)!;
    const second = samples[1];
    const rate = second === undefined ? 0 : ((newest.sample - second.sample) * 1000) / stepMs;
    if (second === undefined) return { rate, samples };
    const spanMs = newest.timestamp - oldest.timestamp;
    return { rate, samples, avg_rate: ((newest.sample - oldest.sample) * 1000) / spanMs, avg: sum / samples.length };
  }

  #reaching(ageMs: number): Series | undefined {
    if (this.#samples === undefined) return undefined;
    return "reaching" in this.#samples ? this.#samples.reaching(ageMs) : this.#samples;
  }
}

function valueOf(series: Series, age: number, { columns }: Measure): number {
  let sum = 0;
  for (const column of columns) sum += series.value(age, column);
  return sum;
}
