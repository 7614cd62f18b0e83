/**
 * A part of a page that is written from the code, between two markers. The tests compare it; ENTREPOT_WRITE_DOCS=1 makes
 * them write it instead.
 */

import * as check from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Holds the part of `page` between the markers called `name` to `expected`. */
export function holdPart(page: string, name: string, source: string, expected: string): void {
  const path = fileURLToPath(new URL(`../../${page}`, import.meta.url));
  const text = readFileSync(path, "utf8");
  const begin = `<!-- ${name}: written from ${source} -->\n`;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(`<!-- end of ${name} -->\n`);
  check.ok(from > begin.length && to >= from, `${page} has both markers of ${name}`);
  if (process.env["ENTREPOT_WRITE_DOCS"] === "1") {
    writeFileSync(path, text.slice(0, from) + expected + text.slice(to));
  } else {
    check.equal(
      text.slice(from, to),
      expected,
      "ENTREPOT_WRITE_DOCS=1 node --test 'tests/docs/*.test.ts' writes it anew",
    );
  }
}
