/**
 * What the documentation refers to is there: files in backquotes, links, and in INVARIANTS.md the very words that it
 * quotes of the files that it names.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

for (const page of pages) {
  test(`${page} names files that exist`, () => {
    const source = readFileSync(join(root, page), "utf8");
    const missing: string[] = [];
    for (const [, path] of source.matchAll(/`((?:src|tests|sim|bench|docs)\/[\w./-]+)`/g)) {
      if (!existsSync(join(root, path!))) missing.push(path!);
    }
    for (const [, target] of source.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!/^[a-z]+:/.test(target!) && !existsSync(join(root, dirname(page), target!))) missing.push(target!);
    }
    check.deepEqual(missing, []);
  });
}

test("docs/INVARIANTS.md quotes what stands in the files that it names", () => {
  const source = readFileSync(join(root, "docs/INVARIANTS.md"), "utf8");
  const quotes = [...source.matchAll(/`([\w./-]+\.ts)` "([^"\n]+)"/g)];
  check.ok(quotes.length > 30);
  const wrong = quotes.filter(([, path, words]) => {
    return !existsSync(join(root, path!)) || !readFileSync(join(root, path!), "utf8").includes(words!);
  });
  check.deepEqual(
    wrong.map(([all]) => all),
    [],
  );
});
