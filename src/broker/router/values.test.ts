import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalText, canonicalValue, sameValue } from "./values.ts";
import type { HeaderValue } from "./values.ts";

const leaf: fc.Arbitrary<HeaderValue> = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 3 }),
  fc.date({ noInvalidDate: true }),
);
const value = fc.letrec<{ value: HeaderValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 2 }), tie("value"), { maxKeys: 3 }),
  ),
})).value;

test("a value is the same as its copy, and has the same text", () => {
  fc.assert(
    fc.property(value, (original) => {
      const copy = structuredClone(original);
      assert.ok(sameValue(original, copy));
      assert.equal(canonicalValue(original), canonicalValue(copy));
    }),
  );
});

test("sameness is mutual, and equal text implies it", () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(sameValue(a, b), sameValue(b, a));
      if (canonicalValue(a) === canonicalValue(b)) assert.ok(sameValue(a, b));
    }),
    { numRuns: 2_000 },
  );
});

test("text of headers does not depend on the order of names", () => {
  assert.equal(canonicalText({ a: 1, b: [2n] }), canonicalText({ b: [2], a: 1n }));
  assert.notEqual(canonicalText({ a: "1:b" }), canonicalText({ a: "1", b: null }));
  assert.notEqual(canonicalText({ a: "x" }), canonicalText({ a: Buffer.from("x") }));
  assert.equal(canonicalText({}), "");
});
