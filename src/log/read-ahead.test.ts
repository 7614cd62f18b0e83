import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunMeta } from "./log.ts";
import { ReadAhead, type ReadEnd, type Wanted } from "./read-ahead.ts";

function runOf(segment: number): RunMeta {
  return {
    segment,
    version: 2,
    partition: 1,
    firstOffset: 0,
    lastOffset: 999,
    count: 1000,
    bytes: 1000,
    indexPosition: 0,
    firstTimestamp: 0,
    lastTimestamp: 0,
    fences: new Float64Array(1),
    fenceTimestamps: new Float64Array(1),
  };
}

/** A read that ended behind an entry at `offset - 3`. */
const endAt = (nextOffset: number): ReadEnd => ({ lastOffset: nextOffset - 3, nextOffset });
const wanted = (fromOffset: number): Wanted => ({ fromOffset, bytesMax: 10, entriesMax: 10, covering: false });

/** Begins a read of ten from here and answers whether it was asked of the disk. */
function begin(ahead: ReadAhead<number>, run: RunMeta, fromOffset: number): boolean {
  let isAsked = false;
  ahead.begin(run, endAt(fromOffset), wanted(fromOffset), () => {
    isAsked = true;
    return Promise.resolve(fromOffset);
  });
  return isAsked;
}

test("who begins a run, or goes on where a read ended, reads on", () => {
  const ahead = new ReadAhead<number>();
  const run = runOf(1);
  assert.equal(ahead.isReadOn(run, wanted(0), endAt(10)), true);
  assert.equal(ahead.isReadOn(run, wanted(10), endAt(20)), true);
  assert.equal(ahead.isReadOn(run, wanted(17), endAt(30)), false);
  assert.equal(ahead.isReadOn(run, wanted(28), endAt(40)), true);
  assert.equal(ahead.isReadOn(run, wanted(500), endAt(510)), false);
  assert.equal(ahead.isReadOn(run, wanted(510), endAt(520)), true);
  assert.equal(ahead.isReadOn(runOf(2), wanted(500), endAt(510)), false);
});

test("what was begun is taken once, and by just the read that it was begun for", async () => {
  const ahead = new ReadAhead<number>();
  const run = runOf(1);
  assert.equal(begin(ahead, run, 10), true);
  assert.equal(begin(ahead, run, 10), false);
  assert.equal(ahead.take(runOf(1), wanted(10)), undefined);
  assert.equal(ahead.take(run, wanted(20)), undefined);
  assert.equal(ahead.take(run, { ...wanted(10), bytesMax: 5 }), undefined);
  assert.equal(ahead.take(run, { ...wanted(10), entriesMax: 5 }), undefined);
  assert.equal(ahead.take(run, wanted(7)), undefined);
  assert.equal(ahead.take(run, { ...wanted(8), covering: true }), undefined);
  assert.equal(await ahead.take(run, wanted(8)), 10);
  assert.equal(ahead.take(run, wanted(10)), undefined);
});

test("eight are ahead at most, and what nobody came for makes room in the end", () => {
  const ahead = new ReadAhead<number>();
  const runs = Array.from({ length: 9 }, (_, index) => runOf(index));
  assert.deepEqual(
    runs.map((run) => begin(ahead, run, 10)),
    [true, true, true, true, true, true, true, true, false],
  );
  for (let reads = 0; reads < 1024; reads++) void ahead.take(runs[8]!, wanted(10));
  assert.equal(begin(ahead, runs[8]!, 10), true);
  assert.equal(ahead.take(runs[0]!, wanted(10)), undefined);
  assert.notEqual(ahead.take(runs[1]!, wanted(10)), undefined);
});

test("who comes for what failed finds nothing, and nobody is told if none does", async () => {
  const ahead = new ReadAhead<number>();
  const run = runOf(1);
  const failing = (): Promise<number> => Promise.reject(new Error("EIO"));
  ahead.begin(run, endAt(10), wanted(10), failing);
  ahead.begin(run, endAt(20), wanted(20), failing);
  await new Promise((resolve) => void setImmediate(resolve));
  assert.equal(await ahead.take(run, wanted(10)), undefined);
});

test("what is ahead in a segment that is removed is forgotten", () => {
  const ahead = new ReadAhead<number>();
  const runs = [runOf(1), runOf(2)];
  for (const run of runs) begin(ahead, run, 10);
  ahead.forget(1);
  assert.equal(ahead.take(runs[0]!, wanted(10)), undefined);
  assert.notEqual(ahead.take(runs[1]!, wanted(10)), undefined);
  ahead.forget();
  assert.equal(begin(ahead, runs[1]!, 10), true);
  assert.equal(ahead.forgets, 2);
});
