import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../../base/crc.ts";
import { Bottle, plainQueue, testFormat } from "../test-broker.suite.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { readSnapshot, readSnapshotHead, snapshotLines } from "./stored-snapshot.ts";

const empty: StoredSnapshot = {
  lastId: 1,
  definitions: [],
  queues: [],
  exchangeDedups: [],
  schedule: [],
  seq: 5,
  nextSegment: 7,
  segments: [],
};

const bytesOf = (stored: StoredSnapshot): Buffer => Buffer.from([...snapshotLines(stored)].join(""));

test("whatever the state is, it is read as it was, list by list", () => {
  // Repeated, since it is length that matters.
  const repeated = <Value>(one: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
    fc.tuple(fc.array(one, { maxLength: 3 }), fc.constantFrom(1, 20, 65, 300)).map(([some, times]) => {
      return Array.from({ length: times }, () => some).flat();
    });
  const long = repeated(fc.jsonValue({ maxDepth: 2 }));
  const nested = repeated(fc.record({ inner: long, text: fc.string() }));
  fc.assert(
    fc.property(long, nested, repeated(fc.nat()), (schedule, queues, segments) => {
      const stored = { ...empty, schedule, segments, queues } as unknown as StoredSnapshot;
      const expected = JSON.parse(JSON.stringify({ format: 2, ...stored })) as unknown;
      assert.deepEqual(readSnapshot(bytesOf(stored)), expected);
      const head = readSnapshotHead(bytesOf(stored));
      assert.deepEqual([head.seq, head.segments], [5, segments]);
    }),
    { numRuns: 10 },
  );
});

test("what the journal could write down at whatever depth, a checkpoint can", () => {
  const depth = 4000;
  const deep = JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown;
  const definitions = [{ op: "put", kind: "parameter", name: "deep", value: deep }];
  const stored = { ...empty, definitions } as unknown as StoredSnapshot;
  // Compared as text: deepEqual itself would recur.
  assert.equal(JSON.stringify(readSnapshot(bytesOf(stored)).definitions), JSON.stringify(definitions));
});

test("no line is long, and lists are asked for their elements one after the other", () => {
  let asked = 0;
  const producers = {
    *[Symbol.iterator](): Generator<string> {
      for (; asked < 1000; asked++) yield "x".repeat(10_000);
    },
  };
  const queue = { id: 1, producing: { producers } };
  const stored = { ...empty, queues: [queue] } as unknown as StoredSnapshot;
  let most = 0;
  let lines = 0;
  for (const line of snapshotLines(stored)) {
    most = Math.max(most, line.length);
    lines++;
    assert.ok(asked <= lines * 14);
  }
  assert.ok(most < 200_000, String(most));
  assert.ok(lines > 50, String(lines));
});

/** The newest checkpoint as version 1 had it: one line of JSON, where a queue's producers are one text. */
async function asVersion1(bottle: Bottle): Promise<void> {
  const name = (await bottle.disk.list())
    .filter((each) => each.endsWith(".ckpt"))
    .toSorted()
    .at(-1)!;
  const file = Buffer.from(bottle.disk.bytesOf(name));
  const stored = readSnapshot(file.subarray(32));
  const queues = stored.queues.map((queue) => {
    if (queue.producing === undefined) return queue;
    const texts = Array.from(queue.producing.producers, (text) => Buffer.from(text, "base64"));
    return { ...queue, producing: { ...queue.producing, producers: Buffer.concat(texts).toString("base64") } };
  });
  const bytes = Buffer.from(JSON.stringify({ ...stored, format: 1, queues }));
  const header = Buffer.from(file.subarray(0, 32));
  header.writeUInt32BE(1, 4);
  header.writeBigUInt64BE(BigInt(bytes.length), 16);
  header.writeUInt32BE(crc32(bytes, 0, bytes.length, 0), 24);
  header.writeUInt32BE(crc32(header, 0, 28), 28);
  bottle.disk.plant(name, Buffer.concat([header, bytes]));
}

const of = (
  producerId: number,
): { producerId: number; producerEpoch: number; sequence: number; count: number; isTransactional: boolean } => ({
  producerId,
  producerEpoch: 0,
  sequence: 0,
  count: 1,
  isTransactional: false,
});

test("a directory with a checkpoint of version 1 opens, and has all that there was", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  bottle.declare("q");
  for (let id = 0; id < 1500; id++) {
    const body = Buffer.concat([Buffer.alloc(4), Buffer.from(`b${id}`)]);
    log.appendBatch({ ...of(id), format: testFormat.id, timestampMs: 0, body, bodyStart: 0, bodyEnd: body.length });
    bottle.ns.createQueue(`many${id}`, plainQueue, {});
  }
  bottle.publishAll("q", ["a", "b"]);
  await bottle.settle();
  await bottle.checkpoint();
  await asVersion1(bottle);
  await bottle.crash();
  for (let id = 0; id < 1500; id++) {
    assert.equal(bottle.queue("log").checkProducer(of(id)), id);
    bottle.queue(`many${id}`);
  }
  assert.deepEqual(await bottle.drain("q"), ["a", "b"]);
  await bottle.checkpoint();
  await bottle.crash();
  assert.equal(bottle.queue("log").checkProducer(of(1499)), 1499);
  assert.equal(bottle.queue("q").readyCount, 0);
});
