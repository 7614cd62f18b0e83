// Puts docs/performance.md and its charts where they belong. The charts are the page's: one that it no longer names is removed.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The names of the charts that `page` shows. */
export function chartsIn(page: string): Set<string> {
  return new Set([...page.matchAll(/\]\(charts\/([\w-]+\.svg)\)/g)].map(([, name]) => name!));
}

/** @param charts texts by their files' names: those that are new */
export function writePage(docs: string, page: string, charts: Iterable<readonly [string, string]>): void {
  const folder = join(docs, "charts");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(docs, "performance.md"), page);
  for (const [name, chart] of charts) writeFileSync(join(folder, name), chart);
  const named = chartsIn(page);
  for (const name of readdirSync(folder)) if (name.endsWith(".svg") && !named.has(name)) rmSync(join(folder, name));
}
