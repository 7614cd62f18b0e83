import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RangeSet } from "./range-set.ts";

const ranges = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 6 })), { maxLength: 80 });

function setOf(list: readonly (readonly [number, number])[]): RangeSet {
  const set = new RangeSet();
  for (const [start, length] of list) set.add(start, start + length);
  return set;
}

test("all of another set are added as they would be one by one, whichever lies where", () => {
  fc.assert(
    fc.property(ranges, ranges, fc.nat(800), (ours, theirs, shift) => {
      const moved = theirs.map(([start, length]) => [start + shift, length] as const);
      const [together, oneByOne, others] = [setOf(ours), setOf([...ours, ...moved]), setOf(moved)];
      const before = others.toList();
      together.addAll(others);
      assert.deepEqual(together.toList(), oneByOne.toList());
      assert.deepEqual(others.toList(), before);
    }),
    { numRuns: 1000 },
  );
});
