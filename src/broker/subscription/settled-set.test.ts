import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SettledSet } from "./settled-set.ts";

const top = 6000;
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("add" as const), start: fc.nat(top), length: fc.constant(1) }),
    fc.record({ kind: fc.constant("range" as const), start: fc.nat(top), length: fc.nat(3000) }),
    fc.record({ kind: fc.constant("next" as const), start: fc.constant(0), length: fc.nat(1500) }),
    fc.record({ kind: fc.constant("store" as const), start: fc.constant(0), length: fc.constant(0) }),
  ),
  { maxLength: 30 },
);

test("it is a set of offsets, whatever way they come in, and the same after it was stored", () => {
  fc.assert(
    fc.property(steps, (list) => {
      let set = new SettledSet();
      const model = new Set<number>();
      const floor = (): number => {
        let at = 0;
        while (model.has(at)) at++;
        return at;
      };
      for (const { kind, start, length } of list) {
        const from = kind === "next" ? floor() : start;
        const fresh = Array.from({ length }, (_, i) => from + i).filter((offset) => !model.has(offset));
        if (kind === "store") set = SettledSet.fromJson(JSON.parse(JSON.stringify(set.toJson())) as unknown[]);
        else if (kind === "add") assert.equal(set.add(from), fresh.length === 1);
        else assert.equal(set.addRange(from, from + length), fresh.length);
        for (const offset of fresh) model.add(offset);
        assert.equal(set.floor, floor());
        assert.equal(set.floor + set.above, model.size);
      }
      const limits = [0, 1, 500, 1023, 1024, 1025, 3000, top + 3000];
      for (const low of limits) {
        for (const high of limits.filter((limit) => limit >= low)) {
          let count = 0;
          for (const offset of model) if (offset >= low && offset < high) count++;
          assert.equal(set.countIn(low, high), count);
        }
      }
      for (let offset = 0; offset < top + 3000; offset += 7) assert.equal(set.has(offset), model.has(offset));
    }),
    { numRuns: 100 },
  );
});

test("ten million settled behind one straggler cost little and are done at once", () => {
  const set = new SettledSet();
  assert.equal(set.addRange(1, 10_000_001), 10_000_000);
  assert.equal(JSON.stringify(set.toJson()).length < 300_000, true);
  set.add(0);
  assert.deepEqual([set.floor, set.above], [10_000_001, 0]);
});

test("a page goes when the floor leaves it, whatever way it goes", () => {
  const set = new SettledSet();
  // Two in the wrong order, and the rest of the page one by one; with and without others settled far ahead.
  for (const ahead of [0, 1]) {
    const from = set.floor;
    if (ahead === 1) set.add(from + 1_000_000);
    for (let page = 0; page < 100; page++) {
      const start = from + page * 1024;
      set.add(start + 1);
      for (let offset = start; offset < start + 1024; offset++) if (offset !== start + 1) set.add(offset);
      assert.ok(set.pageCount <= 1 + ahead, `${set.pageCount} pages behind page ${page}`);
    }
  }
  // The gaps are settled at once.
  set.addRange(set.floor, set.floor + 2_000_000);
  set.add(set.floor + 1);
  set.add(set.floor);
  assert.equal(set.pageCount, 1);
  set.addRange(set.floor, set.floor + 10_000);
  assert.equal(set.pageCount, 0);
});
