import assert from "node:assert/strict";
import { test } from "node:test";
import { tableOf } from "../model/field-table.ts";
import { WireHouse } from "./wire-house.suite.ts";

test("a delay is no shorter when the clock was set back", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  const declared = tableOf({ "x-delayed-type": "direct" });
  client.send(1, "exchange.declare", {
    ticket: 0,
    exchange: "later",
    type: "x-delayed-message",
    ...flags,
    arguments: declared,
  });
  client.declare("q");
  client.send(1, "queue.bind", {
    ticket: 0,
    queue: "q",
    exchange: "later",
    routingKey: "k",
    noWait: false,
    arguments: tableOf({}),
  });
  client.publish("k", "before", {}, "later");
  client.consume("q");
  assert.deepEqual(client.names().slice(-1), ["basic.deliver before"]);
  house.clock.jumpTo(house.clock.now() - 3_600_000);
  // In the one form, and in the other, for which the head is decoded.
  client.publish("k", "integer", { headers: tableOf({ "x-delay": 60_000 }) }, "later");
  client.publish("k", "text", { headers: tableOf({ "x-delay": 60_000, CC: { type: "A", value: [] } }) }, "later");
  house.clock.advance(59_000);
  assert.deepEqual(client.names(), []);
  house.clock.advance(3_700_000);
  assert.deepEqual(client.names(), ["basic.deliver integer", "basic.deliver text"]);
});
