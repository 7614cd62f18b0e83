/**
 * What README.md says of speed is what docs/performance.md has measured, no more and no less, and the page has its charts. Whoever
 * has run `npm run bench` has a page of that machine, which says what it lacks: README.md is then not held against it.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { chartsIn } from "../../bench/write-page.ts";
import { notMeasured } from "../../bench/kafka-report.ts";
import { partialPage } from "../../bench/report.ts";

const measured = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8");
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8").replace(/\s+/g, " ");

/** The cells of the first row of a table that begins with `label`. */
function texts(label: string): string[] {
  const line = measured.split("\n").find((each) => each.startsWith(`| ${label}`));
  check.ok(line !== undefined, `docs/performance.md has a row that begins with ${label}`);
  return line.split("|").map((cell) => cell.trim());
}

/** The same, as numbers where they are. */
const row = (label: string): number[] => texts(label).map((cell) => Number.parseFloat(cell.replaceAll(",", "")));

/** Of rows that begin so, what stands below `title` in their table's head. */
function column(labels: readonly string[], title: string): number[] {
  const at = texts("work |  | runs").indexOf(title);
  check.ok(at > 0, `docs/performance.md has a column ${title}`);
  return labels.map((label) => row(label)[at]!);
}

/** README.md gives a range of `values` in tenths, and no wider one than it takes. */
function holdRange(pattern: RegExp, values: readonly number[]): void {
  const found = pattern.exec(readme);
  check.ok(found !== null, `README.md has ${pattern}`);
  const [low, high] = [Number(found[1]), Number(found[2])];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isTrue = low <= least && most <= high;
  check.ok(isTrue, `README.md: ${found[0]}; docs/performance.md: ${least} to ${most}`);
  check.ok(least < low + 0.1 && high - 0.1 < most, `${found[0]} is wider than ${least} to ${most}`);
}

test("README.md promises the speed beside RabbitMQ, the start and the memory that docs/performance.md has", (t) => {
  if (measured.includes(partialPage))
    return t.skip("docs/performance.md has not everything: a short run has written it");
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
});

test("README.md promises the speed beside Kafka that docs/performance.md has", (t) => {
  const [, without = ""] = measured.split(notMeasured);
  const missing = without.slice(0, without.indexOf(" (")).split(", ");
  const needed = ["produce-100b", "produce-1k", "produce-100b-librdkafka", "produce-1k-librdkafka"];
  needed.push("tail", "catch-up-librdkafka");
  const lacking = needed.filter((id) => missing.includes(id));
  if (lacking.length > 0) return t.skip(`docs/performance.md has not everything: ${lacking.join(", ")}`);
  const produced = ["100 B, Java client", "1 KB, Java client", "100 B, librdkafka", "1 KB, librdkafka"];
  const labels = produced.map((how) => `produce ${how}`);
  holdRange(/it consumes more and produces (\d\.\d) to (\d\.\d) times as much/, column(labels, "Entrepot / Kafka"));
  holdRange(/it produces (\d\.\d) to (\d\.\d) times as much/, column(labels, "Entrepot / Kafka, flush.messages=1"));
  const consumed = column(["consume 100 B at the tail", "catch up on 10 GB"], "Entrepot / Kafka");
  check.ok(consumed.every((ratio) => ratio > 1));
});

test("docs/performance.md shows the charts that are there, and all of them", () => {
  const there = readdirSync(new URL("../../docs/charts", import.meta.url));
  check.deepEqual([...chartsIn(measured)].toSorted(), there.toSorted());
});
