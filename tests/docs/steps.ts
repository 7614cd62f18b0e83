/**
 * The steps of a page: its `sh` blocks, in order, each with what the page says that it prints, and the files that it has
 * the reader save. What is not to be seen by a reader stands in comments before a block:
 *
 *     <!-- file: NAME -->         the block is saved under this name
 *     <!-- terminal: NAME -->     it runs on in a terminal of its own; what ran there before is ended by Ctrl-C
 *     <!-- fails: STATUS -->      it ends with this status, not with 0
 *     <!-- online -->             it needs the network, to fetch something
 *
 * A `text` block behind it is what it prints; `…` in it stands for anything.
 */

import { readFileSync } from "node:fs";

export interface Step {
  /** The last heading above it. */
  readonly heading: string;
  readonly line: number;
  readonly kind: "file" | "run" | "background";
  readonly text: string;
  /** Of a file or a terminal. */
  readonly name: string;
  readonly isOnline: boolean;
  readonly status: number;
  prints: string | undefined;
}

const root = new URL("../../", import.meta.url);

export function stepsOf(page: string): Step[] {
  const source = readFileSync(new URL(page, root), "utf8");
  const steps: Step[] = [];
  let heading = "";
  let mark: readonly [string, string] | undefined;
  for (const match of source.matchAll(/^#+ (.+)$|^<!-- ([^:>]+?)(?:: (.+?))? -->$|^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const [, title, key, value = "", language, text = ""] = match;
    if (title !== undefined) heading = title;
    else if (key !== undefined) mark = [key, value];
    else {
      const last = steps.at(-1);
      if (mark === undefined && language === "text" && last !== undefined && last.heading === heading)
        last.prints = text;
      else if (mark?.[0] === "file" || language === "sh") steps.push(stepOf(source, match.index, heading, mark, text));
      mark = undefined;
    }
  }
  return steps;
}

function stepOf(
  source: string,
  at: number,
  heading: string,
  [key, value]: readonly [string, string] = ["", ""],
  text: string,
): Step {
  const kinds: Record<string, Step["kind"]> = { file: "file", terminal: "background" };
  if (!["", "file", "terminal", "fails", "online"].includes(key)) throw new Error(`no mark is called ${key}`);
  return {
    heading,
    line: source.slice(0, at).split("\n").length,
    kind: kinds[key] ?? "run",
    text,
    name: value,
    isOnline: key === "online",
    status: key === "fails" ? Number(value) : 0,
    prints: undefined,
  };
}

/** Whether `printed` is what the page shows, apart from where it has `…`. */
export function isAsShown(printed: string, shown: string): boolean {
  const pattern = shown
    .trimEnd()
    .split("…")
    .map((part) => part.trim().replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
    .join("[\\s\\S]*?");
  const text = printed
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
  return new RegExp(`^\\s*${pattern}\\s*$`).test(text);
}
