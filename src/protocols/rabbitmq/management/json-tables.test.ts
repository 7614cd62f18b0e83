import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "./management-house.suite.ts";

test("a table that AMQP could not say is refused", async () => {
  const house = await ManagementHouse.open();
  const headers = { inner: { ["n".repeat(256)]: 1 } };
  const publish = { routing_key: "q", payload: "", payload_encoding: "string", properties: { headers } };
  const published = await house.ask<{ reason: string }>("POST", "/exchanges/%2F/amq.default/publish", {
    body: publish,
  });
  const declared = await house.ask<{ reason: string }>("PUT", "/queues/%2F/q", { body: { arguments: headers } });
  for (const { status, json } of [published, declared]) {
    assert.deepEqual([status, json.reason], [400, "A name in a table has 255 bytes at most."]);
  }
  const deep: unknown = JSON.parse("[".repeat(70) + "]".repeat(70));
  const nested = await house.ask<{ reason: string }>("PUT", "/queues/%2F/q", { body: { arguments: { deep } } });
  assert.deepEqual([nested.status, nested.json.reason], [400, "Tables are nested 64 times at most."]);
});
