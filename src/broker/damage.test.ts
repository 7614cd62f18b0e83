/** What is damaged in segments costs itself: nothing beside it goes, then or later. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

async function segmentsOf(bottle: Bottle): Promise<string[]> {
  return (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
}

/** Flips a bit of each of these texts, wherever a segment has it. */
async function rot(bottle: Bottle, ...texts: string[]): Promise<void> {
  for (const file of await segmentsOf(bottle)) {
    const bytes = bottle.disk.bytesOf(file).slice();
    for (const text of texts) {
      const at = bytes.indexOf(text);
      if (at >= 0) bytes[at]! ^= 1;
    }
    bottle.disk.plant(file, bytes);
  }
}

/** A queue `slow` of ten whose segment was written anew, without those that are named; none of it is in memory. */
async function rewritten(...lost: string[]): Promise<Bottle> {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("slow");
  bottle.publishAll(
    "slow",
    numbers(0, 10).map((body) => `slow ${body}`),
  );
  bottle.publishAll("q", numbers(0, 3000));
  await bottle.settle();
  await bottle.evict();
  await rot(bottle, ...lost.map((body) => `slow ${body}`));
  await bottle.drain("q");
  const [first] = await segmentsOf(bottle);
  for (let i = 0; i < 3; i++) await bottle.evict();
  assert.ok(!(await segmentsOf(bottle)).includes(first!), "the segment was written anew");
  return bottle;
}

test("what is lost when a segment is written anew takes nothing along when it is given up", async () => {
  for (const lost of [["5"], ["0"], ["8"], ["3", "4", "5", "6", "7"], ["0", "1", "2", "8"]]) {
    for (const isRestarted of [false, true]) {
      const bottle = await rewritten(...lost);
      if (isRestarted) await bottle.crash();
      const taker = bottle.consume("slow");
      await bottle.settle();
      const last = taker.deliveries.at(-1)!;
      assert.equal(last.body, "slow 9");
      for (const one of taker.deliveries) if (one !== last) taker.accept(one);
      await bottle.settle();
      for (let i = 0; i < 3; i++) await bottle.evict();
      await bottle.crash();
      assert.deepEqual(await bottle.drain("slow"), ["slow 9"], lost.join());
      for (let i = 0; i < 3; i++) await bottle.checkpoint();
      assert.deepEqual(await segmentsOf(bottle), []);
    }
  }
});

test("a purge of a queue that lost a message leaves the others of its segment alone", async () => {
  for (const isRestarted of [false, true]) {
    const bottle = await Bottle.open();
    bottle.declare("q");
    bottle.declare("slow");
    bottle.declare("other");
    for (const name of ["slow", "other"])
      bottle.publishAll(
        name,
        numbers(0, 2).map((body) => `${name} ${body}`),
      );
    bottle.publishAll("slow", ["slow 2"]);
    bottle.publishAll("q", numbers(0, 3000));
    await bottle.settle();
    await bottle.evict();
    await rot(bottle, "slow 1");
    await bottle.drain("q");
    await bottle.evict();
    if (isRestarted) await bottle.crash();
    bottle.queue("slow").purge();
    bottle.ns.deleteQueue(bottle.queue("slow"));
    assert.equal((await bottle.get("other"))?.body, "other 0");
    for (let i = 0; i < 3; i++) await bottle.evict();
    await bottle.crash();
    assert.deepEqual(await bottle.drain("other"), ["other 1"]);
    for (let i = 0; i < 3; i++) await bottle.checkpoint();
    assert.deepEqual(await segmentsOf(bottle), []);
  }
});

test("what a compacted log lost when it was written anew takes nothing along when a newer one supersedes it", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log", { compact: true });
  for (const key of ["a", "b", "c"]) bottle.publish("log", `value ${key}`, { key });
  for (let i = 0; i < 300; i++) bottle.publish("log", `value ${i}`, { key: "x" });
  await bottle.settle();
  await bottle.evict();
  await bottle.advance(2000);
  await rot(bottle, "value b");
  for (let i = 0; i < 3; i++) await bottle.evict();
  for (const key of ["b", "c", "x"]) bottle.publish("log", `newer ${key}`, { key });
  await bottle.settle();
  await bottle.advance(2000);
  for (let i = 0; i < 3; i++) await bottle.evict();
  await bottle.crash();
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(reader.bodies, ["value a", "newer b", "newer c", "newer x"]);
});

test("a segment that cannot be opened is kept, however many starts and checkpoints there are, and serves when it is mended", async () => {
  for (const isMissing of [false, true]) {
    const bottle = await Bottle.open();
    bottle.declareLog("log");
    bottle.publishAll("log", numbers(0, 10));
    await bottle.settle();
    await bottle.checkpoint();
    const [name] = await segmentsOf(bottle);
    const whole = Buffer.from(bottle.disk.bytesOf(name!));
    if (isMissing) await bottle.disk.remove(name!);
    else bottle.disk.plant(name!, whole.subarray(0, 100));
    await bottle.disk.syncDirectory();
    for (let i = 0; i < 3; i++) {
      await bottle.crash();
      bottle.publish("log", "more");
      await bottle.settle();
      for (let j = 0; j < 3; j++) await bottle.checkpoint();
    }
    assert.equal((await segmentsOf(bottle)).includes(name!), !isMissing);
    bottle.disk.plant(name!, whole);
    await bottle.crash();
    const reader = bottle.consume("log", { startAt: "first" });
    await bottle.settle();
    assert.deepEqual(reader.bodies, [...numbers(0, 10), "more", "more", "more"]);
  }
});
