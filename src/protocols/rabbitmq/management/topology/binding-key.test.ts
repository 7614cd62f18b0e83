import assert from "node:assert/strict";
import { test } from "node:test";
import { propertiesKey, readPropertiesKey } from "./binding-key.ts";

test("a binding's name leads back to its key, whatever bytes that is", () => {
  for (const [key, name] of [
    ["", "~"],
    ["a b~c", "a+b%7Ec"],
    ["é.*.#", "%C3%A9.%2A.%23"],
    ["é\udcff.\udc80💀", "%C3%A9%FF.%80%F0%9F%92%80"],
  ] as const) {
    assert.equal(propertiesKey(key, {}), name);
    assert.deepEqual(readPropertiesKey(name), { routingKey: key, argumentsHash: undefined });
  }
  assert.deepEqual(readPropertiesKey("é"), { routingKey: "é", argumentsHash: undefined });
  assert.equal(readPropertiesKey("50%"), undefined);
  assert.equal(readPropertiesKey("%zz"), undefined);
});
