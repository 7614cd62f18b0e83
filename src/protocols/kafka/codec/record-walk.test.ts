import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BatchView } from "./record-batch.ts";
import { buildBatch, readBatch, recordLists } from "./record-models.suite.ts";
import { RecordWalk } from "./record-walk.ts";

const walk = new RecordWalk();

test("a walk over records finds from when to when they are", () => {
  fc.assert(
    fc.property(recordLists, (records) => {
      const times = records.map(({ timestampMs }) => timestampMs);
      assert.equal(walk.walk(new BatchView().set(buildBatch(records), 0)), true);
      assert.deepEqual([walk.leastMs, walk.greatestMs], [Math.min(...times), Math.max(...times)]);
    }),
    { numRuns: 300 },
  );
});

test("records without a time count for no time", () => {
  const at = (timestampMs: number, offset: number) => ({ offset, timestampMs, key: null, value: null, headers: [] });
  walk.walk(new BatchView().set(buildBatch([at(-1, 0), at(-1, 1)]), 0));
  assert.deepEqual([walk.leastMs, walk.greatestMs], [Infinity, -1]);
  walk.walk(new BatchView().set(buildBatch([at(70_000, 0), at(-1, 1), at(500, 2)]), 0));
  assert.deepEqual([walk.leastMs, walk.greatestMs], [500, 70_000]);
});

test("whatever the bytes are, a walk ends, and it refuses what a reader cannot read, and nothing else", () => {
  const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(recordLists, changes, (records, edits) => {
      const batch = buildBatch(records);
      for (const [at, octet] of edits) if (61 + at < batch.length) batch[61 + at] = octet;
      const isWalked = walk.walk(new BatchView().set(batch, 0));
      assert.equal(isWalked, typeof readBatch(batch) !== "string");
    }),
    { numRuns: 3000 },
  );
});
