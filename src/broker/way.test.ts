import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExchangeSettings } from "./api.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, plainExchange, plainQueue, testFormat } from "./test-broker.suite.ts";

const fan: ExchangeSettings = { ...plainExchange, kind: "fanout" };

/** `entry` leads to the queue `now`, and to exchanges of these settings, which lead to a queue of their own name. */
async function withBehind(exchanges: Readonly<Record<string, Partial<ExchangeSettings>>>): Promise<Bottle> {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("entry", fan, {});
  bottle.ns.bind("entry", { queue: bottle.declare("now") }, "", {});
  for (const [name, settings] of Object.entries(exchanges)) {
    bottle.ns.createExchange(name, { ...fan, ...settings }, {});
    bottle.ns.bind("entry", { exchange: name }, "", {});
    bottle.ns.bind(name, { queue: bottle.declare(name) }, "", {});
  }
  return bottle;
}

const toEntry = { exchange: "entry", headers: { delay: 1000 } };

test("a message goes on at once where nothing holds it, and waits at each exchange that delays", async () => {
  const bottle = await withBehind({ one: { delays: true }, two: { delays: true } });
  bottle.publish("k", "a", toEntry);
  assert.equal(bottle.outcome.routed, 1);
  await bottle.settle();
  assert.deepEqual([await bottle.drain("now"), await bottle.drain("one"), await bottle.drain("two")], [["a"], [], []]);
  await bottle.advance(1000);
  for (const name of ["one", "two"]) {
    const [delivery, ...more] = await bottle.drainDeliveries(name);
    assert.deepEqual([delivery?.body, delivery?.exchange, delivery?.routingKey, more], ["a", "entry", "k", []]);
  }
});

test("it waits once: what comes from one exchange that delays to another goes through", async () => {
  const bottle = await withBehind({ one: { delays: true } });
  bottle.ns.createExchange("next", { ...fan, delays: true }, {});
  bottle.ns.bind("one", { exchange: "next" }, "", {});
  bottle.ns.bind("next", { exchange: "one" }, "", {});
  bottle.ns.bind("next", { queue: bottle.declare("next") }, "", {});
  bottle.publish("k", "a", toEntry);
  await bottle.advance(1000);
  assert.deepEqual([await bottle.drain("one"), await bottle.drain("next")], [["a"], ["a"]]);
});

test("what waits behind another exchange is on disk with what does not, wherever blocks end, and outlives all that comes", async () => {
  const bottle = await withBehind({ late: { delays: true }, once: { dedup: { windowMs: 0, maxIds: 1000 } } });
  await bottle.settle();
  for (let i = 0; i < 200; i++) {
    bottle.publish("k", String(i), { ...toEntry, headers: { delay: 5000, id: String(i) }, body: Buffer.alloc(9000) });
  }
  for (let i = 0; i < 8; i++) {
    const twin = await bottle.fork();
    const namespace = twin.broker.core.namespaceByName.get("/")!;
    const counts = [
      twin.queue("now").readyCount,
      twin.queue("once").readyCount,
      namespace.exchange("once")!.dedup!.toJson().length,
    ];
    assert.deepEqual(
      counts,
      Array.from({ length: 3 }, () => namespace.delayedCount),
    );
    for (let step = 0; step < 2; step++) await bottle.step();
  }
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  await bottle.advance(4999);
  assert.equal(bottle.queue("late").readyCount, 0);
  await bottle.advance(1);
  assert.equal(bottle.queue("late").readyCount, 200);
});

test("what waits outlives its exchange, and goes by one of the same name; with none it is dropped, and leaves nothing", async () => {
  const bottle = await withBehind({ late: { delays: true } });
  bottle.publish("k", "a", toEntry);
  await bottle.settle();
  bottle.ns.deleteExchange("late");
  await bottle.settle();
  await bottle.crash();
  bottle.ns.createExchange("late", { ...fan, delays: true }, {});
  bottle.ns.bind("late", { queue: bottle.queue("late") }, "", {});
  await bottle.advance(1000);
  assert.deepEqual(await bottle.drain("late"), ["a"]);
  bottle.ns.bind("entry", { exchange: "late" }, "", {});
  bottle.publish("k", "b", toEntry);
  await bottle.settle();
  bottle.ns.deleteExchange("late");
  await bottle.advance(1000);
  const hidden = (): string[] => [...bottle.broker.core.namespaceByName.get("/")!.hiddenByName.keys()];
  assert.deepEqual(hidden(), []);
  await bottle.crash();
  assert.deepEqual([hidden(), bottle.queue("late").readyCount], [[], 0]);
});

test("what waits since an earlier version, all of it in one place, goes by the exchange that it was published to", async () => {
  const bottle = await withBehind({ late: { delays: true } });
  const place = bottle.ns.createQueue("\u0000delayed", plainQueue, undefined);
  const publication = {
    ...emptyPublication(bottle.ns.exchange("late")!),
    format: testFormat.id,
    durable: true,
    deliverAtMs: bottle.clock.now() + 1000,
    body: Buffer.from("old"),
    bodyEnd: 3,
  };
  bottle.ns.publishTo([place], publication, bottle.outcome);
  await bottle.settle();
  // Hidden, as they had it.
  const namespace = bottle.broker.core.namespaceByName.get("/")!;
  namespace.queueByName.delete(place.name);
  Object.assign(place, { isHidden: true });
  namespace.hiddenByName.set(place.name, place as QueueState);
  await bottle.checkpoint();
  await bottle.crash();
  assert.equal(bottle.broker.core.namespaceByName.get("/")!.delayedCount, 1);
  await bottle.advance(1000);
  assert.deepEqual(await bottle.drain("late"), ["old"]);
});

test("an id that was seen stops a message at that exchange and nowhere else", async () => {
  const bottle = await withBehind({ once: { dedup: { windowMs: 0, maxIds: 10 }, alternate: "lost" }, other: {} });
  bottle.ns.createExchange("lost", fan, {});
  bottle.ns.bind("lost", { queue: bottle.declare("lost") }, "", {});
  for (const body of ["a", "b"]) bottle.publish("k", body, { exchange: "entry", headers: { id: "1" } });
  assert.deepEqual([bottle.outcome.routed, bottle.outcome.refused], [2, false]);
  await bottle.settle();
  const found = await Promise.all(["now", "once", "other", "lost"].map((name) => bottle.drain(name)));
  assert.deepEqual(found, [["a", "b"], ["a"], ["a", "b"], []]);
});

test("how long an id is remembered may be said by its message, over crash and checkpoint", async () => {
  for (const windowMs of [0, 5000]) {
    const bottle = await withBehind({ once: { dedup: { windowMs, maxIds: 10 } } });
    const publish = (id: string, ms?: number): void =>
      void bottle.publish("k", id, {
        exchange: "entry",
        headers: { id, ...(ms === undefined ? {} : { "id-ms": ms }) },
      });
    publish("plain");
    publish("short", 1000);
    publish("long", 9000);
    for (const way of ["crash", "checkpoint", "crash"] as const) {
      await bottle.settle();
      await bottle[way]();
      for (const id of ["plain", "short", "long"]) publish(id);
    }
    await bottle.advance(1000);
    publish("short");
    await bottle.settle();
    assert.deepEqual(await bottle.drain("once"), ["plain", "short", "long", "short"]);
    await bottle.advance(4000);
    for (const id of ["plain", "long"]) publish(id);
    await bottle.settle();
    assert.deepEqual(await bottle.drain("once"), windowMs === 0 ? [] : ["plain"]);
    await bottle.advance(4000);
    publish("long");
    await bottle.settle();
    assert.deepEqual(await bottle.drain("once"), ["long"]);
  }
});

test("the dead come to an exchange that delays, keeps or remembers as others do, at least once too", async () => {
  for (const atLeastOnce of [false, true]) {
    const bottle = await withBehind({
      late: { delays: true },
      recent: { historyLength: 10 },
      once: { dedup: { windowMs: 0, maxIds: 10 } },
    });
    for (const exchange of ["late", "recent", "once"]) {
      bottle.declare(`to ${exchange}`, { deadLetter: { exchange, atLeastOnce } });
      for (const id of ["1", "1"]) bottle.publish(`to ${exchange}`, id, { headers: { delay: 1000, id } });
      const taker = bottle.consume(`to ${exchange}`);
      await bottle.settle();
      for (const { lease } of taker.deliveries) taker.session.settle(lease, false, "reject");
      await bottle.settle();
      assert.deepEqual([bottle.queue(`to ${exchange}`).readyCount, bottle.queue(`to ${exchange}`).leasedCount], [0, 0]);
    }
    bottle.ns.bind("recent", { queue: bottle.declare("new") }, "", {});
    await bottle.settle();
    assert.deepEqual([await bottle.drain("new"), await bottle.drain("once")], [["1", "1"], ["1"]]);
    assert.deepEqual(await bottle.drain("late"), []);
    await bottle.crash();
    await bottle.advance(1000);
    assert.deepEqual(await bottle.drain("late"), ["1", "1"]);
  }
});

test("what a full queue refuses is as far as it came: an id is not remembered, a delay is", async () => {
  const bottle = await withBehind({ once: { dedup: { windowMs: 0, maxIds: 10 } }, late: { delays: true } });
  bottle.ns.bind("once", { queue: bottle.declare("full", { maxLength: 0, overflow: "reject-publish" }) }, "", {});
  for (const body of ["a", "b"]) bottle.publish("k", body, { exchange: "entry", headers: { id: "1", delay: 1000 } });
  assert.equal(bottle.outcome.refused, true);
  await bottle.advance(1000);
  assert.deepEqual(
    [await bottle.drain("once"), await bottle.drain("late")],
    [
      ["a", "b"],
      ["a", "b"],
    ],
  );
});

test("where a message may come to such an exchange, a transaction decides nothing before its commit", async () => {
  const bottle = await withBehind({ late: { delays: true } });
  const heldBack = (name: string): string[] | undefined => {
    const publication = { ...emptyPublication(bottle.ns.exchange(name)!), routingKey: "now" };
    return bottle.ns.holdBack(publication)?.map((queue) => queue.name);
  };
  assert.deepEqual(["", "entry", "late"].map(heldBack), [["now"], undefined, undefined]);
  bottle.ns.unbind("entry", { exchange: "late" }, "", {});
  assert.deepEqual(["", "entry", "late"].map(heldBack), [["now"], ["now"], undefined]);
});
