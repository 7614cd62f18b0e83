import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

/** What the broker publishes by itself, on a disk that has no room for it. */

const settings = {
  cacheBytes: 4 << 20,
  checkpointBytes: 4 << 20,
  pendingBytesMax: 2 << 20,
  bufferBytes: 2 << 20,
  diskFreeBytesMin: 0,
};
/** What may be in no segment, what is read back, and buffers that are being filled. */
const bytesMax = 64 << 20;
const bodyBytes = 200_000;
const count = 1000;
const toDead = { deadLetter: { exchange: "", routingKey: "dead" } };
const body = Buffer.alloc(bodyBytes);
/** At its beginning: which of them it is. */
const digits = 4;

/** A queue of 200 MB, all of it on disk only. */
async function filled(to: string, prepare: (bottle: Bottle) => void, message = {}): Promise<Bottle> {
  const bottle = await Bottle.open({ settings });
  prepare(bottle);
  for (let i = 0; i < count; i++) {
    body.write(String(i).padStart(digits, "0"));
    bottle.publish(to, "", { body, ...message });
    if (i % 20 === 19) await bottle.settle();
  }
  await bottle.evict();
  await bottle.evict();
  return bottle;
}

/** The most memory that was in use while the disk had no more room than this for so long. */
async function mostWhileFull(bottle: Bottle, ms: number, during?: () => void): Promise<number> {
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + (6 << 20);
  let most = 0;
  for (let i = 0; i < 20; i++) {
    await bottle.advance(ms / 20);
    during?.();
    most = Math.max(most, bottle.broker.core.cache.bytes);
  }
  return most;
}

async function hasRoom(bottle: Bottle): Promise<void> {
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(10_000);
  assert.equal(bottle.broker.pressure.disk, false);
  assert.equal(bottle.fatal, undefined);
}

test("a backlog that expires before a full disk takes no more memory than clients may, and goes on when there is room", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", { ttlMs: 60_000, ...toDead });
    one.declare("dead");
  });
  const most = await mostWhileFull(bottle, 70_000);
  assert.ok(most < bytesMax, String(most));
  assert.ok(bottle.queue("q").readyCount > 500, String(bottle.queue("q").readyCount));
  // A start finds the same backlog and the same disk.
  await bottle.crash();
  const mostAgain = await mostWhileFull(bottle, 5000);
  assert.ok(mostAgain < bytesMax, String(mostAgain));
  await hasRoom(bottle);
  assert.equal(bottle.queue("dead").readyCount, count);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("so does one that a consumer waits for", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", { ttlMs: 60_000, ...toDead });
    one.declare("dead");
  });
  bottle.clock.jumpTo(bottle.clock.now() + 70_000);
  const taker = bottle.consume("q");
  const most = await mostWhileFull(bottle, 5000);
  assert.ok(most < bytesMax, String(most));
  await hasRoom(bottle);
  assert.deepEqual(taker.deliveries, []);
  const dead = (await bottle.drain("dead")).map((text) => Number(text.slice(0, digits)));
  assert.deepEqual(dead, [...Array(count).keys()], "in their order");
});

test("and one that is rejected: its consumers may settle, and what they settle is not given to anybody again", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", toDead);
    one.declare("dead");
  });
  const taker = bottle.consume("q", { creditLimit: 50 });
  let rejected = 0;
  const most = await mostWhileFull(bottle, 30_000, () => {
    for (const { lease } of taker.take()) rejected += taker.session.settle(lease, false, "reject");
  });
  assert.ok(most < bytesMax, String(most));
  assert.ok(rejected > 500, String(rejected));
  assert.ok(bottle.queue("dead").readyCount < 200, String(bottle.queue("dead").readyCount));
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  for (let i = 0; i < 100 && rejected < count; i++) {
    await bottle.advance(1000);
    for (const { lease } of taker.take()) rejected += taker.session.settle(lease, false, "reject");
  }
  await hasRoom(bottle);
  assert.equal(rejected, count);
  assert.equal(bottle.queue("dead").readyCount, count);
});

test("and one that its queue is not to keep", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", toDead);
    one.declare("dead");
  });
  const queue = bottle.queue("q");
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + (6 << 20);
  queue.configure({ ...queue.settings, maxLength: 0 });
  const most = await mostWhileFull(bottle, 5000);
  assert.ok(most < bytesMax, String(most));
  assert.ok(queue.readyCount > 500, String(queue.readyCount));
  await hasRoom(bottle);
  assert.equal(bottle.queue("dead").readyCount, count);
  assert.equal(queue.readyCount, 0);
});

test("and one that was refused by its target, which has room now", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", { ttlMs: 1000, deadLetter: { ...toDead.deadLetter, atLeastOnce: true } });
    one.declare("dead", { maxLength: 0, overflow: "reject-publish" });
  });
  await bottle.advance(120_000);
  assert.equal(bottle.queue("q").scheduledCount, count);
  const dead = bottle.queue("dead");
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + (6 << 20);
  dead.configure({ ...dead.settings, maxLength: -1 });
  const most = await mostWhileFull(bottle, 20_000);
  assert.ok(most < bytesMax, String(most));
  assert.ok(dead.readyCount < 200, String(dead.readyCount));
  await hasRoom(bottle);
  assert.equal(dead.readyCount, count);
});

test("and one of which the time has come, all at once", async () => {
  const bottle = await filled(
    "k",
    (one) => {
      one.ns.createExchange("e", { ...plainExchange, delays: true }, {});
      one.ns.bind("e", { queue: one.declare("q") }, "k", {});
    },
    { exchange: "e", delayMs: 60_000 },
  );
  const most = await mostWhileFull(bottle, 70_000);
  assert.ok(most < bytesMax, String(most));
  assert.ok(bottle.queue("q").readyCount < 200, String(bottle.queue("q").readyCount));
  await bottle.crash();
  const mostAgain = await mostWhileFull(bottle, 5000);
  assert.ok(mostAgain < bytesMax, String(mostAgain));
  await hasRoom(bottle);
  assert.equal(bottle.queue("q").readyCount, count);
});

test("and one that is sent back to where it came from", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", { ttlMs: 1000, ...toDead });
    one.declare("dead");
  });
  await bottle.advance(60_000);
  assert.equal(bottle.queue("dead").readyCount, count);
  const queue = bottle.queue("q");
  queue.configure({ ...queue.settings, ttlMs: -1 });
  await bottle.evict();
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + (6 << 20);
  const redriven = bottle.broker.redrive(bottle.queue("dead"), Infinity);
  const most = await mostWhileFull(bottle, 5000);
  assert.ok(most < bytesMax, String(most));
  assert.ok(queue.readyCount < 200, String(queue.readyCount));
  await hasRoom(bottle);
  assert.equal(await redriven, count);
  assert.equal(queue.readyCount, count);
});

test("what frees space does not wait for it: what nobody wants to have goes, and so does what is accepted", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", toDead);
    one.declare("dead");
    one.declare("fleeting", { ttlMs: 60_000 });
    one.publishAll("fleeting", ["a", "b", "c"]);
  });
  const rejecting = bottle.consume("q", { creditLimit: 50 });
  const accepting = bottle.consume("q", { creditLimit: 50 });
  accepting.acceptsAll = true;
  let rejected = 0;
  await mostWhileFull(bottle, 70_000, () => {
    for (const { lease } of rejecting.take()) rejected += rejecting.session.settle(lease, false, "reject");
  });
  assert.equal(bottle.queue("fleeting").readyCount, 0);
  assert.equal(bottle.queue("q").readyCount, 0);
  await hasRoom(bottle);
  assert.equal(bottle.queue("dead").readyCount, rejected);
  assert.equal(accepting.deliveries.length, count - rejected);
});

test("no more goes into memory than fits while checkpoints find no room, and what consumers take makes room for the rest", async () => {
  const bottle = await filled("q", (one) => {
    one.declare("q", { ttlMs: 60_000, ...toDead });
    one.declare("dead");
  });
  const { disk } = bottle;
  const open = disk.open.bind(disk);
  disk.open = (name, mode) =>
    name.startsWith("segment") && mode !== "read"
      ? Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }))
      : open(name, mode);
  await bottle.advance(70_000);
  const { core } = bottle.broker;
  assert.equal(bottle.broker.pressure.disk, true);
  assert.equal(core.commit.isFull, false);
  const waiting = bottle.queue("dead").readyCount;
  assert.ok(waiting > 50 && waiting < 200, String(waiting));
  assert.ok(core.cache.bytes < bytesMax, String(core.cache.bytes));
  // Nobody else is there who would bring a commit about, and no checkpoint ends.
  const taker = bottle.consume("dead");
  taker.acceptsAll = true;
  await bottle.settle();
  assert.equal(taker.deliveries.length, count);
});
