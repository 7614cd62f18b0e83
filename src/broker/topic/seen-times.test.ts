import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SeenTimes } from "./seen-times.ts";

const keepMs = 1000;

test("nothing counts as seen before it was, nor much later, over any number of starts; and the marks are few", () => {
  const steps = fc.array(fc.record({ by: fc.nat(50), afterMs: fc.nat(300), isRestarted: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (list) => {
      let seen = new SeenTimes();
      const truth: number[] = [];
      let nowMs = 10_000;
      for (const { by, afterMs, isRestarted } of list) {
        nowMs += afterMs;
        const end = truth.length + by;
        while (truth.length < end) truth.push(nowMs);
        seen.note(end, nowMs, keepMs);
        if (isRestarted) seen = SeenTimes.fromJson(JSON.parse(JSON.stringify(seen.toJson())));
        assert.ok(seen.toJson().length <= 11);
        for (const [offset, ms] of truth.entries()) {
          const told = seen.of(offset, nowMs);
          assert.ok(told >= ms, "not before it was");
          // A mark may be moved on by a step, and the one that was moved may be told of for a step more.
          if (nowMs - ms <= keepMs) assert.ok(told <= ms + (2 * keepMs) / 8 + 300);
          else assert.ok(told <= nowMs - keepMs + 300 + keepMs / 8);
        }
      }
      assert.equal(seen.of(truth.length, nowMs), nowMs);
    }),
    { numRuns: 300 },
  );
});

test("a clock that is set back makes nothing older, and a time to come is none", () => {
  const seen = new SeenTimes();
  seen.note(10, 5000, keepMs);
  seen.note(20, 4000, keepMs);
  assert.equal(seen.of(15, 6000), 5000);
  assert.equal(seen.of(5, 3000), 3000);
});
