/** Routing keys that are no text: matched, stored and handed out by their bytes. In strings each such byte is U+DC80 and up. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { textOfBytes } from "../../../base/byte-text.ts";
import { WireHouse, type WireClient } from "./wire-house.suite.ts";

const key = textOfBytes(Buffer.from("ff80.c3a9.c3", "latin1"));
const raw = textOfBytes(Buffer.from([0xff, 0x2e, 0x80, 0xc3]));
const other = textOfBytes(Buffer.from([0xfe, 0x2e, 0x80, 0xc3]));

function bind(client: WireClient, queue: string, exchange: string, routingKey: string): void {
  client.send(1, "queue.bind", { ticket: 0, queue, exchange, routingKey, noWait: false, arguments: [] });
  assert.deepEqual(client.names(), ["queue.bind-ok"]);
}

function declare(client: WireClient, queue: string, args: Parameters<WireClient["declare"]>[1] = {}): void {
  client.declare(queue, args);
  client.take();
}

function keysIn(client: WireClient, queue: string): unknown[] {
  const keys: unknown[] = [];
  for (let got = client.get(queue); got?.name === "basic.get-ok"; got = client.get(queue)) {
    keys.push(got.args["routingKey"]);
  }
  return keys;
}

test("bindings match them by their bytes: direct, topic, and the default exchange's replacement is nobody", async () => {
  const client = (await WireHouse.open()).client();
  for (const queue of ["direct", "word", "rest", "\ufffd.\ufffd\ufffd"]) declare(client, queue);
  bind(client, "direct", "amq.direct", raw);
  bind(client, "word", "amq.topic", `*.${raw.slice(2)}`);
  bind(client, "rest", "amq.topic", `${raw.slice(0, 1)}.#`);
  for (const routingKey of [raw, other]) {
    client.publish(routingKey, "m", {}, "amq.direct");
    client.publish(routingKey, "m", {}, "amq.topic");
    client.publish(routingKey, "m");
  }
  assert.deepEqual(keysIn(client, "direct"), [raw]);
  assert.deepEqual(keysIn(client, "word"), [raw, other]);
  assert.deepEqual(keysIn(client, "rest"), [raw]);
  assert.deepEqual(keysIn(client, "\ufffd.\ufffd\ufffd"), []);
});

test("they come back in deliveries, in returns, and in the record of a death; copies may have them too", async () => {
  const client = (await WireHouse.open()).client();
  declare(client, "dead");
  declare(client, "dying", { "x-dead-letter-exchange": "amq.fanout", "x-max-length": 0 });
  declare(client, "copied");
  bind(client, "dead", "amq.fanout", "");
  bind(client, "dying", "amq.direct", raw);
  bind(client, "copied", "amq.direct", other);
  const copies = { name: "CC", value: { type: "A", value: [{ type: "S", value: other }] } } as const;
  client.publish(raw, "m", { headers: [copies] }, "amq.direct");
  assert.deepEqual(keysIn(client, "copied"), [raw]);
  client.consume("dead");
  const delivered = client.take().at(-1);
  assert.equal(delivered?.args["routingKey"], raw);
  const death = delivered?.properties?.headers?.find(({ name }) => name === "x-death");
  // What is no text in a header is the bytes.
  const bytes = JSON.stringify([
    { type: "S", value: Buffer.from([0xff, 0x2e, 0x80, 0xc3]) },
    { type: "S", value: Buffer.from([0xfe, 0x2e, 0x80, 0xc3]) },
  ]);
  assert.ok(JSON.stringify(death).includes(bytes), JSON.stringify(death));
  client.publish(key, "m", {}, "amq.direct", true);
  const [returned] = client.take();
  assert.deepEqual([returned?.name, returned?.args["routingKey"]], ["basic.return", key]);
});
