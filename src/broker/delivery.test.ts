import assert from "node:assert/strict";
import { test } from "node:test";
import { batchBody, Bottle, plainQueue, testFormat } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

test("messages come in the order in which they were published, across blocks and turns", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 300));
  const taker = bottle.consume("q");
  await bottle.settle();
  bottle.publishAll("q", numbers(300, 20_000));
  await bottle.settle();
  assert.deepEqual(taker.bodies, numbers(0, 20_000));
  assert.ok(taker.deliveries.every(({ isRedelivered }) => !isRedelivered));
});

test("nothing durable is delivered or said to be durable before its block is on disk", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const taker = bottle.consume("q");
  await bottle.settle();
  const ticket = bottle.publish("q", "a");
  assert.ok(bottle.broker.durableTicket < ticket);
  let durableAtDelivery = 0;
  const { deliver } = taker;
  taker.deliver = function (...args): void {
    durableAtDelivery = bottle.broker.durableTicket;
    deliver.apply(this, args);
  };
  await bottle.settle();
  assert.ok(durableAtDelivery >= ticket);
  assert.deepEqual(taker.bodies, ["a"]);
});

test("a message that comes back is next in its place, flagged as redelivered", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", ["a", "b", "c", "d"]);
  const taker = bottle.consume("q", { creditLimit: 3 });
  await bottle.settle();
  const [a, b, c] = taker.take();
  taker.session.settle(b!.lease, false, "release");
  taker.session.settle(a!.lease, false, "fail");
  taker.session.settle(c!.lease, false, "accept");
  await bottle.settle();
  assert.deepEqual(
    taker.take().map(({ body, isRedelivered, returns, failures }) => [body, isRedelivered, returns, failures]),
    [
      ["a", true, 1, 1],
      ["b", true, 1, 0],
      ["d", false, 0, 0],
    ],
  );
});

test("what a session held goes back in order when it closes", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 10));
  const first = bottle.consume("q", { creditLimit: 5 });
  await bottle.settle();
  first.session.settle(3, false, "accept");
  first.session.close();
  assert.equal(bottle.queue("q").readyCount, 9);
  const second = bottle.consume("q");
  await bottle.settle();
  assert.deepEqual(second.bodies, ["0", "1", "3", "4", "5", "6", "7", "8", "9"]);
  assert.deepEqual(
    second.deliveries.map(({ isRedelivered }) => isRedelivered),
    [true, true, true, true, false, false, false, false, false],
  );
});

test("settling with multiple settles all up to a lease, and lease 0 all there are", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 10));
  const taker = bottle.consume("q");
  await bottle.settle();
  assert.equal(taker.session.settle(2, false, "accept"), 1);
  assert.equal(taker.session.settle(4, true, "accept"), 3);
  assert.equal(taker.session.settle(4, false, "accept"), 0);
  assert.equal(taker.session.settle(0, true, "accept"), 6);
  assert.equal(bottle.queue("q").leasedCount, 0);
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("credit of a consumer bounds what it holds, and comes back with each settlement", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 5));
  const taker = bottle.consume("q", { creditLimit: 2 });
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["0", "1"]);
  taker.accept(taker.deliveries[0]!);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["0", "1", "2"]);
  taker.consumer.setCreditLimit(4);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["0", "1", "2", "3", "4"]);
});

test("credit of a session bounds what its consumers hold together", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("r");
  bottle.publishAll("q", numbers(0, 5));
  bottle.publishAll("r", numbers(0, 5));
  const session = bottle.broker.createSession();
  session.setCreditLimit(3);
  const takers = [bottle.consume("q", {}, session), bottle.consume("r", {}, session)];
  await bottle.settle();
  assert.equal(session.leasedCount, 3);
  session.settle(0, true, "accept");
  await bottle.settle();
  assert.equal(session.leasedCount, 3);
  for (let i = 0; i < 4; i++) {
    session.settle(0, true, "accept");
    await bottle.settle();
  }
  assert.deepEqual(
    takers.map(({ bodies }) => bodies),
    [numbers(0, 5), numbers(0, 5)],
  );
});

test("credit does not bind those who settle nothing", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 50));
  const taker = bottle.consume("q", { noAck: true, creditLimit: 1 });
  await bottle.settle();
  assert.equal(taker.deliveries.length, 50);
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("consumers take turns, also when messages come one at a time", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const takers = [bottle.consume("q"), bottle.consume("q"), bottle.consume("q")];
  for (const body of numbers(0, 6)) {
    bottle.publish("q", body);
    await bottle.settle();
  }
  assert.deepEqual(
    takers.map(({ bodies }) => bodies),
    [
      ["0", "3"],
      ["1", "4"],
      ["2", "5"],
    ],
  );
});

test("a consumer of higher priority is served as long as it has credit, then the others", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const low = bottle.consume("q");
  const high = bottle.consume("q", { priority: 10, creditLimit: 2 });
  bottle.publishAll("q", numbers(0, 5));
  await bottle.settle();
  assert.deepEqual(high.bodies, ["0", "1"]);
  assert.deepEqual(low.bodies, ["2", "3", "4"]);
});

test("a slow consumer holds back nobody else, and a paused session gets nothing until it resumes", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const slow = bottle.consume("q");
  const quick = bottle.consume("q");
  slow.session.pause();
  bottle.publishAll("q", numbers(0, 10));
  await bottle.settle();
  assert.equal(quick.deliveries.length, 10);
  quick.consumer.cancel();
  bottle.publish("q", "10");
  await bottle.settle();
  assert.equal(slow.deliveries.length, 0);
  slow.session.resume();
  await bottle.settle();
  assert.deepEqual(slow.bodies, ["10"]);
});

test("an exclusive consumer is alone: it is refused where others are, and others are where it is", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const shared = bottle.consume("q");
  assert.throws(() => bottle.consume("q", { exclusive: true }), /refused: exclusive/);
  shared.consumer.cancel();
  const alone = bottle.consume("q", { exclusive: true });
  assert.throws(() => bottle.consume("q"), /refused: exclusive/);
  alone.session.close();
  bottle.consume("q");
});

test("failover: one consumer is active, the next takes over when it leaves, and each is told", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { mode: "failover" });
  const [a, b, c] = [bottle.consume("q"), bottle.consume("q", { priority: 5 }), bottle.consume("q")];
  bottle.publishAll("q", numbers(0, 3));
  await bottle.settle();
  assert.deepEqual([a.bodies, b.bodies, c.bodies], [numbers(0, 3), [], []]);
  assert.deepEqual([a.consumer.isActive, b.consumer.isActive], [true, false]);
  b.consumer.cancel();
  a.session.close();
  await bottle.settle();
  assert.deepEqual([a.activities, b.activities, c.activities], [[true], [], [true]]);
  assert.deepEqual(c.bodies, numbers(0, 3));
  assert.ok(c.deliveries.every(({ isRedelivered }) => isRedelivered));
});

test("get takes one message at a time, sees what was published just before, and nothing that another holds", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  assert.equal(await bottle.get("q"), undefined);
  bottle.publish("q", "a");
  const session = bottle.broker.createSession();
  const held = await bottle.get("q", false, session);
  assert.equal(held?.body, "a");
  assert.equal(await bottle.get("q"), undefined);
  session.settle(held.lease, false, "release");
  assert.deepEqual([(await bottle.get("q"))?.isRedelivered, bottle.queue("q").readyCount], [true, 0]);
});

test("a get whose session is closed while it waits is answered with nothing, and takes nothing", async () => {
  const bottle = await Bottle.open();
  const queues = [bottle.declare("q"), bottle.ns.createQueue("parts", plainQueue, {}, 2)];
  await bottle.settle();
  for (const queue of queues) {
    for (const body of ["a", "b"]) bottle.publish(queue.name, body);
    const session = bottle.broker.createSession();
    const answers: unknown[] = [];
    session.get(queue, false, (_lease, entry) => void answers.push(entry));
    session.close();
    await bottle.settle();
    assert.deepEqual(answers, [undefined]);
    const { readyCount, leasedCount, counters } = queue;
    assert.deepEqual([readyCount, leasedCount, counters.getEmpty], [2, 0, 0]);
  }
});

test("keyed: one message of a key at a time and in order, keys beside each other", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { mode: "keyed" });
  for (const [body, key] of [
    ["a1", "a"],
    ["a2", "a"],
    ["b1", "b"],
    ["-1"],
    ["-2"],
    ["a3", "a"],
    ["b2", "b"],
  ] as const) {
    bottle.publish("q", body, key === undefined ? {} : { key });
  }
  const takers = [bottle.consume("q"), bottle.consume("q")];
  await bottle.settle();
  const taken = takers.flatMap((taker) => taker.take().map((delivery) => ({ taker, ...delivery })));
  assert.deepEqual(taken.map(({ body }) => body).sort(), ["-1", "-2", "a1", "b1"]);
  const a1 = taken.find(({ body }) => body === "a1")!;
  a1.taker.session.settle(a1.lease, false, "fail");
  await bottle.settle();
  const again = takers.flatMap((taker) => taker.take().map((delivery) => ({ taker, ...delivery })));
  assert.deepEqual(
    again.map(({ body, isRedelivered }) => [body, isRedelivered]),
    [["a1", true]],
  );
  again[0]!.taker.accept(again[0]!);
  await bottle.settle();
  assert.deepEqual(
    takers.flatMap(({ bodies }) => bodies),
    ["a2"],
  );
});

test("keyed: the order of each key outlives a crash", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { mode: "keyed" });
  for (let i = 0; i < 60; i++) bottle.publish("q", `${i % 3}:${Math.floor(i / 3)}`, { key: String(i % 3) });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  const taker = bottle.consume("q");
  const seen: string[] = [];
  for (let round = 0; round < 20; round++) {
    await bottle.settle();
    const taken = taker.take();
    assert.deepEqual(taken.map(({ body }) => body).sort(), [`0:${round}`, `1:${round}`, `2:${round}`]);
    seen.push(...taken.map(({ body }) => body));
    taker.session.settle(0, true, "accept");
  }
  assert.equal(seen.length, 60);
  assert.equal(bottle.queue("q").leasedCount, 0);
});

test("priorities 0 to 255: the highest first, offset order within one, those above the maximum like it", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxPriority: 255 });
  for (const priority of [0, 3, 255, 7, 3, 255, 0]) bottle.publish("q", String(priority), { priority });
  bottle.declare("few", { maxPriority: 2 });
  for (const [body, priority] of [
    ["a", 1],
    ["b", 2],
    ["c", 9],
    ["d", 2],
    ["e", 0],
  ] as const) {
    bottle.publish("few", body, { priority });
  }
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["255", "255", "7", "3", "3", "0", "0"]);
  assert.deepEqual(await bottle.drain("few"), ["b", "c", "d", "a", "e"]);
});

test("priorities hold over a large backlog, after a crash and out of segments", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { maxPriority: 9 });
  for (let i = 0; i < 20_000; i++) bottle.publish("q", String(i), { priority: i >= 19_990 ? 9 : i % 2 });
  await bottle.settle();
  await bottle.evict();
  await bottle.crash();
  const taker = bottle.consume("q", { creditLimit: 20 });
  await bottle.settle();
  assert.deepEqual(taker.bodies, [
    ...numbers(19_990, 20_000),
    ...Array.from({ length: 10 }, (_, i) => String(2 * i + 1)),
  ]);
});

test("a purge goes through what is in memory once, however much is held in between", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", numbers(0, 20_000));
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.consumer.cancel();
  for (const { lease, offset } of taker.deliveries) if (offset % 2 === 0) taker.session.settle(lease, false, "release");
  await bottle.settle();
  const { pages } = [...bottle.broker.core.queueById.values()][0]!.partition;
  const [get, values] = [pages.get.bind(pages), pages.values.bind(pages)];
  let looks = 0;
  pages.get = (number) => {
    looks++;
    return get(number);
  };
  pages.values = () => {
    looks += pages.size;
    return values();
  };
  assert.equal(queue.purge(), 10_000);
  assert.ok(looks < 40_000, `${looks} looks at pages`);
  assert.deepEqual([queue.readyCount, queue.leasedCount], [0, 10_000]);
});

test("purge drops what is ready and answers how many; what is held stays and can come back", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publishAll("q", numbers(0, 10));
  const taker = bottle.consume("q", { creditLimit: 2 });
  await bottle.settle();
  assert.equal(bottle.queue("q").purge(), 8);
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("q").leasedCount], [0, 2]);
  taker.session.close();
  bottle.publish("q", "new");
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual(await bottle.drain("q"), ["0", "1", "new"]);
});

test("a deleted queue tells its consumers, forgets its leases and its bindings", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publishAll("q", ["a", "b"]);
  const taker = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  bottle.ns.deleteQueue(queue);
  await bottle.settle();
  assert.deepEqual(taker.endings, ["queue-deleted"]);
  assert.equal(taker.session.settle(1, false, "accept"), 1);
  bottle.publish("q", "c");
  assert.equal(bottle.outcome.routed, 0);
  bottle.declare("q");
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("leases are looked at once a second at most, however short they are", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a");
  const taker = bottle.consume("q", { leaseMs: 1 });
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a"]);
  assert.equal(bottle.clock.nextTimerMs()! - bottle.clock.now(), 1000);
  await bottle.advance(1000);
  assert.equal(taker.endings[0], "lease-timeout");
});

test("a lease that is held too long is told to its consumer", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a");
  const taker = bottle.consume("q", { leaseMs: 10_000 });
  await bottle.advance(9000);
  assert.deepEqual(taker.endings, []);
  await bottle.advance(20_000);
  assert.equal(taker.endings[0], "lease-timeout");
});

test("keyed: a key is free when its message has died, was purged on the way, or is nowhere", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const queue = bottle.declare("q", { mode: "keyed", deadLetter: { exchange: "", routingKey: "dead" } });
  const taker = bottle.consume("q");
  const publish = (body: string): void => void bottle.publish("q", body, { key: "k" });
  const rejectUnseen = async (lease: number): Promise<void> => {
    await bottle.evict();
    taker.session.settle(lease, false, "reject");
  };
  publish("a");
  publish("b");
  await bottle.settle();
  await rejectUnseen(1);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b"]);
  await rejectUnseen(2);
  assert.equal(queue.purge(), 0, "its bytes are being read back");
  publish("c");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b", "c"]);
  await bottle.evict();
  for (const file of await bottle.disk.list()) {
    if (!file.startsWith("segment")) continue;
    const bytes = bottle.disk.bytesOf(file);
    // Its key, its routing key and its body are all that is in it.
    const at = bytes.indexOf("kqc");
    if (at >= 0) bytes[at + 2]! ^= 1;
  }
  taker.session.settle(3, false, "reject");
  publish("d");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b", "c", "d"]);
  assert.deepEqual(await bottle.drain("dead"), ["a"]);
});

test("keyed: a key is free when what held it was settled, though its neighbours in a log are gone", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  log.subscribe("work", { ...plainQueue, mode: "keyed" }, "first");
  const append = (...texts: string[]): void => {
    const body = batchBody(texts.map((text, delta) => ({ delta, key: text[0]!, body: text })));
    log.appendBatch({
      producerId: -1,
      producerEpoch: -1,
      sequence: -1,
      isTransactional: false,
      count: texts.length,
      format: testFormat.id,
      timestampMs: bottle.clock.now(),
      body,
      bodyStart: 0,
      bodyEnd: body.length,
    });
  };
  append("a1", "b1", "c1");
  const taker = bottle.consume("log", { subscription: "work", creditLimit: 2 });
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a1", "b1"]);
  taker.consumer.cancel();
  append("a2", "b2");
  await bottle.advance(2000);
  taker.session.settle(1, false, "release");
  const other = bottle.consume("log", { subscription: "work" });
  await bottle.settle();
  assert.deepEqual(other.bodies, ["c1", "a2"]);
  assert.equal(log.namedSubscription("work")?.readyCount, 1);
  taker.session.settle(2, false, "accept");
  await bottle.settle();
  assert.deepEqual(other.bodies, ["c1", "a2", "b2"]);
});
