import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LongSeries, Series, type SampleSpace } from "./series.ts";

const none: SampleSpace = { take: () => false, give: () => undefined };

test("a series answers for each time what a list of all passes would", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 40 }), (passes) => {
      const rowsMax = 64;
      const series = new Series(2, 4, rowsMax, { take: () => true, give: () => undefined });
      for (const [index, values] of passes.entries()) series.record((index + 1) * 5000, values);
      for (const [index, [first, second]] of passes.entries()) {
        const row = series.rowAt((index + 1) * 5000 + 4999);
        assert.equal(series.value(row, 0), first);
        assert.equal(series.value(row, 1), second);
      }
      assert.equal(series.value(series.rowAt(4999), 0), 0, "before the first there was nothing");
    }),
  );
});

test("what does not change takes no room", () => {
  const series = new Series(1, 4, 4, none);
  for (let pass = 1; pass <= 1000; pass++) series.record(pass * 5000, [7]);
  assert.equal(series.rowCount, 1);
  assert.equal(series.changedAtMs, 5000);
});

test("the oldest row gives way where there is no space, and stands for what was before it", () => {
  const series = new Series(1, 2, 8, none);
  for (let pass = 1; pass <= 5; pass++) series.record(pass * 1000, [pass * 10]);
  assert.equal(series.rowCount, 2);
  assert.equal(series.value(series.rowAt(5000), 0), 50);
  assert.equal(series.value(series.rowAt(4000), 0), 40);
  assert.equal(series.value(series.rowAt(1000), 0), 40, "the oldest that is known");
});

test("space that a series took is given back when it is dropped", () => {
  let used = 0;
  const space: SampleSpace = {
    take: (bytes) => ((used += bytes), true),
    give: (bytes) => (used -= bytes),
  };
  const series = new Series(3, 2, 16, space);
  for (let pass = 1; pass <= 20; pass++) series.record(pass * 1000, [pass, 0, 0]);
  assert.equal(used, 14 * 4 * 8);
  series.drop();
  assert.equal(used, 0);
});

test("a long series has ten minutes finely and a day coarsely", () => {
  const series = new LongSeries(1, 5000);
  const passes = 86_400 / 5;
  for (let pass = 1; pass <= passes; pass++) series.record(pass * 5000, [pass]);
  const endMs = passes * 5000;
  const fine = series.reaching(600_000);
  assert.equal(fine.value(fine.rowAt(endMs - 600_000), 0), passes - 120);
  const coarse = series.reaching(86_400_000);
  const hourAgo = coarse.value(coarse.rowAt(endMs - 3_600_000), 0);
  assert.ok(Math.abs(hourAgo - (passes - 720)) <= 360, `${hourAgo}`);
  assert.ok(coarse.rowCount <= 49);
});
