import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainExchange, plainQueue } from "../test-broker.suite.ts";

test("who waits for one message of a queue that is deleted is told when all that goes with it is gone", async () => {
  const bottle = await Bottle.open();
  const { ns, broker } = bottle;
  ns.createExchange("x", { ...plainExchange, autoDelete: true }, {});
  const queue = ns.createQueue("parts", plainQueue, {}, 2);
  ns.bind("x", { queue }, "k", {});
  await bottle.settle();
  bottle.publish("parts", "a");
  const told: unknown[] = [];
  broker.createSession().get(queue, false, (_lease, entry) => {
    const areGone = queue.partitions.every(({ isDeleted }) => isDeleted);
    told.push([entry, areGone, broker.core.queueById.size, ns.exchange("x")]);
    bottle.declare("parts");
    bottle.publish("parts", "b");
  });
  ns.deleteQueue(queue);
  assert.deepEqual(told, []);
  await bottle.settle();
  assert.deepEqual(told, [[undefined, true, 0, undefined]]);
  assert.deepEqual(await bottle.drain("parts"), ["b"]);
});

test("who asks a queue that is gone for one message is told that there is none", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publish("q", "a");
  await bottle.settle();
  bottle.ns.deleteQueue(queue);
  const told: unknown[] = [];
  bottle.broker.createSession().get(queue, false, (_lease, entry) => void told.push(entry));
  await bottle.settle();
  assert.deepEqual(told, [undefined]);
});

test("when one who is given a message deletes the queue, those who wait behind are told that there is none", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publish("q", "a");
  bottle.publish("q", "b");
  const told: boolean[] = [];
  const session = bottle.broker.createSession();
  session.get(queue, false, (_lease, entry) => {
    told.push(entry !== undefined);
    bottle.ns.deleteQueue(queue);
  });
  session.get(queue, false, (_lease, entry) => void told.push(entry !== undefined));
  await bottle.settle();
  assert.deepEqual(told, [true, false]);
});
