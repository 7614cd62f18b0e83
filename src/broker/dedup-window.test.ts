import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DedupWindow } from "./dedup-window.ts";

test("the oldest ids make room for the newest", () => {
  const window = new DedupWindow({ windowMs: 0, maxIds: 2 });
  for (const id of ["a", "b", "a", "c"]) window.add(id, 0);
  assert.deepEqual(
    ["a", "b", "c"].map((id) => window.has(id, 0)),
    [true, false, true],
  );
});

test("as many are remembered as were added last, whatever was added again or was over", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 4 }))), (steps) => {
      const window = new DedupWindow({ windowMs: 10, maxIds: 5 });
      let model: [string, number][] = [];
      let nowMs = 0;
      for (const [number, passesMs] of steps) {
        nowMs += passesMs;
        const id = String(number);
        model = model.filter(([, seenMs]) => seenMs + 10 > nowMs);
        const isSeen = model.some(([each]) => each === id);
        assert.equal(window.has(id, nowMs), isSeen);
        // A journal that is replayed has the same ids again.
        if (isSeen && passesMs > 1) continue;
        window.add(id, nowMs);
        model = [...model.filter(([each]) => each !== id), [id, nowMs] satisfies [string, number]].slice(-5);
        assert.deepEqual(window.toJson(), model);
      }
    }),
  );
});

test("a window whose bound is no number of ids remembers nothing, and ends", () => {
  for (const maxIds of [-1, 0, Number.NaN, -Infinity]) {
    const window = new DedupWindow({ windowMs: 0, maxIds });
    window.add("a", 0);
    assert.equal(window.has("a", 0), false, String(maxIds));
  }
});
