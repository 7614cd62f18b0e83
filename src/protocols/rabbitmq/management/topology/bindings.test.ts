import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "../management-house.suite.ts";

test("a routing key has 255 bytes at most, as one that comes by AMQP", async () => {
  const house = await ManagementHouse.open();
  await house.ask("PUT", "/queues/%2F/q", { body: {} });
  const bind = (routing_key: string) =>
    house.ask<{ reason: unknown }>("POST", "/bindings/%2F/e/amq.topic/q/q", { body: { routing_key } });
  const long = await bind(`${"#.".repeat(20_000)}#`);
  assert.deepEqual([long.status, long.json.reason], [400, ["too_long", "routing_key"]]);
  assert.equal((await bind("é".repeat(128))).status, 400);
  assert.equal((await bind(`${"#.".repeat(127)}#`)).status, 201);
  const listed = await house.ask<{ source: string }[]>("GET", "/queues/%2F/q/bindings");
  assert.deepEqual(
    listed.json.map(({ source }) => source),
    ["", "amq.topic"],
  );
});

test("a weight that is no number to count with is refused, and leaves nothing behind", async () => {
  const house = await ManagementHouse.open();
  await house.ask("PUT", "/queues/%2F/q", { body: {} });
  await house.ask("PUT", "/exchanges/%2F/hash", { body: { type: "x-consistent-hash" } });
  const bind = (routing_key: string) =>
    house.ask<{ reason: string }>("POST", "/bindings/%2F/e/hash/q/q", { body: { routing_key } });
  assert.equal((await bind("9".repeat(400))).status, 400);
  for (const weight of ["9".repeat(250), "10001"]) {
    const { status, json } = await bind(weight);
    assert.deepEqual([status, json.reason], [400, "The binding key must not exceed 10000"]);
  }
  assert.equal((await bind("10000")).status, 201);
  const listed = await house.ask<unknown[]>("GET", "/exchanges/%2F/hash/bindings/source");
  assert.equal(listed.json.length, 1);
});

test("bindings of definitions are checked by what is there and by what they bring", async () => {
  const house = await ManagementHouse.open();
  const kept = { vhost: "/", durable: true, auto_delete: false };
  const any = { ...kept, name: "any", type: "x-local-random", internal: false, arguments: {} };
  const queue = (name: string, type: string) => ({ ...kept, name, arguments: { "x-queue-type": type } });
  const bound = (destination: string, routing_key = "", destination_type = "queue") => ({
    ...{ source: "any", vhost: "/", destination, destination_type, routing_key },
    arguments: {},
  });
  const answers: unknown[] = [];
  const load = async (definitions: object): Promise<void> => {
    const { status, json } = await house.ask<{ reason: string }>("POST", "/definitions", { body: definitions });
    answers.push(status === 204 ? status : json.reason);
  };
  const queues = [queue("c", "classic"), queue("q", "quorum")];
  await load({ exchanges: [any], queues, bindings: [bound("q")] });
  await load({ exchanges: [any], queues, bindings: [bound("c", "k")] });
  await load({ exchanges: [any], queues, bindings: [bound("c")] });
  await load({ bindings: [bound("q")] });
  await load({ bindings: [bound("amq.fanout", "", "exchange")] });
  const ofType = "precondition_failed: Queue type rabbit_quorum_queue not valid for this exchange type";
  const ofKey = "precondition_failed: Non empty binding 'k' key not permitted";
  assert.deepEqual(answers, [ofType, ofKey, 204, ofType, "precondition_failed: Destination not found"]);
});
