import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

test("the default exchange leads to the queue of the key's name, and to nobody otherwise", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a");
  assert.equal(bottle.outcome.routed, 1);
  assert.equal(bottle.publish("nobody", "b"), 0);
  assert.equal(bottle.outcome.routed, 0);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a"]);
});

test("exchanges lead to exchanges, and a queue that is met twice gets one copy", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.ns.createExchange("front", { ...plainExchange, kind: "topic" }, {});
  bottle.ns.createExchange("back", { ...plainExchange, kind: "fanout" }, {});
  bottle.ns.bind("front", { exchange: "back" }, "a.#", {});
  bottle.ns.bind("front", { queue }, "#.b", {});
  bottle.ns.bind("back", { queue }, "", {});
  assert.equal(bottle.ns.bind("back", { queue }, "", {}), "existed");
  for (let i = 0; i < 2; i++) {
    for (const key of ["a.b", "a.c", "c.b", "c.d"]) bottle.publish(key, key, { exchange: "front" });
    await bottle.settle();
    assert.deepEqual(await bottle.drain("q"), ["a.b", "a.c", "c.b"]);
    await bottle.crash();
  }
});

test("an alternate exchange takes what its owner cannot route", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("else", { ...plainExchange, kind: "fanout" }, {});
  bottle.ns.createExchange("e", { ...plainExchange, alternate: "else" }, {});
  bottle.ns.bind("e", { queue: bottle.declare("q") }, "k", {});
  bottle.ns.bind("else", { queue: bottle.declare("rest") }, "", {});
  bottle.publish("k", "a", { exchange: "e" });
  bottle.publish("x", "b", { exchange: "e" });
  await bottle.settle();
  assert.deepEqual([await bottle.drain("q"), await bottle.drain("rest")], [["a"], ["b"]]);
});

test("unbinding ends a route, also after a crash, and names what was not there", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.ns.createExchange("e", plainExchange, {});
  for (const key of ["a", "b"]) bottle.ns.bind("e", { queue }, key, {});
  assert.equal(bottle.ns.unbind("e", { queue }, "a", {}), "unbound");
  assert.equal(bottle.ns.unbind("e", { queue }, "a", {}), "absent");
  assert.equal(bottle.ns.unbind("nowhere", { queue }, "a", {}), "absent");
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(
    [...bottle.ns.bindingsFrom("e")].map(({ key }) => key),
    ["b"],
  );
  assert.deepEqual(
    [...bottle.ns.bindingsTo({ queue: bottle.queue("q") })].map(({ source }) => source),
    ["e"],
  );
});

test("an auto-delete exchange goes with its last binding, and takes those along that only it kept", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  const autoDelete = { ...plainExchange, autoDelete: true };
  bottle.ns.createExchange("front", autoDelete, {});
  bottle.ns.createExchange("back", autoDelete, {});
  bottle.ns.bind("front", { exchange: "back" }, "", {});
  bottle.ns.bind("back", { queue }, "", {});
  bottle.ns.deleteQueue(queue);
  assert.deepEqual(
    [...bottle.ns.exchanges()].map(({ name }) => name),
    [""],
  );
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(
    [...bottle.ns.exchanges()].map(({ name }) => name),
    [""],
  );
});

test("an auto-delete exchange that a fleeting binding kept is there after a crash, with what was bound since", async () => {
  const bottle = await Bottle.open();
  const first = bottle.declare("first");
  bottle.ns.createExchange("e", { ...plainExchange, autoDelete: true }, {});
  bottle.ns.bind("e", { queue: first }, "", {});
  bottle.ns.bind("e", { queue: bottle.declare("fleeting", { durable: false }) }, "", {});
  bottle.ns.deleteQueue(first);
  bottle.ns.bind("e", { queue: bottle.declare("second") }, "", {});
  await bottle.settle();
  await bottle.crash();
  bottle.publish("", "a", { exchange: "e" });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("second"), ["a"]);
});

test("a deleted exchange takes its bindings and its history along, for good", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  const settings = { ...plainExchange, kind: "fanout", historyLength: 2 } as const;
  bottle.ns.createExchange("e", settings, {});
  bottle.ns.bind("e", { queue }, "", {});
  bottle.publish("", "old", { exchange: "e" });
  bottle.ns.deleteExchange("e");
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.ns.exchange("e"), undefined);
  bottle.ns.createExchange("e", settings, {});
  bottle.ns.bind("e", { queue: bottle.declare("r") }, "", {});
  await bottle.settle();
  assert.deepEqual([await bottle.drain("q"), await bottle.drain("r")], [["old"], []]);
});

test("a binding of a fleeting queue does not outlive it, and does not keep it from coming back", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", plainExchange, {});
  bottle.ns.bind("e", { queue: bottle.declare("q", { durable: false }) }, "k", {});
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual([...bottle.ns.bindingsFrom("e")], []);
  bottle.ns.bind("e", { queue: bottle.declare("q") }, "k", {});
  bottle.publish("k", "a", { exchange: "e" });
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(await bottle.drain("q"), ["a"]);
});

test("messages that were bound for two queues stay in the one when the other is deleted", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout" }, {});
  for (const name of ["a", "b", "c"]) bottle.ns.bind("e", { queue: bottle.declare(name) }, "", {});
  bottle.publishAll("", numbers(0, 500), { exchange: "e" });
  await bottle.settle();
  await bottle.evict();
  bottle.ns.deleteQueue(bottle.queue("a"));
  await bottle.settle();
  await bottle.crash();
  bottle.ns.deleteQueue(bottle.queue("b"));
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual(await bottle.drain("c"), numbers(0, 500));
});

test("a fan-out that most of its queues have settled is not written out once for each of the others", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout" }, {});
  for (let i = 0; i < 10; i++) bottle.ns.bind("e", { queue: bottle.declare(`q${i}`) }, "", {});
  for (let i = 0; i < 200; i++) bottle.publish("", "", { exchange: "e", body: Buffer.alloc(5000, i) });
  await bottle.settle();
  await bottle.evict();
  const segmentBytes = async (): Promise<number> =>
    (await bottle.disk.list())
      .filter((name) => name.startsWith("segment"))
      .reduce((sum, name) => sum + bottle.disk.bytesOf(name).length, 0);
  const before = await segmentBytes();
  for (let i = 0; i < 7; i++) await bottle.drain(`q${i}`);
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.ok((await segmentBytes()) <= before);
  for (const queue of ["q7", "q8"]) assert.equal((await bottle.drain(queue)).length, 200);
  for (let i = 0; i < 150; i++) await bottle.get("q9");
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.ok((await segmentBytes()) < before / 3);
  await bottle.crash();
  assert.equal((await bottle.drain("q9")).length, 50);
});

test("queues that are deleted while a checkpoint copies them, and what waits for its time in them, are gone", async () => {
  const bottle = await Bottle.open();
  for (const name of ["a", "b"]) {
    bottle.declare(name);
    bottle.publishAll(name, numbers(0, 5000));
    for (let i = 0; i < 100; i++) bottle.publish(name, `late${i}`, { delayMs: 1000 });
  }
  await bottle.settle();
  const taken = bottle.broker.checkpoint();
  for (let i = 0; i < 3; i++) await bottle.step();
  bottle.ns.deleteQueue(bottle.queue("a"));
  await bottle.settle();
  await taken;
  await bottle.crash();
  assert.equal(bottle.ns.queue("a"), undefined);
  await bottle.advance(2000);
  assert.equal((await bottle.drain("b")).length, 5100);
  bottle.ns.deleteQueue(bottle.queue("b"));
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(
    (await bottle.disk.list()).filter((name) => name.startsWith("segment")),
    [],
  );
  assert.ok(bottle.broker.core.cache.bytes <= 3 << 20);
});

test("the power may go at each step of a checkpoint, while messages come and go", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 3000));
  await bottle.settle();
  await bottle.evict();
  const taker = bottle.consume("q", { creditLimit: 1000 });
  await bottle.settle();
  let next = 3000;
  let settled = 0;
  const taken = { isOver: false };
  void bottle.broker.checkpoint().then(() => (taken.isOver = true));
  for (let i = 0; !taken.isOver && i < 60; i++) {
    bottle.publish("q", String(next++));
    for (const delivery of taker.deliveries.slice(settled, settled + 20)) taker.accept(delivery);
    settled = Math.min(settled + 20, taker.deliveries.length);
    for (let step = 0; step < 4; step++) await bottle.step();
    const twin = await bottle.fork();
    const left = (await twin.drain("q")).map(Number);
    // One end is what was settled, the other what was published: some of both may not have reached the disk.
    assert.ok(left[0]! <= settled && left.at(-1)! < next && left.at(-1)! >= 2999, `${left[0]} ${left.at(-1)}`);
    assert.deepEqual(
      left,
      Array.from({ length: left.length }, (_, at) => left[0]! + at),
    );
  }
  await bottle.settle();
  await bottle.crash();
  const drained = await bottle.drain("q");
  assert.deepEqual(drained, numbers(settled, next));
});

test("several namespaces keep their names apart", async () => {
  const bottle = await Bottle.open({ namespaces: ["/", "other"] });
  const other = bottle.broker.namespace("other")!;
  bottle.declare("q");
  assert.equal(other.queue("q"), undefined);
  assert.equal(bottle.broker.namespace("third"), undefined);
  await bottle.settle();
  await bottle.crash();
  assert.ok(bottle.broker.namespace("other") !== undefined);
  assert.deepEqual([...bottle.broker.namespace("other")!.queues()], []);
});

test("a chain of exchanges that go with their last binding goes whole, however long it is", async () => {
  const bottle = await Bottle.open();
  const count = 8000;
  for (let i = 0; i < count; i++) bottle.ns.createExchange(`e${i}`, { ...plainExchange, autoDelete: true }, {});
  const queue = bottle.declare("q");
  bottle.ns.bind(`e${count - 1}`, { queue }, "", {});
  for (let i = count - 1; i > 0; i--) bottle.ns.bind(`e${i - 1}`, { exchange: `e${i}` }, "", {});
  await bottle.settle();
  bottle.ns.deleteQueue(queue);
  await bottle.settle();
  assert.equal(bottle.ns.exchange("e0"), undefined);
  await bottle.crash();
  assert.equal(bottle.ns.exchange(`e${count - 1}`), undefined);
});

test("a long history comes to a queue by and by, in its order, and a short one at once", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout", historyLength: 3000 }, {});
  for (let i = 0; i < 100; i++) bottle.publish("", String(i), { exchange: "e" });
  await bottle.settle();
  const short = bottle.declare("short");
  bottle.ns.bind("e", { queue: short }, "", {});
  assert.equal(short.readyCount, 100);
  for (let i = 100; i < 3000; i++) bottle.publish("", String(i), { exchange: "e" });
  await bottle.settle();
  const long = bottle.declare("long");
  bottle.ns.bind("e", { queue: long }, "", {});
  assert.ok(long.readyCount <= 1024, `${long.readyCount} at once`);
  await bottle.settle();
  assert.deepEqual(
    await bottle.drain("long"),
    Array.from({ length: 3000 }, (_, i) => String(i)),
  );
});
