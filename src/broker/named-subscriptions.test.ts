import assert from "node:assert/strict";
import { test } from "node:test";
import type { SubscriptionSettings } from "./api.ts";
import { Bottle, plainLog, plainQueue, testFormat } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));
const shared: SubscriptionSettings = {
  mode: "shared",
  maxPriority: 0,
  deadLetter: undefined,
  deliveryLimit: -1,
  retry: undefined,
};

test("each subscription of a log takes every entry, and shares it out among its own consumers", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  bottle.publishAll("log", numbers(0, 4));
  assert.equal(log.subscribe("a", shared, "first"), true);
  assert.equal(log.subscribe("b", shared, "next"), true);
  assert.equal(log.subscribe("c", shared, { offset: 2 }), true);
  assert.equal(log.subscribe("a", shared, "first"), false);
  bottle.publishAll("log", ["4", "5"]);
  const [a1, a2] = [bottle.consume("log", { subscription: "a" }), bottle.consume("log", { subscription: "a" })];
  const b = bottle.consume("log", { subscription: "b" });
  const c = bottle.consume("log", { subscription: "c" });
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual([...a1.bodies, ...a2.bodies].sort(), numbers(0, 6));
  assert.equal(a1.deliveries.length, 3);
  assert.deepEqual([b.bodies, c.bodies, reader.bodies], [["4", "5"], numbers(2, 6), numbers(0, 6)]);
  assert.equal(log.consumerCount, 5);
});

test("what one subscription settles is settled for it alone, over crash, checkpoint and eviction", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.subscribe("a", shared, "first");
  log.subscribe("b", shared, "first");
  bottle.publishAll("log", numbers(0, 400));
  const a = bottle.consume("log", { subscription: "a", creditLimit: 300 });
  await bottle.settle();
  for (const delivery of a.deliveries) if (Number(delivery.body) % 2 === 0) a.accept(delivery);
  await bottle.settle();
  a.session.close();
  await bottle.settle();
  for (const step of ["crash", "evict", "crash", "restart"] as const) {
    await bottle[step]();
    const queue = bottle.queue("log");
    assert.deepEqual([...queue.subscriptionNames()], ["a", "b"]);
    assert.equal(queue.namedSubscription("b")?.readyCount, 400, step);
  }
  const b = bottle.consume("log", { subscription: "b" });
  const again = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  assert.deepEqual(b.bodies, numbers(0, 400));
  assert.ok(b.deliveries.every(({ isRedelivered }) => !isRedelivered));
  assert.deepEqual(
    again.bodies.filter((body) => Number(body) < 300 && Number(body) % 2 === 0),
    [],
  );
  assert.deepEqual(
    again.bodies.filter((body) => Number(body) % 2 === 1),
    numbers(0, 400).filter((body) => Number(body) % 2 === 1),
  );
});

test("a log is a work queue: failures are retried and dead-lettered, and the entry stays in the log", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const retry = { on: "all", minMs: 1000, maxMs: 1000, growth: "linear", jitter: 0 } as const;
  const log = bottle.declareLog("log");
  log.subscribe("a", { ...shared, deliveryLimit: 1, retry, deadLetter: { exchange: "", routingKey: "dead" } }, "first");
  bottle.publishAll("log", ["x", "y"]);
  const taker = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  taker.session.settle(1, false, "fail");
  taker.session.settle(2, false, "accept");
  await bottle.advance(1000);
  assert.deepEqual(taker.bodies, ["x", "y", "x"]);
  taker.session.settle(3, false, "fail");
  await bottle.settle();
  const [dead] = await bottle.drainDeliveries("dead");
  assert.deepEqual(
    [dead?.body, dead?.deaths.map(({ reason, queue }) => `${reason}:${queue}`)],
    ["x", ["delivery_limit:log"]],
  );
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(reader.bodies, ["x", "y"]);
});

test("keyed and failover work on what the log held before, too", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  for (let i = 0; i < 600; i++) bottle.publish("log", String(i), { key: String(i % 2) });
  await bottle.settle();
  await bottle.evict();
  log.subscribe("keys", { ...shared, mode: "keyed" }, "first");
  log.subscribe("one", { ...shared, mode: "failover" }, { offset: 590 });
  const keyed = bottle.consume("log", { subscription: "keys" });
  const [active, waiting] = [
    bottle.consume("log", { subscription: "one" }),
    bottle.consume("log", { subscription: "one" }),
  ];
  await bottle.settle();
  assert.deepEqual(keyed.bodies, ["0", "1"]);
  assert.deepEqual([active.bodies, waiting.bodies], [numbers(590, 600), []]);
  keyed.accept(keyed.deliveries[1]!);
  await bottle.settle();
  assert.deepEqual(keyed.bodies, ["0", "1", "3"]);
});

test("what retention takes from the log is over for its subscriptions, and what one holds can still be settled", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { maxCount: 10 });
  log.subscribe("a", shared, "first");
  bottle.publishAll("log", numbers(0, 10));
  const taker = bottle.consume("log", { subscription: "a", creditLimit: 2 });
  await bottle.settle();
  bottle.publishAll("log", numbers(10, 100));
  await bottle.settle();
  taker.session.settle(1, false, "accept");
  taker.session.settle(2, false, "release");
  taker.consumer.setCreditLimit(0);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["0", "1", ...numbers(90, 100)]);
  assert.equal(log.namedSubscription("a")?.readyCount, 0);
  taker.session.close();
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 10);
});

test("a subscription that ends tells its consumers and leaves the others alone; its name is free again", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.subscribe("a", shared, "first");
  log.subscribe("b", shared, "first");
  bottle.publishAll("log", ["0", "1"]);
  const [a, b] = [bottle.consume("log", { subscription: "a" }), bottle.consume("log", { subscription: "b" })];
  await bottle.settle();
  assert.equal(log.unsubscribe("a"), true);
  assert.equal(log.unsubscribe("a"), false);
  assert.deepEqual([a.endings, b.endings], [["queue-deleted"], []]);
  a.session.settle(0, true, "accept");
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual([...bottle.queue("log").subscriptionNames()], ["b"]);
  assert.equal(bottle.queue("log").subscribe("a", shared, "first"), true);
  const again = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  assert.deepEqual(again.bodies, ["0", "1"]);
});

test("a subscription is asked for one message at a time, over all partitions, and emptied; the log and others keep theirs", async () => {
  const bottle = await Bottle.open();
  const log = bottle.ns.createQueue("log", plainLog, undefined, 3);
  log.subscribe("a", shared, "first");
  log.subscribe("b", shared, "first");
  bottle.publishAll("log", numbers(0, 9));
  await bottle.settle();
  const session = bottle.broker.createSession();
  const taken: string[] = [];
  const take = (): void =>
    session.get(
      log,
      true,
      (_lease, entry) => taken.push(entry?.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd) ?? "none"),
      "a",
    );
  for (let i = 0; i < 4; i++) take();
  await bottle.settle();
  assert.equal(new Set(taken).size, 4);
  assert.ok(!taken.includes("none"));
  assert.equal(log.purge("a"), 5);
  take();
  await bottle.settle();
  assert.equal(taken[4], "none");
  assert.equal(log.namedSubscription("b")?.readyCount, 9);
  assert.equal(log.readyCount, 9);
  await bottle.crash();
  assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 0);
});

test("a subscription is configured while it is there, and has it so over crash and checkpoint", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const log = bottle.declareLog("log");
  log.subscribe("a", shared, "first");
  bottle.publishAll("log", ["0"]);
  const deadLetter = { exchange: "", routingKey: "dead" };
  await bottle.settle();
  log.configureSubscription("a", { ...shared, deadLetter });
  await bottle.settle();
  for (const step of ["crash", "restart"] as const) await bottle[step]();
  const a = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  a.session.settle(1, false, "reject");
  await bottle.settle();
  assert.equal(bottle.queue("dead").readyCount, 1);
});

test("a subscription that retention has overtaken goes on where the log begins, at once", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { maxCount: 10 });
  log.subscribe("work", { ...plainQueue, mode: "shared" }, "first");
  const numbers = Array.from({ length: 5000 }, (_, number) => String(number));
  bottle.publishAll("log", numbers);
  await bottle.settle();
  assert.equal(log.firstOffset, 4990);
  const { partition } = [...bottle.broker.core.queueById.values()].find(({ name }) => name === "log")!;
  const load = partition.load.bind(partition);
  let loads = 0;
  partition.load = (...args): void => {
    loads++;
    load(...args);
  };
  const taker = bottle.consume("log", { subscription: "work" });
  await bottle.settle();
  assert.deepEqual(taker.bodies, numbers.slice(4990));
  assert.equal(log.namedSubscription("work")?.readyCount, 0);
  assert.ok(loads < 10, `${loads} looks for what is gone`);
});

test("a purge of more than four thousand million messages is one after a crash, too", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.subscribe("work", { ...plainQueue, mode: "shared" }, "first");
  const body = Buffer.alloc(4);
  const count = 2_000_000_000;
  for (let i = 0; i < 3; i++) {
    log.appendBatch({
      producerId: -1,
      producerEpoch: -1,
      sequence: -1,
      isTransactional: false,
      count,
      format: testFormat.id,
      timestampMs: 0,
      body,
      bodyStart: 0,
      bodyEnd: body.length,
    });
  }
  assert.equal(log.purge("work"), 3 * count);
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("log").nextOffset, 3 * count);
  assert.equal(bottle.queue("log").namedSubscription("work")?.readyCount, 0);
});
