/** What README.md says of speed is what docs/performance.md has measured. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { readFileSync } from "node:fs";

const measured = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8");

/** The cells of the first row of a table that begins with `label`, as numbers where they are. */
function row(label: string): number[] {
  const line = measured.split("\n").find((each) => each.startsWith(`| ${label}`));
  check.ok(line !== undefined, `docs/performance.md has a row that begins with ${label}`);
  return line.split("|").map((cell) => Number.parseFloat(cell.replaceAll(",", "")));
}

test("README.md promises no more speed than docs/performance.md has", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8").replace(/\s+/g, " ");
  check.ok(readme.includes("more than ten times as many a second as RabbitMQ"));
  check.ok(row("durable queue, persistent 100 B")[5]! > 10);
  check.ok(readme.includes("Ready in under half a second"));
  check.ok(row("process start to ready, ms")[3]! < 500);
  check.ok(readme.includes("Ten million messages waiting take less than 400 MB"));
  // There is a column for each broker and each amount that it was given.
  const largest = row("messages of 100 B, persistent, confirmed").lastIndexOf(10_000_000);
  check.ok(largest > 0, "ten million were measured");
  check.ok(row("most resident memory while filling, MB")[largest]! < 400);
  check.ok(row("most resident memory while draining, MB")[largest]! < 400);

  check.ok(readme.includes("it consumes more and produces 0.9 to 1.6 times as much"));
  check.ok(readme.includes("it produces 1.7 to 2.9 times as much"));
  const produced = ["100 B, Java client", "1 KB, Java client", "100 B, librdkafka", "1 KB, librdkafka"].map((how) =>
    row(`produce ${how}`),
  );
  for (const cells of produced) check.ok(cells[8]! >= 0.9 && cells[9]! >= 1.7);
  for (const work of ["consume 100 B at the tail", "catch up on 10 GB"]) check.ok(row(work)[8]! > 1);
});
