import { test } from "node:test";
import * as check from "node:assert/strict";
import { seededRandom, systemRandom } from "./random.ts";

test("the same seed gives the same sequence, another seed another one", () => {
  const draw = (seed: number): string => {
    const random = seededRandom(seed);
    return [random.next(), random.next(), random.bytes(8).toString("hex"), random.next()].join(" ");
  };
  check.equal(draw(7), draw(7));
  check.notEqual(draw(7), draw(8));
});

test("numbers are in [0, 1) and spread evenly", () => {
  for (const random of [seededRandom(1), systemRandom()]) {
    const tenths = new Array<number>(10).fill(0);
    for (let drawn = 0; drawn < 10_000; drawn++) {
      const number = random.next();
      check.ok(number >= 0 && number < 1);
      const tenth = Math.floor(number * 10);
      tenths[tenth] = tenths[tenth]! + 1;
    }
    for (const count of tenths) check.ok(count > 800 && count < 1200, `a tenth got ${count} of 10000`);
  }
});

test("bytes come in the length that was asked for", () => {
  for (const random of [seededRandom(1), systemRandom()]) {
    check.equal(random.bytes(0).length, 0);
    check.equal(random.bytes(33).length, 33);
  }
});
