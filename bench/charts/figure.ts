// A figure: one SVG file with a heading and panels of lines or bars beside and below each other.
//
//     writeFileSync("docs/charts/size.svg", figure({ title, description, columns: 2, panels }))
//
// It stands alone: no script, no font, no style from outside, its own background; and it is dark where the reader's system is,
// through prefers-color-scheme, which an image in a page heeds as well. Colours are plain ones in classes and no CSS variables,
// so that converters that know little CSS show the light figure. The pairs of colours keep a contrast of 4.5 to the background
// in both, and are told apart by the commonest kinds of colour blindness; each line and bar is named beside it anyway.

import { barPanel, barPanelHeight, type BarPanel } from "./bar-panel.ts";
import { linePanel, type LinePanel } from "./line-panel.ts";
import { element, escapeText, textElement } from "./svg.ts";

export type Panel = LinePanel | BarPanel;

export interface Figure {
  readonly title: string;
  /** What was done, in a sentence: it stands below the title. */
  readonly subtitle?: string;
  /** What a reader who does not see it should know; screen readers say it. */
  readonly description: string;
  readonly columns: 1 | 2 | 3;
  readonly panels: readonly Panel[];
}

const width = 900;
const edge = 24;
const gap = 28;
const linePanelHeight = 230;

/** Each with its light and its dark colour: Entrepot's own, those of others in the order in which they come, and the limit's. */
const tones = [
  ["#1d5fc4", "#82b1ff"],
  ["#b8500a", "#ffa45c"],
  ["#7a3fc2", "#c9a4ff"],
  ["#0b7567", "#56d3c0"],
  ["#5b6572", "#a3adb8"],
] as const;
const limitTone = tones.length - 1;

/** Colours by names: one that begins with "Entrepot" has the first, with "plain" the last (it is no broker but the limit). */
export function tonesOf(names: readonly string[]): (name: string) => number {
  const others: string[] = [];
  const contestantOf = (name: string): string => name.replace(/ p\d+(\.\d+)?$/, "");
  for (const name of names.map(contestantOf)) {
    if (!/^(Entrepot|plain)/.test(name) && !others.includes(name)) others.push(name);
  }
  return (name) => {
    if (name.startsWith("Entrepot")) return 0;
    if (name.startsWith("plain")) return limitTone;
    return 1 + (others.indexOf(contestantOf(name)) % (limitTone - 1));
  };
}

function style(): string {
  const colours = (shade: 0 | 1): string =>
    tones.map((tone, index) => `.fill-${index}{fill:${tone[shade]}}.stroke-${index}{stroke:${tone[shade]}}`).join("");
  return [
    "text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2933}",
    ".heading{font-size:17px;font-weight:650}.subtitle{font-size:12.5px}.title,.group{font-weight:600}",
    ".tick,.subtitle{fill:#52606d}.tick,.value{font-size:11px}.end{text-anchor:end}.middle{text-anchor:middle}",
    ".back{fill:#fcfdfe}.grid{stroke:#e1e6eb}.axis{stroke:#9aa5b1}.whisker{stroke:#1f2933;stroke-width:1.2}",
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:5 4}.band{opacity:.16}",
    ".label{font-size:11.5px;font-weight:600;paint-order:stroke;stroke:#fcfdfe;stroke-width:3}",
    colours(0),
    "@media (prefers-color-scheme:dark){text{fill:#e4e9ee}.tick,.subtitle{fill:#a3adb8}.back{fill:#11161c}",
    ".grid{stroke:#2a323b}.axis{stroke:#5b6572}.whisker{stroke:#e4e9ee}.label{stroke:#11161c}",
    `${colours(1)}}`,
  ].join("");
}

function namesOf(panel: Panel): string[] {
  return panel.kind === "lines"
    ? panel.series.map(({ name }) => name)
    : panel.groups.flatMap(({ bars }) => bars.map(({ name }) => name));
}

/** The text of an SVG file. Errors: a panel whose coordinates are no numbers. */
export function figure({ title, subtitle, description, columns, panels }: Figure): string {
  const toneOf = tonesOf(panels.flatMap(namesOf));
  const panelWidth = (width - 2 * edge - (columns - 1) * gap) / columns;
  const heightOf = (panel: Panel): number => (panel.kind === "lines" ? linePanelHeight : barPanelHeight(panel));
  const drawn: string[] = [];
  let y = edge + (subtitle === undefined ? 32 : 52);
  for (let from = 0; from < panels.length; from += columns) {
    const row = panels.slice(from, from + columns);
    const height = Math.max(...row.map(heightOf));
    for (const [column, panel] of row.entries()) {
      const box = { x: edge + column * (panelWidth + gap), y, width: panelWidth, height };
      drawn.push(panel.kind === "lines" ? linePanel(panel, box, toneOf) : barPanel(panel, box, toneOf));
    }
    y += height + 18;
  }
  const height = y - 18 + edge;
  const attributes = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${Math.ceil(height)}`, role: "img" };
  const text = element(
    "svg",
    { ...attributes, width, height: Math.ceil(height) },
    element("title", {}, escapeText(title)),
    element("desc", {}, escapeText(description)),
    element("style", {}, style()),
    element("rect", { class: "back", width, height: Math.ceil(height), rx: 10 }),
    textElement("heading", edge, edge + 12, title),
    ...(subtitle === undefined ? [] : [textElement("subtitle", edge, edge + 32, subtitle)]),
    ...drawn,
  );
  return `${text.replaceAll("><", ">\n<")}\n`;
}
