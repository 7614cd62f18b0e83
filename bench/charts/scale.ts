// Turns values into places on an axis, and says which values the axis names.
//
// A linear scale begins at 0, always: a bar or a line that begins elsewhere makes a small difference look large. A logarithmic one
// begins and ends at 1, 2 or 5 times a power of ten. Zero has no logarithm, but "no backlog" is a point worth showing, so a
// logarithmic scale that is given zeros keeps a place for them before its beginning.

export type ScaleKind = "linear" | "log";

export interface Tick {
  readonly value: number;
  /** 0 to 1. */
  readonly at: number;
}

export interface Scale {
  readonly kind: ScaleKind;
  /** The least and the greatest value that have a place (zero aside). */
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
  /** From 0, where the axis begins, to 1, where it ends; NaN: the value has no place (a negative or unmeasured one). */
  at(value: number): number;
}

/** The part of a logarithmic axis that is kept for zero. */
const zeroShare = 0.1;
const steps = [1, 2, 5, 10];
const tickCountMax = 7;

/** 1, 2 or 5 times a power of ten: the greatest that is not above `value`, which is above 0. */
function niceBelow(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return power * (steps.findLast((step) => step * power <= value * (1 + 1e-9)) ?? 1);
}

/** The same: the least that is not below `value`. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return power * steps.find((step) => step * power >= value * (1 - 1e-9))!;
}

/** A scale on which all of `values` have a place; those that are no numbers are passed over. */
export function scaleOf(kind: ScaleKind, values: readonly number[]): Scale {
  const real = values.filter((value) => Number.isFinite(value) && value >= 0);
  return kind === "linear" ? linearScale(real) : logScale(real);
}

function linearScale(values: readonly number[]): Scale {
  const most = Math.max(0, ...values) || 1;
  const step = niceAbove(most / 5);
  const high = step * Math.ceil(most / step - 1e-9);
  const at = (value: number): number => (value >= 0 ? value / high : Number.NaN);
  const ticks = Array.from({ length: Math.round(high / step) + 1 }, (_, index) => index * step);
  return { kind: "linear", low: 0, high, at, ticks: ticks.map((value) => ({ value, at: at(value) })) };
}

function logScale(values: readonly number[]): Scale {
  const positive = values.filter((value) => value > 0);
  const low = niceBelow(positive.length > 0 ? Math.min(...positive) : 1);
  const most = niceAbove(positive.length > 0 ? Math.max(...positive) : 1);
  const high = most > low ? most : low * 10;
  const hasZero = positive.length < values.length;
  const begin = hasZero ? zeroShare : 0;
  const width = Math.log10(high / low);
  const at = (value: number): number => {
    if (value === 0 && hasZero) return 0;
    if (!(value > 0)) return Number.NaN;
    // A value that is next to nothing below `low` was taken for it.
    return begin + (1 - begin) * Math.min(1, Math.max(0, Math.log10(value / low) / width));
  };
  const ticks = logTicks(low, high).map((value) => ({ value, at: at(value) }));
  return { kind: "log", low, high, at, ticks: hasZero ? [{ value: 0, at: 0 }, ...ticks] : ticks };
}

function logTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const isInside = (value: number): boolean => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const powers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const fine = powers.flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power)).filter(isInside);
  if (fine.length <= tickCountMax) return fine;
  const coarse = powers.map((power) => 10 ** power).filter(isInside);
  const every = Math.ceil(coarse.length / tickCountMax);
  return coarse.filter((_, index) => index % every === 0);
}

const prefixes = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** Three digits and a prefix: 12,345 is `12.3k`. With a unit, `1 kB`. */
export function shortNumber(value: number, unit = ""): string {
  const gap = unit === "" ? "" : " ";
  const rounded = Number(value.toPrecision(3));
  const prefix = prefixes.find(([factor]) => Math.abs(rounded) >= factor);
  if (prefix === undefined) return `${rounded}${gap}${unit}`;
  return `${Number((rounded / prefix[0]).toPrecision(3))}${gap}${prefix[1]}${unit}`;
}
