import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c, crc32cByTable, joinCrc32c } from "./crc32c.ts";

const content = Buffer.from(Array.from({ length: 200_000 }, (_, at) => Math.imul(at, 0x9e3779b1) >>> 23));

test("the checksum is that of Castagnoli", () => {
  assert.equal(crc32c(Buffer.from("123456789"), 0, 9), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(0), 0, 0), 0);
});

test("the wide way and the tables agree, whatever the length and the place", () => {
  for (let bytes = 0; bytes < 2300; bytes++) {
    assert.equal(crc32c(content, 3, 3 + bytes), crc32cByTable(content, 3, 3 + bytes), `${bytes} bytes`);
  }
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(150_000), (start, bytes) => {
      assert.equal(crc32c(content, start, start + bytes), crc32cByTable(content, start, start + bytes));
    }),
    { numRuns: 200 },
  );
  for (const bytes of [32_768, 32_769, 32_959, 32_960, 65_536, 65_540, 65_728, 131_072]) {
    assert.equal(crc32c(content, 1, 1 + bytes), crc32cByTable(content, 1, 1 + bytes), `${bytes} bytes`);
  }
});

test("nothing is left of the range before", () => {
  const zeros = Buffer.alloc(1000);
  const expected = crc32cByTable(zeros, 0, 1000);
  crc32c(content, 0, 100_000);
  assert.equal(crc32c(zeros, 0, 1000), expected);
});

test("a checksum goes on where another ended, and two are joined without another look at the bytes", () => {
  fc.assert(
    fc.property(fc.nat(60_000), fc.nat(130_000), (first, second) => {
      const end = first + second;
      const one = crc32c(content, 0, first);
      assert.equal(crc32c(content, first, end, one), crc32cByTable(content, 0, end));
      assert.equal(joinCrc32c(one, crc32c(content, first, end), second), crc32cByTable(content, 0, end));
    }),
  );
  assert.equal(joinCrc32c(7, 0, 0), 7);
  // Of more octets than 32 bits can count: zeros, by their doubling.
  let zeros = crc32c(Buffer.alloc(1024), 0, 1024);
  for (let bytes = 1024; bytes < 2 ** 40; bytes *= 2) zeros = joinCrc32c(zeros, zeros, bytes);
  assert.equal(joinCrc32c(joinCrc32c(zeros, 0x1234, 0), 0, 0) >>> 0, zeros ^ 0x1234);
});
