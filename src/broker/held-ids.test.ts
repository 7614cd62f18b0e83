import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plainQueueSettings } from "./catalog/plain-queue.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { Bottle, plainExchange, type Message, type Taker } from "./test-broker.suite.ts";

const untilSettled = { dedup: "until-settled" } as const;

/** Publishes a message with this id as its body; answers whether the queue took it. */
function isTaken(bottle: Bottle, id: string, message: Message = {}, queue = "q"): boolean {
  const before = bottle.queue(queue).partitions.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  bottle.publish(queue, id, { headers: { id }, ...message });
  assert.deepEqual([bottle.outcome.routed, bottle.outcome.refused], [1, false]);
  return bottle.queue(queue).partitions.reduce((sum, { nextOffset }) => sum + nextOffset, 0) > before;
}

test("an id is taken once as long as its message is ready, leased or returned, and again when that was settled", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", untilSettled);
  const taker = bottle.consume("q", { creditLimit: 1 });
  for (const settlement of ["accept", "reject"] as const) {
    assert.equal(isTaken(bottle, "1"), true);
    assert.equal(isTaken(bottle, "1"), false);
    await bottle.settle();
    assert.equal(isTaken(bottle, "1"), false);
    taker.session.settle(0, true, "release");
    await bottle.settle();
    assert.equal(isTaken(bottle, "1"), false);
    taker.session.settle(0, true, settlement);
    assert.equal(isTaken(bottle, "1"), true);
    await bottle.settle();
    taker.session.settle(0, true, settlement);
  }
  assert.equal(isTaken(bottle, "none", { headers: {} }), true);
  assert.equal(isTaken(bottle, "none", { headers: {} }), true);
});

test("an id goes with a message that is purged, expires, is dropped by a full queue, or is taken for good", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ...untilSettled, maxLength: 2 });
  assert.equal(isTaken(bottle, "1"), true);
  bottle.queue("q").purge();
  assert.equal(isTaken(bottle, "1", { ttlMs: 100 }), true);
  await bottle.advance(200);
  assert.equal(isTaken(bottle, "1"), true);
  for (const id of ["2", "3"]) assert.equal(isTaken(bottle, id), true);
  assert.equal(isTaken(bottle, "1"), true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["3", "1"]);
  assert.equal(isTaken(bottle, "1"), true);
});

test("a message that dies into its own queue is no duplicate of itself; what came meanwhile makes it one", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ...untilSettled, deadLetter: { exchange: "", routingKey: "q" } });
  bottle.declare("wait", { ttlMs: 1000, deadLetter: { exchange: "", routingKey: "r" } });
  bottle.declare("r", { ...untilSettled, deadLetter: { exchange: "", routingKey: "wait" } });
  for (const name of ["q", "r"]) {
    isTaken(bottle, "1", {}, name);
    const taker = bottle.consume(name);
    await bottle.settle();
    taker.session.settle(0, true, "reject");
    await bottle.settle();
    taker.session.close();
  }
  await bottle.settle();
  assert.equal(isTaken(bottle, "1"), false);
  assert.equal(isTaken(bottle, "1", {}, "r"), true);
  await bottle.advance(1000);
  assert.deepEqual([await bottle.drain("q"), await bottle.drain("r")], [["1"], ["1"]]);
});

test("ids of what is there outlive crash, checkpoint and stop, and no others do", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", untilSettled);
  for (const id of ["kept", "settled"]) isTaken(bottle, id);
  isTaken(bottle, "fleeting", { durable: false });
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(2, false, "accept");
  await bottle.settle();
  for (const way of ["crash", "checkpoint", "crash", "checkpoint", "restart"] as const) {
    await bottle[way]();
    assert.equal(isTaken(bottle, "kept"), false, way);
  }
  for (const id of ["settled", "fleeting"]) assert.equal(isTaken(bottle, id), true);
});

test("an id is held once in a topic, in whichever of its partitions the message is", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.ns.createQueue("q", { ...plainQueueSettings, ...untilSettled }, {}, 3);
  for (let i = 0; i < 6; i++) assert.equal(isTaken(bottle, "1"), i === 0);
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  assert.equal(isTaken(bottle, "1"), false);
  assert.deepEqual(await bottle.drain("q"), ["1"]);
  for (let i = 0; i < 6; i++) assert.equal(isTaken(bottle, "1"), i === 0);
  assert.equal(queue.partitions.length, 3);
});

test("of ids whose messages are gone only few are kept, also behind one that stays", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", untilSettled);
  isTaken(bottle, "stays");
  const stays = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  const taker = bottle.consume("q");
  taker.acceptsAll = true;
  for (let i = 0; i < 3000; i++) {
    isTaken(bottle, String(i));
    if (i % 10 === 0) await bottle.settle();
  }
  await bottle.settle();
  const { size } = (bottle.queue("q") as QueueState).heldIds!;
  assert.ok(size < 100, `${size}`);
  assert.equal(isTaken(bottle, "stays"), false);
  assert.equal(stays.deliveries.length, 1);
});

test("what is redriven goes back to a queue that has seen it, but not to one that has it again", async () => {
  for (const dedup of [{ windowMs: 0, maxIds: 10 }, "until-settled"] as const) {
    const bottle = await Bottle.open();
    bottle.declare("q", { dedup, deadLetter: { exchange: "", routingKey: "dead" } });
    bottle.declare("dead");
    isTaken(bottle, "1");
    const taker = bottle.consume("q");
    await bottle.settle();
    taker.session.settle(0, true, "reject");
    taker.session.close();
    await bottle.settle();
    const hasAgain = dedup === "until-settled" && isTaken(bottle, "1");
    const moved = bottle.broker.redrive(bottle.queue("dead"), 10);
    await bottle.settle();
    assert.equal(await moved, hasAgain ? 0 : 1);
    assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("dead").readyCount], [1, hasAgain ? 1 : 0]);
  }
});

test("a delayed message is a duplicate when its time has come, not before", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("late", { ...plainExchange, delays: true }, {});
  bottle.ns.bind("late", { queue: bottle.declare("q", untilSettled) }, "q", {});
  for (const delay of [1000, 2000])
    bottle.publish("q", String(delay), { exchange: "late", headers: { id: "1", delay } });
  assert.equal(isTaken(bottle, "1"), true);
  await bottle.advance(1000);
  assert.deepEqual(await bottle.drain("q"), ["1"]);
  await bottle.advance(1000);
  assert.deepEqual(await bottle.drain("q"), ["2000"]);
});

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), id: fc.integer({ min: 0, max: 5 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("accept" as const, "release" as const, "reject" as const),
      at: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("purge" as const, "crash" as const, "checkpoint" as const) }),
  },
);

test("after any history, a queue takes the ids that none of its messages has", async () => {
  const history = fc.array(step, { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const bottle = await Bottle.open();
      bottle.declare("q", untilSettled);
      const there = new Set<string>();
      let taker: Taker = bottle.consume("q");
      await bottle.settle();
      for (const one of steps) {
        if (one.do === "publish") {
          const id = String(one.id);
          assert.equal(isTaken(bottle, id), !there.has(id));
          there.add(id);
        } else if ("at" in one) {
          const [delivery] = taker.deliveries.splice(one.at, 1);
          if (delivery !== undefined) {
            taker.session.settle(delivery.lease, false, one.do);
            if (one.do !== "release") there.delete(delivery.body);
          }
        } else if (one.do === "crash") {
          await bottle.crash();
          taker = bottle.consume("q");
        } else if (one.do === "checkpoint") await bottle.checkpoint();
        else {
          bottle.queue("q").purge();
          for (const id of there) if (!taker.deliveries.some(({ body }) => body === id)) there.delete(id);
        }
        await bottle.settle();
      }
    }),
    { numRuns: 40 },
  );
});
