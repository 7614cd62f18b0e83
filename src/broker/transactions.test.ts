import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { type Batch, type Produced, producerVerdict, type Queue } from "./api.ts";
import { batchBody, Bottle, plainLog, plainQueue, testFormat } from "./test-broker.suite.ts";

function produced(
  producerId: number,
  sequence: number,
  count = 1,
  isTransactional = true,
  producerEpoch = 0,
): Produced {
  return { producerId, producerEpoch, sequence, count, isTransactional };
}

function batchOf(text: string, by: Produced): Batch {
  const body = Buffer.concat([Buffer.alloc(4), Buffer.from(text)]);
  return { ...by, format: testFormat.id, timestampMs: 0, body, bodyStart: 0, bodyEnd: body.length };
}

/** Publishes to a queue as a producer, in its transaction unless it is said otherwise. */
function produce(bottle: Bottle, queue: string, bodies: readonly string[], by: Produced): number {
  const target = bottle.queue(queue);
  assert.equal(target.checkProducer(by), producerVerdict.next);
  return target.appendProduced(by, () => bottle.publishAll(queue, bodies));
}

const endOf = (queue: Queue, producerId: number, isCommitted: boolean, epoch = 0): number =>
  queue.endTransaction(producerId, epoch, isCommitted, undefined);

test("messages of a queue's transaction are given to nobody until it is committed, and then in their places", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.publish("q", "a");
  produce(bottle, "q", ["b", "c"], produced(1, 0, 2));
  bottle.publish("q", "d");
  await bottle.settle();
  assert.equal(queue.readyCount, 2);
  assert.deepEqual([queue.stableEnd, queue.visibleEnd], [1, 4]);
  const taker = bottle.consume("q");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "d"]);
  endOf(queue, 1, true);
  assert.equal(queue.stableEnd, 1, "a decision that is not durable changes nothing");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "d", "b", "c"]);
  assert.deepEqual([queue.stableEnd, queue.leasedCount], [4, 4]);
  assert.ok(taker.deliveries.every(({ isRedelivered }) => !isRedelivered));
});

test("what is aborted goes without a word: not ready, not dead-lettered, not in memory", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const queue = bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead" }, maxPriority: 3 });
  produce(bottle, "q", ["a", "b"], produced(1, 0, 2));
  produce(bottle, "q", ["c"], produced(2, 0));
  await bottle.settle();
  endOf(queue, 1, false);
  endOf(queue, 2, true);
  await bottle.settle();
  assert.deepEqual([queue.readyCount, bottle.queue("dead").readyCount], [1, 0]);
  assert.deepEqual(await bottle.drain("q"), ["c"]);
  assert.deepEqual([...queue.openTransactions()], []);
  assert.equal(queue.counters.settled, 0);
});

test("a time to live runs while a message is undecided", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  const queue = bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead" } });
  for (const [sequence, ttlMs] of [1000, 3000].entries()) {
    queue.appendProduced(produced(1, sequence), () => bottle.publish("q", `${ttlMs} ms`, { ttlMs }));
  }
  await bottle.advance(2000);
  assert.equal(bottle.queue("dead").readyCount, 0);
  endOf(queue, 1, true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("dead"), ["1000 ms"]);
  assert.deepEqual(await bottle.drain("q"), ["3000 ms"]);
});

test("a crash finds a transaction open, committed or aborted, and never in between", async () => {
  for (const between of ["crash", "checkpoint", "restart", "evict"] as const) {
    const again = async (bottle: Bottle): Promise<void> => {
      if (between === "checkpoint" || between === "evict") await bottle[between]();
      if (between === "restart") await bottle.restart();
      else await bottle.crash();
    };
    const bottle = await Bottle.open();
    bottle.declare("q");
    for (const [i, text] of ["a", "b", "c"].entries()) produce(bottle, "q", [text], produced(i, 0));
    bottle.publish("q", "d");
    await bottle.settle();
    endOf(bottle.queue("q"), 0, true);
    endOf(bottle.queue("q"), 1, false);
    await bottle.settle();
    await again(bottle);
    const queue = bottle.queue("q");
    assert.equal(queue.readyCount, 2, between);
    assert.deepEqual(
      [...queue.openTransactions()].map(({ producerId, firstOffset }) => [producerId, firstOffset]),
      [[2, 2]],
    );
    assert.equal(queue.checkProducer(produced(2, 0)), 2, "the sequence is known");
    assert.deepEqual(await bottle.drain("q"), ["a", "d"]);
    endOf(queue, 2, true);
    await bottle.settle();
    await again(bottle);
    assert.deepEqual(await bottle.drain("q"), ["c"]);
    assert.equal(bottle.queue("q").stableEnd, 4);
  }
});

test("an end that was not durable when the power went did not happen, and nobody has seen it", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  produce(bottle, "q", ["a"], produced(1, 0));
  await bottle.settle();
  const taker = bottle.consume("q");
  endOf(bottle.queue("q"), 1, true);
  await bottle.crash();
  assert.deepEqual(taker.bodies, []);
  assert.equal(bottle.queue("q").readyCount, 0);
  endOf(bottle.queue("q"), 1, false);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), []);
});

test("an end of an older epoch touches nothing of a newer one", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  produce(bottle, "q", ["a"], produced(1, 0, 1, true, 4));
  await bottle.settle();
  assert.equal(endOf(queue, 1, true, 3), -1);
  await bottle.settle();
  assert.equal(queue.readyCount, 0);
  assert.equal(queue.checkProducer(produced(1, 0, 1, true, 3)), producerVerdict.fenced);
  assert.equal(queue.checkProducer(produced(1, 1, 1, false, 4)), producerVerdict.notInTransaction);
  endOf(queue, 1, true, 5);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a"]);
  assert.equal(queue.checkProducer(produced(1, 1, 1, true, 4)), producerVerdict.fenced);
  assert.equal(queue.checkProducer(produced(1, 0, 1, true, 5)), producerVerdict.next);
});

test("limits that refuse count what is undecided, and the others drop none of it", async () => {
  const bottle = await Bottle.open();
  const refusing = bottle.declare("refusing", { maxLength: 3, overflow: "reject-publish" });
  produce(bottle, "refusing", ["a", "b"], produced(1, 0, 2));
  assert.equal(refusing.hasRoom(1, 1), true);
  assert.equal(refusing.hasRoom(2, 2), false);
  bottle.publish("refusing", "c");
  bottle.publish("refusing", "d");
  assert.equal(bottle.outcome.refused, true);
  endOf(refusing, 1, true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("refusing"), ["a", "b", "c"]);
  const dropping = bottle.declare("dropping", { maxLength: 2 });
  produce(bottle, "dropping", ["a", "b"], produced(1, 0, 2));
  bottle.publishAll("dropping", ["c", "d", "e"]);
  await bottle.settle();
  assert.equal(dropping.readyCount, 2);
  endOf(dropping, 1, true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("dropping"), ["d", "e"], "they are the oldest, now that they count");
});

test("a purge leaves what is undecided where it is", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  produce(bottle, "q", ["a", "b"], produced(1, 0, 2));
  bottle.publishAll("q", ["c", "d"]);
  await bottle.settle();
  assert.equal(queue.purge(), 2);
  endOf(queue, 1, true);
  bottle.publish("q", "e");
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b", "e"]);
});

test("a log is stable up to its first open transaction; aborted ones are listed in order, and go with what they are of", async () => {
  const bottle = await Bottle.open();
  let log = bottle.declareLog("log");
  const append = (by: Produced): number => log.appendBatch(batchOf("x", by));
  const end = (producerId: number, isCommitted: boolean): number =>
    log.endTransaction(producerId, 0, isCommitted, batchOf("end", produced(producerId, -1)));
  append(produced(1, 0, 10));
  append(produced(2, 0, 5));
  append(produced(3, 0, 1, false));
  append(produced(1, 10, 3));
  await bottle.settle();
  assert.deepEqual([log.stableEnd, log.visibleEnd], [0, 19]);
  assert.equal(end(1, false), 19);
  await bottle.settle();
  assert.deepEqual([log.stableEnd, log.visibleEnd], [10, 20]);
  assert.equal(end(2, false), 20);
  append(produced(2, 5, 4));
  await bottle.settle();
  await bottle.checkpoint();
  assert.equal(end(2, true), 25);
  await bottle.settle();
  await bottle.crash();
  log = bottle.queue("log");
  assert.deepEqual([log.stableEnd, log.visibleEnd], [26, 26]);
  const first = { producerId: 1, firstOffset: 0, lastOffset: 19 };
  const second = { producerId: 2, firstOffset: 10, lastOffset: 20 };
  assert.deepEqual(log.abortedTransactions(0, 26), [first, second]);
  assert.deepEqual(log.abortedTransactions(0, 10), [first]);
  assert.deepEqual(log.abortedTransactions(20, 26), [second]);
  assert.deepEqual(log.abortedTransactions(21, 26), []);
  log.trim(20);
  assert.deepEqual(log.abortedTransactions(0, 26), [second]);
  log.trim(26);
  assert.deepEqual(log.abortedTransactions(0, 30), []);
  assert.deepEqual([log.stableEnd, log.visibleEnd], [26, 26]);
  assert.deepEqual(
    [...log.producers()].map((one) => [one.producerId, one.lastSequence, one.transactionFirstOffset]),
    [
      [1, 12, -1],
      [2, 8, -1],
      [3, 0, -1],
    ],
  );
});

test("a transaction in a log is aborted at once, however many offsets its batches say that they span", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const countMax = 0x7fff_ffff;
  log.appendBatch(batchOf("x", produced(1, 0, countMax)));
  log.appendBatch(batchOf("x", produced(1, countMax, countMax)));
  await bottle.settle();
  const fromMs = performance.now();
  assert.equal(log.endTransaction(1, 0, false, batchOf("end", produced(1, -1))), 2 * countMax);
  const tookMs = performance.now() - fromMs;
  await bottle.settle();
  assert.equal(log.stableEnd, 2 * countMax + 1);
  assert.equal(log.abortedTransactions(0, 1).length, 1);
  assert.ok(tookMs < 1000, `${tookMs} ms`);
});

test("a queue that keeps history shows what was committed to those who read it, and nothing of what was aborted", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q", { retention: { ...plainQueue.retention, maxCount: 100 } });
  produce(bottle, "q", ["a", "b"], produced(1, 0, 2));
  produce(bottle, "q", ["c"], produced(2, 0));
  bottle.publish("q", "d");
  endOf(queue, 1, false);
  await bottle.settle();
  const reader = bottle.consume("q", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(reader.bodies, []);
  endOf(queue, 2, true);
  await bottle.settle();
  assert.deepEqual(reader.bodies, ["c", "d"]);
  await bottle.checkpoint();
  await bottle.crash();
  const again = bottle.consume("q", { startAt: "first" });
  await bottle.settle();
  assert.deepEqual(again.bodies, ["c", "d"]);
  const read: number[] = [];
  bottle.queue("q").read(0, 4, ({ offset }) => read.push(offset) > 0);
  assert.deepEqual(read, [2, 3]);
});

test("who numbers nothing leaves nothing behind", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  const nobody = { producerId: -1, producerEpoch: -1, sequence: -1, count: 2, isTransactional: false };
  assert.equal(
    queue.appendProduced(nobody, () => bottle.publishAll("q", ["a", "b"])),
    0,
  );
  assert.equal(bottle.declareLog("log").appendBatch(batchOf("x", nobody)), 0);
  await bottle.settle();
  await bottle.crash();
  for (const name of ["q", "log"]) assert.deepEqual([...bottle.queue(name).producers()], []);
  assert.deepEqual(await bottle.drain("q"), ["a", "b"]);
});

test("without a disk, and in queues and logs that do not outlive the process, transactions are what they are with one", async () => {
  for (const options of [{ isVolatile: true }, {}]) {
    const bottle = await Bottle.open(options);
    const queue = bottle.declare("q", { durable: false });
    const log = bottle.ns.createQueue("log", { ...plainLog, durable: false }, {}, 2);
    produce(bottle, "q", ["a"], produced(1, 0));
    produce(bottle, "q", ["b"], produced(2, 0));
    const [first, second] = log.partitions as [Queue, Queue];
    first.appendBatch(batchOf("x", produced(1, 0, 3)));
    second.appendBatch(batchOf("x", produced(1, 0, 2)));
    await bottle.settle();
    assert.deepEqual([queue.readyCount, queue.stableEnd, first.stableEnd, second.stableEnd], [0, 0, 0, 0]);
    bottle.broker.atomically(() => {
      endOf(queue, 1, true);
      for (const one of log.partitions) one.endTransaction(1, 0, true, batchOf("end", produced(1, -1)));
    });
    endOf(queue, 2, false);
    await bottle.settle();
    assert.deepEqual([queue.stableEnd, first.stableEnd, second.stableEnd], [2, 4, 3]);
    assert.deepEqual(await bottle.drain("q"), ["a"]);
  }
});

test("subscriptions and readers of a log that begin in the past pass over what was aborted, and stop before what is open", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const append = (producerId: number, sequence: number, bodies: readonly string[]): void => {
    const body = batchBody(bodies.map((text, delta) => ({ delta, body: text })));
    const by = produced(producerId, sequence, bodies.length);
    log.appendBatch({ ...batchOf("", by), body, bodyEnd: body.length });
  };
  const end = (producerId: number, isCommitted: boolean): void => {
    log.endTransaction(producerId, 0, isCommitted, batchOf("control", produced(producerId, -1)));
  };
  append(1, 0, ["a", "b"]);
  append(2, 0, ["c"]);
  append(1, 2, ["d"]);
  append(3, 0, ["e"]);
  end(1, false);
  end(2, true);
  append(2, 1, ["f"]);
  await bottle.settle();
  for (const mode of ["shared", "keyed"] as const) log.subscribe(mode, { ...plainQueue, mode }, "first");
  const takers = [
    bottle.consume("log", { subscription: "shared" }),
    bottle.consume("log", { subscription: "keyed" }),
    bottle.consume("log", { startAt: "first" }),
  ];
  await bottle.settle();
  for (const { bodies } of takers) assert.deepEqual(bodies, ["c"]);
  log.subscribe("asked", { ...plainQueue, mode: "shared" }, "first");
  const answers: (number | undefined)[] = [];
  const session = bottle.broker.createSession();
  for (let i = 0; i < 2; i++) session.get(log, true, (_lease, entry) => answers.push(entry?.offset), "asked");
  await bottle.settle();
  assert.deepEqual(answers, [2, undefined], "nobody waits for what is open");
  end(3, true);
  await bottle.settle();
  for (const { bodies } of takers) assert.deepEqual(bodies, ["c", "e"]);
  end(2, true);
  await bottle.settle();
  for (const { bodies } of takers) assert.deepEqual(bodies, ["c", "e", "f"]);
  for (const { session } of takers) session.settle(0, true, "accept");
  assert.deepEqual(
    ["shared", "keyed"].map((name) => log.namedSubscription(name)?.readyCount),
    [0, 0],
  );
  assert.deepEqual(bottle.logged, []);
});

test("what is trimmed in the middle of a transaction is not waited for", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.appendBatch(batchOf("x", produced(1, 0, 4)));
  log.appendBatch(batchOf("x", produced(1, 4, 4)));
  await bottle.settle();
  log.trim(4);
  assert.deepEqual([log.firstOffset, log.stableEnd, log.visibleEnd], [4, 4, 8]);
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual([bottle.queue("log").firstOffset, bottle.queue("log").stableEnd], [4, 4]);
  bottle.queue("log").endTransaction(1, 0, false, batchOf("end", produced(1, -1)));
  await bottle.settle();
  assert.deepEqual(bottle.queue("log").abortedTransactions(0, 9), [{ producerId: 1, firstOffset: 0, lastOffset: 8 }]);
});

test("a producer that is idle for a day is forgotten, and its place on the disk with it", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.appendBatch(batchOf("x", produced(1, 0, 1, false)));
  log.appendBatch(batchOf("x", produced(2, 0)));
  await bottle.advance(86_400_000);
  assert.equal(log.checkProducer(produced(1, 9, 1, false)), producerVerdict.next);
  assert.equal(log.checkProducer(produced(2, 9)), producerVerdict.outOfOrder);
  await bottle.checkpoint();
  await bottle.crash();
  assert.deepEqual(
    [...bottle.queue("log").producers()].map(({ producerId }) => producerId),
    [2],
  );
});

interface Told {
  readonly text: string;
  readonly producer: number;
}

test("whatever producers, crashes and checkpoints do, each message comes once if its transaction was committed and never if not", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const random = seededRandom(seed);
    const below = (end: number): number => Math.floor(random.next() * end);
    const bottle = await Bottle.open({ settings: { bufferBytes: 1 << 14, cacheBytes: 1 << 16 } });
    bottle.declare("q", below(2) === 0 ? {} : { maxPriority: 2 });
    const wanted = new Set<string>();
    const got: string[] = [];
    let open: Told[] = [];
    const sequences = [0, 0, 0];
    for (let step = 0; step < 60; step++) {
      const producer = below(3);
      const isOpen = open.some((one) => one.producer === producer);
      const kind = below(12);
      if (kind < 4) {
        const bodies = Array.from({ length: 1 + below(4) }, (_, i) => `${step}.${i}`.padEnd(below(3000), "."));
        const by = produced(producer, sequences[producer]!, bodies.length, isOpen || random.next() < 0.7);
        produce(bottle, "q", bodies, by);
        const again = bottle.queue("q").checkProducer(by);
        assert.ok(again >= 0, `what was sent is known: ${again}`);
        sequences[producer]! += bodies.length;
        if (by.isTransactional) open.push(...bodies.map((text) => ({ text, producer })));
        else for (const text of bodies) wanted.add(text);
      } else if (kind < 6) {
        const isCommitted = below(2) === 0;
        endOf(bottle.queue("q"), producer, isCommitted);
        if (isCommitted) for (const one of open) if (one.producer === producer) wanted.add(one.text);
        open = open.filter((one) => one.producer !== producer);
      } else if (kind === 6) {
        bottle.publish("q", `${step}`);
        wanted.add(`${step}`);
      } else if (kind === 7) {
        await bottle.settle();
        for (let i = below(8); i > 0; i--) {
          const one = await bottle.get("q");
          if (one !== undefined) got.push(one.body);
        }
      } else if (kind === 8) await bottle.checkpoint();
      else if (kind === 9) await bottle.evict();
      else if (kind === 10) {
        await bottle.settle();
        await bottle.crash();
      } else await bottle.restart();
      if (below(3) === 0) await bottle.settle();
    }
    await bottle.settle();
    assert.equal(bottle.queue("q").readyCount, wanted.size - got.length, `seed ${seed}`);
    got.push(...(await bottle.drain("q")));
    assert.equal(new Set(got).size, got.length, `seed ${seed}: each once`);
    assert.deepEqual(new Set(got), wanted, `seed ${seed}`);
    for (const producer of [0, 1, 2]) endOf(bottle.queue("q"), producer, false);
    await bottle.settle();
    const { stableEnd, visibleEnd } = bottle.queue("q");
    assert.equal(stableEnd, visibleEnd);
  }
});

test("a batch of a producer and what is known of it are on disk together, wherever blocks end", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  await bottle.settle();
  // About 20 blocks of 1 MB, whose ends lie anywhere; the power may go after each of them.
  let sequence = 0;
  for (; sequence < 300; sequence++) {
    const filling = sequence % 15 === 0 ? (sequence / 15) * 4 : 0;
    bottle.queue("log").appendBatch(batchOf("x".repeat(69_850 + filling), produced(1, sequence)));
  }
  const marker = batchOf("end".repeat(300_000), produced(1, -1));
  bottle.queue("log").endTransaction(1, 0, false, marker);
  const twins: Promise<Bottle>[] = [];
  bottle.broker.addCommitListener({ committed: () => void twins.push(bottle.fork()) });
  await bottle.settle();
  assert.ok(twins.length > 20);
  for (const twin of twins) {
    const log = (await twin).queue("log");
    const last = Math.min(log.nextOffset, sequence) - 1;
    assert.equal([...log.producers()][0]?.lastSequence ?? -1, last);
    const isDecided = log.nextOffset > sequence;
    assert.equal([...log.openTransactions()].length, isDecided ? 0 : 1);
    assert.equal(log.abortedTransactions(0, 1000).length, isDecided ? 1 : 0);
  }
});

test("undecided messages keep their places over a queue's own order", async () => {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q", { ...plainQueue, mode: "keyed" });
  queue.appendProduced(produced(1, 0, 2), () => bottle.publishAll("q", ["a", "b"], { key: "k" }));
  bottle.publish("q", "c", { key: "k" });
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.crash();
  endOf(bottle.queue("q"), 1, true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b", "c"]);
});

test("no decision is seen before it is on disk, not even in a queue that does not outlive the process", async () => {
  const bottle = await Bottle.open();
  bottle.declare("kept");
  bottle.declare("passing", { durable: false });
  for (const name of ["kept", "passing"]) produce(bottle, name, [name], produced(1, 0));
  await bottle.settle();
  const taker = bottle.consume("passing");
  const got: unknown[] = [];
  bottle.broker.atomically(() => {
    for (const name of ["kept", "passing"]) endOf(bottle.queue(name), 1, true);
  });
  const { readyCount, stableEnd } = bottle.queue("passing");
  assert.deepEqual([readyCount, stableEnd], [0, 0]);
  bottle.broker.createSession().get(bottle.queue("passing"), true, (_lease, entry) => got.push(entry));
  const twin = await bottle.fork();
  assert.deepEqual(got, [undefined], "who asks is given nothing");
  endOf(twin.queue("kept"), 1, false);
  await twin.settle();
  assert.equal(twin.queue("kept").readyCount, 0, "the power went, and it was aborted");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["passing"]);
  assert.deepEqual(await bottle.drain("kept"), ["kept"]);
  // Nor does it wait for something else to be written.
  produce(bottle, "passing", ["alone"], produced(1, 1));
  await bottle.settle();
  endOf(bottle.queue("passing"), 1, true);
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["passing", "alone"]);
});

test("what is produced and committed in one breath is given to who waits when it is visible, in any order of a queue", async () => {
  for (const options of [{ isVolatile: true }, {}]) {
    for (const settings of [{}, { maxPriority: 3 }, { mode: "keyed" }] as const) {
      const bottle = await Bottle.open(options);
      const queue = bottle.declare("q", { durable: false, ...settings });
      const taker = bottle.consume("q");
      await bottle.settle();
      for (let round = 0; round < 3; round++) {
        produce(bottle, "q", [`${round}`], produced(1, round));
        endOf(queue, 1, true);
      }
      bottle.publish("q", "3", { durable: false });
      bottle.broker.createSession().get(queue, true, () => undefined);
      await bottle.settle();
      assert.equal(taker.deliveries.length + queue.counters.gotNoAck, 4);
      assert.equal(bottle.fatal, undefined);
    }
  }
});
