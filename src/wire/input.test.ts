import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Input } from "./input.ts";

test("numbers are read with their signs and widths", () => {
  const input = new Input(Buffer.from("fffefffefffffffefffffffe3fc000007ff0000000000000", "hex"), 0, 24);
  assert.equal(input.i8(), -1);
  assert.equal(input.u8(), 254);
  assert.equal(input.i16(), -2);
  assert.equal(input.i32(), -2);
  assert.equal(input.u32(), 0xffff_fffe);
  assert.equal(input.f32(), 1.5);
  assert.equal(input.f64(), Infinity);
  assert.ok(input.isAtEnd);
  assert.equal(input.fault, null);
});

test("64-bit numbers are exact: a number where it can be, else a bigint", () => {
  const bytes = Buffer.from("001fffffffffffff0020000000000000ffffffffffffffff8000000000000000", "hex");
  const input = new Input(bytes, 0, bytes.length);
  assert.equal(input.u64(), Number.MAX_SAFE_INTEGER);
  assert.equal(input.u64(), 2n ** 53n);
  assert.equal(input.i64(), -1);
  assert.equal(input.i64(), -(2n ** 63n));
});

test("text that is not UTF-8 comes as bytes, and a sent replacement character as text", () => {
  assert.deepEqual(new Input(Buffer.from([0x61, 0xff]), 0, 2).text(2), Buffer.from([0x61, 0xff]));
  assert.equal(new Input(Buffer.from("a\ufffd"), 0, 4).text(4), "a\ufffd");
});

test("what was read does not change with the chunk that it came in", () => {
  const chunk = Buffer.from("abc");
  const kept = new Input(chunk, 0, 3).bytes(3);
  chunk.fill(0);
  assert.equal(kept.toString(), "abc");
});

test("any sequence of reads stays within its bounds, and stops at the first fault", () => {
  const reads = fc.constantFrom("u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bytes", "text");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(45), fc.array(reads), (bytes, end, sequence) => {
      const limit = Math.min(end, bytes.length);
      const input = new Input(Buffer.from(bytes), 0, limit);
      for (const read of sequence) {
        if (read === "bytes" || read === "text") input[read](3);
        else input[read as "u8"]();
        assert.ok(input.at <= limit);
        if (input.fault !== null) assert.ok(input.isAtEnd);
      }
    }),
  );
});
