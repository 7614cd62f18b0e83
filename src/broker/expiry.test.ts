import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

test("messages of a queue with a time to live are gone when it is over, without anybody asking", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 1000 });
  bottle.publish("q", "a");
  await bottle.advance(500);
  bottle.publish("q", "b");
  await bottle.advance(499);
  assert.equal(bottle.queue("q").readyCount, 2);
  await bottle.advance(1);
  assert.equal(bottle.queue("q").readyCount, 1);
  await bottle.advance(500);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("the shorter of a message's own time to live and its queue's counts", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 1000 });
  bottle.declare("p");
  bottle.publish("q", "a", { ttlMs: 100 });
  bottle.publish("q", "b", { ttlMs: 5000 });
  bottle.publish("p", "c", { ttlMs: 5000 });
  await bottle.advance(100);
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("p").readyCount], [1, 1]);
  await bottle.advance(900);
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("p").readyCount], [0, 1]);
  await bottle.advance(4000);
  assert.equal(bottle.queue("p").readyCount, 0);
});

test("a message with a short life behind one with a long life dies when it comes to the head", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "long", { ttlMs: 10_000 });
  bottle.publish("q", "short", { ttlMs: 10 });
  await bottle.advance(1000);
  assert.equal(bottle.queue("q").readyCount, 2);
  assert.deepEqual(await bottle.drain("q"), ["long"]);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("a time to live of 0 means now or never: a consumer that waits gets it, nobody who comes later", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "nobody", { ttlMs: 0 });
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 0);
  const taker = bottle.consume("q", { creditLimit: 1 });
  bottle.publish("q", "somebody", { ttlMs: 0 });
  bottle.publish("q", "busy", { ttlMs: 0 });
  await bottle.settle();
  taker.accept(taker.deliveries[0]!);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["somebody"]);
});

test("what a consumer holds does not expire, and expires at once when it comes back too late", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 1000 });
  bottle.publish("q", "a");
  const taker = bottle.consume("q");
  await bottle.advance(5000);
  assert.equal(bottle.queue("q").leasedCount, 1);
  taker.consumer.cancel();
  taker.session.settle(0, true, "release");
  await bottle.settle();
  assert.deepEqual([bottle.queue("q").leasedCount, bottle.queue("q").readyCount], [0, 0]);
});

test("a backlog on disk expires too, and the time that the broker was down counts", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 60_000 });
  bottle.publishAll("q", numbers(0, 3000));
  await bottle.advance(30_000);
  bottle.publishAll("q", numbers(3000, 3500));
  await bottle.settle();
  await bottle.evict();
  await bottle.advance(10_000);
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 3500);
  await bottle.advance(20_000);
  assert.equal(bottle.queue("q").readyCount, 500);
  bottle.clock.jumpTo(bottle.clock.now() + 100_000);
  await bottle.crash();
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 0);
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("priorities expire by level: the head of each is looked at", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxPriority: 3 });
  bottle.publish("q", "high", { priority: 3 });
  bottle.publish("q", "low", { priority: 0, ttlMs: 100 });
  await bottle.advance(100);
  assert.equal(bottle.queue("q").readyCount, 1);
  assert.deepEqual(await bottle.drain("q"), ["high"]);
});

test("a delayed message begins to live when its delay is over", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 1000 });
  bottle.publish("q", "late", { delayMs: 5000 });
  bottle.publish("q", "soon");
  await bottle.advance(1000);
  assert.equal(bottle.queue("q").readyCount, 0);
  await bottle.advance(4000);
  assert.equal(bottle.queue("q").readyCount, 1);
  await bottle.advance(1000);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("an unused queue is deleted; consumers, gets and being named keep it", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { expiresMs: 1000 });
  await bottle.advance(900);
  await bottle.get("q");
  await bottle.advance(900);
  bottle.queue("q").touch();
  await bottle.advance(900);
  const taker = bottle.consume("q");
  await bottle.advance(5000);
  taker.session.close();
  await bottle.advance(900);
  assert.ok(bottle.ns.queue("q") !== undefined);
  await bottle.advance(200);
  assert.equal(bottle.ns.queue("q"), undefined);
  await bottle.crash();
  assert.equal(bottle.ns.queue("q"), undefined);
});

test("a queue that was unused while the broker was down has its time from the start on", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { expiresMs: 1000 });
  await bottle.settle();
  await bottle.crash();
  await bottle.advance(999);
  assert.ok(bottle.ns.queue("q") !== undefined);
  await bottle.advance(1);
  assert.equal(bottle.ns.queue("q"), undefined);
});

test("an auto-delete queue goes with its last consumer, and not before it had one", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { autoDelete: true });
  await bottle.advance(1000);
  const [a, b] = [bottle.consume("q"), bottle.consume("q")];
  a.consumer.cancel();
  assert.ok(bottle.ns.queue("q") !== undefined);
  b.session.close();
  assert.equal(bottle.ns.queue("q"), undefined);
});

test("a queue that is full drops its oldest, by number and by bytes", async () => {
  const bottle = await Bottle.open();
  bottle.declare("three", { maxLength: 3 });
  bottle.declare("bytes", { maxLengthBytes: 10 });
  bottle.declare("none", { maxLength: 0 });
  bottle.publishAll("three", ["a", "b", "c", "d", "e"]);
  bottle.publishAll("bytes", ["aaaa", "bbbb", "cc", "d", "eeee"]);
  bottle.publish("none", "x");
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(await bottle.drain("three"), ["c", "d", "e"]);
  assert.deepEqual(await bottle.drain("bytes"), ["cc", "d", "eeee"]);
  assert.deepEqual(await bottle.drain("none"), []);
});

test("only what is ready counts against a length limit", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLength: 2 });
  const taker = bottle.consume("q", { creditLimit: 2 });
  bottle.publishAll("q", ["a", "b"]);
  await bottle.settle();
  bottle.publishAll("q", ["c", "d", "e"]);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b"]);
  taker.session.settle(0, true, "accept");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b", "d", "e"]);
});

test("a limit that is lowered drops what is too much, also from disk and after a restart", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", numbers(0, 5000));
  await bottle.settle();
  await bottle.evict();
  queue.configure({ ...queue.settings, maxLength: 10 });
  await bottle.settle();
  assert.equal(queue.readyCount, 10);
  await bottle.crash();
  assert.deepEqual(await bottle.drain("q"), numbers(4990, 5000));
});

test("a limit of bytes is exact after a restart", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLengthBytes: 1000, overflow: "reject-publish" });
  for (let i = 0; i < 10; i++) bottle.publish("q", "x".repeat(100));
  await bottle.settle();
  await bottle.evict();
  const taker = bottle.consume("q", { creditLimit: 4 });
  await bottle.settle();
  taker.accept(taker.deliveries[0]!);
  taker.accept(taker.deliveries[1]!);
  await bottle.settle();
  await bottle.crash();
  await bottle.settle();
  assert.equal(bottle.queue("q").readyBytes, 800);
  bottle.publish("q", "y".repeat(200));
  assert.equal(bottle.outcome.refused, false);
  bottle.publish("q", "z");
  assert.equal(bottle.outcome.refused, true);
});

test("a queue that refuses when it is full says so, and takes again when there is room", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLength: 2, overflow: "reject-publish" });
  bottle.publishAll("q", ["a", "b"]);
  assert.equal(bottle.outcome.refused, false);
  bottle.publish("q", "c");
  assert.deepEqual([bottle.outcome.refused, bottle.outcome.routed], [true, 1]);
  assert.equal((await bottle.get("q"))?.body, "a");
  bottle.publish("q", "d");
  assert.equal(bottle.outcome.refused, false);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["b", "d"]);
});

test("a backlog that is too old all at once dies in pieces, between which others have their turn", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q", { durable: false });
  bottle.publishAll("q", numbers(0, 20_000));
  const taker = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  bottle.clock.advance(10);
  queue.configure({ ...queue.settings, ttlMs: 1 });
  taker.accept(taker.deliveries[0]!);
  const before = queue.readyCount;
  for (let i = 0; i < 1000 && queue.readyCount === before; i++) await bottle.step();
  assert.ok(queue.readyCount < before && queue.readyCount > 0, `${queue.readyCount} are left`);
  await bottle.settle();
  assert.deepEqual([queue.readyCount, taker.deliveries.length], [0, 1]);
});

test("messages that a damaged segment took along hold up no expiry of those behind them", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 3), { ttlMs: 60_000 });
  await bottle.settle();
  await bottle.checkpoint();
  bottle.publish("q", "later", { ttlMs: 5000 });
  await bottle.settle();
  for (const file of await bottle.disk.list()) {
    if (!file.startsWith("segment")) continue;
    bottle.disk.plant(file, Buffer.from(bottle.disk.bytesOf(file).subarray(0, 10)));
  }
  await bottle.crash();
  assert.match(bottle.logged.join(), /damaged/);
  assert.equal(bottle.queue("q").readyCount, 1);
  await bottle.advance(5000);
  assert.equal(bottle.queue("q").readyCount, 0);
});
