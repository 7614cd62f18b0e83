import { test } from "node:test";
import * as check from "node:assert/strict";
import { assert, AssertionError, must, unreachable } from "./assert.ts";

test("assert lets a true claim pass and throws on a false one", () => {
  assert(true, "holds");
  check.throws(() => assert(false, "the floor is below the cursor"), /^AssertionError: the floor is below the cursor$/);
});

test("must gives back zero, false and the empty string, and throws on null and undefined", () => {
  check.equal(must(0, "a number"), 0);
  check.equal(must(false, "a flag"), false);
  check.equal(must("", "a text"), "");
  check.throws(() => must(null, "a queue"), AssertionError);
  check.throws(() => must(undefined, "a queue"), AssertionError);
});

test("unreachable throws with the value that was not expected", () => {
  check.throws(() => unreachable("fifth mode" as never), /fifth mode/);
});
