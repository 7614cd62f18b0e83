import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queue, QueueSettings } from "../../../broker/api.ts";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { plainTraits } from "../codec/batch-builder.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits, BatchView } from "../codec/record-batch.ts";
import { buildBatch, readBatch, type RecordModel } from "../codec/record-models.suite.ts";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { fetch } from "../commands/fetch.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { listOffsets } from "../commands/list-offsets.ts";
import { produce } from "../commands/produce.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";

function declare(house: KafkaHouse, settings: Partial<QueueSettings> = {}): Queue {
  return house.core.namespace("/")!.createQueue("q", { ...plainQueue, ...settings }, {});
}

function send(client: KafkaClient, records: Buffer) {
  const partitionData = [{ index: 0, records }];
  const { responses } = client.call(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: "q", partitionData }],
  });
  return responses[0]!.partitionResponses[0]!;
}

function read(client: KafkaClient, offset: number): Buffer {
  const partition = { partition: 0, fetchOffset: offset, partitionMaxBytes: 1e6, currentLeaderEpoch: -1 };
  const topics = [{ topic: "q", partitions: [partition] }];
  const { responses } = client.call(fetch, 11, { maxWaitMs: 0, minBytes: 0, maxBytes: 1e6, topics });
  return responses[0]!.partitions[0]!.records!;
}

/** What a queue's own consumers get: bodies, in order. */
function drain(house: KafkaHouse, queue: Queue): string[] {
  const session = house.core.createSession();
  const bodies: string[] = [];
  const count = queue.readyCount;
  for (let i = 0; i < count; i++) {
    session.get(queue, true, (_lease, entry) => {
      if (entry !== undefined) bodies.push(entry.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd));
    });
    house.settle();
  }
  return bodies;
}

function recordOf(offset: number, value: string | null, headers: RecordModel["headers"] = []): RecordModel {
  const bytes = value === null ? null : Buffer.from(value);
  return { offset, timestampMs: 1_577_836_800_000 + offset, key: Buffer.from([0xff, offset]), value: bytes, headers };
}

test("what is produced to a queue is a message for each record, and is fetched as it was produced", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const client = house.client();
  const records = [
    recordOf(0, "a", [["h", null]]),
    recordOf(1, null),
    recordOf(2, "", [
      ["h", Buffer.from([0xfe])],
      ["h", null],
    ]),
  ];
  const answer = send(client, buildBatch(records, compressions.lz4));
  assert.deepEqual([answer.errorCode, answer.baseOffset, queue.readyCount], [errorCode.NONE, 0, 3]);
  for (const { offset } of records) assert.deepEqual(readBatch(read(client, offset)), records.slice(offset));
  assert.deepEqual(drain(house, queue), ["a", "", ""]);
});

test("messages that lie too far apart for one batch are in several, however long the first has waited", async () => {
  for (const [distance, batches] of [
    [0x7fff_ffff, [[0, 0x7fff_ffff]]],
    [0x8000_0000, [[0], [0x8000_0000]]],
  ] as const) {
    const house = await KafkaHouse.open();
    declare(house);
    const client = house.client();
    send(client, batchOf(["waits"]));
    const { partition } = [...house.core.core.queueById.values()].find(({ name }) => name === "q")!;
    // What came between was settled long ago.
    partition.next = distance;
    send(client, batchOf(["is new"]));
    const fetched = read(client, 0);
    const view = new BatchView();
    const found: number[][] = [];
    for (let at = 0; at < fetched.length; at = view.end) {
      view.set(fetched, at);
      const records = readBatch(fetched.subarray(at, view.end));
      assert.ok(typeof records !== "string");
      found.push(records.map(({ offset }) => offset));
    }
    assert.deepEqual(found, batches);
  }
});

test("all of a batch or nothing is taken by a queue that refuses what is too many", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house, { maxLength: 3, overflow: "reject-publish" });
  const client = house.client();
  assert.equal(send(client, batchOf(["a", "b"])).errorCode, errorCode.NONE);
  const full = send(client, batchOf(["c", "d"]));
  assert.deepEqual(
    [full.errorCode, full.errorMessage],
    [errorCode.KAFKA_STORAGE_ERROR, "Queue 'q' is at its length limit."],
  );
  assert.equal(send(client, batchOf(["1", "2", "3", "4"])).errorCode, errorCode.RECORD_LIST_TOO_LARGE);
  assert.equal(send(client, batchOf(["c"])).errorCode, errorCode.NONE);
  assert.deepEqual(drain(house, queue), ["a", "b", "c"]);
});

test("headers say priority, time to live, and what was sent before", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house, { maxPriority: 9, dedup: { windowMs: 0, maxIds: 10 } });
  const text = (name: string, value: string): RecordModel["headers"] => [[name, Buffer.from(value)]];
  const records = [
    recordOf(0, "low"),
    recordOf(1, "high", text("amqp.priority", "7")),
    recordOf(2, "short", text("amqp.expiration", "1000")),
    recordOf(3, "once", text("x-deduplication-header", "id")),
    recordOf(4, "twice", text("x-deduplication-header", "id")),
  ];
  assert.equal(send(house.client(), buildBatch(records)).errorCode, errorCode.NONE);
  assert.equal(queue.readyCount, 4);
  house.clock.advance(2000);
  assert.deepEqual(drain(house, queue), ["high", "low", "once"]);
});

test("a batch that is no records is refused before any of it is there", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const batch = buildBatch([recordOf(0, "a"), recordOf(1, "b")], compressions.gzip);
  const broken = buildBatch([recordOf(0, "a")]);
  // The last byte is the count of headers: there are none behind it.
  broken[broken.length - 1] = 2;
  assert.notEqual(send(house.client(), broken).errorCode, errorCode.NONE);
  assert.equal(send(house.client(), batch.subarray(0, batch.length - 3)).errorCode !== errorCode.NONE, true);
  assert.equal(queue.nextOffset, 0);
});

test("more records than fit uncompressed into the largest batch are not opened; the producer cuts them in two", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const records = Array.from({ length: 150_000 }, (_, offset) => {
    return { offset, timestampMs: 0, key: null, value: null, headers: [] };
  });
  const answer = send(house.client(), buildBatch(records, compressions.gzip));
  assert.equal(answer.errorCode, errorCode.MESSAGE_TOO_LARGE);
  assert.equal(queue.readyCount, 0);
});

test("a record of very many headers is refused, with all of its batch", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const many = (count: number) =>
    recordOf(
      1,
      "b",
      Array.from({ length: count }, () => ["", null] as const),
    );
  const refused = send(house.client(), buildBatch([recordOf(0, "a"), many(10_001)], compressions.zstd));
  assert.equal(refused.errorCode, errorCode.INVALID_RECORD);
  assert.match(refused.errorMessage!, /10001 headers/);
  assert.equal(queue.nextOffset, 0);
  const taken = send(house.client(), buildBatch([recordOf(0, "a"), many(10_000)], compressions.zstd));
  assert.equal(taken.errorCode, errorCode.NONE);
});

test("a record of more than a megabyte of headers is refused, and one of little less is what it is", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const client = house.client();
  const large = (bytes: number) => recordOf(1, "b", [["amqp.message-id", Buffer.alloc(bytes, 0xff)]]);
  const refused = send(client, buildBatch([recordOf(0, "a"), large(1 << 20)], compressions.gzip));
  assert.equal(refused.errorCode, errorCode.INVALID_RECORD);
  assert.match(refused.errorMessage!, /bytes of headers/);
  assert.equal(queue.nextOffset, 0);
  const records = [recordOf(0, "a"), large((1 << 20) - 100)];
  assert.equal(send(client, buildBatch(records, compressions.gzip)).errorCode, errorCode.NONE);
  assert.deepEqual(drain(house, queue), ["a", "b"]);
});

/** Batches: base offset and count, and how many offsets one without records stands for. */
function batchesIn(records: Buffer): string[] {
  const view = new BatchView();
  const batches: string[] = [];
  for (let at = 0; at < records.length; at = view.end) {
    view.set(records, at);
    assert.equal(view.crc, view.computedCrc());
    batches.push(view.count > 0 ? `${view.baseOffset}+${view.count}` : `${view.baseOffset} to ${view.lastOffset}`);
  }
  return batches;
}

test("a reader comes to the end of a queue of which the last are settled, and is told where what is left begins", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const client = house.client();
  send(client, batchOf(["0", "1", "2", "3", "4"]));
  const session = house.core.createSession();
  const leases: number[] = [];
  for (let i = 0; i < 5; i++) session.get(queue, false, (lease) => void leases.push(lease));
  house.settle();
  const settle = (...numbers: number[]): void => {
    for (const number of numbers) session.settle(leases[number]!, false, "accept");
    house.settle();
  };
  const beginning = (): number => {
    const partitions = [{ partitionIndex: 0, timestamp: -2 }];
    return client.call(listOffsets, 7, { topics: [{ name: "q", partitions }] }).topics[0]!.partitions[0]!.offset;
  };
  assert.deepEqual([batchesIn(read(client, 0)), beginning()], [["0+5"], 0]);
  settle(3, 4);
  assert.deepEqual(batchesIn(read(client, 0)), ["0+3", "3 to 4"]);
  assert.deepEqual(batchesIn(read(client, 4)), ["4 to 4"]);
  assert.deepEqual(batchesIn(read(client, 5)), []);
  settle(0);
  assert.deepEqual([batchesIn(read(client, 0)), beginning()], [["1+2", "3 to 4"], 1]);
  settle(1, 2);
  assert.deepEqual([batchesIn(read(client, 0)), beginning()], [["0 to 4"], 5]);
  // From the disk it is the same: what is not in memory is not gone.
  send(client, batchOf(["5", "6"]));
  assert.deepEqual(batchesIn(read(client, 0)), ["5+2"]);
  queue.configure({ ...queue.settings, retention: { ...queue.settings.retention, untilSettled: false } });
  assert.deepEqual(beginning(), 5);
});

test("to be told of a gap ends no wait, and takes no room from records", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }] });
  send(client, batchOf(["0"]));
  assert.deepEqual(drain(house, queue), ["0"]);
  const asked = (topic: string) => ({
    topic,
    partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100, currentLeaderEpoch: -1 }],
  });
  client.ask(fetch, 11, { maxWaitMs: 500, minBytes: 1, maxBytes: 1e6, topics: [asked("q")] });
  house.clock.advance(499);
  assert.deepEqual(client.take(), []);
  house.clock.advance(1);
  type Fetched = { responses: { partitions: { records: Buffer }[] }[] };
  const shown = (answer: unknown): string[][] =>
    (answer as Fetched).responses.map(({ partitions }) => batchesIn(partitions[0]!.records));
  assert.deepEqual(shown(client.take()[0]!.response), [["0 to 0"]]);

  // The first batch goes whole, however little may be sent: that of records, wherever it stands.
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["x".repeat(500)]) }] }];
  client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  const both = { maxWaitMs: 500, minBytes: 1, maxBytes: 100, topics: [asked("q"), asked("t")] };
  assert.deepEqual(shown(client.call(fetch, 11, both)), [["0 to 0"], ["0+1"]]);
});

test("what a transaction has not decided is no gap, and what it has aborted is one", async () => {
  const house = await KafkaHouse.open();
  const queue = declare(house);
  const client = house.client();
  send(client, batchOf(["0"]));
  const { producerId } = client.call(initProducerId, 4, { transactionalId: "T", transactionTimeoutMs: 60_000 });
  const by = { transactionalId: "T", producerId, producerEpoch: 0 };
  client.call(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: "T",
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: 0,
    v3AndBelowTopics: [{ name: "q", partitions: [0] }],
  });
  const traits = {
    ...plainTraits,
    attributes: attributeBits.transactional,
    producerId,
    producerEpoch: 0,
    baseSequence: 0,
  };
  const records = buildBatch([recordOf(0, "1")], compressions.none, traits);
  const topicData = [{ name: "q", partitionData: [{ index: 0, records }] }];
  client.call(produce, 9, { transactionalId: "T", acks: -1, timeoutMs: 1000, topicData });
  assert.deepEqual(drain(house, queue), ["0"]);
  const committed = (): string[] => {
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6, currentLeaderEpoch: -1 };
    const topics = [{ topic: "q", partitions: [partition] }];
    const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1e6, isolationLevel: 1 };
    return batchesIn(client.call(fetch, 11, { ...limits, topics }).responses[0]!.partitions[0]!.records!);
  };
  assert.deepEqual(committed(), ["0 to 0"]);
  client.call(endTxn, 3, { ...by, committed: false });
  assert.deepEqual(committed(), [`0 to ${queue.nextOffset - 1}`]);
});
