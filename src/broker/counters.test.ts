import assert from "node:assert/strict";
import { test } from "node:test";
import { ownSettings } from "./catalog/named-subscriptions.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, plainExchange, testFormat } from "./test-broker.suite.ts";
import { Histogram } from "./measures.ts";
import type { QueueCounters } from "./api.ts";

/** Those that are not 0. */
function counted(counters: QueueCounters): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).filter(([, value]) => value !== 0));
}

test("a queue counts what comes, what goes to whom, and what comes back", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", ["1", "2", "3", "4", "5"]);
  const taker = bottle.consume("q", { creditLimit: 2 });
  await bottle.settle();
  taker.session.settle(1, false, "accept");
  taker.session.settle(2, false, "release");
  await bottle.settle();
  assert.deepEqual(counted(queue.counters), { published: 5, delivered: 4, redelivered: 1, settled: 1 });
  taker.session.close();
  await bottle.get("q");
  const session = bottle.broker.createSession();
  await bottle.get("q", false, session);
  bottle.consume("q", { noAck: true });
  await bottle.settle();
  await bottle.get("q");
  session.settle(0, true, "accept");
  assert.deepEqual(counted(queue.counters), {
    published: 5,
    delivered: 4,
    deliveredNoAck: 2,
    got: 1,
    gotNoAck: 1,
    getEmpty: 1,
    redelivered: 3,
    settled: 2,
  });
});

test("a log counts deliveries and settlements of its readers", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  bottle.publishAll("log", ["1", "2"]);
  const taker = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  taker.session.settle(1, false, "accept");
  assert.deepEqual(counted(log.counters), { published: 2, delivered: 2, settled: 1 });
});

for (const deadLetter of [undefined, { exchange: "", routingKey: "dead" }]) {
  test(`each death counts by its reason, ${deadLetter === undefined ? "and is the end" : "and leads on"}`, async () => {
    const bottle = await Bottle.open();
    const dead = bottle.declare("dead");
    const queue = bottle.declare("q", { deadLetter, deliveryLimit: 0, maxLength: 3 });
    bottle.publishAll("q", ["over", "late"], { ttlMs: 1000 });
    bottle.publishAll("q", ["rejected", "failed"]);
    await bottle.settle();
    await bottle.advance(1001);
    const taker = bottle.consume("q");
    await bottle.settle();
    taker.session.settle(1, false, "reject");
    taker.session.settle(2, false, "fail");
    await bottle.settle();
    const { expired, rejected, overflowed, deliveryLimited } = queue.counters;
    assert.deepEqual([expired, rejected, overflowed, deliveryLimited], [1, 1, 1, 1]);
    assert.equal(dead.counters.published, deadLetter === undefined ? 0 : 4);
    assert.equal(queue.counters.settled, 0);

    const full = bottle.declare("full", { deadLetter, maxLength: 0, overflow: "reject-publish-dead-letter" });
    bottle.publish("full", "x");
    assert.deepEqual(counted(full.counters), { overflowed: 1 });
  });
}

test("an exchange counts what is published to it and the copies that went to queues", async () => {
  const bottle = await Bottle.open();
  const { ns } = bottle;
  const front = ns.createExchange("front", { ...plainExchange, kind: "fanout", alternate: "else" }, {});
  const back = ns.createExchange("back", { ...plainExchange, kind: "fanout", historyLength: 2 }, {});
  const late = ns.createExchange("late", { ...plainExchange, delays: true }, {});
  ns.bind("front", { exchange: "back" }, "", {});
  for (const name of ["a", "b"]) ns.bind("back", { queue: bottle.declare(name) }, "", {});
  ns.bind("late", { queue: bottle.queue("a") }, "a", {});
  bottle.publish("x", "1", { exchange: "front" });
  bottle.publish("x", "2", { exchange: "back" });
  bottle.publish("a", "3", { exchange: "late", delayMs: 1000 });
  bottle.publish("nobody", "4", { exchange: "late" });
  assert.deepEqual({ ...front.counters }, { publishedIn: 1, routedOut: 2 });
  assert.deepEqual({ ...back.counters }, { publishedIn: 1, routedOut: 2 });
  assert.deepEqual({ ...late.counters }, { publishedIn: 2, routedOut: 0 });
  await bottle.advance(1001);
  assert.deepEqual({ ...late.counters }, { publishedIn: 2, routedOut: 1 });
  bottle.publish("a", "5");
  assert.deepEqual({ ...ns.exchange("")!.counters }, { publishedIn: 1, routedOut: 1 });
  // As a transaction does, which has its routes from before.
  for (const queues of [["a", "b"], []]) {
    const publication = { ...emptyPublication(front), format: testFormat.id };
    ns.publishTo(
      queues.map((name) => bottle.queue(name)),
      publication,
      bottle.outcome,
    );
  }
  assert.deepEqual({ ...front.counters }, { publishedIn: 3, routedOut: 4 });
});

test("the age of the oldest is known, in memory and about when it is not", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  const log = bottle.declareLog("log");
  log.addPartitions(2);
  log.subscribe("work", ownSettings(log.settings), "first");
  const read = bottle.declareLog("read");
  assert.deepEqual([queue.oldestReadyMs, log.oldestReadyMs], [undefined, undefined]);
  const startMs = bottle.clock.now();
  for (let i = 0; i < 2000; i++) {
    if (i > 0) bottle.clock.advance(10);
    for (const to of ["q", "log", "read"]) bottle.publish(to, "x");
    if (i % 100 === 0) await bottle.settle();
  }
  await bottle.settle();
  assert.deepEqual([queue.oldestReadyMs, log.oldestReadyMs], [startMs, startMs]);
  await bottle.evict();
  assert.deepEqual([queue.oldestReadyMs, log.oldestReadyMs], [startMs, startMs]);
  const session = bottle.broker.createSession();
  for (let i = 0; i < 1000; i++) session.get(queue, true, () => undefined);
  await bottle.settle();
  assert.equal(queue.oldestReadyMs, startMs + 10_000);
  await bottle.evict();
  const aboutMs = queue.oldestReadyMs - startMs;
  assert.ok(Math.abs(aboutMs - 10_000) <= 1000, `${aboutMs}`);
  bottle.queue("q").purge();
  assert.equal(queue.oldestReadyMs, undefined);
  log.purge("work");
  assert.equal(log.oldestReadyMs, undefined);
  // What is read and not consumed waits for nobody.
  assert.equal(read.oldestReadyMs, undefined);
});

test("delayed messages are counted apart from those that are ready", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publish("q", "later", { delayMs: 1000 });
  bottle.publish("q", "now");
  assert.deepEqual([queue.readyCount, queue.scheduledCount], [1, 1]);
  await bottle.advance(1001);
  assert.deepEqual([queue.readyCount, queue.scheduledCount], [2, 0]);
});

test("the broker measures its commits, the time to settlement, and what it keeps where", async () => {
  const bottle = await Bottle.open();
  const { statistics } = bottle.broker;
  const before = statistics.commitBytes.sum;
  bottle.declare("q");
  const taker = bottle.consume("q");
  bottle.publishAll("q", ["1", "2", "3"], { body: Buffer.alloc(5000) });
  await bottle.settle();
  bottle.clock.advance(100);
  taker.session.settle(1, false, "accept");
  taker.session.settle(2, false, "reject");
  taker.session.settle(3, false, "release");
  await bottle.settle();
  const { settleMs, commitMs, commitBytes } = statistics;
  assert.equal(settleMs.sum, 200);
  assert.equal(settleMs.counts[settleMs.bounds.indexOf(128)], 2);
  assert.equal(
    Array.from(settleMs.counts).reduce((a, b) => a + b),
    2,
  );
  assert.ok(commitBytes.sum - before > 15_000 && commitBytes.sum - before < 20_000);
  assert.equal(
    Array.from(commitMs.counts).reduce((a, b) => a + b),
    bottle.broker.core.commit.blocks,
  );
  assert.ok(statistics.journalBytes > 15_000 && statistics.cacheBytes > 0);
  assert.equal(statistics.isVolatile, false);
  assert.ok(statistics.diskFreeBytes! > 0);
  assert.deepEqual([statistics.checkpoints, statistics.segmentCount, statistics.segmentBytes], [0, 0, 0]);
  taker.session.close();
  await bottle.checkpoint();
  assert.deepEqual([statistics.checkpoints, statistics.segmentCount], [1, 1]);
  assert.ok(statistics.segmentBytes >= 5000);
});

test("a value is counted under the first bound that is not below it", () => {
  const histogram = new Histogram(1 / 16, 8);
  assert.deepEqual(histogram.bounds, [0.0625, 0.125, 0.25, 0.5, 1, 2, 4, 8]);
  const values = [0, 0.0625, 0.07, 0.125, 0.126, 1, 1.01, 8, 8.01, 1e12];
  for (const value of values) histogram.add(value);
  const expected = new Array<number>(9).fill(0);
  for (const value of values) {
    const place = histogram.bounds.findIndex((bound) => value <= bound);
    expected[place < 0 ? 8 : place]!++;
  }
  assert.deepEqual(Array.from(histogram.counts), expected);
  assert.equal(
    histogram.sum,
    values.reduce((a, b) => a + b),
  );
});

test("the bytes that are ready are right when messages come back that are not in memory", async () => {
  const bottle = await Bottle.open();
  const limited = bottle.declare("limited", { maxLengthBytes: 1000, overflow: "reject-publish" });
  const free = bottle.declare("free");
  for (const queue of [limited, free]) {
    for (let i = 0; i < 10; i++) bottle.publish(queue.name, "x".repeat(100));
    const taker = bottle.consume(queue);
    await bottle.settle();
    taker.consumer.cancel();
    await bottle.evict();
    assert.equal(queue.readyBytes, 0);
    taker.session.settle(0, true, "release");
    await bottle.settle();
    assert.equal(queue.readyCount, 10);
  }
  assert.equal(limited.readyBytes, 1000);
  bottle.publish("limited", "z");
  assert.equal(bottle.outcome.refused, true);
  // Where nobody asks they are not read; but nor are they taken away.
  bottle.publish("free", "z");
  await bottle.get("free");
  assert.equal(free.readyBytes, 1);
  await bottle.evict();
  free.configure({ ...free.settings, maxLengthBytes: 901, overflow: "reject-publish" });
  await bottle.settle();
  assert.equal(free.readyBytes, 901);
  for (const [name, count] of [
    ["limited", 10],
    ["free", 10],
  ] as const) {
    assert.equal((await bottle.drain(name)).length, count);
    assert.equal(bottle.queue(name).readyBytes, 0);
  }
});

test("the bytes that are ready are counted once, though one becomes ready while they are", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let i = 0; i < 100; i++) bottle.publish("q", "x".repeat(100));
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  const queue = bottle.queue("q");
  bottle.publish("q", "y".repeat(100), { delayMs: 1000 });
  await bottle.settle();
  queue.configure({ ...queue.settings, maxLengthBytes: 1_000_000 });
  bottle.clock.advance(1000);
  await bottle.settle();
  assert.deepEqual([queue.readyCount, queue.readyBytes], [101, 10_100]);
});
