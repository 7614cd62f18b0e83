import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "./management-house.suite.ts";

test("whatever is made has a name of 255 bytes at most, and is refused with its kind beyond", async () => {
  const house = await ManagementHouse.open();
  const made: readonly (readonly [kind: string, path: string, body: object])[] = [
    ["queue", "/queues/%2F/", {}],
    ["exchange", "/exchanges/%2F/", {}],
    ["vhost", "/vhosts/", {}],
    ["user", "/users/", { password: "secret", tags: "" }],
    ["name", "/policies/%2F/", { pattern: ".*", definition: { "max-length": 1 } }],
    ["name", "/operator-policies/%2F/", { pattern: ".*", definition: { "max-length": 1 } }],
    ["name", "/global-parameters/", { value: 1 }],
    ["name", "/parameters/federation-upstream/%2F/", { value: { uri: "amqp://localhost" } }],
  ];
  for (const [kind, path, body] of made) {
    const long = await house.ask<{ reason: string }>("PUT", path + "é".repeat(5000), { body });
    assert.equal(long.status, 400, path);
    assert.match(long.json.reason, new RegExp(`^${kind} should be less than 255 bytes, actually was 10000`), path);
    assert.equal((await house.ask("PUT", path + "n".repeat(255), { body })).status, 201, path);
  }
});

test("where there are topic permissions, those for another exchange are cleared as if they were there", async () => {
  const house = await ManagementHouse.open();
  const path = "/topic-permissions/%2F/guest";
  await house.ask("PUT", path, { body: { exchange: "amq.topic", write: "a", read: "b" } });
  const statuses: number[] = [];
  for (const target of [`${path}/other`, `${path}/amq.topic`, `${path}/amq.topic`, path]) {
    statuses.push((await house.ask("DELETE", target)).status);
  }
  assert.deepEqual(statuses, [204, 204, 404, 404]);
});
