import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { escapedName, unescapedName } from "./reserved-names.ts";

const names = { prefix: "x.header.", isReserved: (name: string): boolean => name === "x.key" || name === "x.time" };

test("a header that is only called like a field gets a prefix, and so does one that looks as if it had one", () => {
  assert.equal(escapedName("x.key", names), "x.header.x.key");
  assert.equal(escapedName("x.header.x.key", names), "x.header.x.header.x.key");
  assert.equal(escapedName("x.header.other", names), "x.header.other");
  assert.equal(escapedName("other", names), "other");
});

test("each name has one form, each form one name, and none is a field", () => {
  const parts = fc.array(fc.constantFrom("x.header.", "x.key", "x.time", "a"), { maxLength: 5 });
  fc.assert(
    fc.property(parts, (some) => {
      const name = some.join("");
      const written = escapedName(name, names);
      assert.ok(!names.isReserved(written));
      assert.equal(unescapedName(written, names), name);
      // What is there already in that form, and means itself, comes back in that form too.
      if (!names.isReserved(name)) assert.equal(escapedName(unescapedName(name, names), names), name);
    }),
  );
});
