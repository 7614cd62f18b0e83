// How numbers of results are shown in docs/performance.md.

import type { LoadResult } from "./load-options.ts";

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

/** Which resource was the limit of most of the runs, as one of them says it in `field`. */
export function limitText(runs: readonly LoadResult[], field = "limit"): string {
  const limits = runs.map((run) => run[field]).filter((limit) => typeof limit === "string");
  const kind = (limit: string): string => limit.replace(/ \(.*/, "");
  const often = (limit: string): number => limits.filter((other) => kind(other) === kind(limit)).length;
  return limits.toSorted((a, b) => often(b) - often(a))[0] ?? "–";
}
