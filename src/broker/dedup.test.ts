import assert from "node:assert/strict";
import { test } from "node:test";
import type { Publication } from "./api.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, plainExchange, testFormat } from "./test-broker.suite.ts";

test("a queue takes a message id once within its window, and reports the second as taken", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 1000, maxIds: 100 } });
  for (const dedupId of ["1", "2", "1"]) bottle.publish("q", dedupId, { dedupId });
  assert.deepEqual([bottle.outcome.routed, bottle.outcome.refused], [1, false]);
  bottle.publish("q", "none");
  await bottle.advance(999);
  bottle.publish("q", "1", { dedupId: "1" });
  await bottle.advance(1);
  bottle.publish("q", "again", { dedupId: "1" });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["1", "2", "none", "again"]);
});

test("a window is bounded by number: the oldest ids are forgotten", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 0, maxIds: 2 } });
  for (const dedupId of ["1", "2", "3", "3", "2", "1"]) bottle.publish("q", dedupId, { dedupId });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["1", "2", "3", "1"]);
});

test("an exchange that remembers ids lets a message through once, whatever its routes", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, dedup: { windowMs: 0, maxIds: 100 } }, {});
  bottle.ns.bind("e", { queue: bottle.declare("a") }, "a", {});
  bottle.ns.bind("e", { queue: bottle.declare("b") }, "b", {});
  bottle.publish("a", "1", { exchange: "e", dedupId: "1" });
  bottle.publish("b", "1", { exchange: "e", dedupId: "1" });
  assert.equal(bottle.outcome.routed, 1);
  bottle.publish("nowhere", "2", { exchange: "e", dedupId: "2" });
  bottle.publish("b", "2", { exchange: "e", dedupId: "2" });
  await bottle.settle();
  assert.deepEqual([await bottle.drain("a"), await bottle.drain("b")], [["1"], ["2"]]);
});

test("what is remembered outlives crash and checkpoint", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 60_000, maxIds: 100 } });
  bottle.ns.createExchange("e", { ...plainExchange, dedup: { windowMs: 0, maxIds: 100 } }, {});
  bottle.ns.bind("e", { queue: bottle.declare("r") }, "k", {});
  const publish = (): void => {
    bottle.publish("q", "a", { dedupId: "1" });
    bottle.publish("k", "b", { exchange: "e", dedupId: "1" });
  };
  publish();
  await bottle.settle();
  await bottle.crash();
  publish();
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  publish();
  await bottle.settle();
  assert.deepEqual([await bottle.drain("q"), await bottle.drain("r")], [["a"], ["b"]]);
});

test("a message that a full queue refused is no duplicate when it is sent again", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxLength: 1, overflow: "reject-publish", dedup: { windowMs: 0, maxIds: 100 } });
  bottle.ns.createExchange("e", { ...plainExchange, dedup: { windowMs: 0, maxIds: 100 } }, {});
  bottle.ns.bind("e", { queue: bottle.declare("r", { maxLength: 1, overflow: "reject-publish" }) }, "k", {});
  for (const name of ["q", "r"]) {
    const to = name === "q" ? ["q", undefined] : ["k", "e"];
    const publish = (dedupId: string): void => void bottle.publish(to[0]!, dedupId, { dedupId, exchange: to[1] ?? "" });
    publish("1");
    publish("2");
    assert.equal(bottle.outcome.refused, true);
    assert.equal((await bottle.get(name))?.body, "1");
    publish("2");
    assert.equal(bottle.outcome.refused, false);
    await bottle.settle();
    assert.deepEqual(await bottle.drain(name), ["2"]);
  }
});

test("an id is on disk with its message or not at all, wherever blocks end", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 0, maxIds: 1_000_000 } });
  await bottle.settle();
  // About 10 blocks of 1 MB; the power may go after each of them.
  for (let i = 0; i < 1000; i++)
    bottle.publish("q", String(i), { dedupId: `${"i".repeat(1000)}${i}`, body: Buffer.alloc(9000) });
  for (let i = 0; i < 14; i++) {
    const twin = await bottle.fork();
    assert.equal(
      twin.queue("q").readyCount,
      [...twin.broker.core.queueById.values()].find(({ name }) => name === "q")!.dedup!.toJson().length,
    );
    for (let step = 0; step < 3; step++) await bottle.step();
  }
});

test("ids of exchange and queue, and ids and keys of any length, go with their message", async () => {
  const bottle = await Bottle.open();
  const dedup = { windowMs: 0, maxIds: 1_000_000 };
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout", dedup }, {});
  for (const name of ["a", "b"]) bottle.ns.bind("e", { queue: bottle.declare(name, { dedup }) }, "", {});
  await bottle.settle();
  for (let i = 0; i < 100; i++) {
    const text = `${"ä".repeat(90_000)}${i}`;
    bottle.publish("", String(i), { exchange: "e", dedupId: text, key: text });
  }
  for (let i = 0; i < 8; i++) {
    const twin = await bottle.fork();
    const { queueById } = twin.broker.core;
    for (const { dedup: window, readyCount } of queueById.values()) assert.equal(window!.toJson().length, readyCount);
    await bottle.step();
  }
  await bottle.settle();
  for (let round = 0; round < 2; round++) {
    await bottle.crash();
    for (let i = 0; i < 3; i++) bottle.publish("", "", { exchange: "e", dedupId: `${"ä".repeat(90_000)}${i}` });
    await bottle.settle();
    assert.equal(bottle.queue("a").readyCount, 100);
    await bottle.checkpoint();
  }
});

test("a delaying exchange remembers the ids of what waits", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, delays: true, dedup: { windowMs: 0, maxIds: 100 } }, {});
  bottle.ns.bind("e", { queue: bottle.declare("q") }, "k", {});
  for (let i = 0; i < 2; i++) bottle.publish("k", "a", { exchange: "e", delayMs: 1000, dedupId: "1" });
  await bottle.advance(2000);
  assert.deepEqual(await bottle.drain("q"), ["a"]);
});

test("ids and keys of any length fit into the journal, also of what was routed before, or is routed later", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 0, maxIds: 100 } });
  bottle.ns.createExchange("late", { ...plainExchange, delays: true }, {});
  bottle.ns.bind("late", { queue: bottle.queue("q") }, "k", {});
  const text = "ä".repeat(90_000);
  const publicationTo = (exchange: string, said: Partial<Publication>): Publication => {
    const start = emptyPublication(bottle.ns.exchange(exchange)!);
    return { ...start, format: testFormat.id, durable: true, routingKey: "k", ...said };
  };
  const publishAll = (): void => {
    bottle.broker.atomically(() => {
      for (let i = 0; i < 3; i++) {
        const publication = publicationTo("", { dedupId: `${text}${i}`, key: text, routingKey: text });
        bottle.ns.publishTo([bottle.queue("q")], publication, bottle.outcome);
      }
    });
  };
  publishAll();
  const deliverAtMs = bottle.clock.now() + 1000;
  bottle.ns.publish(publicationTo("late", { routingKey: "none", extraKeys: [text, "k"], deliverAtMs }), bottle.outcome);
  await bottle.settle();
  for (let round = 0; round < 2; round++) {
    await bottle.crash();
    publishAll();
    await bottle.settle();
    assert.equal(bottle.queue("q").readyCount, 3);
    await bottle.checkpoint();
  }
  await bottle.advance(1000);
  assert.equal(bottle.queue("q").readyCount, 4);
});

test("an id that came again when its time was over holds up none of those behind it, after a crash", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 60_000, maxIds: 100 } });
  bottle.publish("q", "a", { dedupId: "1" });
  bottle.publish("q", "b", { dedupId: "2" });
  await bottle.advance(61_000);
  bottle.publish("q", "a again", { dedupId: "1" });
  await bottle.settle();
  await bottle.crash();
  await bottle.advance(1000);
  bottle.publish("q", "b again", { dedupId: "2" });
  bottle.publish("q", "a too soon", { dedupId: "1" });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b", "a again", "b again"]);
});
