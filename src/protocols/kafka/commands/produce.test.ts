import assert from "node:assert/strict";
import { test } from "node:test";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { BatchBuilder } from "../codec/batch-builder.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits, batchAt, BatchView } from "../codec/record-batch.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { createTopics } from "./create-topics.ts";
import { fetch } from "./fetch.ts";
import { initProducerId } from "./init-producer-id.ts";
import { produce } from "./produce.ts";

async function withTopic(configs: Record<string, string> = {}): Promise<{ house: KafkaHouse; client: KafkaClient }> {
  const house = await KafkaHouse.open();
  const client = house.client();
  const listed = Object.entries(configs).map(([name, value]) => ({ name, value }));
  const made = client.call(createTopics, 5, {
    topics: [{ name: "t", numPartitions: 1, replicationFactor: 1, configs: listed }],
    timeoutMs: 1000,
  });
  assert.equal(made.topics[0]!.errorCode, 0, made.topics[0]!.errorMessage ?? "");
  return { house, client };
}

function send(client: KafkaClient, records: Buffer, { acks = -1, version = 9, index = 0, name = "t" } = {}) {
  const topicData = [{ name, partitionData: [{ index, records }] }];
  const answer = client.call(produce, version, { acks, timeoutMs: 1000, topicData });
  return answer.responses[0]!.partitionResponses[0]!;
}

/** With something changed in it, and a checksum that is right. */
function changed(batch: Buffer, change: (batch: Buffer) => void): Buffer {
  change(batch);
  new BatchView().set(batch, 0).writeCrc();
  return batch;
}

test("batches get the offsets that follow, and are answered with the first", async () => {
  const { client } = await withTopic();
  assert.deepEqual(
    [batchOf(["a", "b", "c"]), batchOf(["d"]), batchOf(["e", "f"])].map((batch) => send(client, batch).baseOffset),
    [0, 3, 4],
  );
  const answer = client.call(fetch, 4, {
    maxBytes: 1_000_000,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100_000 }] }],
  });
  const { records, highWatermark } = answer.responses[0]!.partitions[0]!;
  assert.equal(highWatermark, 6);
  const expected = Buffer.concat([batchOf(["a", "b", "c"]), batchOf(["d"]), batchOf(["e", "f"])]);
  const view = new BatchView();
  for (const [at, base] of [
    [0, 0],
    [view.set(expected, 0).end, 3],
    [view.set(expected, view.end).end, 4],
  ] as const)
    view.set(expected, at).setOffset(base, 0);
  assert.deepEqual(records, expected);
});

test("what is wrong with a batch is told with Kafka's error, and nothing is appended", async () => {
  const { client } = await withTopic({ "max.message.bytes": "200" });
  const good = batchOf(["a", "b"]);
  const cases: [string, Buffer, number][] = [
    ["nothing", Buffer.alloc(0), errorCode.INVALID_RECORD],
    ["two batches", Buffer.concat([good, good]), errorCode.INVALID_RECORD],
    ["an old magic", changed(batchOf(["a"]), (b) => void (b[batchAt.magic] = 1)), errorCode.INVALID_RECORD],
    ["too large", batchOf(["x".repeat(300)]), errorCode.MESSAGE_TOO_LARGE],
    ["a wrong checksum", Buffer.concat([good.subarray(0, -1), Buffer.from("?")]), errorCode.CORRUPT_MESSAGE],
    ["a base offset", changed(batchOf(["a"]), (b) => void (b[7] = 1)), errorCode.INVALID_RECORD],
    [
      "a count that lies",
      changed(batchOf(["a", "b"]), (b) => void b.writeInt32BE(1, batchAt.count)),
      errorCode.INVALID_RECORD,
    ],
    ["a control batch", batchOf(["a"], { attributes: attributeBits.control }), errorCode.INVALID_RECORD],
    [
      "no epoch",
      batchOf(["a"], { producerId: 5, producerEpoch: -1, baseSequence: 0 }),
      errorCode.INVALID_PRODUCER_EPOCH,
    ],
    ["no sequence", batchOf(["a"], { producerId: 5, producerEpoch: 0 }), errorCode.INVALID_RECORD],
    [
      "a record that is too long",
      changed(batchOf(["a"]), (b) => void (b[batchAt.records] = 40)),
      errorCode.INVALID_RECORD,
    ],
    [
      "compressed, and more than could be in it",
      changed(batchOf(["a"]), (b) => {
        b[batchAt.attributes + 1] = 1;
        b.writeInt32BE(0x7fff_ffff, batchAt.count);
        b.writeInt32BE(0x7fff_fffe, batchAt.lastOffsetDelta);
      }),
      errorCode.INVALID_RECORD,
    ],
    ["a transaction of nobody", batchOf(["a"], { attributes: attributeBits.transactional }), errorCode.INVALID_RECORD],
  ];
  for (const [what, batch, code] of cases) assert.equal(send(client, batch).errorCode, code, what);
  assert.equal(send(client, good).baseOffset, 0);
});

test("what a client cannot produce to is told by topic and partition", async () => {
  const { house, client } = await withTopic();
  assert.equal(send(client, batchOf(["a"]), { name: "nowhere" }).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(send(client, batchOf(["a"]), { index: 1 }).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(send(client, batchOf(["a"]), { acks: 2 }).errorCode, errorCode.INVALID_REQUIRED_ACKS);
  house.authority.permissions.set({ user: "guest", vhost: "/", configure: ".*", write: "", read: ".*" });
  assert.equal(send(client, batchOf(["a"])).errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED);
});

test("with acks=0 nothing is answered, and what is refused ends the connection", async () => {
  const { house, client } = await withTopic();
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a"]) }] }];
  client.ask(produce, 9, { acks: 0, topicData });
  assert.deepEqual(client.take(), []);
  assert.equal(house.core.namespace("/")!.queue("t")!.visibleEnd, 1);
  client.ask(produce, 9, { acks: 0, topicData: [{ ...topicData[0]!, name: "nowhere" }] });
  assert.equal(client.isEnded, true);
});

test("a numbered batch that comes twice is there once; one that leaves a gap, or comes from an older epoch, is refused", async () => {
  const { client } = await withTopic();
  const { producerId } = client.call(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0 });
  const numbered = (baseSequence: number, producerEpoch = 0): Buffer =>
    batchOf(["a", "b"], { producerId, producerEpoch, baseSequence });
  assert.equal(send(client, numbered(0)).baseOffset, 0);
  assert.equal(send(client, numbered(2)).baseOffset, 2);
  const again = send(client, numbered(0));
  assert.deepEqual([again.errorCode, again.baseOffset], [0, 0]);
  assert.equal(send(client, numbered(6)).errorCode, errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(send(client, numbered(0, 1)).baseOffset, 4);
  assert.equal(send(client, numbered(4)).errorCode, errorCode.INVALID_PRODUCER_EPOCH);
});

test("what lies before all that is known of a producer is out of order, and not a duplicate: nobody can say that it is there", async () => {
  const { client } = await withTopic();
  const { producerId } = client.call(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0 });
  const numbered = (baseSequence: number): Buffer =>
    batchOf(["a", "b"], { producerId, producerEpoch: 0, baseSequence });
  // Who is not known may begin anywhere.
  assert.equal(send(client, numbered(10)).baseOffset, 0);
  assert.equal(send(client, numbered(0)).errorCode, errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(send(client, numbered(12)).baseOffset, 2);
});

test("a numbered batch for which there was no room is waited for: those behind it do not go in before it", async () => {
  const { house, client } = await withTopic();
  const queue = house.core
    .namespace("/")!
    .createQueue("q", { ...plainQueue, maxLength: 3, overflow: "reject-publish" }, {});
  const next = (): ((values: readonly string[], baseSequence: number, producerEpoch?: number) => Buffer) => {
    const { producerId } = client.call(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0 });
    return (values, baseSequence, producerEpoch = 0) => batchOf(values, { producerId, producerEpoch, baseSequence });
  };
  const full = next();
  const sendTo = (records: Buffer): number => send(client, records, { name: "q" }).errorCode;
  assert.equal(sendTo(batchOf(["x"])), errorCode.NONE);
  assert.equal(sendTo(full(["a", "b", "c"], 0)), errorCode.KAFKA_STORAGE_ERROR);
  assert.equal(sendTo(full(["d"], 3)), errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  // Whoever has given up goes on in a new epoch.
  assert.equal(sendTo(full(["e"], 0, 1)), errorCode.NONE);
  queue.purge();
  const again = next();
  const short = (isShort: boolean): void => house.core.core.setPressure("memory", isShort);
  short(true);
  assert.equal(sendTo(again(["b"], 1)), errorCode.KAFKA_STORAGE_ERROR);
  assert.equal(sendTo(again(["a"], 0)), errorCode.KAFKA_STORAGE_ERROR);
  short(false);
  for (const sequence of [1, 2]) assert.equal(sendTo(again(["?"], sequence)), errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(sendTo(again(["a"], 0)), errorCode.NONE);
  // It is there: when it has heard so, what lies behind it goes in.
  short(true);
  assert.equal(sendTo(again(["a"], 0)), errorCode.KAFKA_STORAGE_ERROR);
  short(false);
  assert.equal(sendTo(again(["a"], 0)), errorCode.NONE);
  assert.equal(sendTo(again(["b"], 1)), errorCode.NONE);
  assert.equal(queue.readyCount, 2);
});

test("numbers of producers are not given twice", async () => {
  const { client } = await withTopic();
  const ids = Array.from(
    { length: 1500 },
    () => client.call(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 }).producerId,
  );
  assert.equal(new Set(ids).size, 1500);
});

test("LogAppendTime: the batch gets the broker's time, and a checksum that is right", async () => {
  const { house, client } = await withTopic({ "message.timestamp.type": "LogAppendTime" });
  const answer = send(client, batchOf(["a"], {}, 5));
  assert.equal(answer.logAppendTimeMs, house.core.clock.now());
  const own = batchOf(["a"], { attributes: attributeBits.logAppendTime });
  assert.equal(send(client, own).errorCode, errorCode.INVALID_TIMESTAMP);
  const fetched = client.call(fetch, 4, {
    maxBytes: 1_000_000,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100_000 }] }],
  });
  const view = new BatchView().set(fetched.responses[0]!.partitions[0]!.records!, 0);
  assert.equal(view.isLogAppendTime, true);
  assert.equal(view.maxTimestampMs, answer.logAppendTimeMs);
  assert.equal(view.crc, view.computedCrc());
});

test("a compacted topic takes no record without a key, and says which", async () => {
  const { client } = await withTopic({ "cleanup.policy": "compact" });
  assert.equal(send(client, batchOf(["k=v"])).errorCode, 0);
  const refused = send(client, batchOf(["k=v", "v", "v", "v", "k=v", "v", "v"]));
  assert.equal(refused.errorCode, errorCode.INVALID_RECORD);
  assert.deepEqual(
    refused.recordErrors.map(({ batchIndex }) => batchIndex),
    [1, 2, 3, 5, 6],
  );
});

test("a compacted topic looks into no more compressed records than a batch could hold that is not compressed", async () => {
  const { house, client } = await withTopic({ "cleanup.policy": "compact", "max.message.bytes": "1000" });
  const nowMs = house.core.clock.now();
  const compressed = (count: number): Buffer => {
    const builder = new BatchBuilder();
    builder.begin(0, nowMs);
    for (let i = 0; i < count; i++) {
      builder.record(i, nowMs);
      builder.key(Buffer.from("k"));
      builder.noValue();
      builder.headers(0);
    }
    builder.finish(compressions.gzip, count - 1);
    return builder.copy();
  };
  assert.equal(send(client, compressed(142)).errorCode, errorCode.NONE);
  assert.equal(send(client, compressed(143)).errorCode, errorCode.MESSAGE_TOO_LARGE);
});

test("a batch for which the partition has no offsets left is refused", async () => {
  const { house, client } = await withTopic();
  for (const { partition, name } of house.core.core.queueById.values())
    if (name === "t") partition.next = 2 ** 48 - 2 ** 32 - 3;
  const refused = send(client, batchOf(["a", "b", "c", "d"]));
  assert.equal(refused.errorCode, errorCode.INVALID_RECORD);
  assert.match(refused.errorMessage!, /no offsets left/);
  assert.equal(send(client, batchOf(["a", "b", "c"])).baseOffset, 2 ** 48 - 2 ** 32 - 3);
});

test("times far ahead are refused", async () => {
  const { house, client } = await withTopic();
  const now = house.core.clock.now();
  assert.equal(send(client, batchOf(["a"], {}, now + 3_500_000)).errorCode, 0);
  const refused = send(client, batchOf(["a"], {}, now + 3_700_000));
  assert.equal(refused.errorCode, errorCode.INVALID_TIMESTAMP);
  assert.equal(refused.recordErrors.length, 1);
});

test("what is beyond a second of work in one request is to be tried again", async () => {
  const { house, client } = await withTopic();
  let elapsedMs = 0;
  house.clock.elapsedMs = () => (elapsedMs += 300);
  const partitionData = ["a", "b", "c", "d"].map((value) => ({ index: 0, records: batchOf([value]) }));
  const { responses } = client.call(produce, 9, { acks: -1, timeoutMs: 1, topicData: [{ name: "t", partitionData }] });
  assert.deepEqual(
    responses[0]!.partitionResponses.map(({ errorCode: code, baseOffset }) => [code, baseOffset]),
    [
      [errorCode.NONE, 0],
      [errorCode.NONE, 1],
      [errorCode.NONE, 2],
      [errorCode.REQUEST_TIMED_OUT, -1],
    ],
  );
});
