// A panel of lines: how something grows with something else. Each line is named where it ends, so that nobody has to look up a
// legend; a band around it spans what its runs measured.

import { type ScaleKind, scaleOf, shortNumber } from "./scale.ts";
import { element, lineElement, pathData, textElement } from "./svg.ts";

export interface Point {
  readonly x: number;
  /** The median of the runs. */
  readonly y: number;
  /** The least and the greatest of the runs. */
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  /** What it is, as written at its end; its beginning decides the colour (`toneOf` in figure.ts). */
  readonly name: string;
  readonly points: readonly Point[];
  readonly isDashed?: boolean;
}

export interface LinePanel {
  readonly kind: "lines";
  /** What is shown, with its unit: "throughput, messages/s". */
  readonly title: string;
  readonly xTitle: string;
  /** Written after each number of the x axis: "B". */
  readonly xUnit?: string;
  readonly xScale: ScaleKind;
  readonly yScale: ScaleKind;
  readonly series: readonly Series[];
}

/** Pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const margin = { left: 44, top: 30, bottom: 40 };
const characterWidth = 6.4;
const labelGap = 13;

interface Label {
  readonly tone: number;
  readonly text: string;
  readonly x: number;
  y: number;
}

/** Moves labels that would lie upon each other apart, as little as that takes, and keeps them between `top` and `bottom`. */
export function pushApart(labels: Label[], top: number, bottom: number): void {
  const sorted = labels.toSorted((a, b) => a.y - b.y);
  let least = top;
  for (const label of sorted) {
    label.y = Math.max(label.y, least);
    least = label.y + labelGap;
  }
  let most = bottom;
  for (const label of sorted.toReversed()) {
    label.y = Math.min(label.y, most);
    most = label.y - labelGap;
  }
}

/** @param toneOf the colour's number of a series by its name */
export function linePanel(panel: LinePanel, box: Box, toneOf: (name: string) => number): string {
  const longest = Math.max(0, ...panel.series.map(({ name }) => name.length));
  const left = box.x + margin.left;
  const right = box.x + box.width - longest * characterWidth - 12;
  const top = box.y + margin.top;
  const bottom = box.y + box.height - margin.bottom;
  const all = panel.series.flatMap(({ points }) => points);
  const xScale = scaleOf(
    panel.xScale,
    all.map(({ x }) => x),
  );
  const yScale = scaleOf(
    panel.yScale,
    all.flatMap(({ y, low = y, high = y }) => [y, low, high]),
  );
  const place = (x: number, y: number): readonly [number, number] => [
    left + xScale.at(x) * (right - left),
    bottom - yScale.at(y) * (bottom - top),
  ];
  const parts = [textElement("title", box.x, box.y + 14, panel.title)];
  for (const { value, at } of yScale.ticks) {
    const y = bottom - at * (bottom - top);
    if (at > 0) parts.push(lineElement("grid", left, y, right, y));
    parts.push(textElement("tick end", left - 6, y + 4, shortNumber(value)));
  }
  parts.push(lineElement("axis", left, bottom, right, bottom));
  for (const { value, at } of xScale.ticks) {
    const x = left + at * (right - left);
    parts.push(lineElement("axis", x, bottom, x, bottom + 4));
    parts.push(textElement("tick middle", x, bottom + 17, shortNumber(value, panel.xUnit)));
  }
  parts.push(textElement("tick middle", (left + right) / 2, bottom + 34, panel.xTitle));
  const labels: Label[] = [];
  for (const series of panel.series) {
    // A value without a place (zero on a logarithmic axis of values above it, or none measured) leaves a gap, no false point.
    const seen = series.points.filter(({ x, y }) => Number.isFinite(xScale.at(x)) && Number.isFinite(yScale.at(y)));
    const last = seen.at(-1);
    if (last === undefined) continue;
    const tone = toneOf(series.name);
    parts.push(...seriesParts(series, seen, tone, place));
    const [x, y] = place(last.x, last.y);
    labels.push({ tone, text: series.name, x: x + 8, y: y + 4 });
  }
  pushApart(labels, top + 4, bottom);
  for (const { tone, text, x, y } of labels) parts.push(textElement(`label fill-${tone}`, x, y, text));
  return element("g", {}, ...parts);
}

function seriesParts(
  series: Series,
  seen: readonly Point[],
  tone: number,
  place: (x: number, y: number) => readonly [number, number],
): string[] {
  const parts: string[] = [];
  const upper = seen.map(({ x, y, high = y }) => place(x, high));
  const lower = seen.map(({ x, y, low = y }) => place(x, low));
  if (seen.some(({ y, low = y, high = y }) => low < high)) {
    parts.push(element("path", { class: `band fill-${tone}`, d: `${pathData([...upper, ...lower.toReversed()])}Z` }));
  }
  const points = seen.map(({ x, y }) => place(x, y));
  const dash = series.isDashed === true ? " dashed" : "";
  parts.push(element("path", { class: `line stroke-${tone}${dash}`, d: pathData(points) }));
  for (const [cx, cy] of points) parts.push(element("circle", { class: `fill-${tone}`, cx, cy, r: 2.6 }));
  return parts;
}
