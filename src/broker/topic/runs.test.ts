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

test("of a queue all that is not settled lives, be it in the segment or not, and the last of it ends the run", () => {
  const { runs, lost } = begin();
  const settled = new Set([3]);
  const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);
  runs.unsettledIn = (start, end) => range(start, end).filter((offset) => !settled.has(offset)).length;
  // Of ten offsets one was settled, and two were lost.
  runs.addAll([{ ...metaOf(1, 0, 10), count: 7 }], 0);
  assert.deepEqual([runs.list[0]!.live, lost.get(1)], [9, -2]);
  for (let offset = 0; offset < 9; offset++) {
    if (settled.has(offset)) continue;
    settled.add(offset);
    runs.removeAt(offset);
  }
  assert.deepEqual([runs.list[0]!.live, lost.get(1)], [1, 6]);
  runs.removeRange(0, 100);
  assert.deepEqual([runs.list, lost.get(1)], [[], 7]);
});

test("of a log what was lost when a run was written anew lives on until it is taken off", () => {
  const { runs, lost } = begin();
  runs.addAll([metaOf(1, 0, 10)], 4);
  runs.replace([runs.list[0]!], [{ ...metaOf(2, 1, 9), count: 5 }]);
  assert.deepEqual([runs.list[0]!.live, lost.get(1), lost.get(2)], [6, 10, -1]);
  for (let offset = 1; offset < 6; offset++) runs.removeAt(offset);
  assert.equal(runs.list.length, 1);
  for (let offset = 6; offset < 10; offset++) runs.removeAt(offset);
  assert.deepEqual([runs.list, lost.get(2)], [[], 5]);
});

test("several runs become one, of which lives what lived in those that are still there", () => {
  const { runs, lost } = begin();
  for (const segment of [1, 2, 3, 4]) runs.addAll([metaOf(segment, segment * 10, 10)], 0);
  const merged = runs.list.slice(0, 3);
  runs.trimTo(20);
  runs.removeAt(25);
  runs.replace(merged, [metaOf(5, 10, 30)]);
  assert.deepEqual(
    runs.list.map(({ meta, live }) => [meta.segment, meta.firstOffset, live]),
    [
      [5, 10, 19],
      [4, 40, 10],
    ],
  );
  assert.deepEqual(
    [...lost].sort(([a], [b]) => a - b),
    [
      [1, 10],
      [2, 10],
      [3, 10],
      [5, 11],
    ],
  );
  assert.equal(runs.bytes, 400);
  runs.trimTo(45);
  assert.equal(runs.bytes, 100);
  runs.clear();
  assert.equal(runs.bytes, 0);
});
