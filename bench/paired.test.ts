import assert from "node:assert/strict";
import { test } from "node:test";
import { estimate } from "./paired.ts";

/** The same numbers each time: Lehmer's generator. */
function numbers(): () => number {
  let state = 7;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

test("the interval holds the truth of a noisy sample, and becomes narrower with more of it", () => {
  const random = numbers();
  const sample = (count: number): number[] => Array.from({ length: count }, () => 0.97 + (random() - 0.5) * 0.2);
  const few = estimate(sample(30), random);
  const many = estimate(sample(1000), random);
  for (const { low, median, high } of [few, many]) {
    assert.ok(low < 0.97 && 0.97 < high, `${low} ${high}`);
    assert.ok(low <= median && median <= high);
  }
  assert.ok(many.high - many.low < (few.high - few.low) / 3);
});

test("a few wild values do not move it", () => {
  const found = estimate([...Array<number>(28).fill(1), 100, 0.001], numbers());
  assert.deepEqual(found, { median: 1, low: 1, high: 1 });
});
