// Whether something that was watched for hours stays where it is. Samples that lie seconds apart depend on each other (memory
// climbs until a collection, disk until a checkpoint), so a line through all of them would be far too sure of itself. Medians of
// twenty stretches of time are nearly independent, and one outlier does not move them: the line goes through those.

/** A quantity over time; `atMs` rises. */
export interface Watched {
  readonly atMs: readonly number[];
  readonly values: readonly number[];
}

export interface Trend {
  /** Where the line begins and ends. */
  readonly first: number;
  readonly last: number;
  readonly median: number;
  /** The line's rise over the whole time, as a share of the median; with the ends of its 95 % interval. */
  readonly rise: number;
  readonly riseLow: number;
  readonly riseHigh: number;
  /**
   * rises: for certain, and by `riseAllowed` or more. too noisy: not for certain, but it might have risen by several times as much.
   * flat: neither; falling is no fault.
   */
  readonly verdict: "flat" | "rises" | "too noisy";
}

const stretches = 20;
/** Times `riseAllowed`: an interval that reaches beyond that tells nothing. */
const noiseAllowed = 5;
/** Of Student's distribution with 18 degrees of freedom, two-sided 95 %. */
const studentT = 2.101;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Medians of equal stretches of time, each with its middle as a share of the whole time. Stretches without a sample are left out. */
export function stretchMedians({ atMs, values }: Watched): { x: number; y: number }[] {
  const from = atMs[0] ?? 0;
  const span = Math.max(1, (atMs.at(-1) ?? 0) - from);
  const groups: number[][] = Array.from({ length: stretches }, () => []);
  for (const [index, value] of values.entries()) {
    if (!Number.isFinite(value)) continue;
    groups[Math.min(stretches - 1, Math.floor(((atMs[index]! - from) / span) * stretches))]!.push(value);
  }
  return groups.flatMap((group, index) =>
    group.length === 0 ? [] : [{ x: (index + 0.5) / stretches, y: median(group) }],
  );
}

/** @param riseAllowed share of the median. Errors: fewer than ten stretches have a sample. */
export function trendOf(watched: Watched, riseAllowed: number): Trend {
  const points = stretchMedians(watched);
  if (points.length < stretches / 2) throw new Error(`a trend wants ${stretches} samples at least`);
  const count = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count;
  const spreadX = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spreadX;
  const left = points.reduce((sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  const error = studentT * Math.sqrt(left / (count - 2) / spreadX);
  const middle = median(points.map(({ y }) => y));
  const share = (value: number): number => (middle === 0 ? 0 : value / middle);
  const [rise, riseLow, riseHigh] = [share(slope), share(slope - error), share(slope + error)];
  const isRising = riseLow > 0 && rise >= riseAllowed;
  const verdict = isRising ? "rises" : riseHigh > riseAllowed * noiseAllowed ? "too noisy" : "flat";
  const first = meanY - slope * meanX;
  return { first, last: first + slope, median: middle, rise, riseLow, riseHigh, verdict };
}
