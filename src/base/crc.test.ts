import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { crc32 } from "./crc.ts";

test("the checksum of the standard's check string is the standard's", () => {
  assert.equal(crc32(Buffer.from("123456789"), 0, 9), 0xcbf43926);
});

test("any range of any bytes has zlib's checksum", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), (bytes, one, other) => {
      const buffer = Buffer.from(bytes);
      const start = Math.min(one, other, buffer.length);
      const end = Math.min(Math.max(one, other), buffer.length);
      assert.equal(crc32(buffer, start, end), zlibCrc32(buffer.subarray(start, end)));
    }),
  );
});

test("a checksum goes on where another ended", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), (bytes, cut) => {
      const buffer = Buffer.from(bytes);
      const middle = Math.min(cut, buffer.length);
      const first = crc32(buffer, 0, middle);
      assert.equal(crc32(buffer, middle, buffer.length, first), zlibCrc32(buffer));
    }),
  );
});
