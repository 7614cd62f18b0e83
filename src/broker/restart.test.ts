import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

test("after a crash everything durable is there, in order, and what was settled stays settled", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 100));
  const taker = bottle.consume("q", { creditLimit: 50 });
  await bottle.settle();
  for (const delivery of taker.deliveries) if (Number(delivery.body) % 2 === 0) taker.accept(delivery);
  await bottle.settle();
  await bottle.crash();
  const left = numbers(0, 100).filter((body) => Number(body) % 2 === 1 || Number(body) >= 75);
  const drained = await bottle.drain("q");
  assert.deepEqual(
    drained.filter((body) => Number(body) < 50),
    left.filter((body) => Number(body) < 50),
  );
  assert.deepEqual(
    drained.filter((body) => Number(body) >= 75),
    numbers(75, 100),
  );
});

test("after a crash what may have been delivered is flagged, and what certainly was not is not", async () => {
  const bottle = await Bottle.open();
  bottle.declare("seen");
  bottle.declare("unseen");
  bottle.publishAll("seen", numbers(0, 10));
  bottle.publishAll("unseen", numbers(0, 10));
  bottle.consume("seen", { creditLimit: 5 });
  await bottle.settle();
  await bottle.crash();
  const seen = await bottle.drainDeliveries("seen");
  assert.ok(seen.slice(0, 5).every(({ isRedelivered }) => isRedelivered));
  assert.ok((await bottle.drainDeliveries("unseen")).every(({ isRedelivered }) => !isRedelivered));
  bottle.publish("seen", "new");
  await bottle.settle();
  assert.deepEqual(
    (await bottle.drainDeliveries("seen")).map(({ body, isRedelivered }) => [body, isRedelivered]),
    [["new", false]],
  );
});

test("after a stop in good order exactly what was delivered is flagged", async () => {
  for (const settings of [{}, { maxPriority: 5 }, { mode: "keyed" as const }]) {
    const bottle = await Bottle.open();
    bottle.declare("q", settings);
    bottle.publishAll("q", numbers(0, 10));
    bottle.publish("q", "later", { delayMs: 1000 });
    bottle.publish("q", "10");
    const taker = bottle.consume("q", { creditLimit: 4 });
    await bottle.settle();
    taker.accept(taker.deliveries[1]!);
    await bottle.settle();
    assert.deepEqual(taker.bodies, ["0", "1", "2", "3", "4"]);
    await bottle.restart();
    await bottle.advance(2000);
    const flagged = (await bottle.drainDeliveries("q")).map(
      ({ body, isRedelivered }) => body + (isRedelivered ? "!" : ""),
    );
    assert.deepEqual(flagged.sort(), ["0!", "10", "2!", "3!", "4!", "5", "6", "7", "8", "9", "later"]);
  }
});

test("what is not durable goes with the process, and leaves what is durable in order", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("fleeting", { durable: false });
  for (let i = 0; i < 40; i++) bottle.publish("q", String(i), { durable: i % 3 === 0 });
  bottle.publish("fleeting", "a");
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 40);
  await bottle.crash();
  assert.equal(bottle.ns.queue("fleeting"), undefined);
  assert.equal(bottle.queue("q").readyCount, 14);
  bottle.publish("q", "new");
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), [...numbers(0, 40).filter((body) => Number(body) % 3 === 0), "new"]);
});

test("fleeting messages of a durable queue do not come back from a checkpoint either", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let i = 0; i < 400; i++) bottle.publish("q", String(i), { durable: i % 2 === 0 });
  await bottle.settle();
  await bottle.evict();
  assert.equal((await bottle.get("q"))?.body, "0");
  assert.equal((await bottle.get("q"))?.body, "1");
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 199);
  assert.deepEqual(
    await bottle.drain("q"),
    numbers(1, 400).filter((body) => Number(body) % 2 === 0),
  );
});

test("what is known of fleeting messages does not grow behind one that stays, and those that wait go with the process", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const publish = (from: number, to: number): void => {
    for (let i = from; i < to; i++) bottle.publish("q", String(i), { durable: i % 2 === 0 });
  };
  publish(0, 2);
  const session = bottle.broker.createSession();
  for (let i = 0; i < 2; i++) await bottle.get("q", false, session);
  const { partition } = [...bottle.broker.core.queueById.values()][0]!;
  for (let round = 0; round < 5; round++) {
    publish(2, 2002);
    await bottle.settle();
    assert.equal((await bottle.drain("q")).length, 2000);
    assert.ok(partition.fleeting.rangeCount <= 2048, `${partition.fleeting.rangeCount} ranges`);
  }
  publish(2, 12);
  await bottle.settle();
  await bottle.checkpoint();
  assert.equal(partition.fleeting.rangeCount, 6);
  await bottle.crash();
  assert.deepEqual(await bottle.drain("q"), ["0", "2", "4", "6", "8", "10"]);
});

test("definitions outlive a crash and a checkpoint: exchanges, bindings with arguments, settings, deletions", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.declare("gone");
  bottle.ns.createExchange("e", { ...plainExchange, kind: "headers" }, { type: "headers" });
  bottle.ns.createExchange("f", { ...plainExchange, kind: "fanout", durable: false }, {});
  const args = { "x-match": "any", a: 1n, b: new Date(5000), c: Buffer.from([1, 2]), d: { e: [null, true, 1.5] } };
  bottle.ns.bind("e", { queue }, "", args);
  queue.configure({ ...queue.settings, maxLength: 3 });
  bottle.broker.definitions.put("user", "guest", { tags: ["administrator"] });
  bottle.broker.definitions.put("user", "gone", {});
  bottle.broker.definitions.remove("user", "gone");
  bottle.ns.deleteQueue(bottle.queue("gone"));
  const { id } = bottle.broker;
  const check = (): void => {
    assert.equal(bottle.broker.id, id);
    assert.deepEqual(
      [...bottle.ns.queues()].map(({ name }) => name),
      ["q"],
    );
    assert.equal(bottle.queue("q").settings.maxLength, 3);
    assert.deepEqual(bottle.ns.exchange("e")?.declaration, { type: "headers" });
    const [binding] = [...bottle.ns.bindingsFrom("e")];
    assert.deepEqual(
      JSON.stringify(binding?.args, (_, value) => (typeof value === "bigint" ? `${value}n` : value)),
      JSON.stringify({ ...args, c: new Uint8Array([1, 2]) }, (_, value) =>
        typeof value === "bigint" ? `${value}n` : value,
      ),
    );
    assert.deepEqual([...bottle.broker.definitions.entries("user")], [["guest", { tags: ["administrator"] }]]);
  };
  await bottle.settle();
  await bottle.crash();
  check();
  assert.equal(bottle.ns.exchange("f"), undefined);
  await bottle.checkpoint();
  await bottle.crash();
  check();
  bottle.publish("x", "m", { exchange: "e", headers: { a: 1 } });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["m"]);
});

test("a definition that cannot be written down is not kept either", async () => {
  const bottle = await Bottle.open();
  const { definitions } = bottle.broker;
  const endless: unknown[] = [];
  endless.push(endless);
  definitions.put("user", "guest", { tags: [] });
  assert.throws(() => definitions.put("user", "guest", endless), /circular/);
  assert.deepEqual(definitions.get("user", "guest"), { tags: [] });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual(bottle.broker.definitions.get("user", "guest"), { tags: [] });
});

/** A queue `q`, and a queue `r` with a message that `taker` has. */
async function withSource() {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("r");
  bottle.publish("r", "source");
  const taker = bottle.consume("r");
  await bottle.settle();
  return { bottle, taker };
}

test("an atomic group is whole or absent after a crash, also when it spans many blocks", async () => {
  const { bottle, taker } = await withSource();
  const bytes = Buffer.alloc(300_000, 120);
  const run = (): void => {
    for (let i = 0; i < 20; i++) bottle.publish("q", "", { body: bytes });
    taker.session.settle(1, false, "accept");
  };
  const ticket = bottle.broker.atomically(run);
  let rounds = 0;
  const found = new Set<number>();
  // At each step on the way to the disk the power could have gone.
  while (bottle.broker.durableTicket < ticket && rounds++ < 200) {
    const twin = await bottle.fork();
    found.add(twin.queue("q").readyCount);
    assert.equal(twin.queue("r").readyCount, twin.queue("q").readyCount === 0 ? 1 : 0);
    await bottle.step();
  }
  await bottle.settle();
  const twin = await bottle.fork();
  assert.deepEqual([twin.queue("q").readyCount, twin.queue("r").readyCount], [20, 0]);
  assert.deepEqual([...found], [0]);
});

test("an atomic group is whole or absent when a block of it cannot be read, whichever it is", async () => {
  const count = 20;
  for (const isRestarted of [false, true]) {
    const { bottle, taker } = await withSource();
    bottle.broker.atomically(() => {
      for (let i = 0; i < count; i++) bottle.publish("q", "", { body: Buffer.alloc(300_000, `part ${i};`) });
      taker.session.settle(1, false, "accept");
    });
    await bottle.settle();
    if (isRestarted) await bottle.crash();
    bottle.publish("q", "after it");
    await bottle.settle();
    const journals = (await bottle.disk.list()).filter((name) => name.startsWith("journal"));
    for (let i = 0; i < count; i++) {
      const journal = journals.find((name) => bottle.disk.bytesOf(name).includes(`part ${i};`))!;
      const whole = Buffer.from(bottle.disk.bytesOf(journal));
      const damaged = Buffer.from(whole);
      damaged[damaged.indexOf(`part ${i};`)]! ^= 1;
      bottle.disk.plant(journal, damaged);
      const twin = await bottle.fork();
      assert.deepEqual([twin.queue("q").readyCount, twin.queue("r").readyCount], [1, 1], `part ${i}`);
      assert.match(twin.logged.join(), /left out/);
      bottle.disk.plant(journal, whole);
    }
  }
});

test("a message of many megabytes goes through journal, checkpoint and segment", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const bytes = Buffer.alloc(9_000_000, "abcdefg");
  bottle.publish("q", "", { body: bytes });
  bottle.publish("q", "small");
  await bottle.settle();
  await bottle.crash();
  await bottle.evict();
  const [large, small] = await bottle.drain("q");
  assert.ok(large === bytes.toString());
  assert.equal(small, "small");
});

test("a fan-out is written once, whatever number of queues it reaches", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout" }, {});
  for (let i = 0; i < 10; i++) bottle.ns.bind("e", { queue: bottle.declare(`q${i}`) }, "", {});
  await bottle.settle();
  const before = bottle.broker.core.commit.bytesWritten;
  bottle.publish("", "", { exchange: "e", body: Buffer.alloc(100_000) });
  await bottle.settle();
  assert.ok(bottle.broker.core.commit.bytesWritten - before < 110_000);
  await bottle.evict();
  const [segment] = (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
  assert.ok(bottle.disk.bytesOf(segment!).length < 120_000);
  await bottle.crash();
  for (let i = 0; i < 10; i++) assert.equal((await bottle.drain(`q${i}`))[0]?.length, 100_000);
});

test("a damaged newest checkpoint is reported, and the one before it with its journal has everything", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let round = 0; round < 3; round++) {
    bottle.publishAll("q", numbers(round * 10, round * 10 + 10));
    await bottle.settle();
    assert.equal((await bottle.get("q"))?.body, String(round));
    await bottle.evict();
  }
  const newest = (await bottle.disk.list())
    .filter((name) => name.startsWith("checkpoint"))
    .sort()
    .at(-1)!;
  bottle.disk.bytesOf(newest)[40]! ^= 1;
  const damaged = bottle.disk.bytesOf(newest).slice();
  await bottle.crash();
  bottle.disk.plant(newest, damaged);
  bottle.logged.length = 0;
  await bottle.crash();
  assert.match(bottle.logged.join(), /data directory is damaged the checkpoint's content does not verify/);
  assert.deepEqual(await bottle.drain("q"), numbers(3, 30));
});

test("a full disk costs the newest checkpoint, which is damaged, and not the one before it", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  for (let round = 0; round < 2; round++) {
    bottle.publishAll("q", numbers(0, 10));
    await bottle.settle();
    await bottle.checkpoint();
  }
  const checkpoints = async (): Promise<string[]> =>
    (await bottle.disk.list()).filter((name) => name.startsWith("checkpoint")).sort();
  const [whole, newest] = await checkpoints();
  const damaged = Buffer.from(bottle.disk.bytesOf(newest!));
  damaged[40]! ^= 1;
  bottle.disk.plant(newest!, damaged);
  await bottle.crash();
  for (let i = 0; i < 30; i++) bottle.publish("q", "", { body: Buffer.alloc(100_000) });
  await bottle.settle();
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + 1_000_000;
  await bottle.checkpoint();
  assert.ok(bottle.logged.some((line) => line.includes("no space for a checkpoint")));
  assert.deepEqual(await checkpoints(), [whole]);
  await bottle.disk.syncDirectory();
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  assert.equal((await (await bottle.fork()).drain("q")).length, 50);
  await bottle.checkpoint();
  const kept = await checkpoints();
  assert.deepEqual([kept.length, kept[0]], [2, whole]);
  await bottle.crash();
  assert.equal((await bottle.drain("q")).length, 50);
});

test("a damaged entry is reported and lost, and nothing beside it", async () => {
  const bottle = await Bottle.open();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout", historyLength: 20 }, {});
  for (const [name, settings] of [
    ["plain", {}],
    ["priority", { maxPriority: 3 }],
    ["keyed", { mode: "keyed" }],
    ["bytes", { maxLengthBytes: 10_000 }],
  ] as const) {
    bottle.declare(name, settings);
    bottle.publishAll(
      name,
      numbers(0, 20).map((body) => `${name} ${body}`),
      { key: "k" },
    );
  }
  bottle.declareLog("log");
  bottle.publishAll(
    "log",
    numbers(0, 20).map((body) => `log ${body}`),
  );
  bottle.publishAll(
    "e",
    numbers(0, 20).map((body) => `history ${body}`),
    { exchange: "e" },
  );
  await bottle.settle();
  await bottle.checkpoint();
  for (const file of await bottle.disk.list()) {
    if (!file.startsWith("segment")) continue;
    const bytes = bottle.disk.bytesOf(file).slice();
    for (const name of ["plain", "priority", "keyed", "bytes", "log", "history"])
      bytes[bytes.indexOf(`${name} 5`)]! ^= 1;
    bottle.disk.plant(file, bytes);
  }
  await bottle.crash();
  bottle.ns.bind("e", { queue: bottle.declare("history") }, "", {});
  const keyed = bottle.consume("keyed");
  keyed.acceptsAll = true;
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  const left = (name: string): string[] => numbers(0, 20).flatMap((body) => (body === "5" ? [] : `${name} ${body}`));
  for (const name of ["plain", "priority", "bytes", "history"]) {
    assert.deepEqual(await bottle.drain(name), left(name));
    assert.equal(bottle.queue(name).readyCount, 0, name);
  }
  assert.deepEqual([keyed.bodies, reader.bodies], [left("keyed"), left("log")]);
  assert.ok(bottle.logged.filter((line) => line.includes("a message is lost")).length >= 6);
});

test("when no checkpoint can be read the broker refuses to start, and removes nothing", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 10));
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.checkpoint();
  const names = await bottle.disk.list();
  for (const name of names) {
    if (!name.startsWith("checkpoint")) continue;
    const bytes = bottle.disk.bytesOf(name).slice();
    bytes[40]! ^= 1;
    bottle.disk.plant(name, bytes);
  }
  await assert.rejects(bottle.crash(), /does not verify/);
  assert.deepEqual(
    (await bottle.disk.list()).filter((name) => name.startsWith("segment")),
    names.filter((name) => name.startsWith("segment")),
  );
});

test("segments go when all in them is settled, and are written anew when most of it is", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("slow");
  bottle.publishAll("slow", numbers(0, 300));
  bottle.publishAll("q", numbers(0, 3000));
  await bottle.settle();
  await bottle.evict();
  const segments = async (): Promise<string[]> =>
    (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
  const [first] = await segments();
  const firstBytes = bottle.disk.bytesOf(first!).length;
  assert.equal((await bottle.drain("q")).length, 3000);
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  const left = await segments();
  assert.ok(!left.includes(first!));
  assert.ok(left.reduce((sum, name) => sum + bottle.disk.bytesOf(name).length, 0) < firstBytes / 4);
  await bottle.crash();
  assert.deepEqual(await bottle.drain("slow"), numbers(0, 300));
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(await segments(), []);
});

test("memory of what is settled is given back, to the last block", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("p", { maxPriority: 3 });
  for (let round = 0; round < 5; round++) {
    bottle.publishAll("q", numbers(0, 2000), { body: Buffer.alloc(1000) });
    bottle.publishAll("p", numbers(0, 2000), { durable: false });
    await bottle.settle();
    if (round % 2 === 0) await bottle.evict();
    await bottle.drain("q");
    await bottle.drain("p");
  }
  assert.ok(bottle.broker.core.cache.bytes <= 3 << 20, String(bottle.broker.core.cache.bytes));
});

test("a broker that was stopped leaves no timer behind, whatever it was waiting for", async () => {
  for (const isVolatile of [false, true]) {
    const bottle = await Bottle.open({ isVolatile, settings: { memoryHighBytes: 1 << 20 } });
    bottle.declare("ttl", { ttlMs: 60_000, expiresMs: 90_000 });
    bottle.declare("retry", { retry: { on: "all", minMs: 5000, maxMs: 5000, growth: "linear", jitter: 0 } });
    bottle.declareLog("age", { maxAgeMs: 60_000, compact: true });
    bottle.publish("ttl", "a");
    bottle.publish("ttl", "b", { delayMs: 30_000 });
    bottle.publish("retry", "c");
    bottle.publish("age", "d", { key: "k" });
    const taker = bottle.consume("retry", { leaseMs: 10_000 });
    await bottle.settle();
    taker.session.settle(1, false, "fail");
    bottle.consume("ttl", { leaseMs: 10_000 });
    await bottle.settle();
    await bottle.stop();
    assert.equal(bottle.clock.nextTimerMs(), undefined);
  }
});

test("a purge of what is in segments, while a checkpoint is taken, costs the checkpoint's segment nothing", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declareLog("log");
  bottle.publishAll("q", ["0", "1", "2", "3", "4"]);
  await bottle.settle();
  await bottle.checkpoint();
  const session = bottle.broker.createSession();
  bottle.publishAll("q", ["5", "6"]);
  bottle.publish("log", "a");
  // What is in a segment is ready, but for its last; what will be in the next one is leased.
  for (let i = 0; i < 7; i++) await bottle.get("q", false, session);
  session.settle(4, true, "release");
  await bottle.settle();
  const { core } = bottle.broker;
  const { partition } = [...core.queueById.values()][0]!;
  const taking = bottle.broker.checkpoint();
  for (let steps = 0; partition.checkpointWritten === 0; steps++) {
    assert.ok(steps < 1000, "a checkpoint comes to copying");
    await bottle.step();
  }
  assert.equal(bottle.queue("q").purge(), 4);
  await bottle.checkpoint();
  await taking;
  // The queue's part of the segment goes, and no more than that.
  bottle.ns.deleteQueue(bottle.queue("q"));
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  await bottle.crash();
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(reader.bodies, ["a"]);
});

test("what is gone by the time that a checkpoint has written it leaves nothing behind", async () => {
  for (const isLog of [false, true]) {
    const bottle = await Bottle.open();
    const queue = isLog ? bottle.declareLog("q") : bottle.declare("q");
    bottle.publishAll("q", numbers(0, 5));
    await bottle.settle();
    const { partition } = [...bottle.broker.core.queueById.values()][0]!;
    const taking = bottle.broker.checkpoint();
    for (let steps = 0; partition.checkpointWritten === 0; steps++) {
      assert.ok(steps < 1000, "a checkpoint comes to copying");
      await bottle.step();
    }
    if (isLog) queue.trim(5);
    else queue.purge();
    await bottle.checkpoint();
    await taking;
    assert.deepEqual(partition.runs.list, []);
    for (let i = 0; i < 3; i++) await bottle.checkpoint();
    assert.deepEqual(
      (await bottle.disk.list()).filter((name) => name.startsWith("segment")),
      [],
    );
  }
});

test("a damaged neighbour takes nothing along that somebody holds", async () => {
  for (const settings of [{}, { maxPriority: 3 }, { mode: "keyed" }] as const) {
    for (const settlement of ["accept", "release"] as const) {
      const bottle = await Bottle.open();
      const queue = bottle.declare("q", settings);
      bottle.publishAll("q", ["first", "second", "third", "fourth"]);
      const taker = bottle.consume("q", { creditLimit: 2 });
      await bottle.settle();
      taker.consumer.cancel();
      await bottle.evict();
      for (const file of await bottle.disk.list()) {
        if (!file.startsWith("segment")) continue;
        const bytes = bottle.disk.bytesOf(file);
        for (const body of ["first", "second"]) bytes[bytes.indexOf(body)]! ^= 1;
      }
      // It is looked at again: it is lost, and the one behind it is out of memory and damaged as well, but held.
      taker.session.settle(1, false, "release");
      const other = bottle.consume("q");
      await bottle.settle();
      assert.deepEqual(other.bodies, ["third", "fourth"]);
      assert.deepEqual([queue.readyCount, queue.leasedCount], [0, 3]);
      taker.session.settle(2, false, settlement);
      other.session.settle(0, true, "accept");
      await bottle.settle();
      assert.deepEqual([queue.readyCount, queue.leasedCount], [0, 0]);
      await bottle.checkpoint();
      await bottle.crash();
      assert.equal(bottle.queue("q").readyCount, 0);
    }
  }
});
