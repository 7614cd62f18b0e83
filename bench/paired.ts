// What pairs of measurements say, each pair taken close together so that the machine's mood is the same in both.

import { median } from "./report.ts";

export interface Estimate {
  readonly median: number;
  /** The bounds of the middle 95 % of what the median might as well have been. */
  readonly low: number;
  readonly high: number;
}

const resamples = 5_000;

/**
 * The median, and how sure it is by the bootstrap: the medians of so many samples drawn from the sample itself, with repetition.
 * It asks nothing of how the values are spread, and a few wild ones do not move it.
 */
export function estimate(values: readonly number[], random: () => number): Estimate {
  const medians = Array.from({ length: resamples }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)]!)),
  ).toSorted((a, b) => a - b);
  const at = (share: number): number => medians[Math.floor(share * (resamples - 1))]!;
  return { median: median(values), low: at(0.025), high: at(0.975) };
}
