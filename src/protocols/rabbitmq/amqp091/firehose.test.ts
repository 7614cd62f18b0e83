import assert from "node:assert/strict";
import { test } from "node:test";
import { plainTable, tableOf } from "../model/field-table.ts";
import { WireHouse, type Received, type WireClient } from "./wire-house.suite.ts";

/** A client that consumes all copies, in a virtual host that is traced or not. */
async function traced(isTracing: boolean): Promise<{ house: WireHouse; client: WireClient; copies: () => Received[] }> {
  const house = await WireHouse.open();
  const { vhosts } = house.server;
  const watcher = house.client();
  watcher.declare("copies");
  const bind = { ticket: 0, queue: "copies", exchange: "amq.rabbitmq.trace", routingKey: "#", noWait: false };
  watcher.send(1, "queue.bind", { ...bind, arguments: [] });
  watcher.consume("copies", {}, true);
  watcher.take();
  vhosts.update("/", { ...vhosts.find("/")!.record, isTracing });
  const copies = (): Received[] => watcher.take().filter(({ name }) => name === "basic.deliver");
  return { house, client: house.client(), copies };
}

test("while it is on, each publish and each delivery has a copy", async () => {
  const { house, client, copies } = await traced(true);
  client.declare("q");
  client.publish("q", "hello", { messageId: "m", timestamp: 5, headers: tableOf({ a: "b" }) });
  client.consume("q");
  client.take();
  const [published, delivered, ...others] = copies();
  assert.deepEqual(others, []);
  assert.equal(published!.args["routingKey"], "publish.");
  assert.equal(published!.body, "hello");
  const [connection] = [...house.server.live.all()];
  const where = [
    ["vhost", "/"],
    ["connection", connection!.name],
    ["channel", 1],
    ["user", "guest"],
  ];
  const message = [
    ["exchange_name", ""],
    ["routing_keys", ["q"]],
    [
      "properties",
      new Map<string, unknown>([
        ["headers", new Map([["a", "b"]])],
        ["message_id", "m"],
        ["timestamp", 5],
      ]),
    ],
    ["node", house.server.nodeName],
  ];
  assert.deepEqual([...plainTable(published!.properties!.headers!)], [...message, ...where, ["routed_queues", ["q"]]]);
  assert.equal(delivered!.args["routingKey"], "deliver.q");
  assert.equal(delivered!.body, "hello");
  assert.deepEqual([...plainTable(delivered!.properties!.headers!)], [...message, ["redelivered", 0], ...where]);
});

test("what is got has a copy, and copies have none", async () => {
  const { client, copies } = await traced(true);
  client.declare("q");
  client.publish("k", "lost", {}, "amq.topic");
  client.publish("q", "kept");
  client.get("q");
  const keys = copies().map(({ args }) => args["routingKey"]);
  assert.deepEqual(keys, ["publish.amq.topic", "publish.", "deliver.q"]);
});

test("a copy lists the queues that a client can have, and not where an exchange keeps its history", async () => {
  const { client, copies } = await traced(true);
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  const exchange = { ticket: 0, exchange: "recent", type: "x-recent-history", ...flags, arguments: [] };
  client.send(1, "exchange.declare", exchange);
  client.declare("q");
  client.send(1, "queue.bind", {
    ...{ ticket: 0, queue: "q", exchange: "recent", routingKey: "", noWait: false },
    arguments: [],
  });
  // The first makes it.
  for (const body of ["one", "two"]) client.publish("", body, {}, "recent");
  const routed = copies().map(({ properties }) => plainTable(properties!.headers!).get("routed_queues"));
  assert.deepEqual(routed, [["q"], ["q"]]);
});

test("while it is off, there are no copies", async () => {
  const { client, copies } = await traced(false);
  client.declare("q");
  client.publish("q", "hello");
  client.get("q");
  assert.deepEqual(copies(), []);
});
