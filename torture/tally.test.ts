import assert from "node:assert/strict";
import { test } from "node:test";
import { faultKinds } from "./plan.ts";
import { Tally } from "./tally.ts";

test("what was begun again and again and never came to anything is named, and nothing else", () => {
  for (const kind of faultKinds) {
    const tally = new Tally();
    for (let times = 0; times < 2; times++) tally.begin(kind);
    assert.deepEqual(tally.idle(), [], kind);
    for (let times = 0; times < 8; times++) tally.begin(kind);
    tally.add(kind, 0);
    assert.match(tally.idle().join("; "), new RegExp(`^${kind} was begun 10 times, and nothing came of it`));
    tally.add(kind, 1);
    assert.deepEqual(tally.idle(), [], kind);
  }
});

test("what did not happen, or came to nothing, is missing; what happened is shown with what came of it", () => {
  const tally = new Tally();
  tally.begin("kill");
  tally.add("kill", 1);
  tally.begin("full");
  tally.add("full", 12);
  tally.begin("flip");
  assert.deepEqual(tally.missing(["kill", "full", "flip", "cut"]), ["flip", "cut"]);
  assert.match(tally.show(), /^kill 1 \(1 ends\), full 1 \(12 .*\), flip 1 \(0 bits turned\)$/);
  assert.equal(tally.total, 3);
  assert.equal(new Tally().show(), "");
});
