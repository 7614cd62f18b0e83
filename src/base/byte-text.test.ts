import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOfText, textByteLength, textOfBytes, writeTextBytes } from "./byte-text.ts";

const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: "binary", maxLength: 4 }).map((text) => Buffer.from(text)),
  // The beginnings of characters, surrogates, overlong forms, a replacement character.
  fc
    .constantFrom("c3", "e282", "f09f92", "eda080", "edb3bf", "c080", "f4908080", "efbfbd")
    .map((hex) => Buffer.from(hex, "hex")),
);
const someBytes = fc.array(pieces, { maxLength: 6 }).map((parts) => Buffer.concat(parts));

test("bytes of any kind come back from their string, and other bytes have another string", () => {
  fc.assert(
    fc.property(someBytes, someBytes, (bytes, others) => {
      const text = textOfBytes(Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")]), 1, 1 + bytes.length);
      assert.deepEqual(bytesOfText(text), bytes);
      assert.equal(textByteLength(text), bytes.length);
      const target = Buffer.alloc(bytes.length + 2, "-");
      assert.equal(writeTextBytes(target, 1, text), 1 + bytes.length);
      assert.deepEqual(target, Buffer.concat([Buffer.from("-"), bytes, Buffer.from("-")]));
      assert.equal(JSON.parse(JSON.stringify(text)), text);
      assert.equal(textOfBytes(others) === text, others.equals(bytes));
    }),
    { numRuns: 2000 },
  );
});

test("what is UTF-8 is its text, and a string that no bytes have is written as by everybody", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bytes = Buffer.from(text);
      assert.equal(textOfBytes(bytes), bytes.toString());
    }),
  );
  assert.equal(textOfBytes(Buffer.from("61ff2ec3a9", "hex")), "a\udcff.é");
  assert.deepEqual(bytesOfText("\ud800x"), Buffer.from("\ufffdx"));
});
