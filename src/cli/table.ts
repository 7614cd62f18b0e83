/** Tables for people: a heading, columns of equal width, numbers to the right. */

export interface Column<R> {
  readonly heading: string;
  readonly value: (row: R) => unknown;
}

/** Nothing but the headings if there are no rows. */
export function table<R>(rows: readonly R[], columns: readonly Column<R>[]): string {
  const cells = rows.map((row) => columns.map(({ value }) => cellOf(value(row))));
  const widths = columns.map(({ heading }, at) => Math.max(heading.length, ...cells.map((row) => row[at]!.length)));
  const isNumber = columns.map((_, at) => rows.length > 0 && cells.every((row) => /^-?[\d.]*$/.test(row[at]!)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => (isNumber[at]! ? text.padStart(widths[at]!) : text.padEnd(widths[at]!)))
      .join("  ")
      .trimEnd();
  return [columns.map(({ heading }) => heading), ...cells].map((texts) => `${line(texts)}\n`).join("");
}

/** Names and their values, one below the other. */
export function pairs(values: Readonly<Record<string, unknown>>): string {
  const width = Math.max(0, ...Object.keys(values).map((name) => name.length));
  return Object.entries(values)
    .map(([name, value]) => `${name.padEnd(width)}  ${cellOf(value)}`.trimEnd().concat("\n"))
    .join("");
}

function cellOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // A name with control characters must not move the cursor of who reads it.
  return text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
