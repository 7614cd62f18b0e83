import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../base/random.ts";
import { openDiskLog } from "../../../log/disk-log.ts";
import { ForgetfulDisk } from "../../../log/memory/forgetful-disk.ts";
import { decodeTable } from "../model/field-table.ts";
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

test("a whole number of more than 64 bits is kept as a double, and refused where that is none", async () => {
  const house = await ManagementHouse.open();
  const text = /invalid arg 'x-max-length' for queue 'q' in vhost '\/': "expected integer, got double"/;
  for (const number of ["18446744073709551615", "9223372036854775808", "-9223372036854777856", "1e300"]) {
    const put = (name: string): Promise<{ status: number; json: { reason: string } }> =>
      house.ask("PUT", "/queues/%2F/q", { body: `{"durable":true,"arguments":{"${name}":${number}}}` });
    const { status, json } = await put("x-max-length");
    assert.equal(status, 400);
    assert.match(json.reason, text);
    const row = `{"name":"q","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-max-length":${number}}}`;
    const imported = await house.ask<{ reason: string }>("POST", "/definitions", { body: `{"queues":[${row}]}` });
    assert.equal(imported.status, 400);
    assert.match(imported.json.reason, text);

    assert.equal((await put("x-own")).status, 201);
    const { text: exported } = await house.ask("GET", "/definitions");
    assert.ok(exported.includes(`"x-own":${Number(number)}`));
    // As it is compared with, byte for byte, and as it will be read again.
    const kept = house.server.vhosts.find("/")!.namespace.queue("q")!.declaration as { amqp091: { arguments: string } };
    const bytes = Buffer.from(kept.amqp091.arguments, "base64");
    assert.deepEqual(decodeTable(bytes, 0, bytes.length), [
      { name: "x-own", value: { type: "d", value: Number(number) } },
    ]);
    await house.ask("DELETE", "/queues/%2F/q");
  }
  // The greatest that there is below.
  const body = '{"durable":true,"arguments":{"x-max-length":9223372036854774784}}';
  assert.equal((await house.ask("PUT", "/queues/%2F/q", { body })).status, 201);
});

test("a value that is nested without end is refused, and the next checkpoint is taken", async () => {
  const log = await openDiskLog(new ForgetfulDisk(setImmediate), seededRandom(1), { fileBytesMax: 1 << 20 });
  const house = await ManagementHouse.open({}, log);
  const nested = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`;
  const set = (path: string, value: string) =>
    house.ask<{ reason: string }>("PUT", path, { body: `{"value":${value}}` });
  for (const depth of [150, 4000, 100_000]) {
    const upstream = `{"uri":${nested(depth)}}`;
    const answers = [
      await set("/global-parameters/deep", nested(depth)),
      await set("/parameters/federation-upstream/%2F/deep", upstream),
    ];
    for (const { status, json } of answers) {
      assert.deepEqual([status, json.reason], [400, "The body is nested too deep."], String(depth));
    }
  }
  const { status, json } = await set("/global-parameters/deep", nested(65));
  assert.deepEqual([status, json.reason], [400, "The value is nested too deep."]);
  assert.equal((await house.ask("GET", "/global-parameters/deep")).status, 404);

  // As deep as can be: what is exported can be imported again.
  assert.equal((await set("/global-parameters/deep", nested(64))).status, 201);
  const depth = { arguments: { deep: JSON.parse(nested(63)) as unknown } };
  assert.equal((await house.ask("PUT", "/queues/%2F/deep", { body: depth })).status, 201);
  assert.equal((await house.ask("PUT", "/exchanges/%2F/deep", { body: { ...depth, type: "direct" } })).status, 201);
  const { text } = await house.ask("GET", "/definitions");
  for (const part of [`"value":${nested(64)}`, `"arguments":{"deep":${nested(63)}}`]) assert.ok(text.includes(part));
  assert.equal((await house.ask("POST", "/definitions", { body: text })).status, 204);
  await house.core.checkpoint();
  await house.core.stop();
});
