// A panel of bars: the same work by several contestants, one group of bars for each kind of work. Each bar carries its name and its
// value, and a thin line across its end from the least to the greatest of the runs.

import type { Box } from "./line-panel.ts";
import { type ScaleKind, scaleOf, shortNumber } from "./scale.ts";
import { element, lineElement, textElement } from "./svg.ts";

export interface Bar {
  /** Who; the beginning decides the colour (`toneOf` in figure.ts). */
  readonly name: string;
  /** The median of the runs; NaN: not measured, which is written instead. */
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface BarPanel {
  readonly kind: "bars";
  /** What is shown, with its unit. */
  readonly title: string;
  readonly scale: ScaleKind;
  readonly groups: readonly BarGroup[];
}

const barHeight = 13;
const barGap = 3;
const groupTop = 19;
const groupGap = 10;
const titleHeight = 28;
const valueWidth = 64;
const characterWidth = 6.4;

function groupHeight({ bars }: BarGroup): number {
  return groupTop + bars.length * (barHeight + barGap) + groupGap;
}

/** Pixels that the panel takes; bars do not become thicker where there is room. */
export function barPanelHeight({ groups }: BarPanel): number {
  return titleHeight + groups.reduce((sum, group) => sum + groupHeight(group), 0);
}

/** @param toneOf the colour's number of a bar by its name */
export function barPanel(panel: BarPanel, box: Box, toneOf: (name: string) => number): string {
  const bars = panel.groups.flatMap((group) => group.bars);
  const longest = Math.max(0, ...bars.map(({ name }) => name.length));
  const left = box.x + longest * characterWidth + 10;
  const right = box.x + box.width - valueWidth;
  const scale = scaleOf(
    panel.scale,
    bars.flatMap(({ value, low = value, high = value }) => [value, low, high]),
  );
  const xOf = (value: number): number => left + Math.max(0, scale.at(value)) * (right - left);
  const parts = [textElement("title", box.x, box.y + 14, panel.title)];
  let y = box.y + titleHeight;
  for (const group of panel.groups) {
    parts.push(textElement("group", box.x, y + 11, group.title));
    y += groupTop;
    parts.push(lineElement("axis", left, y - 3, left, y + group.bars.length * (barHeight + barGap)));
    for (const bar of group.bars) {
      parts.push(...barParts(bar, y, toneOf(bar.name), left, xOf));
      y += barHeight + barGap;
    }
    y += groupGap;
  }
  return element("g", {}, ...parts);
}

function barParts(bar: Bar, y: number, tone: number, left: number, xOf: (value: number) => number): string[] {
  const name = textElement("tick end", left - 6, y + barHeight - 3, bar.name);
  if (!Number.isFinite(bar.value) || bar.value < 0) {
    return [name, textElement("tick", left + 6, y + barHeight - 3, "not measured")];
  }
  const { value, low = value, high = value } = bar;
  const end = xOf(value);
  const middle = y + barHeight / 2;
  // A bar of nearly nothing is still seen.
  const width = Math.max(1, end - left);
  return [
    name,
    element("rect", { class: `fill-${tone}`, x: left, y, width, height: barHeight, rx: 1.5 }),
    ...(low < high ? [lineElement("whisker", xOf(low), middle, xOf(high), middle)] : []),
    textElement("value", Math.max(end, xOf(high)) + 6, y + barHeight - 3, shortNumber(value)),
  ];
}
