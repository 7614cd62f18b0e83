import { test } from "node:test";
import * as check from "node:assert/strict";
import { seededRandom } from "../src/base/random.ts";
import { messagesOfMix } from "./soak-pace.ts";
import { median, stretchMedians, trendOf } from "./soak-statistics.ts";

const atMs = Array.from({ length: 1440 }, (_, index) => index * 5000);
const random = seededRandom(7);
const noise = (): number => random.next() - 0.5;

/** A saw, as memory is between collections, on a line that rises by `rise` of its height over the whole time. */
function saw(rise: number): number[] {
  return atMs.map((_, index) => 200 * (1 + (rise * index) / atMs.length) + (index % 37) + 10 * noise());
}

test("what goes up and down around one height is flat", () => {
  const trend = trendOf({ atMs, values: saw(0) }, 0.05);
  check.equal(trend.verdict, "flat");
  check.ok(Math.abs(trend.rise) < 0.02, String(trend.rise));
  check.ok(trend.riseLow <= 0 && trend.riseHigh >= 0);
});

test("a leak of a tenth is found in the same noise, with an interval around it", () => {
  const trend = trendOf({ atMs, values: saw(0.1) }, 0.05);
  check.equal(trend.verdict, "rises");
  check.ok(trend.riseLow > 0.05 && trend.riseHigh < 0.15, `${trend.riseLow} to ${trend.riseHigh}`);
  check.ok(trend.last > trend.first);
});

test("what rises for certain, but by less than is allowed, is flat; so is what falls", () => {
  check.equal(trendOf({ atMs, values: atMs.map((_, index) => 100 + index / 1000) }, 0.05).verdict, "flat");
  check.equal(trendOf({ atMs, values: saw(-0.5) }, 0.05).verdict, "flat");
});

test("one outlier does not make a trend", () => {
  const values = saw(0);
  values[1430] = 1_000_000;
  check.equal(trendOf({ atMs, values }, 0.05).verdict, "flat");
});

test("what goes up and down by far more than it may rise is not called flat", () => {
  const values = atMs.map(
    (_, index) => 100 * (1 + ((index * 7) % 13)) * (1 + random.next() * 5 * (index % 300 < 72 ? 20 : 1)),
  );
  check.equal(trendOf({ atMs, values }, 0.05).verdict, "too noisy");
});

test("stretches without a number are left out, and too few are an error", () => {
  const gaps = atMs.map((_, index) => (index < 200 ? Number.NaN : 5));
  check.equal(stretchMedians({ atMs, values: gaps })[0]!.y, 5);
  check.throws(() => trendOf({ atMs: [0, 1], values: [1, 2] }, 0.05), /wants 20 samples/);
  check.equal(median([3, 1, 2, 10]), 2.5);
});

test("the maximum of a mix is what its slowest stream allows, whatever the others do beyond that", () => {
  const mix = [
    { share: 0.75, acknowledged: 9000 },
    { share: 0.25, acknowledged: 1000 },
  ];
  check.equal(messagesOfMix(mix), 4000);
  check.equal(messagesOfMix(mix.map((stream) => ({ ...stream, acknowledged: 8000 * stream.share }))), 8000);
});
