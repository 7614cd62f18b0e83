import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, holdFiles, plainExchange } from "../test-broker.suite.ts";

const bodiesTo = (end: number): string[] => Array.from({ length: end }, (_, i) => String(i));

const segmentsOf = async ({ disk }: Bottle): Promise<string[]> =>
  (await disk.list()).filter((name) => name.startsWith("segment"));

async function readFromFirst(bottle: Bottle, log: string): Promise<string[]> {
  const taker = bottle.consume(log, { startAt: "first" });
  await bottle.settle();
  taker.session.close();
  return taker.bodies;
}

const runsOf = (bottle: Bottle): number =>
  Math.max(...[...bottle.broker.core.queueById.values()].map(({ partition }) => partition.runs.list.length));

test("a log to which little is appended beside a busy queue keeps few segments and runs, and all of its messages", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.declare("busy");
  let merged = 0;
  for (let i = 0; i < 60; i++) {
    bottle.publish("log", String(i));
    bottle.publishAll("busy", ["a", "b", "c"]);
    await bottle.settle();
    assert.deepEqual(await bottle.drain("busy"), ["a", "b", "c"]);
    const before = runsOf(bottle);
    await bottle.checkpoint();
    if (runsOf(bottle) < before) merged++;
    // A checkpoint that merges names what it has merged, too.
    const crashed = await bottle.fork();
    assert.deepEqual(await readFromFirst(crashed, "log"), bodiesTo(i + 1));
    assert.ok(runsOf(crashed) <= 9, `${runsOf(crashed)} runs after a crash`);
  }
  assert.ok(merged > 5, `merged ${merged} times`);
  assert.ok(runsOf(bottle) <= 9, `${runsOf(bottle)} runs`);
  const names = await segmentsOf(bottle);
  // Those that the checkpoint before names are still there.
  assert.ok(names.length <= 3 * 9, names.join());
  await bottle.evict();
  assert.deepEqual(await readFromFirst(bottle, "log"), bodiesTo(60));
  assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
});

test("what retention takes of small segments while they are made one is gone from that one, too", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { maxCount: 10 });
  for (let i = 0; i < 40; i++) {
    bottle.publish("log", String(i));
    await bottle.settle();
    await bottle.checkpoint();
    const crashed = await bottle.fork();
    assert.deepEqual(await readFromFirst(crashed, "log"), bodiesTo(i + 1).slice(-10));
  }
  bottle.declare("other");
  bottle.ns.deleteQueue(bottle.queue("log"));
  for (let i = 0; i < 4; i++) {
    bottle.publish("other", "a");
    await bottle.settle();
    await bottle.drain("other");
    await bottle.checkpoint();
  }
  assert.deepEqual(await segmentsOf(bottle), []);
  assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
});

const bytesOnDisk = async (bottle: Bottle): Promise<number> => {
  let bytes = 0;
  for (const name of await segmentsOf(bottle)) bytes += bottle.disk.bytesOf(name).length;
  return bytes;
};

test("what queues share is not stored once for each of them by a merge", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout" }, {});
  for (let i = 0; i < 10; i++) bottle.ns.bind("e", { queue: bottle.declare(`q${i}`) }, "", {});
  for (let i = 0; i < 20; i++) {
    bottle.publish("", "", { exchange: "e", body: Buffer.alloc(5000, `${i} `) });
    await bottle.settle();
    await bottle.checkpoint();
  }
  const bytes = await bytesOnDisk(bottle);
  assert.ok(bytes < 2 * 20 * 6000, `${bytes} bytes`);
  await bottle.evict();
  await bottle.crash();
  assert.equal((await bottle.drain("q9")).length, 20);
});

test("runs of a log are not joined over a segment that cannot be read, which serves when it is put back", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  const append = async (body: string): Promise<void> => {
    bottle.publish("log", body);
    await bottle.settle();
    await bottle.checkpoint();
  };
  for (const body of bodiesTo(3)) await append(body);
  const name = (await segmentsOf(bottle)).sort()[1]!;
  const whole = Buffer.from(bottle.disk.bytesOf(name));
  await bottle.disk.remove(name);
  await bottle.disk.syncDirectory();
  await bottle.crash();
  for (let i = 3; i < 20; i++) await append(String(i));
  assert.ok((await segmentsOf(bottle)).length < 12, "others are merged");
  bottle.disk.plant(name, whole);
  await bottle.disk.syncDirectory();
  await bottle.crash();
  assert.deepEqual(await readFromFirst(bottle, "log"), bodiesTo(20));
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  await bottle.evict();
  assert.deepEqual(await readFromFirst(bottle, "log"), bodiesTo(20));
});

test("a log that keeps what is young gives up what is old, however small its segments are", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { maxAgeMs: 100_000 });
  for (let i = 0; i < 60; i++) {
    bottle.publish("log", String(i));
    await bottle.advance(10_000);
    await bottle.checkpoint();
  }
  const kept = await readFromFirst(bottle, "log");
  assert.ok(kept.length <= 10 + 3, `${kept.length} are kept`);
  assert.equal(kept.at(-1), "59");
});

test("what goes while small segments are made one is gone, and what stays is there, whatever the moment", async () => {
  for (let moment = 0; moment < 24; moment++) {
    const bottle = await Bottle.open();
    const held = holdFiles(bottle, "segment");
    const log = bottle.declareLog("log");
    for (const name of ["work", "gone", "purged"]) bottle.declare(name);
    for (let i = 0; i < 8; i++) {
      for (const name of ["log", "work", "gone", "purged"]) bottle.publish(name, String(i));
      await bottle.settle();
      if (i < 7) await bottle.checkpoint();
    }
    const taker = bottle.consume("work");
    await bottle.settle();
    held.isHolding = true;
    const state = { isTaken: false };
    void bottle.broker.checkpoint().then(() => (state.isTaken = true));
    for (let step = 0; !state.isTaken || step <= moment; step++) {
      await bottle.settle();
      if (step === moment) {
        for (const delivery of taker.take().slice(0, 3)) taker.accept(delivery);
        log.trim(3);
        bottle.queue("purged").purge();
        bottle.ns.deleteQueue(bottle.queue("gone"));
        await bottle.settle();
      }
      held.waiting.shift()?.();
    }
    held.isHolding = false;
    assert.deepEqual(held.waiting, []);
    const isRight = async (one: Bottle): Promise<void> => {
      assert.deepEqual(await readFromFirst(one, "log"), bodiesTo(8).slice(3), `at ${moment}`);
      assert.equal(one.queue("purged").readyCount, 0);
      assert.equal(one.ns.queue("gone"), undefined);
      assert.deepEqual(await one.drain("work"), bodiesTo(8).slice(3), `at ${moment}`);
    };
    await isRight(await bottle.fork());
    taker.session.close();
    for (let i = 0; i < 3; i++) await bottle.checkpoint();
    assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
    await bottle.crash();
    await isRight(bottle);
  }
});
