/** Ids of messages that lie in a producer's transaction: they are seen when it is committed, not before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DedupPolicy } from "./api.ts";
import { emptyPublication } from "./publication.ts";
import { Bottle, testFormat } from "./test-broker.suite.ts";

const dedup: DedupPolicy = { windowMs: 0, maxIds: 100 };

/** Appends messages that are called like their ids, in the transaction of producer 1. */
function produce(bottle: Bottle, sequence: number, ids: readonly string[], producerId = 1): void {
  const by = { producerId, producerEpoch: 0, sequence, count: ids.length, isTransactional: true };
  bottle.queue("q").appendProduced(by, () => {
    for (const dedupId of ids) bottle.publish("q", dedupId, { dedupId });
  });
}

function end(bottle: Bottle, isCommitted: boolean, producerId = 1): void {
  bottle.queue("q").endTransaction(producerId, 0, isCommitted, undefined);
}

test("an id of an aborted transaction was never seen, and one of a committed transaction was", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup });
  produce(bottle, 0, ["a", "b"]);
  await bottle.settle();
  end(bottle, false);
  await bottle.settle();
  produce(bottle, 2, ["a", "b"]);
  end(bottle, true);
  bottle.publish("q", "a", { dedupId: "a" });
  produce(bottle, 4, ["b", "c"]);
  end(bottle, true);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b", "c"]);
});

test("a transaction takes its own ids once; others are not refused for what is undecided", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup });
  produce(bottle, 0, ["a", "a"]);
  produce(bottle, 2, ["a", "b"]);
  bottle.publish("q", "a", { dedupId: "a" });
  produce(bottle, 0, ["b"], 2);
  end(bottle, false);
  end(bottle, true, 2);
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b"]);
});

test("ids of a transaction count from its commit on", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { ...dedup, windowMs: 1000 } });
  produce(bottle, 0, ["a"]);
  await bottle.advance(1500);
  produce(bottle, 1, ["a"]);
  end(bottle, true);
  await bottle.advance(999);
  bottle.publish("q", "a", { dedupId: "a" });
  await bottle.advance(1);
  bottle.publish("q", "again", { dedupId: "a" });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "again"]);
});

test("no more ids of a transaction are remembered than of the queue", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup: { windowMs: 0, maxIds: 2 } });
  produce(bottle, 0, ["a", "b", "c", "a"]);
  end(bottle, false);
  produce(bottle, 4, ["a", "b", "c"]);
  end(bottle, true);
  for (const dedupId of ["c", "b", "a"]) bottle.publish("q", dedupId, { dedupId });
  await bottle.settle();
  assert.deepEqual(await bottle.drain("q"), ["a", "b", "c", "a"]);
});

test("a topic's partitions have their ids of a transaction in common", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { dedup });
  bottle.queue("q").addPartitions(2);
  const [first, second] = bottle.queue("q").partitions;
  const by = { producerId: 1, producerEpoch: 0, sequence: 0, count: 1, isTransactional: true };
  const plain = emptyPublication(bottle.ns.exchange("")!);
  for (const one of [first!, second!]) {
    const publication = { ...plain, format: testFormat.id, durable: true, dedupId: "a", partition: one.index };
    one.appendProduced(by, () => bottle.ns.publishTo([bottle.queue("q")], publication, bottle.outcome));
  }
  for (const one of [first!, second!]) one.endTransaction(1, 0, true, undefined);
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 1);
});

test("a start finds ids with their transaction: undecided, or as it was decided", async () => {
  for (const between of ["crash", "checkpoint", "restart"] as const) {
    const again = async (bottle: Bottle): Promise<void> => {
      if (between === "checkpoint") await bottle.checkpoint();
      if (between === "restart") await bottle.restart();
      else await bottle.crash();
    };
    const bottle = await Bottle.open();
    bottle.declare("q", { dedup });
    bottle.publish("q", "seen", { dedupId: "seen" });
    bottle.publish("q", "fleeting", { dedupId: "fleeting", durable: false });
    produce(bottle, 0, ["aborted", "seen"]);
    produce(bottle, 0, ["committed"], 2);
    await bottle.settle();
    end(bottle, false);
    bottle.publish("q", "plain", { dedupId: "plain" });
    produce(bottle, 0, ["open 1"], 3);
    produce(bottle, 1, ["open 2"], 3);
    produce(bottle, 0, ["open to the end"], 4);
    end(bottle, true, 2);
    await bottle.settle();
    const expected = ["committed", "plain", "seen"];
    await again(bottle);
    assert.deepEqual((await bottle.drain("q")).toSorted(), expected, between);
    const publish = async (...ids: string[]): Promise<string[]> => {
      for (const dedupId of ids) bottle.publish("q", dedupId, { dedupId });
      await bottle.settle();
      return bottle.drain("q");
    };
    assert.deepEqual(await publish("seen", "fleeting", "plain", "committed", "aborted"), ["aborted"], between);
    // The transaction knows its own.
    produce(bottle, 2, ["open 1", "open 2"], 3);
    end(bottle, true, 3);
    end(bottle, false, 4);
    await bottle.settle();
    await again(bottle);
    assert.deepEqual(await bottle.drain("q"), ["open 1", "open 2"], between);
    assert.deepEqual(await publish("open 1", "open 2", "open to the end"), ["open to the end"], between);
  }
});

test("ids are on disk with their transaction or not at all, wherever blocks end", async () => {
  const bottle = await Bottle.open({ settings: { bufferBytes: 1 << 16, cacheBytes: 1 << 20 } });
  bottle.declare("q", { dedup: { windowMs: 0, maxIds: 10_000 } });
  await bottle.settle();
  const body = Buffer.alloc(900);
  const name = (kind: string, i: number): string => `${kind}${"i".repeat(100)}${i}`;
  // About 10 blocks; a batch spans some of them.
  for (let round = 0; round < 5; round++) {
    for (const producerId of [1, 2]) {
      const by = { producerId, producerEpoch: 0, sequence: round * 50, count: 50, isTransactional: true };
      bottle.queue("q").appendProduced(by, () => {
        for (let i = round * 50; i < round * 50 + 50; i++)
          bottle.publish("q", "", { dedupId: name(`in ${producerId} `, i), body });
      });
    }
    for (let i = 0; i < 20; i++) bottle.publish("q", "", { dedupId: name("plain ", round * 20 + i), body });
    if (round === 2) end(bottle, false, 2);
  }
  const kinds = new Set<number>();
  for (let i = 0; i < 30; i++) {
    const twin = await bottle.fork();
    const queue = twin.queue("q");
    const seen = (): number =>
      [...twin.broker.core.queueById.values()].find((one) => one.name === "q")!.dedup!.toJson().length;
    const plain = queue.readyCount;
    assert.equal(seen(), plain);
    end(twin, true, 1);
    end(twin, false, 2);
    await twin.settle();
    assert.equal(seen(), queue.readyCount);
    kinds.add(queue.readyCount - plain);
    for (let step = 0; step < 3; step++) await bottle.step();
  }
  assert.ok(kinds.size > 2, [...kinds].join());
});

test("a queue that remembers what it holds does so of what was committed, and never refuses for what is undecided", async () => {
  for (const between of ["nothing", "crash", "checkpoint", "restart"] as const) {
    const again = async (bottle: Bottle): Promise<void> => {
      await bottle.settle();
      if (between === "checkpoint") await bottle.checkpoint();
      if (between === "restart") await bottle.restart();
      else if (between !== "nothing") await bottle.crash();
    };
    const bottle = await Bottle.open();
    bottle.declare("q", { dedup: "until-settled" });
    bottle.publish("q", "held", { dedupId: "held" });
    produce(bottle, 0, ["aborted", "held", "aborted"]);
    produce(bottle, 0, ["committed"], 2);
    bottle.publish("q", "aborted", { dedupId: "aborted" });
    await again(bottle);
    produce(bottle, 1, ["committed", "also"], 2);
    await again(bottle);
    end(bottle, false);
    end(bottle, true, 2);
    await again(bottle);
    for (const dedupId of ["held", "aborted", "committed", "also", "new"]) bottle.publish("q", dedupId, { dedupId });
    await bottle.settle();
    const bodies = await bottle.drain("q");
    assert.deepEqual(bodies.toSorted(), ["aborted", "also", "committed", "held", "new"], between);
    await again(bottle);
    for (const dedupId of ["held", "committed"]) bottle.publish("q", dedupId, { dedupId });
    await bottle.settle();
    assert.deepEqual(await bottle.drain("q"), ["held", "committed"], between);
  }
});
