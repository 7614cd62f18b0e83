/** Where logs begin and end, what is found by time, and what is cut off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { plainTraits } from "../codec/batch-builder.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits, BatchView } from "../codec/record-batch.ts";
import { buildBatch } from "../codec/record-models.suite.ts";
import { batchOf } from "../kafka-house.suite.ts";
import { CrashHouse } from "../transactions/crash-house.suite.ts";
import { createTopics } from "./create-topics.ts";
import { deleteRecords } from "./delete-records.ts";
import { fetch } from "./fetch.ts";
import { initProducerId } from "./init-producer-id.ts";
import { listOffsets } from "./list-offsets.ts";
import { offsetForLeaderEpoch } from "./offset-for-leader-epoch.ts";
import { produce } from "./produce.ts";
import { open, send, sendBatch, request, get, askOffset } from "./fetch-house.suite.ts";

/** Of records at these times, whose header says that this is the greatest. */
function batchSaying(maxMs: number, times: readonly number[], compression: number = compressions.none): Buffer {
  const batch = buildBatch(
    times.map((timestampMs, offset) => ({ offset, timestampMs, key: null, value: Buffer.from("x"), headers: [] })),
    compression,
  );
  new BatchView().set(batch, 0).setMaxTimestamp(false, maxMs);
  return batch;
}

test("offsets: beginning, end, and the first of a time, to the record", async () => {
  const { house, client } = await open();
  send(client, ["a", "b", "c"]);
  const start = Date.UTC(2020, 0, 1);
  const ask = (timestamp: number, version = 7) => {
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }];
    const {
      errorCode: code,
      offset,
      timestamp: found,
    } = client.call(listOffsets, version, { topics }).topics[0]!.partitions[0]!;
    return { code, offset, found };
  };
  assert.deepEqual(ask(-1), { code: 0, offset: 3, found: -1 });
  assert.deepEqual(ask(-2), { code: 0, offset: 0, found: -1 });
  assert.equal(ask(-3, 6).code, errorCode.UNSUPPORTED_VERSION);
  assert.equal(ask(-7).code, errorCode.UNSUPPORTED_VERSION);
  client.call(deleteRecords, 1, { topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 2 }] }] });
  assert.deepEqual(ask(-2), { code: 0, offset: 2, found: -1 });
  // The one of that time was cut off, though its batch was not.
  const { offset, timestamp } = await askOffset(house, client, start + 1);
  assert.deepEqual([offset, timestamp - start], [2, 2]);
});

test("a time that there is not is refused before its partition is looked for; an epoch before the first is fenced off", async () => {
  const { client } = await open();
  const ask = (name: string, timestamp: number, currentLeaderEpoch: number) => {
    const topics = [{ name, partitions: [{ partitionIndex: 0, timestamp, currentLeaderEpoch }] }];
    return client.call(listOffsets, 7, { topics }).topics[0]!.partitions[0]!.errorCode;
  };
  assert.equal(ask("nowhere", -7, 1), errorCode.UNSUPPORTED_VERSION);
  assert.equal(ask("nowhere", -1, 1), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(ask("t", -1, 1), errorCode.UNKNOWN_LEADER_EPOCH);
  assert.equal(ask("t", -1, -2), errorCode.FENCED_LEADER_EPOCH);
});

test("the latest offset is where its reader may read to; what concerns tiers is answered as where there are none", async () => {
  const { house, client } = await open();
  send(client, ["a", "b"]);
  const by = client.call(initProducerId, 4, { transactionalId: "T", transactionTimeoutMs: 60_000 });
  const traits = { ...plainTraits, ...by, baseSequence: 0, attributes: attributeBits.transactional };
  const record = { offset: 0, timestampMs: house.clock.now(), key: null, value: Buffer.from("x"), headers: [] };
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: buildBatch([record], 0, traits) }] }];
  client.call(produce, 12, { transactionalId: "T", acks: -1, timeoutMs: 1000, topicData });
  const ask = (timestamp: number, isolationLevel = 0, version = 11) => {
    const asked = { isolationLevel, topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }] };
    const {
      errorCode: code,
      offset,
      timestamp: timeMs,
    } = client.call(listOffsets, version, asked).topics[0]!.partitions[0]!;
    return [code, offset, timeMs];
  };
  assert.deepEqual(
    [ask(-1), ask(-1, 1)],
    [
      [0, 3, -1],
      [0, 2, -1],
    ],
  );
  assert.deepEqual(
    [ask(-2), ask(-4)],
    [
      [0, 0, -1],
      [0, 0, -1],
    ],
  );
  assert.deepEqual(
    [ask(-5), ask(-6)],
    [
      [0, -1, -1],
      [0, -1, -1],
    ],
  );
  assert.equal(ask(-6, 0, 10)[0], errorCode.UNSUPPORTED_VERSION);
  assert.equal(ask(-5, 0, 8)[0], errorCode.UNSUPPORTED_VERSION);
  assert.equal(ask(-4, 0, 7)[0], errorCode.UNSUPPORTED_VERSION);
});

test("no offset that was cut off is told, whatever the batch says in which it was", async () => {
  const { house, client } = await open();
  const start = Date.UTC(2020, 0, 1);
  const batchAt = (...times: number[]): Buffer =>
    buildBatch(
      times.map((ms, offset) => ({ offset, timestampMs: start + ms, key: null, value: Buffer.from("x"), headers: [] })),
    );
  const cut = (offset: number): void =>
    void client.call(deleteRecords, 1, { topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset }] }] });
  const ask = async (timestamp: number) => {
    const found = await askOffset(house, client, timestamp < 0 ? timestamp : start + timestamp);
    return [found.offset, found.timestamp < 0 ? -1 : found.timestamp - start];
  };
  sendBatch(client, batchAt(9000, 1, 2));
  assert.deepEqual(await ask(-3), [0, 9000]);
  cut(1);
  assert.deepEqual(await ask(-3), [2, 2]);
  assert.deepEqual(await ask(0), [1, 1]);
  assert.deepEqual(await ask(3), [-1, -1]);
  sendBatch(client, batchAt(5000));
  assert.deepEqual(await ask(-3), [3, 5000]);
  assert.deepEqual(await ask(3), [3, 5000]);
});

test("a batch's greatest time is that of its records, whatever its header says: they are found by theirs", async () => {
  const { house, client } = await open();
  const start = Date.UTC(2020, 0, 1);
  sendBatch(client, batchSaying(-1, [start]));
  sendBatch(client, batchSaying(start + 1, [start + 9000, start + 1]));
  sendBatch(client, batchSaying(start + 600_000, [start + 2]));
  assert.equal((await askOffset(house, client, start)).offset, 0);
  assert.equal((await askOffset(house, client, start + 5000)).offset, 1);
  assert.equal((await askOffset(house, client, start + 9001)).offset, -1);
  assert.equal((await askOffset(house, client, -3)).offset, 1);
  const view = new BatchView();
  const stored = client.call(fetch, 11, request([{}], {})).responses[0]!.partitions[0]!.records!;
  const said: [number, boolean][] = [];
  for (let at = 0; at < stored.length; at = view.end) {
    view.set(stored, at);
    said.push([view.maxTimestampMs - start, view.crc === view.computedCrc()]);
  }
  assert.deepEqual(said, [
    [0, true],
    [9000, true],
    [2, true],
  ]);
});

test("a compressed batch that says no greatest time is looked into when a time is asked for", async () => {
  const { house, client } = await open();
  const start = Date.UTC(2020, 0, 1);
  house.clock.advance(1000);
  sendBatch(client, batchSaying(start + 1, [start, start + 1], compressions.gzip));
  sendBatch(client, batchSaying(-1, [start + 100, start + 200], compressions.gzip));
  sendBatch(client, batchSaying(start + 300, [start + 300], compressions.gzip));
  for (const [ms, offset] of [
    [50, 2],
    [150, 3],
    [250, 4],
    [301, -1],
  ] as const)
    assert.equal((await askOffset(house, client, start + ms)).offset, offset, `${ms} ms`);
});

test("batches that take long to open are opened in a turn each", async () => {
  const { house, client } = await open();
  const start = Date.UTC(2020, 0, 1);
  for (let i = 0; i < 40; i++) {
    sendBatch(client, batchSaying(start + 1000, [start], compressions.gzip));
  }
  const { offset, turns } = await askOffset(house, client, start + 500);
  assert.equal(offset, -1, "what they say of themselves is not so");
  assert.ok(turns >= 40, `${turns} turns`);
  // Nobody waits for it any more: what was begun is given up.
  let opened = 0;
  const { opening } = house.server;
  const take = opening.take.bind(opening);
  opening.take = (work) => {
    opened++;
    return take(work);
  };
  client.ask(listOffsets, 7, { topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: start + 500 }] }] });
  for (let step = 0; step < 20; step++) await Promise.resolve();
  client.destroy();
  for (let turn = 0; turn < 100; turn++) {
    for (let step = 0; step < 20; step++) await Promise.resolve();
    house.settle();
  }
  assert.ok(opened > 0 && opened < 5, `${opened} were opened`);
});

test("the message of the greatest time is found, also where time goes back", async () => {
  const { house, client } = await open();
  const start = Date.UTC(2020, 0, 1);
  const ask = async () => {
    const { offset, timestamp } = await askOffset(house, client, -3);
    return [offset, timestamp - start];
  };
  const at = (ms: number, ...values: string[]) => sendBatch(client, batchOf(values, {}, start + ms));
  assert.equal((await ask())[0], -1);
  at(100, "a", "b");
  assert.deepEqual(await ask(), [1, 101]);
  at(5000, "c", "d", "e");
  at(300, "f");
  assert.deepEqual(await ask(), [4, 5002]);
  at(6000, "g");
  assert.deepEqual(await ask(), [6, 6000]);
  // Of several, the first.
  at(6000, "h");
  assert.deepEqual(await ask(), [6, 6000]);
  sendBatch(client, batchSaying(start + 7000, [start + 7000, start + 7000, start + 1]));
  sendBatch(client, batchSaying(start + 7000, [start + 7000]));
  at(400, "i");
  assert.deepEqual(await ask(), [8, 7000]);
});

test("the message of the greatest time is one that is there, whatever compaction has taken", async () => {
  const house = await CrashHouse.open(1);
  const client = house.client();
  const configs = [{ name: "cleanup.policy", value: "compact" }];
  await house.ask(client, createTopics, 5, {
    topics: [{ name: "c", numPartitions: 1, replicationFactor: 1, configs }],
  });
  const start = house.clock.now() - 10_000;
  for (const [key, ms] of [
    ["a", 100],
    ["b", 500],
    ["b", 50],
    ["c", 200],
    ["d", 10],
  ] as const) {
    const record = { offset: 0, timestampMs: start + ms, key: Buffer.from(key), value: Buffer.from("x"), headers: [] };
    const topicData = [{ name: "c", partitionData: [{ index: 0, records: buildBatch([record]) }] }];
    await house.ask(client, produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  }
  const ask = async () => {
    const asked = { topics: [{ name: "c", partitions: [{ partitionIndex: 0, timestamp: -3 }] }] };
    type Found = { topics: { partitions: { offset: number; timestamp: number }[] }[] };
    const { topics } = (await house.ask(client, listOffsets, 7, asked)) as Found;
    const { offset, timestamp } = topics[0]!.partitions[0]!;
    return [offset, timestamp - start];
  };
  // What compaction takes then lies in a segment, whose index still has it.
  const checkpoint = { isTaken: false };
  void house.core.checkpoint().then(() => (checkpoint.isTaken = true));
  while (!checkpoint.isTaken) await house.turn();
  assert.deepEqual(await ask(), [1, 500]);
  await house.pass(3000);
  assert.deepEqual(await ask(), [3, 200]);
});

test("what is stored one by one is found by when it came, and answered with the time that a fetch shows", async () => {
  const { house, client } = await open();
  const queue = house.core.namespace("/")!.createQueue("work", plainQueue, {});
  const start = house.core.clock.now();
  for (const ageMs of [5000, 1_000_000, 20]) {
    house.clock.advance(1000);
    const records = batchOf(["x"], {}, house.core.clock.now() - ageMs);
    client.call(produce, 9, { acks: 1, topicData: [{ name: "work", partitionData: [{ index: 0, records }] }] });
  }
  const from = queue.visibleEnd - 3;
  const ask = async (timestamp: number) => {
    const found = await askOffset(house, client, timestamp, "work");
    return [found.offset - from, found.timestamp - start];
  };
  assert.deepEqual(await ask(start + 1), [0, -4000]);
  assert.deepEqual(await ask(start + 1001), [1, -998_000]);
  assert.deepEqual(await ask(start + 2001), [2, 2980]);
  assert.deepEqual(await ask(-3), [2, 2980]);
});

test("what was looked for and could not be read is not said to be nowhere: the client is to ask again", async () => {
  const { house, client } = await open();
  send(client, ["a", "b"]);
  const queue = house.core.namespace("/")!.queue("t")!;
  // Memory is so short that what was loaded is gone when it is looked at.
  queue.read = (offset) => offset;
  queue.load = (_offset, done) => house.clock.defer(done);
  for (const timestamp of [0, -3])
    assert.equal((await askOffset(house, client, timestamp)).errorCode, errorCode.KAFKA_STORAGE_ERROR);
  const lines = house.logged.filter(({ message }) => message === "an offset could not be looked up by time");
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields["topic"], fields["partition"]]),
    [
      ["warn", "t", 0],
      ["warn", "t", 0],
    ],
  );
});

test("records are deleted up to an offset that is there", async () => {
  const { client } = await open();
  send(client, ["a", "b", "c"]);
  const cut = (offset: number, name = "t") => {
    const { topics } = client.call(deleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
    });
    return topics[0]!.partitions[0]!;
  };
  assert.equal(cut(4).errorCode, errorCode.OFFSET_OUT_OF_RANGE);
  assert.equal(cut(1, "nowhere").errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(cut(1).lowWatermark, 1);
  assert.deepEqual(get(client, [{ offset: 1 }]).partitions, ["0: 0+3"]);
  assert.equal(cut(-1).lowWatermark, 3);
  assert.deepEqual(get(client, [{ offset: 1 }]).partitions, ["0: error 1"]);
});

test("records of a topic whose cleanup policy has delete can be deleted, whatever it retains; of one that has not, they cannot", async () => {
  const { client } = await open();
  const cut = (name: string, configs: Record<string, string>): number => {
    const texts = Object.entries(configs).map(([config, value]) => ({ name: config, value }));
    client.call(createTopics, 7, { topics: [{ name, numPartitions: 1, replicationFactor: 1, configs: texts }] });
    const topicData = [{ name, partitionData: [{ index: 0, records: batchOf(["k=v", "k=w"]) }] }];
    client.call(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset: 1 }] }];
    return client.call(deleteRecords, 2, { topics }).topics[0]!.partitions[0]!.errorCode;
  };
  const keepsAll = { "retention.ms": "-1", "retention.bytes": "-1" };
  assert.equal(cut("both", { "cleanup.policy": "compact,delete", ...keepsAll }), errorCode.NONE);
  assert.equal(cut("deleted", { "cleanup.policy": "delete", ...keepsAll }), errorCode.NONE);
  assert.equal(cut("compacted", { "cleanup.policy": "compact", "retention.ms": "1000" }), errorCode.POLICY_VIOLATION);
});

test("there is one epoch of leadership, and it ends at the end", async () => {
  const { client } = await open();
  send(client, ["a", "b"]);
  const ask = (leaderEpoch: number, currentLeaderEpoch = 0) => {
    const topics = [{ topic: "t", partitions: [{ partition: 0, leaderEpoch, currentLeaderEpoch }] }];
    const { errorCode: code, endOffset } = client.call(offsetForLeaderEpoch, 4, { topics }).topics[0]!.partitions[0]!;
    return { code, endOffset };
  };
  assert.deepEqual(ask(0), { code: 0, endOffset: 2 });
  assert.deepEqual(ask(1), { code: 0, endOffset: -1 });
  assert.equal(ask(0, 1).code, errorCode.UNKNOWN_LEADER_EPOCH);
});
