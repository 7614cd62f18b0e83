import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

async function read(bottle: Bottle, log: string): Promise<string[]> {
  const taker = bottle.consume(log, { startAt: "first" });
  await bottle.settle();
  taker.session.close();
  return taker.bodies;
}

test("a compacted log keeps the newest entry of each key, and all without a key", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  for (const [key, body] of ["a1", "b1", "a2", "c1", "b2", "a3"].map((body) => [body[0]!, body] as const)) {
    bottle.publish("log", body, { key });
  }
  bottle.publishAll("log", ["x", "y"]);
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["c1", "b2", "a3", "x", "y"]);
  assert.equal(log.readyCount, 5);
  assert.deepEqual([log.firstOffset, log.nextOffset], [0, 8]);
});

test("who follows a compacted log sees every value", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { compact: true });
  const taker = bottle.consume("log", { startAt: "next" });
  for (let i = 0; i < 50; i++) {
    bottle.publish("log", String(i), { key: "k" });
    if (i % 7 === 0) await bottle.settle();
  }
  await bottle.advance(2000);
  assert.equal(taker.deliveries.length, 50);
  assert.deepEqual(await read(bottle, "log"), ["49"]);
});

test("what was superseded does not come back: not after a crash, not from segments, not from a checkpoint", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { compact: true });
  const newest = new Map<string, string>();
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 1000; i++) {
      const key = `k${(i * 7 + round) % (300 + round)}`;
      newest.set(key, `${key}:${round}:${i}`);
      bottle.publish("log", `${key}:${round}:${i}`, { key });
    }
    await bottle.settle();
    if (round % 2 === 1) await bottle.evict();
    if (round % 3 === 2) await bottle.crash();
    await bottle.advance(2000);
    const found = await read(bottle, "log");
    assert.deepEqual([...found].sort(), [...newest.values()].sort());
    assert.equal(bottle.queue("log").readyCount, newest.size);
  }
  await bottle.restart();
  assert.equal((await read(bottle, "log")).length, newest.size);
  for (let i = 0; i < 4; i++) await bottle.checkpoint();
  const segments = (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
  const bytes = segments.reduce((sum, name) => sum + bottle.disk.bytesOf(name).length, 0);
  assert.ok(bytes < 120_000, String(bytes));
});

test("compaction and retention by number go together", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { compact: true, maxCount: 10 });
  for (let i = 0; i < 40; i++) {
    bottle.publish("log", String(i), { key: String(i % 4) });
    await bottle.advance(300);
  }
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["36", "37", "38", "39"]);
  bottle.publish("log", "alone", { key: "other" });
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["36", "37", "38", "39", "alone"]);
});

test("a log that is told to compact later does so from its first entry on", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  for (let i = 0; i < 20; i++) bottle.publish("log", String(i), { key: String(i % 2) });
  await bottle.advance(2000);
  assert.equal((await read(bottle, "log")).length, 20);
  log.configure({ ...log.settings, retention: { ...log.settings.retention, compact: true } });
  bottle.publish("log", "20", { key: "0" });
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["19", "20"]);
});

test("an entry that is superseded while a checkpoint writes it leads nobody to a segment that is gone", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  const other = bottle.declare("other");
  bottle.publish("log", "a1", { key: "a" });
  bottle.publishAll(
    "other",
    Array.from({ length: 40_000 }, () => "x"),
  );
  await bottle.settle();
  const { partition } = [...bottle.broker.core.queueById.values()].find(({ name }) => name === "log")!;
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let steps = 0; !isSo(); steps++) {
      assert.ok(steps < 1000);
      await bottle.step();
    }
  };
  const taking = bottle.broker.checkpoint();
  await until(() => partition.checkpointWritten > 0);
  bottle.publish("log", "a2", { key: "a" });
  await until(() => log.visibleEnd === 2);
  bottle.clock.advance(1000);
  await until(() => log.readyCount === 1);
  assert.equal(partition.checkpointWritten, 1, "the checkpoint is still busy with the other queue");
  other.purge();
  await bottle.checkpoint();
  await taking;
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(await read(bottle, "log"), ["a2"]);
  assert.equal(bottle.fatal, undefined);
});

test("keys that retention has taken are forgotten, so many a turn", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  const { core } = bottle.broker;
  for (let i = 0; i < 20_000; i++) bottle.publish("log", "x", { key: `k${i}` });
  await bottle.advance(2000);
  const heldBytes = core.compactionBytes;
  log.trim(20_000);
  bottle.publish("log", "x", { key: "last" });
  await bottle.settle();
  bottle.clock.advance(1000);
  let most = 0;
  for (let before = heldBytes, steps = 0; core.compactionBytes > 1000; before = core.compactionBytes) {
    assert.ok(steps++ < 1000);
    await bottle.step();
    most = Math.max(most, before - core.compactionBytes);
  }
  assert.ok(most > 0 && most < heldBytes / 4, `${most} of ${heldBytes} bytes in a turn`);
  await bottle.settle();
  assert.deepEqual(await read(bottle, "log"), ["x"]);
});

test("what was superseded does not come back in a log that is told to compact no longer, over restarts either", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  for (const key of ["a", "b", "c", "d"]) bottle.publish("log", `old ${key}`, { key });
  await bottle.settle();
  await bottle.evict();
  bottle.publish("log", "new a", { key: "a" });
  await bottle.advance(60_000);
  const left = ["old b", "old c", "old d", "new a"];
  const read = async (): Promise<string[]> => {
    const reader = bottle.consume("log", { startAt: "first" });
    await bottle.settle();
    reader.session.close();
    return reader.bodies;
  };
  assert.deepEqual(await read(), left);
  log.configure({ ...log.settings, retention: { ...log.settings.retention, compact: false } });
  for (let i = 0; i < 3; i++) {
    await bottle.restart();
    assert.deepEqual(await read(), left);
  }
  bottle.publish("log", "newer a", { key: "a" });
  await bottle.advance(60_000);
  await bottle.crash();
  assert.deepEqual(await read(), [...left, "newer a"]);
});
