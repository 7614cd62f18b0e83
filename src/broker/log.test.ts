import assert from "node:assert/strict";
import { test } from "node:test";
import type { StartAt } from "./api.ts";
import { Bottle, plainExchange, plainQueue, untilSettled } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

async function read(bottle: Bottle, log: string, startAt: StartAt): Promise<string[]> {
  const taker = bottle.consume(log, { startAt });
  await bottle.settle();
  taker.session.close();
  return taker.bodies;
}

test("a log is read from its first entry, its last, its end, an offset or a time, by any number of readers", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  const start = bottle.clock.now();
  for (const body of numbers(0, 10)) {
    bottle.publish("log", body);
    await bottle.advance(1000);
  }
  for (let round = 0; round < 3; round++) {
    const all = numbers(0, 10);
    assert.deepEqual(await read(bottle, "log", "first"), all);
    assert.deepEqual(await read(bottle, "log", "last"), ["9"]);
    assert.deepEqual(await read(bottle, "log", "next"), []);
    assert.deepEqual(await read(bottle, "log", { offset: 7 }), all.slice(7));
    assert.deepEqual(await read(bottle, "log", { timeMs: start + 3500 }), all.slice(4));
    assert.deepEqual(await read(bottle, "log", { timeMs: start + 4000 }), all.slice(4));
    assert.deepEqual(await read(bottle, "log", { timeMs: start - 1 }), all);
    assert.deepEqual(await read(bottle, "log", { timeMs: start + 60_000 }), []);
    if (round === 0) await bottle.evict();
    else await bottle.crash();
  }
});

test("a reader at the end follows it, and one behind it waits until its offset comes", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.publishAll("log", ["0", "1"]);
  await bottle.settle();
  const follower = bottle.consume("log", { startAt: "next" });
  const ahead = bottle.consume("log", { startAt: { offset: 3 } });
  bottle.publishAll("log", ["2", "3"]);
  await bottle.settle();
  bottle.publish("log", "4");
  await bottle.settle();
  assert.deepEqual(
    [follower.bodies, ahead.bodies],
    [
      ["2", "3", "4"],
      ["3", "4"],
    ],
  );
});

test("settling what was read from a log gives back credit and nothing else", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.publishAll("log", numbers(0, 10));
  const taker = bottle.consume("log", { startAt: "first", creditLimit: 3 });
  for (const settlement of ["accept", "reject", "fail", "release"] as const) {
    await bottle.settle();
    taker.session.settle(0, true, settlement);
  }
  await bottle.settle();
  assert.deepEqual(taker.bodies, numbers(0, 10));
  assert.deepEqual(await read(bottle, "log", "first"), numbers(0, 10));
  assert.equal(bottle.queue("log").readyCount, 10);
});

test("a reader's filter passes over what it does not want, without using up credit", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.publishAll("log", numbers(0, 20_000));
  const taker = bottle.consume("log", {
    startAt: "first",
    creditLimit: 5,
    filter: (entry) => entry.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd).endsWith("999"),
  });
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["999", "1999", "2999", "3999", "4999"]);
  taker.session.settle(0, true, "accept");
  await bottle.settle();
  assert.equal(taker.deliveries.length, 10);
});

test("a log keeps so many entries, so many bytes, or what is young enough", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("count", { maxCount: 5 });
  bottle.declareLog("bytes", { maxBytes: 5000 });
  bottle.declareLog("age", { maxAgeMs: 10_000 });
  for (const body of numbers(0, 20)) {
    for (const log of ["count", "bytes", "age"]) bottle.publish(log, body.padEnd(1000 - 18 - log.length));
    await bottle.advance(1000);
  }
  const firsts = async (): Promise<(string | undefined)[]> => {
    const bodies = ["count", "bytes", "age"].map((log) => bottle.consume(log, { startAt: "first" }));
    await bottle.settle();
    return bodies.map((taker) => taker.bodies[0]?.trim());
  };
  assert.deepEqual(await firsts(), ["15", "15", "11"]);
  await bottle.crash();
  assert.deepEqual(await firsts(), ["15", "15", "11"]);
  await bottle.advance(5000);
  assert.deepEqual(await firsts(), ["15", "15", "16"]);
  await bottle.advance(20_000);
  assert.deepEqual([bottle.queue("age").readyCount, bottle.queue("age").nextOffset], [0, 20]);
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual([bottle.queue("age").firstOffset, bottle.queue("age").nextOffset], [20, 20]);
  bottle.publish("age", "new");
  assert.deepEqual(await read(bottle, "age", "first"), ["new"]);
});

test("a log gives its segments back when all they hold is too old", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { maxAgeMs: 10_000 });
  for (let i = 0; i < 5; i++) {
    bottle.publishAll("log", numbers(0, 200));
    await bottle.advance(3000);
    await bottle.evict();
  }
  assert.ok(bottle.queue("log").firstOffset >= 200);
  await bottle.advance(20_000);
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(
    (await bottle.disk.list()).filter((name) => name.startsWith("segment")),
    [],
  );
});

test("a reader that falls behind retention goes on with what is left", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { maxCount: 100 });
  bottle.publishAll("log", numbers(0, 50));
  const taker = bottle.consume("log", { startAt: "first", creditLimit: 10 });
  await bottle.settle();
  bottle.publishAll("log", numbers(50, 500));
  await bottle.settle();
  taker.consumer.setCreditLimit(0);
  await bottle.settle();
  assert.deepEqual(taker.bodies, [...numbers(0, 10), ...numbers(400, 500)]);
});

test("a large log is read back from disk in order, while it grows", async () => {
  const bottle = await Bottle.open({ settings: { cacheBytes: 2 << 20 } });
  bottle.declareLog("log");
  bottle.publishAll("log", numbers(0, 30_000), { headers: { pad: "x".repeat(100) } });
  await bottle.settle();
  await bottle.evict();
  await bottle.crash();
  const taker = bottle.consume("log", { startAt: "first", creditLimit: 1000 });
  for (let i = 0; taker.deliveries.length < 30_100 && i < 200; i++) {
    await bottle.settle();
    taker.session.settle(0, true, "accept");
    if (i === 10) bottle.publishAll("log", numbers(30_000, 30_100));
  }
  assert.deepEqual(taker.bodies, numbers(0, 30_100));
});

test("a durable log has no holes: what a producer calls transient is kept as well", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  for (let i = 0; i < 10; i++) bottle.publish("log", String(i), { durable: i % 2 === 0 });
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(await read(bottle, "log", "first"), numbers(0, 10));
});

test("a queue with a history is read again from any place, and its consumers notice nothing", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { retention: { ...untilSettled, maxAgeMs: 60_000 } });
  bottle.publishAll("q", numbers(0, 10));
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), numbers(0, 10));
  bottle.publishAll("q", ["10", "11"]);
  const consumer = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await read(bottle, "q", "first"), numbers(0, 12));
    assert.deepEqual(await read(bottle, "q", { offset: 9 }), ["9", "10", "11"]);
    assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("q").leasedCount], round === 2 ? [2, 0] : [1, 1]);
    if (round === 0) await bottle.evict();
    if (round === 1) await bottle.crash();
  }
  assert.deepEqual(consumer.bodies, ["10"]);
  assert.deepEqual(await bottle.drain("q"), ["10", "11"]);
  await bottle.advance(70_000);
  assert.deepEqual(await read(bottle, "q", "first"), []);
  bottle.publish("q", "new");
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["new"]);
});

test("history ends by number and bytes too, and never takes what is not settled", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { retention: { ...untilSettled, maxCount: 5 } });
  bottle.publishAll("q", numbers(0, 20));
  await bottle.settle();
  assert.deepEqual(await read(bottle, "q", "first"), numbers(0, 20));
  const taker = bottle.consume("q");
  await bottle.settle();
  for (const delivery of taker.deliveries.slice(0, 18)) taker.accept(delivery);
  await bottle.advance(100);
  bottle.publish("q", "20");
  await bottle.settle();
  assert.deepEqual(await read(bottle, "q", "first"), numbers(16, 21));
});

test("a history that is switched on later keeps what is settled from then on", async () => {
  for (const isInSegment of [false, true]) {
    const bottle = await Bottle.open();
    const queue = bottle.ns.createQueue("q", plainQueue, {});
    bottle.publishAll("q", ["0", "1"]);
    await bottle.settle();
    if (isInSegment) await bottle.evict();
    assert.equal((await bottle.get("q"))?.body, "0");
    queue.configure({ ...plainQueue, retention: { ...untilSettled, maxCount: 100 } });
    assert.equal((await bottle.get("q"))?.body, "1");
    assert.deepEqual(await read(bottle, "q", "first"), ["1"]);
    await bottle.crash();
    assert.deepEqual(await read(bottle, "q", "first"), ["1"]);
  }
});

test("a history that is switched off is given back, but for what is not settled", async () => {
  for (const crashesAfter of [false, true]) {
    for (const held of [[], ["3", "1500"]]) {
      const bottle = await Bottle.open();
      const queue = bottle.declare("q", { retention: { ...untilSettled, maxAgeMs: 60_000 } });
      const taker = bottle.consume("q");
      // The first half is in a segment, the rest in memory.
      for (const from of [0, 1000]) {
        bottle.publishAll("q", numbers(from, from + 1000));
        await bottle.settle();
        if (from === 0) await bottle.evict();
      }
      for (const delivery of taker.deliveries) if (!held.includes(delivery.body)) taker.accept(delivery);
      await bottle.settle();
      queue.configure({ ...queue.settings, retention: untilSettled });
      await bottle.settle();
      if (crashesAfter) await bottle.crash();
      const { partition } = [...bottle.broker.core.queueById.values()][0]!;
      const inMemory = numbers(0, 2000).filter((body) => partition.entryLength(Number(body)) > 0);
      assert.deepEqual(
        inMemory,
        held.filter((body) => Number(body) >= 1000),
      );
      for (let i = 0; i < 4; i++) await bottle.checkpoint();
      const segments = (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
      const bytes = segments.reduce((sum, name) => sum + bottle.disk.bytesOf(name).length, 0);
      assert.ok(bytes < (held.length === 0 ? 1 : 2000), `${bytes} bytes in segments`);
      await bottle.crash();
      assert.deepEqual(await bottle.drain("q"), held);
      assert.deepEqual(await read(bottle, "q", "first"), []);
    }
  }
});

test("who asks for a time is not kept from what is there by a segment that is missing", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  const start = bottle.clock.now();
  for (const body of ["0", "1", "2"]) {
    bottle.publish("log", body);
    await bottle.advance(1000);
    await bottle.evict();
  }
  const [first] = (await bottle.disk.list()).filter((name) => name.startsWith("segment")).sort();
  await bottle.disk.remove(first!);
  assert.deepEqual(await read(bottle, "log", { timeMs: start }), ["1", "2"]);
  assert.ok(bottle.logged.some((line) => line.includes("the segment is missing")));
  assert.equal(bottle.fatal, undefined);
});

test("an exchange that keeps history hands its last messages to each queue that is bound", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout", historyLength: 3 }, {});
  bottle.publishAll("k", numbers(0, 5), { exchange: "e" });
  assert.equal(bottle.outcome.routed, 0);
  bottle.ns.bind("e", { queue: bottle.declare("early") }, "", {});
  bottle.publish("k", "5", { exchange: "e" });
  assert.equal(bottle.outcome.routed, 1);
  await bottle.settle();
  await bottle.evict();
  await bottle.crash();
  bottle.ns.bind("e", { queue: bottle.declare("late") }, "", {});
  await bottle.settle();
  assert.deepEqual(await bottle.drain("early"), ["2", "3", "4", "5"]);
  assert.deepEqual(await bottle.drain("late"), ["3", "4", "5"]);
});

test("what no crash has left, and no segment holds, is passed over at once by all who read", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { retention: { ...untilSettled, maxAgeMs: 60_000 } });
  bottle.publish("q", "first");
  // One lost by one, and many in a row.
  for (let i = 0; i < 100; i++) bottle.publish("q", String(i), { durable: i % 2 === 0 });
  bottle.publishAll("q", numbers(0, 20_000), { durable: false });
  bottle.publish("q", "last");
  await bottle.settle();
  await bottle.crash();
  const kept = ["first", ...numbers(0, 100).filter((body) => Number(body) % 2 === 0), "last"];
  const queue = bottle.queue("q");
  const bodies: string[] = [];
  const end = queue.read(0, queue.visibleEnd, ({ buffer, bodyStart, bodyEnd }) => {
    bodies.push(buffer.toString("utf8", bodyStart, bodyEnd));
    return true;
  });
  assert.deepEqual([bodies, end], [kept, 20_102]);
  const { partition } = [...bottle.broker.core.queueById.values()][0]!;
  let loads = 0;
  const load = partition.load.bind(partition);
  partition.load = (...args): void => {
    loads++;
    load(...args);
  };
  assert.deepEqual(await read(bottle, "q", "first"), kept);
  assert.ok(loads <= kept.length, `${loads} times something was looked for`);
});
