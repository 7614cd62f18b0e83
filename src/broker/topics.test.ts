import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionOfKey } from "../base/murmur2.ts";
import type { Queue } from "./api.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, forever, plainLog, plainQueue, testFormat } from "./test-broker.suite.ts";

const topicOf = (bottle: Bottle, settings = plainQueue, count = 3): Queue =>
  bottle.ns.createQueue("t", settings, { by: "test" }, count);

const counts = (topic: Queue): number[] => topic.partitions.map(({ nextOffset }) => nextOffset);

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

test("messages of a key go to one partition, others to each in turn, and one that names its partition to that", async () => {
  const bottle = await Bottle.open();
  const topic = topicOf(bottle);
  assert.equal(topic.partitions[0], topic);
  assert.deepEqual(
    topic.partitions.map(({ index }) => index),
    [0, 1, 2],
  );
  bottle.publishAll("t", numbers(6));
  assert.deepEqual(counts(topic), [2, 2, 2]);
  bottle.publishAll("t", numbers(5), { key: "k" });
  const of = partitionOfKey("k", 3);
  assert.equal(counts(topic)[of], 7);
  const p = { ...emptyPublication(bottle.ns.exchange("")!), format: testFormat.id, routingKey: "t", partition: 2 };
  bottle.ns.publish(p, bottle.outcome);
  assert.equal(counts(topic)[2], of === 2 ? 8 : 3);
  assert.equal(topic.readyCount, 12);
  assert.deepEqual([...bottle.ns.queues()], [topic]);
});

test("one consumer takes from all partitions within its credit, and settles each where it lies", async () => {
  const bottle = await Bottle.open();
  const topic = topicOf(bottle);
  bottle.publishAll("t", numbers(30));
  const taker = bottle.consume("t", { creditLimit: 4 });
  await bottle.settle();
  assert.equal(taker.deliveries.length, 4);
  assert.equal(topic.leasedCount, 4);
  assert.equal(topic.consumerCount, 1);
  const seen = new Set<string>();
  while (taker.deliveries.length > 0) {
    for (const one of taker.take()) {
      seen.add(`${one.partition}/${one.offset}`);
      taker.accept(one);
    }
    await bottle.settle();
    assert.ok(taker.consumer.leasedCount <= 4);
  }
  assert.equal(seen.size, 30);
  assert.deepEqual([topic.readyCount, topic.leasedCount], [0, 0]);
  bottle.publishAll("t", numbers(3));
  await bottle.settle();
  assert.equal(taker.take().length, 3);
});

test("no partition starves where the credit is one", async () => {
  const bottle = await Bottle.open();
  topicOf(bottle);
  bottle.publishAll("t", numbers(300));
  const taker = bottle.consume("t", { creditLimit: 1 });
  await bottle.settle();
  const partitions: number[] = [];
  for (let i = 0; i < 30; i++) {
    const [one] = taker.take();
    partitions.push(one!.partition);
    taker.accept(one!);
    await bottle.settle();
  }
  for (const partition of [0, 1, 2]) assert.ok(partitions.filter((one) => one === partition).length >= 8);
});

test("one at a time is active on all partitions of a topic, and alone means alone on all", async () => {
  const bottle = await Bottle.open();
  topicOf(bottle, { ...plainQueue, mode: "failover" });
  const first = bottle.consume("t", { creditLimit: 5 });
  const second = bottle.consume("t");
  bottle.publishAll("t", numbers(9));
  await bottle.settle();
  assert.deepEqual([first.deliveries.length, second.deliveries.length], [5, 0]);
  assert.deepEqual([first.activities, second.activities], [[true], []]);
  first.consumer.cancel();
  await bottle.settle();
  assert.deepEqual([second.deliveries.length, second.activities], [4, [true]]);
  const other = bottle.ns.createQueue("u", plainQueue, {}, 2);
  bottle.consume(other, { exclusive: true });
  assert.throws(() => bottle.consume(other), /exclusive/);
});

test("get asks all partitions", async () => {
  const bottle = await Bottle.open();
  const topic = topicOf(bottle);
  bottle.publishAll("t", numbers(7));
  const bodies: (string | undefined)[] = [];
  for (let i = 0; i < 9; i++) bodies.push((await bottle.get("t"))?.body);
  assert.deepEqual(bodies.slice(7), [undefined, undefined]);
  assert.deepEqual(new Set(bodies.slice(0, 7)), new Set(numbers(7)));
  assert.equal(topic.counters.getEmpty, 2);
});

test("topics outlive crash and checkpoint with settings, consumers' state and growth", async () => {
  for (const between of ["crash", "checkpoint", "restart"] as const) {
    const bottle = await Bottle.open();
    let topic = topicOf(bottle);
    bottle.publishAll("t", numbers(9));
    for (let i = 0; i < 3; i++) await bottle.get("t");
    topic.configure({ ...plainQueue, maxLength: 100 });
    topic.addPartitions(5);
    await bottle.settle();
    if (between === "checkpoint") await bottle.checkpoint();
    if (between === "restart") await bottle.restart();
    else await bottle.crash();
    topic = bottle.queue("t");
    assert.equal(topic.partitions.length, 5);
    for (const { settings } of topic.partitions) assert.equal(settings.maxLength, 100);
    assert.equal(topic.readyCount, 6);
    bottle.publishAll("t", numbers(10));
    assert.equal((await bottle.drain("t")).length, 16);
    bottle.ns.deleteQueue(topic);
    await bottle.settle();
    await bottle.crash();
    assert.equal(bottle.ns.queue("t"), undefined);
    assert.equal(bottle.broker.core.queueById.size, 0, between);
  }
});

test("settings change for all partitions or for none, wherever a block ends in the midst of it", async () => {
  for (const leftBytes of [5, 15, 30]) {
    const bottle = await Bottle.open({ settings: { bufferBytes: 16_384 } });
    const topic = topicOf(bottle, plainLog);
    bottle.publishAll("t", numbers(9));
    await bottle.settle();
    const { core } = bottle.broker;
    const { commit } = core;
    const fill = (length: number): void => core.define({ op: "remove", kind: "nothing", name: "n".repeat(length) });
    fill(0);
    const { at } = commit;
    fill(0);
    fill(commit.buffer.length - commit.at - (commit.at - at) - leftBytes);
    assert.equal(commit.buffer.length - commit.at, leftBytes);
    topic.configure({ ...topic.settings, retention: { ...forever, maxCount: 1 } });
    const disks = [];
    for (let steps = 0; steps < 10; steps++) {
      const stepped = bottle.step();
      for (let i = 0; i < 4; i++) {
        disks.push(bottle.disk.clone());
        await Promise.resolve();
      }
      await stepped;
    }
    const seen = new Set<string>();
    for (const disk of disks) {
      bottle.disk = disk;
      await bottle.crash();
      const { partitions } = bottle.queue("t");
      seen.add(partitions.map(({ settings, firstOffset }) => `${settings.retention.maxCount}:${firstOffset}`).join());
    }
    assert.deepEqual([...seen], ["0:0,0:0,0:0", "1:2,1:2,1:2"], String(leftBytes));
  }
});

test("who consumes a topic that grows gets what comes to its new partitions", async () => {
  const bottle = await Bottle.open();
  const topic = topicOf(bottle, plainQueue, 1);
  const taker = bottle.consume("t", { creditLimit: 10 });
  const log = bottle.ns.createQueue("log", plainLog, {});
  log.subscribe("s", { ...plainQueue, mode: "shared" }, "first");
  const reader = bottle.consume("log", { startAt: "next" });
  const worker = bottle.consume("log", { subscription: "s" });
  topic.addPartitions(4);
  log.addPartitions(3);
  bottle.publishAll("t", numbers(8));
  bottle.publishAll("log", numbers(6));
  await bottle.settle();
  assert.equal(taker.deliveries.length, 8);
  assert.equal(reader.deliveries.length, 6);
  assert.equal(worker.deliveries.length, 6);
  assert.equal(log.namedSubscription("s")?.leasedCount, 6);
  taker.session.settle(0, true, "accept");
  bottle.publishAll("t", numbers(12));
  await bottle.settle();
  assert.equal(taker.consumer.leasedCount, 10);
  taker.session.close();
  assert.equal(topic.readyCount, 12);
});

test("a subscription of a log is on all its partitions or on none, and so are positions of groups their own", async () => {
  const bottle = await Bottle.open();
  let log = bottle.ns.createQueue("log", { ...plainLog, retention: { ...forever, maxCount: 100 } }, {}, 3);
  bottle.publishAll("log", numbers(9));
  log.subscribe("s", { ...plainQueue, mode: "shared" }, "first");
  assert.equal(log.namedSubscription("s")?.readyCount, 9);
  assert.equal(log.subscribe("s", { ...plainQueue, mode: "shared" }, "first"), false);
  log.partitions[2]!.commitOffset("g", 2, "");
  await bottle.settle();
  await bottle.crash();
  log = bottle.queue("log");
  for (const partition of log.partitions) assert.deepEqual([...partition.subscriptionNames()], ["s"]);
  assert.deepEqual(
    log.partitions.map((partition) => partition.committedOffset("g")?.offset),
    [undefined, undefined, 2],
  );
  const worker = bottle.consume("log", { subscription: "s" });
  await bottle.settle();
  assert.deepEqual(worker.bodies.toSorted(), numbers(9));
  assert.equal(log.unsubscribe("s"), true);
  assert.deepEqual(worker.endings, ["queue-deleted"]);
  await bottle.settle();
  await bottle.crash();
  for (const partition of bottle.queue("log").partitions) assert.deepEqual([...partition.subscriptionNames()], []);
});

test("the end of a topic is told once, and what it held dies under its name", async () => {
  const bottle = await Bottle.open();
  const dead = { deadLetter: { exchange: "", routingKey: "dead" } };
  bottle.declare("dead");
  const topic = topicOf(bottle, { ...plainQueue, ...dead });
  const taker = bottle.consume("t");
  bottle.publishAll("t", numbers(3));
  await bottle.settle();
  taker.session.settle(0, true, "reject");
  await bottle.settle();
  const deaths = (await bottle.drainDeliveries("dead")).flatMap((one) => one.deaths.map(({ queue }) => queue));
  assert.deepEqual(deaths, ["t", "t", "t"]);
  bottle.ns.deleteQueue(topic);
  assert.deepEqual(taker.endings, ["queue-deleted"]);
  for (const partition of topic.partitions) assert.ok(partition.isDeleted);
});

test("an id is seen once in a topic, wherever its message went", async () => {
  const bottle = await Bottle.open();
  const settings = { ...plainQueue, dedup: { windowMs: 0, maxIds: 10 } };
  topicOf(bottle, settings);
  for (let i = 0; i < 3; i++) bottle.publish("t", "one", { dedupId: "1" });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  bottle.publish("t", "one", { dedupId: "1" });
  assert.deepEqual(await bottle.drain("t"), ["one"]);
});

test("a topic that is unused goes as a whole, and one with a consumer stays", async () => {
  const bottle = await Bottle.open();
  topicOf(bottle, { ...plainQueue, expiresMs: 1000 });
  const taker = bottle.consume("t");
  await bottle.advance(5000);
  assert.ok(bottle.ns.queue("t") !== undefined);
  taker.consumer.cancel();
  await bottle.advance(1500);
  assert.equal(bottle.ns.queue("t"), undefined);
  assert.equal(bottle.broker.core.queueById.size, 0);
  topicOf(bottle, { ...plainQueue, autoDelete: true });
  bottle.consume("t").consumer.cancel();
  assert.equal(bottle.ns.queue("t"), undefined);
});

test("what must not be lost waits until no partition of its target is full", async () => {
  const bottle = await Bottle.open();
  const dead = bottle.ns.createQueue("dead", { ...plainQueue, maxLength: 1, overflow: "reject-publish" }, {}, 2);
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead", atLeastOnce: true } });
  const p = { ...emptyPublication(bottle.ns.exchange("")!), format: testFormat.id, routingKey: "dead", partition: 1 };
  bottle.ns.publish(p, bottle.outcome);
  bottle.publishAll("q", numbers(3));
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(0, true, "reject");
  await bottle.settle();
  assert.equal(dead.readyCount, 1);
  const got = new Set<string>();
  for (let i = 0; i < 40 && got.size < 4; i++) {
    for (const body of await bottle.drain("dead")) got.add(body);
    await bottle.advance(1000);
  }
  assert.deepEqual(got, new Set(["", ...numbers(3)]));
});

test("the next message of a key comes when the one before is settled, in every partition", async () => {
  const bottle = await Bottle.open();
  topicOf(bottle, { ...plainQueue, mode: "keyed" });
  const keys = ["a", "b", "c", "d"];
  for (const body of ["1", "2", "3"]) for (const key of keys) bottle.publish("t", body, { key });
  const taker = bottle.consume("t");
  const bodies: string[] = [];
  for (let round = 0; round < 3; round++) {
    await bottle.settle();
    const came = taker.take();
    assert.equal(came.length, keys.length);
    for (const one of came) {
      bodies.push(one.body);
      taker.accept(one);
    }
  }
  assert.deepEqual(bodies.join(""), "111122223333");
});

test("who is told that a partition is gone may make the topic anew, and it is whole after a start", async () => {
  const bottle = await Bottle.open();
  topicOf(bottle, plainLog).follow(() => {
    if (bottle.ns.queue("t") === undefined) topicOf(bottle, plainLog);
  });
  bottle.ns.deleteQueue(bottle.queue("t"));
  await bottle.settle();
  // To stop takes a checkpoint: what nobody finds by its name is not in it.
  await bottle.restart();
  assert.equal(bottle.queue("t").partitions.length, 3);
});
