import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, Queue, SubscriptionSettings } from "./api.ts";
import { batchBody, type BatchMessage, Bottle, testFormat } from "./test-broker.suite.ts";

const shared: SubscriptionSettings = {
  mode: "shared",
  maxPriority: 0,
  deadLetter: undefined,
  deliveryLimit: -1,
  retry: undefined,
};
const nobody = { producerId: -1, producerEpoch: -1, sequence: -1, isTransactional: false };

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

/** Appends a batch of these messages, or of something else; `count` offsets wide. */
function appendBody(log: Queue, body: Buffer, count: number): number {
  return log.appendBatch({
    ...nobody,
    count,
    format: testFormat.id,
    timestampMs: 1000,
    body,
    bodyStart: 0,
    bodyEnd: body.length,
  });
}

function append(log: Queue, bodies: readonly string[], more: Partial<BatchMessage> = {}): number {
  const messages = bodies.map((body, delta) => ({ delta, body, ...more }));
  return appendBody(log, batchBody(messages), bodies.length);
}

test("consumers of a log get the messages of batches one by one, each at its own offset", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.subscribe("a", shared, "first");
  append(log, numbers(0, 10));
  bottle.publish("log", "10");
  append(log, numbers(11, 30), { key: "k" });
  append(log, ["30"]);
  assert.equal(log.namedSubscription("a")?.readyCount, 31);
  await bottle.settle();
  for (let round = 0; round < 3; round++) {
    const reader = bottle.consume("log", { startAt: "first", creditLimit: 7 });
    for (let i = 0; i < 5; i++) {
      await bottle.settle();
      reader.session.settle(0, true, "accept");
    }
    const middle = bottle.consume("log", { startAt: { offset: 17 } });
    await bottle.settle();
    assert.deepEqual(reader.bodies, numbers(0, 31));
    assert.deepEqual(
      reader.deliveries.map(({ offset }) => String(offset)),
      numbers(0, 31),
    );
    assert.deepEqual(middle.bodies, numbers(17, 31));
    assert.deepEqual([reader.deliveries[0]?.key, reader.deliveries[12]?.key], [undefined, "k"]);
    if (round === 0) await bottle.evict();
    else await bottle.crash();
  }
  const taker = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  assert.deepEqual(taker.bodies, numbers(0, 31));
});

test("a subscription settles the messages of a batch one by one: some accepted, some given back, some dead", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const log = bottle.declareLog("log");
  log.subscribe("a", { ...shared, deliveryLimit: 1, deadLetter: { exchange: "", routingKey: "dead" } }, "first");
  append(log, numbers(0, 6));
  const taker = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  const held = taker.take();
  for (const delivery of held.slice(0, 2)) taker.accept(delivery);
  taker.session.settle(held[2]!.lease, false, "reject");
  taker.session.settle(held[3]!.lease, false, "fail");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["3"]);
  await bottle.evict();
  await bottle.crash();
  assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 3);
  const again = bottle.consume("log", { subscription: "a" });
  await bottle.settle();
  assert.deepEqual(
    again.deliveries.map(({ body, isRedelivered, failures }) => [body, isRedelivered, failures]),
    [
      ["3", true, 1],
      ["4", true, 0],
      ["5", true, 0],
    ],
  );
  const [dead] = await bottle.drainDeliveries("dead");
  assert.deepEqual([dead?.body, dead?.deaths[0]?.queue], ["2", "log"]);
});

/** How one may take what is in a log: answers where it is put. */
const ways: Record<string, (bottle: Bottle, log: Queue) => readonly { readonly body: string }[]> = {
  "who reads": (bottle, log) => bottle.consume(log, { startAt: "first" }).deliveries,
  "who shares it with others": (bottle, log) => {
    log.subscribe("a", shared, "first");
    return bottle.consume(log, { subscription: "a" }).deliveries;
  },
  "who shares it by key": (bottle, log) => {
    log.subscribe("a", { ...shared, mode: "keyed" }, "first");
    return bottle.consume(log, { subscription: "a" }).deliveries;
  },
  "who asks for one message": (bottle, log) => {
    log.subscribe("a", shared, "first");
    const taken: { body: string }[] = [];
    const done = (_lease: number, entry: Entry | undefined): void =>
      void taken.push({ body: entry?.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd) ?? "none" });
    bottle.broker.createSession().get(log, true, done, "a");
    return taken;
  },
};

for (const [who, take] of Object.entries(ways)) {
  test(`batches that are a lot of work for nothing are gone through over many turns, by turns for each ${who}`, async () => {
    const bottle = await Bottle.open();
    const logs = ["a", "b"].map((name) => bottle.declareLog(name));
    for (const log of logs) {
      for (let i = 0; i < 50; i++) appendBody(log, Buffer.from("0000no json"), 10);
      append(log, ["behind"]);
    }
    await bottle.settle();
    let elapsedMs = 0;
    bottle.clock.elapsedMs = () => (elapsedMs += 4);
    const doneAt: number[] = [];
    const takers = logs.map((log) => take(bottle, log));
    let turns = 0;
    const countTurn = (): void => {
      for (const [i, { length }] of takers.entries()) if (length > 0) doneAt[i] ??= turns;
      if (++turns < 1000 && (doneAt[0] === undefined || doneAt[1] === undefined)) bottle.clock.defer(countTurn);
    };
    bottle.clock.defer(countTurn);
    await bottle.settle();
    assert.deepEqual(
      takers.map((taken) => taken.map(({ body }) => body)),
      [["behind"], ["behind"]],
    );
    // Three of them are beyond a turn's share.
    const [first, second] = doneAt as [number, number];
    assert.ok(first > 20 && second > 25, `after ${first} and ${second} turns`);
    assert.ok(Math.abs(first - second) < 12, "neither waits for the other one's log");
  });
}

test("a batch that cannot be unpacked is passed over, and the operator is told", async () => {
  for (const mode of ["shared", "keyed"] as const) {
    const bottle = await Bottle.open();
    const log = bottle.declareLog("log");
    log.subscribe("a", { ...shared, mode }, "first");
    append(log, ["0", "1"]);
    appendBody(log, Buffer.from("0000no json"), 3_000_000);
    appendBody(log, Buffer.from("0000control"), 1);
    append(log, ["2", "3"]);
    await bottle.settle();
    for (let round = 0; round < 2; round++) {
      const reader = bottle.consume("log", { startAt: "first" });
      await bottle.settle();
      assert.deepEqual(reader.bodies, ["0", "1", "2", "3"], `${mode} ${round}`);
      assert.deepEqual(bottle.logged, ["a batch cannot be unpacked: consumers pass over its messages"]);
      bottle.logged.length = 0;
      if (round === 0) await bottle.restart();
    }
    const taker = bottle.consume("log", { subscription: "a" });
    await bottle.settle();
    assert.deepEqual(taker.bodies, ["0", "1", "2", "3"]);
    assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 0);
    taker.session.settle(0, true, "accept");
    await bottle.settle();
    await bottle.crash();
    assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 0);
  }
});

test("a batch of more messages than a turn can take is passed over", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  append(log, numbers(0, 262_145));
  append(log, ["behind"]);
  await bottle.settle();
  const reader = bottle.consume("log", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(reader.bodies, ["behind"]);
  assert.deepEqual(bottle.logged, ["a batch cannot be unpacked: consumers pass over its messages"]);
});

test("offsets of a batch that have no message are passed over, in every order", async () => {
  for (const mode of ["shared", "keyed"] as const) {
    const bottle = await Bottle.open();
    const log = bottle.declareLog("log");
    const sparse = (from: number): BatchMessage[] =>
      [2, 3, 7].map((delta) => ({ delta, body: String(from + delta), key: String(delta % 2) }));
    appendBody(log, batchBody(sparse(0)), 10);
    log.subscribe("a", { ...shared, mode }, "first");
    appendBody(log, batchBody(sparse(10)), 10);
    await bottle.settle();
    for (let round = 0; round < 3; round++) {
      const taker = bottle.consume("log", { subscription: "a" });
      for (let i = 0; i < 8; i++) {
        await bottle.settle();
        if (round === 2) taker.session.settle(0, true, "accept");
      }
      const expected = ["2", "3", "7", "12", "13", "17"];
      if (round === 2 || mode === "shared") assert.deepEqual(taker.bodies, expected);
      else assert.deepEqual(taker.bodies, ["2", "3"]);
      taker.session.close();
      await bottle.settle();
      if (round === 0) await bottle.evict();
      if (round === 1) await bottle.crash();
    }
    assert.equal(bottle.queue("log").namedSubscription("a")?.readyCount, 0);
  }
});

test("what was unpacked is forgotten again: many large batches take a bounded place, and come again when they are wanted", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const large = "x".repeat(1 << 20);
  for (let i = 0; i < 12; i++) append(log, [`${i}${large}`, `${i}${large}`, `${i}${large}`, `${i}${large}`]);
  await bottle.settle();
  for (let round = 0; round < 2; round++) {
    const reader = bottle.consume("log", { startAt: "first" });
    await bottle.settle();
    assert.equal(reader.deliveries.length, 48);
    assert.ok(reader.deliveries.every(({ body }, i) => body === `${Math.floor(i / 4)}${large}`));
    reader.session.close();
  }
});

test("two who go through the same batches at different places, while the log is cut, get what there is and no more", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.subscribe("a", shared, "first");
  append(log, numbers(0, 8));
  append(log, numbers(8, 16));
  await bottle.settle();
  const reader = bottle.consume("log", { startAt: { offset: 5 }, creditLimit: 1 });
  const taker = bottle.consume("log", { subscription: "a", creditLimit: 1 });
  const step = async (): Promise<void> => {
    for (const { session } of [reader, taker]) session.settle(0, true, "accept");
    await bottle.settle();
  };
  await bottle.settle();
  await step();
  await step();
  assert.deepEqual([reader.bodies, taker.bodies], [numbers(5, 8), numbers(0, 3)]);
  log.trim(6);
  for (let i = 0; i < 16; i++) await step();
  assert.deepEqual([reader.bodies, taker.bodies], [numbers(5, 16), [...numbers(0, 3), ...numbers(6, 16)]]);
});

test("batches in which there is no message are forgotten again, too, however many there are", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  let unpacked = 0;
  bottle.broker.registerFormat({
    ...testFormat,
    isControl(batch): boolean {
      unpacked++;
      return testFormat.isControl!(batch);
    },
  });
  const count = 100_000;
  const [control, damaged] = [Buffer.from("0000control 5"), Buffer.from("0000no json")];
  for (let i = 0; i < count; i++) appendBody(log, i % 8 === 0 ? damaged : control, 1);
  append(log, ["behind"]);
  await bottle.settle();
  for (let round = 0; round < 2; round++) {
    unpacked = 0;
    const reader = bottle.consume("log", { startAt: "first" });
    await bottle.settle();
    assert.deepEqual(reader.bodies, ["behind"]);
    reader.session.close();
    // What is not kept is unpacked again.
    assert.ok(unpacked > count / 4, `round ${round}: ${unpacked} unpacked`);
  }
});
