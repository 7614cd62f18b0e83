import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

// Found by torture: answers to fetches that were written into each other, since one reader was told within another's answer.
test("who asks for more while they are told what came is not interrupted by others who wait", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  for (const text of ["one", "two", "three"]) bottle.publish("log", text);
  await bottle.settle();
  await bottle.evict();
  const queue = bottle.queue("log");
  const heard: string[] = [];
  queue.load(0, () => {
    heard.push("first");
    queue.load(1, () => heard.push("more of the first"));
    heard.push("first has answered");
  });
  for (const name of ["second", "third"]) queue.load(0, () => heard.push(name));
  await bottle.settle();
  const inTurn = ["first", "first has answered", "second", "third", "more of the first"];
  assert.deepEqual(heard, inTurn);
});

test("any number may wait for the same", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.publish("log", "one");
  await bottle.settle();
  await bottle.evict();
  let heard = 0;
  for (let reader = 0; reader < 20_000; reader++) bottle.queue("log").load(0, () => heard++);
  await bottle.settle();
  assert.equal(heard, 20_000);
});
