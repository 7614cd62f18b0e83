// Writes SVG as text: elements with their attributes, escaped. A string is all that a chart is.

/** All but the characters that XML 1.0 has a way to write. */
const unwritable = /[^\t\n\r\u{20}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

export function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replace(unwritable, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

export type Attributes = Readonly<Record<string, string | number>>;

/** Coordinates are written to a hundredth: finer is not seen. Errors: one that is no number, which is a fault of the chart. */
function attributeText(value: string | number): string {
  if (typeof value === "string") return escapeText(value);
  if (!Number.isFinite(value)) throw new Error(`a coordinate is ${value}`);
  return String(Math.round(value * 100) / 100);
}

/** @param children elements, or text that is escaped already */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${attributeText(value)}"`);
  const inner = children.join("");
  return inner === "" ? `<${name}${written.join("")} />` : `<${name}${written.join("")}>${inner}</${name}>`;
}

/** @param className several are parted by spaces */
export function textElement(className: string, x: number, y: number, text: string, more: Attributes = {}): string {
  return element("text", { class: className, x, y, ...more }, escapeText(text));
}

export function lineElement(className: string, x1: number, y1: number, x2: number, y2: number): string {
  return element("line", { class: className, x1, y1, x2, y2 });
}

/** `M`oves to the first of `points` and draws on to the others. */
export function pathData(points: readonly (readonly [number, number])[]): string {
  const place = (value: number): string => attributeText(value);
  return points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${place(x)} ${place(y)}`).join("");
}
