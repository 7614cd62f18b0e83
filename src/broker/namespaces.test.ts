import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogObserver, Namespace } from "./api.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, plainExchange, plainQueue } from "./test-broker.suite.ts";

/** Queues, exchanges of all sorts, bindings, delayed messages and a history, in a namespace of its own. */
function furnish(bottle: Bottle, name: string): Namespace {
  const ns = bottle.broker.createNamespace(name);
  const queue = ns.createQueue("q", plainQueue, {});
  ns.createExchange("late", { ...plainExchange, delays: true }, {});
  ns.createExchange("kept", { ...plainExchange, kind: "fanout", historyLength: 3 }, {});
  ns.createExchange("e", { ...plainExchange, kind: "fanout", autoDelete: true, alternate: "late" }, {});
  ns.bind("late", { queue }, "k", {});
  ns.bind("e", { exchange: "kept" }, "", {});
  ns.bind("kept", { queue }, "", {});
  return ns;
}

function send(bottle: Bottle, ns: Namespace, exchange: string, key: string, delayMs = 0): number {
  const target = ns.exchange(exchange)!;
  const body = Buffer.from("body");
  const p = { ...emptyPublication(target), format: 7, durable: true, routingKey: key, body, bodyEnd: body.length };
  ns.publish({ ...p, deliverAtMs: delayMs === 0 ? 0 : bottle.clock.now() + delayMs }, bottle.outcome);
  return bottle.outcome.routed;
}

function fill(bottle: Bottle, ns: Namespace): void {
  for (let i = 0; i < 5; i++) {
    send(bottle, ns, "", "q");
    send(bottle, ns, "late", "k", 60_000);
    send(bottle, ns, "e", "");
  }
}

const names = (bottle: Bottle): string[] => Array.from(bottle.broker.namespaces(), ({ name }) => name);

test("a namespace is found again after a crash, whatever it is called", async () => {
  const bottle = await Bottle.open();
  const odd = ["rabbit/hole", "", "ünïcødé \u{1f407}", "\ud800 half of a pair", '"quoted"\\', "x".repeat(10_240)];
  for (const name of odd) bottle.broker.createNamespace(name).createQueue("q", plainQueue, {});
  assert.deepEqual(names(bottle), ["/", ...odd]);
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(names(bottle), ["/", ...odd]);
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual(names(bottle), ["/", ...odd]);
  for (const name of odd) {
    assert.deepEqual(
      Array.from(bottle.broker.namespace(name)!.queues(), (queue) => queue.name),
      ["q"],
    );
    bottle.broker.deleteNamespace(name);
  }
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(names(bottle), ["/"]);
});

for (const how of ["crash", "restart", "checkpoint, then crash"] as const) {
  test(`a deleted namespace is gone after a ${how}, and is empty when it is created again`, async () => {
    const bottle = await Bottle.open();
    fill(bottle, furnish(bottle, "gone"));
    await bottle.settle();
    if (how === "restart") await bottle.checkpoint();
    bottle.broker.deleteNamespace("gone");
    bottle.broker.createNamespace("gone");
    bottle.broker.createNamespace("other");
    fill(bottle, furnish(bottle, "twin"));
    bottle.broker.deleteNamespace("twin");
    await bottle.settle();
    if (how === "restart") await bottle.restart();
    else {
      if (how !== "crash") await bottle.checkpoint();
      await bottle.crash();
    }
    assert.deepEqual(names(bottle), ["/", "gone", "other"]);
    const again = bottle.broker.namespace("gone")!;
    assert.deepEqual([...again.queues()], []);
    assert.deepEqual(
      Array.from(again.exchanges(), ({ name }) => name),
      [""],
    );
    assert.equal(bottle.broker.core.queueById.size, 0);
    // Those who were to come later do not.
    await bottle.advance(120_000);
    assert.equal(bottle.fatal, undefined);
  });
}

test("what a deleted namespace held gives its segments back", async () => {
  const bottle = await Bottle.open();
  fill(bottle, furnish(bottle, "gone"));
  await bottle.settle();
  await bottle.checkpoint();
  bottle.broker.deleteNamespace("gone");
  await bottle.settle();
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.equal(bottle.broker.core.segments.size, 0);
});

test("the first namespaces are of the first start: one that was deleted stays so", async () => {
  const bottle = await Bottle.open();
  bottle.broker.deleteNamespace("/");
  await bottle.settle();
  await bottle.restart();
  assert.deepEqual(names(bottle), []);
});

test("who is in a namespace that is deleted is told, and who holds on to it finds it empty", async () => {
  const bottle = await Bottle.open();
  const ns = furnish(bottle, "gone");
  fill(bottle, ns);
  const held = ns.exchange("e")!;
  const queue = ns.queue("q")!;
  const log = ns.createQueue("log", { ...plainQueue, mode: "offset" }, {});
  const taker = bottle.consume(queue);
  const reader = bottle.consume(log, { startAt: "first" });
  await bottle.settle();
  assert.equal(taker.deliveries.length, 10);
  const told: string[] = [];
  const observer: CatalogObserver = {
    queueCreated: ({ name }) => void told.push(`queue ${name}`),
    queueDeleted: ({ name }) => void told.push(`no queue ${name}`),
    exchangeCreated: ({ name }) => void told.push(`exchange ${name}`),
    exchangeDeleted: ({ name }) => void told.push(`no exchange ${name}`),
    bindingCreated: ({ source }) => void told.push(`binding of ${source}`),
    bindingDeleted: ({ source }) => void told.push(`no binding of ${source}`),
  };
  ns.observe(observer);
  let received = 0;
  const unsubscribe = ns.live.subscribe("direct", "here", { receive: () => void received++ });

  bottle.broker.deleteNamespace("gone");
  assert.equal(ns.isDeleted, true);
  assert.deepEqual(told.toSorted(), [
    "no binding of e",
    "no binding of kept",
    "no binding of late",
    "no exchange e",
    "no exchange kept",
    "no exchange late",
    "no queue log",
    "no queue q",
  ]);
  assert.deepEqual([...taker.endings, ...reader.endings], ["queue-deleted", "queue-deleted"]);
  assert.deepEqual([ns.queue("q"), ns.exchange("e"), [...ns.queues()]], [undefined, undefined, []]);
  assert.equal(queue.isDeleted, true);
  unsubscribe();
  assert.equal(ns.live.subscriptionCount, 0);

  // Its sessions may still settle, and its producers publish; also after another has come in its place.
  const again = furnish(bottle, "gone");
  for (const one of [ns, again]) {
    const body = Buffer.from("late");
    one.publish({ ...emptyPublication(held), format: 7, durable: true, body, bodyEnd: 4 }, bottle.outcome);
    assert.equal(bottle.outcome.routed, 0);
  }
  ns.publishTo([queue], { ...emptyPublication(held), format: 7 }, bottle.outcome);
  assert.equal(bottle.outcome.routed, 0);
  assert.equal(send(bottle, ns, "", "q"), 0);
  taker.session.settle(0, true, "accept");
  taker.session.close();
  ns.deleteQueue(queue);
  assert.throws(() => ns.createQueue("q", plainQueue, {}));
  assert.throws(() => ns.createExchange("x", plainExchange, {}));
  await bottle.settle();
  await bottle.restart();
  assert.equal(bottle.fatal, undefined);
  assert.equal(bottle.broker.namespace("gone")!.queue("q")!.readyCount, 0);
  assert.equal(received, 0);
});

test("ten thousand queues go with their namespace in one record of the journal", async () => {
  const bottle = await Bottle.open();
  const ns = bottle.broker.createNamespace("large");
  for (const kind of ["direct", "topic", "fanout", "headers"] as const)
    ns.createExchange(kind, { ...plainExchange, kind }, {});
  for (let i = 0; i < 10_000; i++) {
    const queue = ns.createQueue(`q${i}`, plainQueue, {});
    ns.bind("direct", { queue }, `q${i}`, {});
    ns.bind("topic", { queue }, `q.${i}.#`, {});
    ns.bind("fanout", { queue }, "", {});
    ns.bind("headers", { queue }, "", { "x-match": "all", i });
  }
  await bottle.settle();
  const before = bottle.broker.core.commit.bytesWritten;
  const startMs = performance.now();
  bottle.broker.deleteNamespace("large");
  const tookMs = performance.now() - startMs;
  await bottle.settle();
  assert.ok(bottle.broker.core.commit.bytesWritten - before < 1000);
  assert.equal(bottle.broker.core.queueById.size, 0);
  // Each goes in steady time: were it in proportion to those that are left, this would be minutes.
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  await bottle.crash();
  assert.deepEqual(names(bottle), ["/"]);
});
