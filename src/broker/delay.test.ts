import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

const delaying = { ...plainExchange, delays: true };

test("a message that is published for later becomes ready at its time, in the order of times", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const start = bottle.clock.now();
  for (const delayMs of [500, 100, 300, 0, 100]) bottle.publish("q", String(delayMs), { delayMs });
  const taker = bottle.consume("q");
  await bottle.advance(1000);
  assert.deepEqual(
    taker.deliveries.map(({ body, timeMs }) => [body, timeMs - start]),
    [
      ["0", 0],
      ["100", 100],
      ["100", 100],
      ["300", 300],
      ["500", 500],
    ],
  );
  assert.ok(taker.deliveries.every(({ isRedelivered }) => !isRedelivered));
});

test("delayed messages are not ready, and a queue with nothing else is empty", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "later", { delayMs: 500 });
  bottle.publish("q", "now");
  assert.equal(bottle.queue("q").readyCount, 1);
  assert.equal((await bottle.get("q"))?.body, "now");
  assert.equal(await bottle.get("q"), undefined);
  await bottle.advance(500);
  assert.equal((await bottle.get("q"))?.body, "later");
});

test("a delaying exchange routes when the time has come, to who is bound then", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", delaying, {});
  const early = bottle.declare("early");
  bottle.ns.bind("e", { queue: early }, "k", {});
  bottle.publish("k", "a", { exchange: "e", delayMs: 1000 });
  bottle.publish("k", "b", { exchange: "e" });
  await bottle.advance(500);
  bottle.ns.bind("e", { queue: bottle.declare("late") }, "k", {});
  await bottle.advance(500);
  assert.deepEqual(await bottle.drain("early"), ["b", "a"]);
  const [late] = await bottle.drainDeliveries("late");
  assert.deepEqual([late?.body, late?.exchange, late?.routingKey, late?.isRedelivered], ["a", "e", "k", false]);
});

test("delays outlive crash, stop and checkpoint; what fell due meanwhile comes at the start", async () => {
  for (const way of ["crash", "restart"] as const) {
    const bottle = await Bottle.open();
    bottle.ns.createExchange("e", delaying, {});
    bottle.ns.bind("e", { queue: bottle.declare("routed") }, "k", {});
    bottle.declare("q");
    bottle.declare("p", { maxPriority: 2 });
    for (const delayMs of [1000, 5000, 9000]) {
      bottle.publish("k", String(delayMs), { exchange: "e", delayMs });
      bottle.publish("q", String(delayMs), { delayMs });
      bottle.publish("p", String(delayMs), { delayMs });
    }
    await bottle.settle();
    if (way === "crash") await bottle.checkpoint();
    await bottle.advance(1000);
    await bottle[way]();
    bottle.clock.jumpTo(bottle.clock.now() + 5000);
    await bottle[way]();
    await bottle.settle();
    for (const name of ["routed", "q", "p"]) assert.deepEqual(await bottle.drain(name), ["1000", "5000"], name);
    await bottle.advance(2999);
    assert.equal(bottle.queue("q").readyCount, 0);
    await bottle.advance(1);
    for (const name of ["routed", "q", "p"]) assert.deepEqual(await bottle.drain(name), ["9000"], name);
  }
});

test("a message whose time came while it was read back leaves after a crash, also behind a checkpoint", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", delaying, {});
  bottle.ns.bind("e", { queue: bottle.declare("q") }, "k", {});
  for (const delayMs of [9000, 1000, 2000]) bottle.publish("k", String(delayMs), { exchange: "e", delayMs });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.evict();
  const { segments } = bottle.broker.core.log;
  const reads: unknown[] = [];
  Object.assign(segments, { read: (...wanted: unknown[]) => reads.push(wanted) });
  await bottle.advance(1000);
  assert.equal(reads.length, 1);
  await bottle.checkpoint();
  await bottle.crash();
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["1000"]);
  await bottle.advance(8000);
  assert.deepEqual(await bottle.drain("q"), ["2000", "9000"]);
});

test("a delay past all times there are has no end before a restart, and none after it", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", delaying, {});
  bottle.ns.bind("e", { queue: bottle.declare("routed") }, "k", {});
  bottle.declare("q");
  bottle.publish("k", "never", { exchange: "e", delayMs: 2 ** 63 });
  bottle.publish("q", "never", { delayMs: 2 ** 63 });
  await bottle.settle();
  for (const way of ["crash", "checkpoint", "restart", "crash"] as const) {
    await bottle[way]();
    await bottle.advance(60_000);
    for (const name of ["routed", "q"]) assert.deepEqual(await bottle.drain(name), [], `${name} after ${way}`);
    assert.equal(bottle.queue("q").scheduledCount, 1);
  }
});

test("a few delayed messages outlive any number of checkpoints and restarts", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let i = 0; i < 100; i++) bottle.publish("q", String(i), { delayMs: 10_000 + i });
  for (let i = 0; i < 4; i++) {
    await bottle.checkpoint();
    await bottle.checkpoint();
    await bottle.crash();
  }
  await bottle.advance(20_000);
  assert.deepEqual(
    await bottle.drain("q"),
    Array.from({ length: 100 }, (_, i) => String(i)),
  );
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(
    (await bottle.disk.list()).filter((name) => name.startsWith("segment")),
    [],
  );
});

test("100,000 delayed messages, with checkpoints and a crash in between, in bounded memory", async () => {
  const bottle = await Bottle.open({ settings: { cacheBytes: 4 << 20, checkpointBytes: 4 << 20 } });
  bottle.declare("q");
  const random = seededRandom(1);
  const start = bottle.clock.now();
  const delays: number[] = [];
  const count = 100_000;
  for (let i = 0; i < count; i++) {
    const delayMs = 60_000 + Math.floor(random.next() * 120) * 500;
    delays.push(delayMs);
    bottle.publish("q", String(delayMs), { delayMs });
    if (i % 5000 === 4999) await bottle.settle();
    if (i === 50_000) await bottle.checkpoint();
  }
  await bottle.checkpoint();
  await bottle.checkpoint();
  const { core } = bottle.broker;
  assert.ok(core.cache.bytes < 12 << 20, `${core.cache.bytes} bytes`);
  await bottle.crash();
  const taker = bottle.consume("q", { noAck: true });
  await bottle.advance(90_000);
  const due = delays.filter((delayMs) => delayMs <= 90_000 - (bottle.clock.now() - start - 90_000));
  assert.equal(taker.deliveries.length, due.length);
  await bottle.crash();
  const rest = bottle.consume("q", { noAck: true });
  await bottle.advance(60_000);
  assert.equal(taker.deliveries.length + rest.deliveries.length, count);
  const late = [...taker.deliveries, ...rest.deliveries].filter(({ body, timeMs }) => timeMs !== start + Number(body));
  assert.equal(late.length, 0);
});

test("a clock that is set forward brings what is due; one that is set back loses and repeats nothing", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a", { delayMs: 60_000 });
  bottle.publish("q", "b", { delayMs: 120_000 });
  await bottle.settle();
  bottle.clock.jumpTo(bottle.clock.now() + 60_000);
  await bottle.advance(1);
  assert.deepEqual(await bottle.drain("q"), ["a"]);
  bottle.clock.jumpTo(bottle.clock.now() - 3_600_000);
  bottle.publish("q", "c");
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(await bottle.drain("q"), ["c"]);
  await bottle.advance(4_000_000);
  assert.deepEqual(await bottle.drain("q"), ["b"]);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("a delay is no shorter when the clock was set back", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "before");
  await bottle.settle();
  bottle.clock.jumpTo(bottle.clock.now() - 3_600_000);
  bottle.publish("q", "delayed", { delayMs: 5000 });
  await bottle.advance(4999);
  assert.deepEqual(await bottle.drain("q"), ["before"]);
  await bottle.advance(3_700_000);
  assert.deepEqual(await bottle.drain("q"), ["delayed"]);
});

test("purge drops delayed messages too, and they do not come back at their time", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a", { delayMs: 1000 });
  bottle.publish("q", "b");
  await bottle.settle();
  assert.equal(bottle.queue("q").purge(), 1);
  await bottle.advance(2000);
  assert.equal(bottle.queue("q").readyCount, 0);
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("a delayed message that is not durable is gone after a crash, and its time passes quietly", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a", { delayMs: 1000, durable: false });
  bottle.publish("q", "b", { delayMs: 1000 });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  await bottle.advance(1000);
  assert.equal(bottle.queue("q").readyCount, 1);
  assert.deepEqual(await bottle.drain("q"), ["b"]);
});
