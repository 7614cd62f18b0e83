import assert from "node:assert/strict";
import { test } from "node:test";
import { murmur2, partitionOfKey } from "./murmur2.ts";

const hash = (text: string): number => {
  const bytes = Buffer.from(text);
  return murmur2(bytes, 0, bytes.length);
};

test("murmur2 gives what the clients of partitioned logs give", () => {
  assert.deepEqual(
    [
      "21",
      "foobar",
      "a-little-bit-long-string",
      "a-little-bit-longer-string",
      "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
    ].map(hash),
    [-973_932_308, -790_332_482, -985_981_536, -1_486_304_829, -58_897_971],
  );
  assert.equal(murmur2(Buffer.from("abc"), 0, 3), 479_470_107);
});

test("a key has its partition, whatever its letters", () => {
  assert.equal(partitionOfKey("21", 10), (-973_932_308 & 0x7fff_ffff) % 10);
  for (const key of ["", "ü", "\u{1f600}", "x".repeat(20_000)]) {
    const partition = partitionOfKey(key, 7);
    assert.ok(partition >= 0 && partition < 7);
    assert.equal(partition, partitionOfKey(key, 7));
  }
});
