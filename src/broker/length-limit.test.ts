import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, holdFiles } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

/** From now on writes to the journal wait here, in their order. */
async function holdJournal(bottle: Bottle): Promise<(() => void)[]> {
  const held = holdFiles(bottle, "journal");
  // What is appended next goes to a file that is opened for it.
  await bottle.checkpoint();
  held.isHolding = true;
  return held.waiting;
}

async function release(bottle: Bottle, held: (() => void)[]): Promise<void> {
  await bottle.settle();
  while (held.length > 0) {
    held.shift()!();
    await bottle.settle();
  }
}

test("what comes while the disk is busy is not too much for a queue whose consumer waits for it", async () => {
  for (const settings of [{ maxLength: 10 }, { maxLength: 0 }, { maxLengthBytes: 20 }]) {
    const bottle = await Bottle.open();
    bottle.declare("q", settings);
    const taker = bottle.consume("q", { noAck: true });
    await bottle.settle();
    const held = await holdJournal(bottle);
    // The first hundred are at the disk when the others come.
    bottle.publishAll("q", numbers(0, 100));
    await bottle.settle();
    bottle.publishAll("q", numbers(100, 200));
    await release(bottle, held);
    assert.deepEqual(taker.bodies, numbers(0, 200), JSON.stringify(settings));
    taker.session.close();
    bottle.publishAll("q", numbers(0, 100));
    await release(bottle, held);
    assert.equal(bottle.queue("q").readyCount, settings.maxLength ?? 10);
  }
});

test("a consumer that has no room any more is no reason to keep what is too much", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLength: 10 });
  const taker = bottle.consume("q", { creditLimit: 50 });
  await bottle.settle();
  const held = await holdJournal(bottle);
  bottle.publishAll("q", numbers(0, 100));
  await bottle.settle();
  bottle.publishAll("q", numbers(100, 200));
  await release(bottle, held);
  assert.deepEqual([taker.bodies, bottle.queue("q").readyCount], [numbers(0, 50), 10]);
  taker.session.close();
});

test("messages whose time to be tried again has come count as others do, unless somebody waits for them", async () => {
  const retry = { on: "all", minMs: 1000, maxMs: 1000, growth: "linear", jitter: 0 } as const;
  for (const isAwaited of [false, true]) {
    const bottle = await Bottle.open();
    const queue = bottle.declare("q", { maxLength: 2, retry });
    bottle.publishAll("q", ["a", "b"]);
    const taker = bottle.consume("q");
    await bottle.settle();
    taker.session.settle(0, true, "release");
    taker.session.close();
    bottle.publishAll("q", ["c", "d"]);
    await bottle.settle();
    assert.deepEqual([queue.readyCount, queue.scheduledCount], [2, 2]);
    const waiting = isAwaited ? bottle.consume("q") : undefined;
    await bottle.advance(1000);
    assert.deepEqual([waiting?.deliveries.length, queue.readyCount], isAwaited ? [4, 0] : [undefined, 2]);
  }
});

test("the dead that their full target refuses count against a queue that refuses, over a restart as well", async () => {
  for (const limit of [{ maxLength: 5 }, { maxLengthBytes: 5 }]) {
    const bottle = await Bottle.open();
    const dead = bottle.declare("dead", { maxLength: 1, overflow: "reject-publish" });
    const deadLetter = { exchange: "", routingKey: "dead", atLeastOnce: true };
    const q = bottle.declare("q", { ...limit, overflow: "reject-publish", ttlMs: 100, deadLetter });
    const refused = (): boolean => {
      bottle.publish("q", "x");
      return bottle.outcome.refused;
    };
    let taken = 0;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 3; i++) if (!refused()) taken++;
      await bottle.advance(200);
    }
    // One found room in the target, and five are kept.
    assert.deepEqual([taken, q.scheduledCount, q.readyCount], [6, 5, 0]);
    if ("maxLength" in limit) await bottle.crash();
    assert.equal(refused(), true);
    bottle.queue("dead").configure({ ...dead.settings, maxLength: -1 });
    await bottle.advance(3000);
    assert.deepEqual([bottle.queue("q").scheduledCount, refused()], [0, false]);
    await bottle.settle();
    assert.equal((await bottle.drain("dead")).length, 6);
  }
});

test("dead that are purged make room", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead", { maxLength: 0, overflow: "reject-publish" });
  const deadLetter = { exchange: "", routingKey: "dead", atLeastOnce: true };
  const q = bottle.declare("q", { maxLength: 2, overflow: "reject-publish", ttlMs: 100, deadLetter });
  for (let round = 0; round < 3; round++) {
    bottle.publishAll("q", ["a", "b", "c"]);
    assert.equal(bottle.outcome.refused, true);
    await bottle.advance(2000);
    assert.equal(q.scheduledCount, 2);
    q.purge();
    await bottle.settle();
    assert.equal(q.scheduledCount, 0);
  }
});

test("one message that is held for long costs those behind it no second write, and none that lives for an instant", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const taker = bottle.consume("q");
  const { commit } = bottle.broker.core;
  const publish = async (count: number): Promise<void> => {
    bottle.publishAll("q", numbers(0, count));
    await bottle.settle();
  };
  await publish(1);
  const [old] = taker.take();
  for (let i = 0; i < 40; i++) {
    await publish(1000);
    for (const delivery of taker.take()) taker.accept(delivery);
    await bottle.settle();
  }
  const before = commit.blocks;
  await publish(1);
  assert.deepEqual([taker.take().length, commit.blocks - before], [1, 1]);
  bottle.publish("q", "now or never", { ttlMs: 0 });
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["now or never"]);
  taker.accept(old!);
});

test("a purge of what is empty looks at nobody's leases", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", numbers(0, 10));
  bottle.consume("q");
  await bottle.settle();
  const { core } = bottle.broker;
  const leasedOf = core.leasedOf.bind(core);
  let looks = 0;
  core.leasedOf = (owner) => {
    looks++;
    return leasedOf(owner);
  };
  for (let i = 0; i < 10; i++) assert.equal(queue.purge(), 0);
  assert.equal(looks, 0);
  queue.configure({ ...queue.settings, ttlMs: -1 });
  bottle.publish("q", "a", { delayMs: 1000 });
  await bottle.settle();
  queue.purge();
  await bottle.advance(2000);
  assert.deepEqual([looks, queue.scheduledCount, queue.readyCount], [1, 0, 0]);
});
