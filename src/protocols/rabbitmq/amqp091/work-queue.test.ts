import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queue } from "../../../broker/api.ts";
import { plainLog } from "../../../broker/test-broker.suite.ts";
import { plainTable, tableOf } from "../model/field-table.ts";
import { WireHouse, type Received, type WireClient } from "./wire-house.suite.ts";

/** As another protocol makes it. */
function makeTopic(house: WireHouse, name = "t", partitionCount = 3): Queue {
  return house.core.namespace("/")!.createQueue(name, plainLog, { other: {} }, partitionCount);
}

function publishKeyed(client: WireClient, bodies: readonly string[], queue = "t"): void {
  for (const body of bodies)
    client.publish(queue, body, { deliveryMode: 2, headers: tableOf({ "kafka.key": `k${body}` }) });
}

function deliveries(client: WireClient): Received[] {
  return client.take().filter(({ name }) => name === "basic.deliver");
}

function header(message: Received | undefined, name: string): unknown {
  return plainTable(message?.properties?.headers ?? []).get(name);
}

function qos(client: WireClient, prefetchCount: number): void {
  client.send(1, "basic.qos", { prefetchSize: 0, prefetchCount, global: false });
}

function closedFor(client: WireClient): string {
  return String(client.take().find(({ name }) => name === "channel.close")?.args["replyText"]);
}

function messageCount(client: WireClient, queue = "t"): unknown {
  const flags = { passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false };
  client.send(1, "queue.declare", { ticket: 0, queue, ...flags, arguments: [] });
  return client.take().at(-1)?.args["messageCount"];
}

test("a topic of another protocol is a work queue over all its partitions: its consumers compete, and settle one by one", async () => {
  const house = await WireHouse.open();
  makeTopic(house);
  const [publisher, a, b] = [house.client(), house.client(), house.client()];
  // What was there before the first consumer is its first work.
  publishKeyed(publisher, ["0", "1", "2", "3", "4", "5"]);
  assert.equal(messageCount(publisher), 6);
  for (const client of [a, b]) {
    qos(client, 2);
    client.consume("t");
  }
  const [ofA, ofB] = [deliveries(a), deliveries(b)];
  assert.deepEqual([ofA.length, ofB.length], [2, 2]);
  assert.equal(messageCount(publisher), 2);
  a.send(1, "basic.ack", { deliveryTag: 1, multiple: false });
  a.send(1, "basic.nack", { deliveryTag: 2, multiple: false, requeue: true });
  // With room for all, what came back comes again.
  qos(a, 0);
  a.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
  const before = deliveries(a);
  a.consume("t");
  const again = [...before, ...deliveries(a)].find(({ args }) => args["redelivered"] === true);
  assert.equal(again?.body, ofA[1]?.body);
  assert.equal(header(again, "x-delivery-count"), 1);
});

test("a topic is declared as a queue when that says how it is consumed, and says nothing of how long it keeps messages", async () => {
  const house = await WireHouse.open();
  makeTopic(house);
  const args = { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 1 };
  house.client().declare("t", args);
  house.client().declare("t", { ...args, "x-queue-type": "stream" });
  for (const [wrong, text] of [
    [{}, /inequivalent arg 'x-dead-letter-exchange' for queue 't'/],
    [{ ...args, "x-message-ttl": 5 }, /inequivalent arg 'x-message-ttl' for queue 't'.*current is none/],
    [{ ...args, "x-max-age": "1h" }, /inequivalent arg 'x-max-age' for queue 't'/],
  ] as const) {
    const client = house.client();
    client.declare("t", wrong);
    assert.match(closedFor(client), text);
  }
  const transient = house.client();
  transient.declare("t", args, false);
  assert.match(closedFor(transient), /inequivalent arg 'durable'/);
});

test("what fails too often, or is not wanted, is dead-lettered with its history", async () => {
  const house = await WireHouse.open();
  makeTopic(house);
  const client = house.client();
  client.declare("dead");
  client.declare("t", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 1 });
  publishKeyed(client, ["poison"]);
  client.consume("t");
  client.take();
  for (const deliveryTag of [1, 2]) {
    client.send(1, "basic.nack", { deliveryTag, multiple: false, requeue: true });
    client.take();
  }
  const [death] = (header(client.get("dead"), "x-death") ?? []) as ReadonlyMap<string, unknown>[];
  assert.deepEqual([death?.get("reason"), death?.get("queue")], ["delivery_limit", "t"]);
  assert.equal(messageCount(client), 0);
});

test("a topic is a stream to who says from where on, and nobody's messages are fewer for it", async () => {
  const house = await WireHouse.open();
  makeTopic(house, "t", 2);
  const [worker, reader] = [house.client(), house.client()];
  publishKeyed(worker, ["0", "1", "2"]);
  for (let i = 0; i < 3; i++) assert.equal(worker.get("t")?.name, "basic.get-ok");
  assert.equal(worker.get("t")?.name, "basic.get-empty");
  qos(reader, 10);
  reader.consume("t", { "x-stream-offset": "first" });
  const read = deliveries(reader);
  assert.deepEqual(new Set(read.map(({ body }) => body)), new Set(["0", "1", "2"]));
  assert.ok(read.every((message) => typeof header(message, "x-stream-offset") === "number"));
});

test("a topic's work queue is purged and the log keeps its messages; deleted over AMQP, all of it goes", async () => {
  const house = await WireHouse.open();
  const topic = makeTopic(house);
  const client = house.client();
  publishKeyed(client, ["0", "1", "2"]);
  client.send(1, "queue.purge", { ticket: 0, queue: "t", noWait: false });
  assert.equal(client.take().at(-1)?.args["messageCount"], 3);
  assert.deepEqual([messageCount(client), topic.readyCount], [0, 3]);
  publishKeyed(client, ["3"]);
  client.send(1, "queue.delete", { ticket: 0, queue: "t", ifUnused: false, ifEmpty: true, noWait: false });
  assert.match(closedFor(client), /queue 't' in vhost '\/' not empty/);
  const other = house.client();
  other.send(1, "queue.delete", { ticket: 0, queue: "t", ifUnused: true, ifEmpty: false, noWait: false });
  assert.equal(other.take().at(-1)?.args["messageCount"], 1);
  assert.ok(topic.isDeleted);
});

test("a policy says what becomes of a topic's messages, as long as it is there", async () => {
  const house = await WireHouse.open();
  makeTopic(house);
  const client = house.client();
  client.declare("dead");
  const definition = { "dead-letter-exchange": "", "dead-letter-routing-key": "dead" };
  const { policies } = house.server;
  policies.set("policy", "/", "p", { pattern: "^t$", definition, applyTo: "streams" });
  assert.equal(policies.find("policy", "/", "p")?.applyTo, "streams");
  policies.set("policy", "/", "p", { pattern: "^t$", definition, applyTo: "quorum_queues" });
  publishKeyed(client, ["0"]);
  client.consume("t");
  client.take();
  client.send(1, "basic.reject", { deliveryTag: 1, requeue: false });
  assert.equal(client.get("dead")?.body, "0");
  policies.clear("policy", "/", "p");
  publishKeyed(client, ["1"]);
  client.take();
  client.send(1, "basic.reject", { deliveryTag: 3, requeue: false });
  assert.equal(client.get("dead")?.name, "basic.get-empty");
});

test("one consumer of a topic is active at a time, if its first declaration says so", async () => {
  const house = await WireHouse.open();
  makeTopic(house);
  const [a, b] = [house.client(), house.client()];
  a.declare("t", { "x-single-active-consumer": true });
  for (const client of [a, b]) {
    client.consume("t", {}, true);
    client.take();
  }
  publishKeyed(a, ["0", "1", "2"]);
  assert.deepEqual([deliveries(a).length, deliveries(b).length], [3, 0]);
  a.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
  publishKeyed(b, ["3", "4"]);
  assert.equal(deliveries(b).length, 2);
});

test("a transaction acknowledges from one topic and publishes to another, or does neither", async () => {
  const house = await WireHouse.open();
  makeTopic(house, "in");
  const out = makeTopic(house, "out");
  const client = house.client();
  publishKeyed(client, ["0", "1"], "in");
  client.send(1, "tx.select", {});
  client.consume("in");
  const taken = deliveries(client);
  const work = (): void => {
    for (const { args, body } of taken) {
      publishKeyed(client, [`done ${body}`], "out");
      client.send(1, "basic.ack", { deliveryTag: args["deliveryTag"] as number, multiple: false });
    }
  };
  work();
  assert.equal(out.readyCount, 0);
  client.send(1, "tx.rollback", {});
  client.take();
  assert.equal(out.readyCount, 0);
  work();
  client.send(1, "tx.commit", {});
  assert.equal(client.take().at(-1)?.name, "tx.commit-ok");
  assert.equal(out.readyCount, 2);
  client.connection.closed();
  assert.equal(messageCount(house.client(), "in"), 0);
});

test("what retention takes of what came back and of what waits to come back is counted once, and nobody waits for it", async () => {
  const house = await WireHouse.open();
  const topic = makeTopic(house, "t", 1);
  const [publisher, a, b, c] = [house.client(), house.client(), house.client(), house.client()];
  a.declare("t", { "x-delayed-retry-type": "all", "x-delayed-retry-min": 1000 });
  publishKeyed(publisher, ["0", "1", "2"]);
  for (const client of [a, b]) {
    qos(client, 1);
    client.consume("t");
  }
  assert.deepEqual([deliveries(a).length, deliveries(b).length], [1, 1]);
  for (const [client, waitMs] of [
    [a, 900],
    [b, 200],
  ] as const) {
    client.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
    client.send(1, "basic.nack", { deliveryTag: 1, multiple: false, requeue: true });
    house.clock.advance(waitMs);
    house.settle();
  }
  // One is back, one waits for its time, one was never taken. Two go.
  assert.equal(messageCount(publisher), 2);
  topic.trim(2);
  qos(c, 1);
  c.consume("t");
  assert.deepEqual(
    deliveries(c).map(({ body }) => body),
    ["2"],
  );
  publishKeyed(publisher, ["3"]);
  assert.equal(messageCount(publisher), 1);
  c.send(1, "basic.ack", { deliveryTag: 1, multiple: false });
  assert.deepEqual(
    deliveries(c).map(({ body }) => body),
    ["3"],
  );
  house.clock.advance(10_000);
  c.send(1, "basic.ack", { deliveryTag: 2, multiple: false });
  assert.equal(messageCount(publisher), 0);
});
