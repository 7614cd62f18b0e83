import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "../management-house.suite.ts";

interface Got {
  readonly payload: string;
  readonly message_count: number;
}

async function houseWith(count: number, headers: Readonly<Record<string, string>>): Promise<ManagementHouse> {
  const house = await ManagementHouse.open();
  await house.ask("PUT", "/queues/%2F/q", { body: {} });
  const body = JSON.stringify({ routing_key: "q", properties: { headers }, payload: "", payload_encoding: "string" });
  const published = Array.from({ length: count }, () =>
    house.ask("POST", "/exchanges/%2F/amq.default/publish", { body }),
  );
  for (const { status } of await Promise.all(published)) assert.equal(status, 200);
  return house;
}

const readyIn = (house: ManagementHouse): number => house.core.namespace("/")!.queue("q")!.readyCount;

test("an answer is bounded by all that is in it, not by payloads alone", async () => {
  const house = await houseWith(120, { long: "\u0001".repeat(100_000) });
  const taking = { count: 120, ackmode: "ack_requeue_false", encoding: "auto" };
  const { text, json } = await house.ask<Got[]>("POST", "/queues/%2F/q/get", { body: taking });
  // Six characters for each.
  assert.ok(text.length > 50_000_000 && text.length < 51_000_000, String(text.length));
  assert.deepEqual([json.length, json.at(-1)!.message_count, readyIn(house)], [84, 36, 36]);
});

for (const ackmode of ["ack_requeue_true", "ack_requeue_false", "reject_requeue_false"]) {
  test(`others have their turns while thousands of messages are taken, with ${ackmode}`, async () => {
    const house = await houseWith(4000, {});
    const taking = { count: 4000, ackmode, encoding: "auto" };
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const { json } = await house.ask<Got[]>("POST", "/queues/%2F/q/get", { body: taking });
    isOver = true;
    assert.equal(json.length, 4000);
    assert.ok(turns > 25, `turns: ${turns}`);
    assert.equal(readyIn(house), ackmode === "ack_requeue_true" ? 4000 : 0);
  });
}

test("of a queue that is deleted while messages are taken, those until then are answered", async () => {
  const house = await houseWith(1000, {});
  const taking = { count: 1000, ackmode: "ack_requeue_true", encoding: "auto" };
  const asked = house.ask<Got[]>("POST", "/queues/%2F/q/get", { body: taking });
  const namespace = house.core.namespace("/")!;
  const queue = namespace.queue("q")!;
  for (let turn = 0; turn < 50 && queue.leasedCount === 0; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  namespace.deleteQueue(queue);
  const { status, json } = await asked;
  assert.equal(status, 200);
  assert.ok(json.length > 0 && json.length < 1000, String(json.length));
});
