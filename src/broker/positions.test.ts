import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

test("a group's position is remembered with its metadata, over crash and checkpoint, and may go back", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.publishAll("log", ["0", "1", "2", "3"]);
  const log = bottle.queue("log");
  assert.equal(log.committedOffset("g"), undefined);
  log.commitOffset("g", 3, "größe");
  log.commitOffset("h", 1, "");
  const timeMs = bottle.clock.now();
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(bottle.queue("log").committedOffset("g"), { offset: 3, metadata: "größe", timeMs });
  bottle.queue("log").commitOffset("g", 2, "back");
  assert.equal(bottle.queue("log").forgetOffset("h"), true);
  assert.equal(bottle.queue("log").forgetOffset("h"), false);
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual(
    [...bottle.queue("log").committedOffsets()].map(([group, { offset, metadata }]) => [group, offset, metadata]),
    [["g", 2, "back"]],
  );
});

test("a position is durable with its ticket and not before, and in one step with what is published beside it", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.declare("out");
  await bottle.settle();
  const ticket = bottle.broker.atomically(() => {
    bottle.publish("out", "result");
    bottle.queue("log").commitOffset("g", 1, "");
  });
  while (bottle.broker.durableTicket < ticket) {
    const twin = await bottle.fork();
    const isCommitted = twin.queue("log").committedOffset("g") !== undefined;
    assert.equal(twin.queue("out").readyCount, isCommitted ? 1 : 0);
    await bottle.step();
  }
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("log").committedOffset("g")?.offset, 1);
});

test("lag is the way from a group's position to the durable end", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { maxCount: 5 });
  for (let i = 0; i < 4; i++) bottle.publish("log", String(i));
  assert.equal(log.lag("g"), 0);
  await bottle.settle();
  assert.equal(log.lag("g"), 4);
  log.commitOffset("g", 3, "");
  assert.equal(log.lag("g"), 1);
  log.commitOffset("g", 1, "");
  for (let i = 4; i < 10; i++) bottle.publish("log", String(i));
  await bottle.settle();
  assert.equal(log.lag("g"), 5);
  log.commitOffset("g", 12, "");
  assert.equal(log.lag("g"), 0);
});

test("the positions of a deleted log go with it", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.commitOffset("g", 3, "");
  bottle.ns.deleteQueue(log);
  bottle.declareLog("log");
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("log").committedOffset("g"), undefined);
});
