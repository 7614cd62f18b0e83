import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queue, QueueSettings } from "../../../broker/api.ts";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { buildBatch, readBatch, type RecordModel } from "../codec/record-models.suite.ts";
import { fetch } from "../commands/fetch.ts";
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
