/** Exchanges that do more than route, reached in every way there is: x-delayed-message, x-recent-history, x-message-deduplication. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldValue, tableOf } from "../model/field-table.ts";
import { WireHouse, type WireClient } from "./wire-house.suite.ts";

type Arguments = Parameters<typeof tableOf>[0];

function exchange(client: WireClient, name: string, type: string, args: Arguments = {}): void {
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  client.send(1, "exchange.declare", { ticket: 0, exchange: name, type, ...flags, arguments: tableOf(args) });
}

function bind(client: WireClient, queue: string, from: string, routingKey = ""): void {
  client.send(1, "queue.bind", { ticket: 0, queue, exchange: from, routingKey, noWait: false, arguments: [] });
}

function bindExchange(client: WireClient, destination: string, source: string, routingKey = ""): void {
  client.send(1, "exchange.bind", { ticket: 0, destination, source, routingKey, noWait: false, arguments: [] });
}

function unbindExchange(client: WireClient, destination: string, source: string): void {
  client.send(1, "exchange.unbind", { ticket: 0, destination, source, routingKey: "", noWait: false, arguments: [] });
}

/** Lets messages come to the exchange `acting`, each with its headers, and takes the answers. */
type Way = (client: WireClient) => (body: string, headers?: Arguments) => void;

const ways: Readonly<Record<string, Way>> = {
  "published to": (client) => (body, headers) => {
    client.publish("k", body, { headers: tableOf(headers ?? {}) }, "acting");
    client.take();
  },
  "by a binding between exchanges": (client) => {
    exchange(client, "entry", "fanout");
    bindExchange(client, "acting", "entry");
    return (body, headers) => {
      client.publish("k", body, { headers: tableOf(headers ?? {}) }, "entry");
      client.take();
    };
  },
  "as an alternate, of an alternate": (client) => {
    exchange(client, "between", "headers", { "alternate-exchange": "acting" });
    exchange(client, "entry", "direct", { "alternate-exchange": "between" });
    return (body, headers) => {
      client.publish("k", body, { headers: tableOf(headers ?? {}) }, "entry");
      client.take();
    };
  },
  "as a dead-letter exchange": (client) => {
    client.declare("dying", { "x-dead-letter-exchange": "acting", "x-dead-letter-routing-key": "k" });
    return (body, headers) => {
      client.publish("dying", body, { headers: tableOf(headers ?? {}) });
      client.take();
      const got = client.get("dying", false)!;
      client.send(1, "basic.nack", { deliveryTag: got.args["deliveryTag"] as number, multiple: false, requeue: false });
      client.take();
    };
  },
  "in a transaction, by a binding": (client) => {
    exchange(client, "entry", "fanout");
    bindExchange(client, "acting", "entry");
    return (body, headers) => {
      client.send(1, "tx.select", {});
      client.publish("k", body, { headers: tableOf(headers ?? {}) }, "entry");
      client.send(1, "tx.commit", {});
      client.take();
    };
  },
};

/** Takes all that is there. */
function drain(client: WireClient, queue: string): string[] {
  const bodies: string[] = [];
  for (;;) {
    const got = client.get(queue);
    if (got?.name !== "basic.get-ok") return bodies;
    bodies.push(got.body!);
  }
}

for (const [how, way] of Object.entries(ways)) {
  test(`an exchange holds a message as long as it says, reached ${how}`, async () => {
    const house = await WireHouse.open();
    const client = house.client();
    exchange(client, "acting", "x-delayed-message", { "x-delayed-type": "fanout" });
    client.declare("q");
    bind(client, "q", "acting");
    const send = way(client);
    send("late", { "x-delay": 2000, mine: "kept" });
    send("text", { "x-delay": "1000" });
    send("now");
    send("served", { "x-delay": -1000 });
    assert.deepEqual(drain(client, "q"), ["now", "served"]);
    house.clock.advance(1000);
    assert.deepEqual(drain(client, "q"), ["text"]);
    house.clock.advance(999);
    assert.deepEqual(drain(client, "q"), []);
    house.clock.advance(1);
    const late = client.get("q")!;
    assert.equal(late.body, "late");
    assert.equal(Number(fieldValue(late.properties!.headers!, "x-delay")!.value), -2000);
    assert.equal(String(fieldValue(late.properties!.headers!, "mine")!.value), "kept");
  });

  test(`an exchange keeps the latest for queues to come, reached ${how}`, async () => {
    const house = await WireHouse.open();
    const client = house.client();
    exchange(client, "acting", "x-recent-history", { "x-recent-history-length": 2 });
    const send = way(client);
    for (const body of ["one", "two", "three"]) send(body);
    send("unkept", { "x-recent-history-no-store": true });
    client.declare("q");
    bind(client, "q", "acting");
    client.take();
    assert.deepEqual(drain(client, "q"), ["two", "three"]);
    send("four");
    assert.deepEqual(drain(client, "q"), ["four"]);
  });

  test(`an exchange lets an id through once, or as long as the message says, reached ${how}`, async () => {
    const house = await WireHouse.open();
    const client = house.client();
    exchange(client, "acting", "x-message-deduplication", { "x-cache-size": 10, "x-cache-ttl": 1000 });
    client.declare("q");
    bind(client, "q", "acting");
    const send = way(client);
    for (const body of ["first", "again"]) send(body, { "x-deduplication-header": "id" });
    send("other", { "x-deduplication-header": 7 });
    send("long", { "x-deduplication-header": "long", "x-cache-ttl": 60_000 });
    send("short", { "x-deduplication-header": "short", "x-cache-ttl": 10 });
    house.clock.advance(10);
    send("short again", { "x-deduplication-header": "short" });
    assert.deepEqual(drain(client, "q"), ["first", "other", "long", "short", "short again"]);
    house.clock.advance(1000);
    for (const id of ["id", "long"]) send(`${id} again`, { "x-deduplication-header": id });
    assert.deepEqual(drain(client, "q"), ["id again"]);
    house.clock.advance(59_000);
    send("long again", { "x-deduplication-header": "long" });
    assert.deepEqual(drain(client, "q"), ["long again"]);
  });
}

test("what is delayed behind another exchange is at once in the queues before it, and seen there as it was sent", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  exchange(client, "entry", "topic");
  exchange(client, "acting", "x-delayed-message", { "x-delayed-type": "direct" });
  bindExchange(client, "acting", "entry", "#");
  for (const queue of ["now", "later"]) client.declare(queue);
  bind(client, "now", "entry", "#");
  bind(client, "later", "acting", "k");
  client.send(1, "confirm.select", { noWait: true });
  client.take();
  client.publish("k", "m", { deliveryMode: 2, headers: tableOf({ "x-delay": 500 }) }, "entry");
  assert.deepEqual(client.names(), ["basic.ack"]);
  const now = client.get("now")!;
  assert.equal(fieldValue(now.properties!.headers!, "x-delay")!.value, 500);
  assert.deepEqual(drain(client, "later"), []);
  house.clock.advance(500);
  const later = client.get("later")!;
  assert.deepEqual([later.body, later.args["exchange"], later.args["routingKey"]], ["m", "entry", "k"]);
  assert.equal(Number(fieldValue(later.properties!.headers!, "x-delay")!.value), -500);
});

test("a retry goes round by way of a delayed dead-letter exchange, as often as it is rejected", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  exchange(client, "retry", "x-delayed-message", { "x-delayed-type": "direct" });
  client.declare("work", { "x-dead-letter-exchange": "retry" });
  bind(client, "work", "retry", "work");
  client.consume("work");
  client.take();
  client.publish("work", "job", { headers: tableOf({ "x-delay": 5000 }) });
  assert.deepEqual(client.names(), ["basic.deliver job"]);
  client.send(1, "basic.nack", { deliveryTag: 1, multiple: false, requeue: false });
  house.clock.advance(4999);
  assert.deepEqual(client.names(), []);
  house.clock.advance(1);
  assert.deepEqual(client.names(), ["basic.deliver job"]);
  // Its delay was served: from now on it asks for none.
  client.send(1, "basic.nack", { deliveryTag: 2, multiple: false, requeue: false });
  assert.deepEqual(client.names(), ["basic.deliver job"]);
});

test("a mandatory message that waits, or is a duplicate, is not returned; one that only a history keeps is", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  exchange(client, "entry", "fanout");
  exchange(client, "later", "x-delayed-message", { "x-delayed-type": "fanout" });
  exchange(client, "once", "x-message-deduplication", { "x-cache-size": 10 });
  exchange(client, "recent", "x-recent-history");
  client.declare("q");
  bind(client, "q", "once");
  client.send(1, "confirm.select", { noWait: true });
  const answers = (to: string, headers: Arguments): string[] => {
    bindExchange(client, to, "entry");
    client.take();
    client.publish("k", "m", { headers: tableOf(headers) }, "entry", true);
    const names = client.names();
    unbindExchange(client, to, "entry");
    client.take();
    return names;
  };
  assert.deepEqual(answers("later", { "x-delay": 1000 }), ["basic.ack"]);
  assert.deepEqual(answers("later", {}), ["basic.return m", "basic.ack"]);
  for (let i = 0; i < 2; i++) assert.deepEqual(answers("once", { "x-deduplication-header": "id" }), ["basic.ack"]);
  assert.deepEqual(answers("recent", {}), ["basic.return m", "basic.ack"]);
});

test("what a transaction publishes to an exchange that has gone by its commit goes nowhere, and nobody else is hit", async () => {
  for (const type of ["x-recent-history", "x-message-deduplication", "x-delayed-message"]) {
    const house = await WireHouse.open();
    const client = house.client();
    exchange(client, "acting", type, { "x-delayed-type": "direct", "x-cache-size": 10 });
    client.send(1, "tx.select", {});
    client.take();
    client.publish("k", "m", { headers: tableOf({ "x-delay": 500 }) }, "acting", true);
    house.client().send(1, "exchange.delete", { ticket: 0, exchange: "acting", ifUnused: false, noWait: false });
    client.send(1, "tx.commit", {});
    assert.deepEqual(client.names(), ["basic.return m", "tx.commit-ok"], type);
  }
});

test("a delayed retry comes back to a queue that has seen its id", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  exchange(client, "retry", "x-delayed-message", { "x-delayed-type": "direct" });
  client.declare("work", { "x-dead-letter-exchange": "retry", "x-message-deduplication": true, "x-cache-size": 10 });
  bind(client, "work", "retry", "work");
  client.consume("work");
  client.take();
  client.publish("work", "job", { headers: tableOf({ "x-delay": 5000, "x-deduplication-header": "1" }) });
  client.publish("work", "again", { headers: tableOf({ "x-deduplication-header": "1" }) });
  assert.deepEqual(client.names(), ["basic.deliver job"]);
  client.send(1, "basic.nack", { deliveryTag: 1, multiple: false, requeue: false });
  house.clock.advance(5000);
  assert.deepEqual(client.names(), ["basic.deliver job"]);
});

test("what is not to be lost does not die to an exchange that only keeps a history: it waits, and is kept there once", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  exchange(client, "recent", "x-recent-history");
  client.declare("dying", {
    "x-dead-letter-exchange": "recent",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-queue-type": "quorum",
  });
  client.take();
  client.publish("dying", "m");
  client.take();
  const got = client.get("dying", false)!;
  client.send(1, "basic.nack", { deliveryTag: got.args["deliveryTag"] as number, multiple: false, requeue: false });
  client.take();
  house.clock.advance(5000);
  client.declare("late");
  bind(client, "late", "recent");
  house.clock.advance(5000);
  assert.deepEqual(drain(client, "late"), ["m"]);
});
