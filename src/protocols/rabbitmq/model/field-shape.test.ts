import assert from "node:assert/strict";
import { test } from "node:test";
import type { CanonicalHeader } from "../../../broker/api.ts";
import { fieldOf } from "./field-shape.ts";

test("a table that is nested deep is looked at once, however deep it is", () => {
  let looks = 0;
  const leaf = new Proxy(
    { a: 1 },
    {
      ownKeys(target) {
        looks++;
        return Reflect.ownKeys(target);
      },
    },
  );
  let value: CanonicalHeader["value"] = leaf;
  let shape = "F{b}";
  for (let depth = 0; depth < 40; depth++) {
    value = { a: value };
    shape = `F{${shape}}`;
  }
  let field = fieldOf(value, shape);
  for (let depth = 0; depth <= 40; depth++) {
    assert.ok(field.type === "F");
    field = field.value[0]!.value;
  }
  assert.deepEqual(field, { type: "b", value: 1 });
  assert.equal(looks, 1);
});

test("a shape of a table fits nothing else", () => {
  const others: [CanonicalHeader["value"], string][] = [
    [null, "V"],
    ["a", "S"],
    [1, "I"],
    [[1], "A"],
    [new Date(5000), "T"],
    [Buffer.from([1]), "x"],
  ];
  for (const [value, type] of others) assert.equal(fieldOf(value, "F{}").type, type);
  assert.deepEqual(fieldOf({}, "F{}"), { type: "F", value: [] });
});
