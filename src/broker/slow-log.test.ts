import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

const dropping = "a queue is at its length limit and drops messages";
const refusing = "a queue is at its length limit and refuses messages";
const slow = "a commit took long: the disk is slow";
const countOf = (bottle: Bottle, sentence: string): number =>
  bottle.logged.filter((line) => line.includes(sentence)).length;

test("a queue at its length limit says so once a minute, however many it drops or refuses", async () => {
  for (const [overflow, sentence] of [
    ["drop-head", dropping],
    ["reject-publish", refusing],
  ] as const) {
    const bottle = await Bottle.open();
    bottle.declare("q", { maxLength: 2, overflow });
    bottle.publishAll("q", ["1", "2"]);
    await bottle.settle();
    assert.equal(countOf(bottle, sentence), 0);
    for (let n = 0; n < 500; n++) bottle.publish("q", String(n));
    await bottle.settle();
    assert.equal(countOf(bottle, sentence), 1);
    await bottle.advance(61_000);
    bottle.publish("q", "later");
    await bottle.settle();
    assert.equal(countOf(bottle, sentence), 2);
  }
});

test("a commit of over a second is told of", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  await bottle.settle();
  for (const [lateMs, lines] of [
    [900, 0],
    [1500, 1],
  ] as const) {
    // Too large to be written on the spot.
    bottle.publish("q", "", { body: Buffer.alloc(20_000) });
    bottle.broker.core.commit.pump();
    bottle.clock.advance(lateMs);
    await bottle.settle();
    assert.equal(countOf(bottle, slow), lines, String(lateMs));
  }
});
