/** What the log says of clients that are slow, or that have to wait: one line when it begins, one when it is over. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { WireHouse, type WireClient } from "./wire-house.suite.ts";

function linesOf(house: WireHouse, message: string): Record<string, unknown>[] {
  return house.logged.filter((line) => line.message === message).map(({ level, fields }) => ({ level, ...fields }));
}

const connection = "127.0.0.1:40000 -> 127.0.0.1:5672";

/** A consumer whose socket is full, with more waiting for it. */
async function stuckConsumer(messages = 30): Promise<{ house: WireHouse; client: WireClient }> {
  const house = await WireHouse.open();
  const client = house.client();
  client.declare("jobs");
  client.declare("idle");
  client.consume("jobs");
  client.take();
  const producer = house.client();
  for (let n = 0; n < messages; n++) producer.publish("jobs", "x".repeat(100_000));
  return { house, client };
}

const slow = "a consumer takes nothing while messages wait for it";

test("a consumer that takes nothing for ten seconds is told of once, and once that it goes on", async () => {
  const { house, client } = await stuckConsumer();
  for (let seconds = 0; seconds < 9; seconds++) {
    house.clock.advance(1000);
    client.connection.tick(house.clock.now());
  }
  assert.deepEqual(linesOf(house, slow), []);
  for (let seconds = 0; seconds < 20; seconds++) {
    house.clock.advance(1000);
    client.connection.tick(house.clock.now());
  }
  const [line, ...more] = linesOf(house, slow);
  assert.equal(more.length, 0);
  assert.ok(Number(line!["unsentBytes"]) > 1_000_000);
  const queues = ["jobs (channel 1)"];
  const who = { connection, user: "guest", vhost: "/" };
  assert.deepEqual({ ...line, unsentBytes: 0 }, { level: "warn", ...who, queues, unsentBytes: 0, slowMs: 10_000 });
  client.take();
  assert.deepEqual(linesOf(house, "a slow consumer has taken what waited for it"), [
    { level: "info", ...who, slowMs: 29_000 },
  ]);
});

test("a full socket is nothing to tell of when no message waits, or when it empties in time", async () => {
  const { house, client } = await stuckConsumer();
  house.clock.advance(9000);
  client.connection.tick(house.clock.now());
  client.take();
  house.clock.advance(9000);
  client.connection.tick(house.clock.now());
  assert.deepEqual(linesOf(house, slow), []);
  const none = await stuckConsumer(11);
  assert.ok(none.client.unsentBytes > 1_048_576);
  none.house.clock.advance(30_000);
  none.client.connection.tick(none.house.clock.now());
  assert.deepEqual(linesOf(none.house, slow), []);
});

test("a consumer is not slow because the machine's clock was set forward", async () => {
  const { house, client } = await stuckConsumer();
  house.clock.jumpTo(house.clock.now() + 3_600_000);
  client.connection.tick(house.clock.now());
  assert.deepEqual(linesOf(house, slow), []);
});

test("a producer that is held back is told of, with the reason, and how long it was", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.declare("q");
  house.core.core.setPressure("disk", true);
  client.publish("q", "1");
  client.publish("q", "2");
  house.clock.advance(3000);
  house.core.core.setPressure("disk", false);
  const who = { connection, user: "guest", vhost: "/" };
  assert.deepEqual(linesOf(house, "a producer is held back"), [{ level: "warn", ...who, short: "disk" }]);
  assert.deepEqual(linesOf(house, "a producer goes on"), [{ level: "info", ...who, heldMs: 3000 }]);
});

test("a delivery that is not settled in time is told of with its queue and consumer", async () => {
  const house = await WireHouse.open({ consumerTimeoutMs: 60_000 });
  const client = house.client();
  client.declare("q");
  client.consume("q");
  client.publish("q", "never settled");
  client.take();
  for (let minutes = 0; minutes < 3; minutes++) {
    house.clock.advance(60_000);
    house.settle();
  }
  const [line] = linesOf(house, "an AMQP channel is closed for a fault");
  assert.deepEqual([line?.["queue"], line?.["consumer"], line?.["channel"]], ["q", "c", 1]);
  assert.match(String(line?.["fault"]), /delivery acknowledgement on channel 1 timed out/);
});
