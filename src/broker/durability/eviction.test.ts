import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "../test-broker.suite.ts";

test("pages that may go some day are remembered once each, and only while they are there", async () => {
  const bottle = await Bottle.open();
  const { eviction } = bottle.broker.core;
  const queues = Array.from({ length: 700 }, (_, number) => bottle.declare(`q${number}`));
  for (let round = 0; round < 10; round++) {
    for (const { name } of queues) bottle.publish(name, "x");
    await bottle.settle();
    await bottle.checkpoint();
  }
  assert.ok(eviction.pageCount >= 700 && eviction.pageCount <= 4096, `${eviction.pageCount} pages of 700`);
  for (const queue of queues.slice(1)) bottle.ns.deleteQueue(queue);
  const { partition } = [...bottle.broker.core.queueById.values()].find(({ name }) => name === "q0")!;
  for (let round = 0; round < 4096; round++) eviction.offer(partition, 0);
  assert.ok(eviction.pageCount < 4096, `${eviction.pageCount} pages of one`);
});
