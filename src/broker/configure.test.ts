import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueueSettings } from "./api.ts";
import { Bottle, forever, plainExchange } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

function change(bottle: Bottle, name: string, settings: Partial<QueueSettings>): void {
  const queue = bottle.queue(name);
  queue.configure({ ...queue.settings, ...settings });
}

test("an alternate exchange that is set, changed and taken away holds at once, and after a restart", async () => {
  const bottle = await Bottle.open();
  for (const name of ["one", "two"]) {
    bottle.ns.createExchange(name, { ...plainExchange, kind: "fanout" }, {});
    bottle.ns.bind(name, { queue: bottle.declare(name) }, "", {});
  }
  const settings = { ...plainExchange, kind: "topic" as const };
  bottle.ns.createExchange("e", settings, {});
  const route = async (): Promise<string[]> => {
    bottle.publish("k", "x", { exchange: "e" });
    await bottle.settle();
    const found = ["one", "two"].filter((name) => bottle.queue(name).readyCount > 0);
    for (const name of found) bottle.queue(name).purge();
    return found;
  };
  for (const alternate of ["one", "two", "nobody", undefined, "one"]) {
    bottle.ns.configureExchange("e", { ...settings, alternate });
    const expected = alternate === undefined || alternate === "nobody" ? [] : [alternate];
    assert.deepEqual(await route(), expected);
    await bottle.crash();
    assert.deepEqual(await route(), expected);
    await bottle.restart();
    assert.deepEqual(await route(), expected);
    assert.equal(bottle.ns.exchange("e")!.settings.alternate, alternate);
  }
  assert.throws(
    () => bottle.ns.configureExchange("e", { ...settings, kind: "fanout" }),
    /stays what it was created as/,
  );
});

test("settings that are what they were write nothing", async () => {
  const bottle = await Bottle.open();
  const deadLetter = { exchange: "", routingKey: "dead" };
  const queue = bottle.declare("q", { deadLetter, ttlMs: 1000, expiresMs: 5000 });
  bottle.ns.createExchange("e", plainExchange, {});
  await bottle.settle();
  const ticket = bottle.broker.ticket;
  queue.configure({ ...queue.settings, deadLetter: { ...deadLetter }, retention: { ...queue.settings.retention } });
  bottle.ns.configureExchange("e", { ...plainExchange });
  assert.equal(bottle.broker.ticket, ticket);
  queue.configure({ ...queue.settings, deadLetter: { ...deadLetter, atLeastOnce: true } });
  assert.equal(bottle.broker.ticket, ticket + 1);
});

test("a time to live that is set holds for messages that are there, and one that is taken away spares them", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead" } });
  bottle.publishAll("q", ["a", "b"]);
  await bottle.advance(10_000);
  bottle.publish("q", "c");
  change(bottle, "q", { ttlMs: 5000 });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("dead"), ["a", "b"]);
  change(bottle, "q", { ttlMs: -1 });
  await bottle.advance(60_000);
  assert.equal(bottle.queue("q").readyCount, 1);
  change(bottle, "q", { ttlMs: 120_000 });
  await bottle.crash();
  await bottle.advance(120_001);
  // What the crash took is the change of this moment: it was not durable.
  assert.equal(bottle.queue("q").readyCount, 1);
  change(bottle, "q", { ttlMs: 200_000 });
  await bottle.settle();
  await bottle.crash();
  await bottle.advance(120_001);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("a limit of length that is lowered drops what is too many at once, from the head", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 5000));
  await bottle.settle();
  change(bottle, "q", { maxLength: 10 });
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 10);
  change(bottle, "q", { maxLength: -1, maxLengthBytes: 16 });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), numbers(4996, 5000));
});

test("a limit of bytes that comes later counts exactly what is there, also after a restart", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", numbers(0, 100), { body: Buffer.alloc(1000) });
  await bottle.settle();
  await bottle.checkpoint();
  const session = bottle.broker.createSession();
  for (let i = 0; i < 50; i++) session.get(queue, true, () => undefined);
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 50);
  change(bottle, "q", { maxLengthBytes: 50_000 });
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 50);
  assert.equal(bottle.queue("q").readyBytes, 50_000);
  change(bottle, "q", { maxLengthBytes: 20_500 });
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 20);
});

test("a process that ends in the middle of dropping goes on with it in its next life", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 5000));
  await bottle.settle();
  await bottle.checkpoint();
  change(bottle, "q", { maxLength: 10 });
  while (bottle.broker.durableTicket < bottle.broker.ticket && bottle.queue("q").readyCount > 10) await bottle.step();
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 10);
});

test("a queue that begins to refuse does so with the next publish, and one that ends it drops", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLength: 2 });
  bottle.publishAll("q", ["a", "b"]);
  change(bottle, "q", { overflow: "reject-publish" });
  bottle.publish("q", "c");
  assert.equal(bottle.outcome.refused, true);
  change(bottle, "q", { maxLength: 3 });
  bottle.publish("q", "d");
  assert.equal(bottle.outcome.refused, false);
  change(bottle, "q", { overflow: "drop-head", maxLength: 1 });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["d"]);
});

test("an unused queue goes when a shorter time is set, counted from then, and stays when it is taken away", async () => {
  const bottle = await Bottle.open();
  for (const name of ["q", "r", "s"]) bottle.declare(name, { expiresMs: name === "s" ? 0 : 3_600_000 });
  await bottle.advance(60_000);
  change(bottle, "q", { expiresMs: 10_000 });
  change(bottle, "r", { expiresMs: 0 });
  change(bottle, "s", { expiresMs: 20_000 });
  await bottle.advance(9000);
  assert.ok(bottle.ns.queue("q") !== undefined);
  await bottle.advance(2000);
  assert.equal(bottle.ns.queue("q"), undefined);
  await bottle.advance(10_000);
  assert.equal(bottle.ns.queue("s"), undefined);
  await bottle.advance(7_200_000);
  assert.ok(bottle.ns.queue("r") !== undefined);
});

test("where the dead go, and how many attempts there are, follows the newest settings", async () => {
  const bottle = await Bottle.open();
  for (const name of ["one", "two", "q"]) bottle.declare(name);
  const fail = async (): Promise<void> => {
    bottle.publish("q", "x");
    const session = bottle.broker.createSession();
    const got = await bottle.get("q", false, session);
    session.settle(got!.lease, false, "fail");
    session.close();
    await bottle.settle();
  };
  await fail();
  assert.equal(bottle.queue("q").readyCount, 1);
  change(bottle, "q", { deliveryLimit: 0, deadLetter: { exchange: "", routingKey: "one" } });
  await fail();
  change(bottle, "q", { deadLetter: { exchange: "", routingKey: "two" } });
  await bottle.settle();
  await bottle.crash();
  await fail();
  assert.deepEqual([bottle.queue("one").readyCount, bottle.queue("two").readyCount], [1, 1]);
});

test("a log gives up what new limits do not allow: by age, by bytes and by number", async () => {
  const bottle = await Bottle.open();
  for (const name of ["age", "bytes", "count"]) {
    bottle.declareLog(name);
    bottle.publishAll(name, numbers(0, 10));
  }
  await bottle.advance(60_000);
  for (const name of ["age", "bytes", "count"]) bottle.publish(name, "new");
  await bottle.settle();
  const entryBytes = bottle.broker.core.queueById.get(1)!.partition.entryLength(0);
  change(bottle, "age", { retention: { ...forever, maxAgeMs: 30_000 } });
  change(bottle, "bytes", { retention: { ...forever, maxBytes: entryBytes * 4 } });
  change(bottle, "count", { retention: { ...forever, maxCount: 2 } });
  await bottle.settle();
  assert.equal(bottle.queue("age").firstOffset, 10);
  assert.ok(bottle.queue("bytes").firstOffset >= 6);
  assert.equal(bottle.queue("count").firstOffset, 9);
  await bottle.crash();
  assert.equal(bottle.queue("count").firstOffset, 9);
  // A shorter age is watched for from now on, not from the next look of the longer one.
  change(bottle, "age", { retention: { ...forever, maxAgeMs: 1000 } });
  await bottle.advance(1500);
  assert.equal(bottle.queue("age").firstOffset, 11);
});

test("what a queue was created as is not configured", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  assert.throws(() => change(bottle, "q", { durable: false }), /stays what it was created as/);
  assert.throws(() => change(bottle, "q", { maxPriority: 5 }), /priorities/);
});
