import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunMeta } from "../../log/log.ts";
import { Runs } from "./runs.ts";

function metaOf(segment: number, firstOffset: number, count: number): RunMeta {
  return {
    segment,
    version: 2,
    partition: 1,
    firstOffset,
    lastOffset: firstOffset + count - 1,
    count,
    bytes: count * 10,
    indexPosition: 0,
    firstTimestamp: 0,
    lastTimestamp: 0,
    fences: Float64Array.of(firstOffset),
    fenceTimestamps: Float64Array.of(0),
  };
}

/** Runs, and how many entries each segment was said to have lost. */
function begin(): { runs: Runs; lost: Map<number, number> } {
  const lost = new Map<number, number>();
  const runs = new Runs((segment, entries) => void lost.set(segment, (lost.get(segment) ?? 0) + entries));
  return { runs, lost };
}

test("a run of which nothing lives is not listed, and its segment loses it", () => {
  const { runs, lost } = begin();
  runs.addAll([metaOf(1, 0, 10)], 10);
  runs.addAll([metaOf(2, 10, 10)], 9);
  assert.deepEqual(
    runs.list.map(({ meta, live }) => [meta.segment, live]),
    [[2, 1]],
  );
  assert.deepEqual(
    [...lost],
    [
      [1, 10],
      [2, 9],
    ],
  );
});

test("of several runs that were written together, none that may live goes, and all go when nothing does", () => {
  const { runs, lost } = begin();
  const far = 2 ** 33;
  runs.addAll([metaOf(1, 0, 10), metaOf(1, far, 10)], 10);
  assert.deepEqual(
    runs.list.map(({ live }) => live),
    [10, 10],
  );
  assert.equal(runs.at(5)?.meta.firstOffset, 0);
  runs.addAll([metaOf(2, 2 * far, 10), metaOf(2, 3 * far, 10)], 20);
  assert.equal(runs.list.length, 2);
  assert.deepEqual([...lost], [[2, 20]]);
});
