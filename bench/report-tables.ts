// How numbers of results are shown in docs/performance.md.

import { usualLimit } from "./kafka-usage.ts";
import type { LoadResult } from "./load-options.ts";
import { isDisturbed } from "./raw-runs.ts";
import { numberOf } from "./run-load.ts";

/** NaN of none. */
export function medianOf(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A whole number with commas; a dash for none. */
export function count(value: number): string {
  return Number.isFinite(value) && value !== 0 ? Math.round(value).toLocaleString("en-US") : "–";
}

/** Microseconds as ms. */
export function ms(us: number): string {
  if (!Number.isFinite(us) || us === 0) return "–";
  return us < 10_000 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(0);
}

export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

/** Which resource was the limit of most of the runs, as one of them says it in `field`; that one is in their middle by `figure`. */
export function limitText(runs: readonly LoadResult[], field = "limit", figure = "rate"): string {
  const told = runs.flatMap((run) => {
    const limit = run[field];
    return typeof limit === "string" ? [{ told: limit, figure: numberOf(run, figure) }] : [];
  });
  return usualLimit(told, medianOf(told.map((run) => run.figure))) ?? "–";
}

/** Of how many runs a figure is: "4 of 5" where disturbed ones are left out; and how many of those are that stay. */
export function runsText(counted: readonly LoadResult[], all: readonly LoadResult[]): string {
  const disturbed = counted.filter(isDisturbed).length;
  const count = counted.length === all.length ? `${all.length}` : `${counted.length} of ${all.length}`;
  return disturbed === 0 ? count : `${count}, **${disturbed} disturbed**`;
}

/** Of the plain process, whose ways to write differ, the best run alone is shown; of all others the medians of `runs`. */
export function shownRuns(runs: readonly LoadResult[], isPlain: boolean): readonly LoadResult[] {
  return isPlain ? runs.toSorted((a, b) => numberOf(b, "rate") - numberOf(a, "rate")).slice(0, 1) : runs;
}
