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

function send(client: KafkaClient, records: Buffer, { acks = -1, version = 9, index = 0, name = "t", id = "" } = {}) {
  const topicData = [{ name, partitionData: [{ index, records }] }];
  const transactionalId = id === "" ? null : id;
  const answer = client.call(produce, version, { transactionalId, acks, timeoutMs: 1000, topicData });
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
  for (const [what, batch, code] of cases) assert.equal(send(client, batch, { id: "T" }).errorCode, code, what);
  assert.equal(send(client, good).baseOffset, 0);
});

test("what a client cannot produce to is told by topic and partition", async () => {
  const { house, client } = await withTopic();
  assert.equal(send(client, batchOf(["a"]), { name: "nowhere" }).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(send(client, batchOf(["a"]), { index: 1 }).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(send(client, batchOf(["a"]), { acks: 2 }).errorCode, errorCode.INVALID_REQUIRED_ACKS);
  const nowhere = send(client, batchOf(["a"]), { acks: 2, name: "nowhere" });
  assert.equal(nowhere.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
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

test("LogAppendTime: a batch that comes twice is answered with the time at which it was taken", async () => {
  const { house, client } = await withTopic({ "message.timestamp.type": "LogAppendTime" });
  const { producerId } = client.call(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0 });
  const numbered = (baseSequence: number): Buffer =>
    batchOf(["a", "b"], { producerId, producerEpoch: 0, baseSequence });
  const first = send(client, numbered(0));
  house.clock.advance(5000);
  const second = send(client, numbered(2));
  house.clock.advance(5000);
  for (const [sequence, { baseOffset, logAppendTimeMs }] of [
    [0, first],
    [2, second],
  ] as const) {
    const again = send(client, numbered(sequence));
    assert.deepEqual([again.baseOffset, again.logAppendTimeMs], [baseOffset, logAppendTimeMs]);
  }
  assert.equal(second.logAppendTimeMs - first.logAppendTimeMs, 5000);
});

test("what has to be opened waits for the share of a turn that opening has; what is only copied does not", async () => {
  const { house, client } = await withTopic({ "cleanup.policy": "compact" });
  house.core.namespace("/")!.createQueue("work", plainQueue, {});
  client.call(createTopics, 5, { topics: [{ name: "plain", numPartitions: 1, replicationFactor: 1 }] });
  const deferred: (() => void)[] = [];
  house.clock.defer = (run) => void deferred.push(run);
  const nextOf = (name: string): number => house.core.namespace("/")!.queue(name)!.nextOffset;
  const before = nextOf("work");
  house.server.opening.spent(1000);
  for (const name of ["t", "work", "plain"]) {
    const one = house.client();
    const topicData = [{ name, partitionData: [{ index: 0, records: batchOf(["k=v"]) }] }];
    one.connection.receive(one.requestBytes(produce, 9, { acks: -1, topicData }));
  }
  assert.deepEqual([nextOf("t"), nextOf("work"), nextOf("plain")], [0, before, 1]);
  for (const run of deferred.splice(0)) run();
  assert.deepEqual([nextOf("t"), nextOf("work"), nextOf("plain")], [1, before + 1, 1]);
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

test("the times of the records are judged, not those that the header says; of compressed ones the header's are believed", async () => {
  const { house, client } = await withTopic({ "message.timestamp.before.max.ms": "10000" });
  const now = house.core.clock.now();
  const times = (baseMs: number, maxMs: number, ms: number, compression: number = compressions.none): number => {
    const builder = new BatchBuilder();
    builder.begin(0, baseMs);
    builder.record(0, ms);
    builder.noKey();
    builder.noValue();
    builder.headers(0);
    builder.finish(compression, 0, maxMs);
    return send(
      client,
      changed(builder.copy(), (batch) => batch.writeBigInt64BE(BigInt(maxMs), 35)),
    ).errorCode;
  };
  const { gzip } = compressions;
  const { NONE, INVALID_TIMESTAMP } = errorCode;
  assert.equal(times(now, -1, now + 7_200_000), INVALID_TIMESTAMP);
  assert.equal(times(now, now, now - 20_000), INVALID_TIMESTAMP);
  assert.equal(times(now - 20_000, now + 7_200_000, now), NONE);
  // Who says no time is not late.
  assert.equal(times(-1, -1, -1), NONE);
  assert.equal(times(-1, -1, -1, gzip), NONE);
  assert.equal(times(now, -1, now, gzip), NONE);
  assert.equal(times(now - 20_000, now, now, gzip), INVALID_TIMESTAMP);
  assert.equal(times(now + 7_200_000, -1, now, gzip), INVALID_TIMESTAMP);
});

test("records are refused in Kafka's words", async () => {
  const { house, client } = await withTopic({ "cleanup.policy": "compact" });
  const keyless = send(client, batchOf(["a", "k=b", "c", "d", "e"]));
  const noKey = "Compacted topic cannot accept message without key in topic partition t-0";
  assert.deepEqual(
    keyless.recordErrors.map(({ batchIndex, batchIndexErrorMessage }) => [batchIndex, batchIndexErrorMessage]),
    [0, 2, 3, 4].map((index) => [index, noKey]),
  );
  const shown = [0, 2, 3].map((index) => `RecordError(batchIndex=${index}, message='${noKey}')`).join(", ");
  assert.equal(
    keyless.errorMessage,
    `One or more records have been rejected due to 4 record errors in total, and only showing the first three errors at most: [${shown}]`,
  );
  const now = house.core.clock.now();
  const late = send(client, batchOf(["k=a", "k=b"], {}, now + 3_600_000));
  assert.equal(late.errorMessage, "One or more records have been rejected due to invalid timestamp");
  const from = BigInt(now) - (2n ** 63n - 1n);
  assert.deepEqual(late.recordErrors, [
    {
      batchIndex: 1,
      batchIndexErrorMessage: `Timestamp ${now + 3_600_001} of message with offset 1 is out of range. The timestamp should be within [${from}, ${now + 3_600_000}]`,
    },
  ]);
});

test("a request that is a lot of work is done in several turns, and what comes behind it on the connection waits for it", async () => {
  const { house, client } = await withTopic();
  const other = house.client();
  let elapsedMs = 0;
  house.clock.elapsedMs = () => (elapsedMs += 6);
  const partitionData = ["a", "b", "c", "d", "e", "f"].map((value) => ({ index: 0, records: batchOf([value]) }));
  const deferred: (() => void)[] = [];
  house.clock.defer = (run) => void deferred.push(run);
  const turn = (): void => {
    for (const run of deferred.splice(0)) run();
  };
  const queue = house.core.namespace("/")!.queue("t")!;
  const requests = [{ topicData: [{ name: "t", partitionData }] }, { topicData: [{ name: "t", partitionData }] }];
  const bytes = Buffer.concat(requests.map((body) => client.requestBytes(produce, 9, { acks: -1, ...body })));
  client.connection.receive(bytes);
  bytes.fill(0);
  const grown = [queue.nextOffset];
  other.connection.receive(
    other.requestBytes(produce, 9, { acks: -1, topicData: [{ name: "t", partitionData: partitionData.slice(0, 1) }] }),
  );
  for (let turns = 0; turns < 100 && queue.nextOffset < 13; turns++) {
    turn();
    if (queue.nextOffset > grown.at(-1)!) grown.push(queue.nextOffset);
  }
  assert.deepEqual([grown[0], grown.at(-1)], [3, 13]);
  assert.ok(grown.length >= 4, grown.join(", "));
  while (deferred.length > 0) turn();
  const offsets = client.take().map(({ response }) => {
    const { responses } = response as {
      responses: { partitionResponses: { errorCode: number; baseOffset: number }[] }[];
    };
    return responses[0]!.partitionResponses.map(({ errorCode: code, baseOffset }) => [code, baseOffset]);
  });
  assert.deepEqual(offsets, [
    [0, 1, 2, 4, 5, 6].map((offset) => [errorCode.NONE, offset]),
    [7, 8, 9, 10, 11, 12].map((offset) => [errorCode.NONE, offset]),
  ]);
});

test("what is left of a request after ten seconds of work is to be tried again, and what is behind it in its producer's order waits for it", async () => {
  const { house, client } = await withTopic();
  const { producerId } = client.call(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0 });
  const numbered = (baseSequence: number): Buffer => batchOf(["a"], { producerId, producerEpoch: 0, baseSequence });
  let elapsedMs = 0;
  house.clock.elapsedMs = () => elapsedMs;
  const deferred: (() => void)[] = [];
  house.clock.defer = (run) => void deferred.push(run);
  house.core.namespace("/")!.createQueue("work", plainQueue, {});
  house.server.opening.spent(1000);
  const topicData = [
    { name: "t", partitionData: [{ index: 0, records: batchOf(["x"]) }] },
    { name: "work", partitionData: [{ index: 0, records: numbered(0) }] },
  ];
  client.connection.receive(client.requestBytes(produce, 9, { acks: -1, topicData }));
  elapsedMs = 10_001;
  while (deferred.length > 0) deferred.shift()!();
  const codes = (): number[] =>
    client.take().flatMap(({ response }) => {
      const { responses } = response as { responses: { partitionResponses: { errorCode: number }[] }[] };
      return responses.map(({ partitionResponses }) => partitionResponses[0]!.errorCode);
    });
  assert.deepEqual(codes(), [errorCode.NONE, errorCode.REQUEST_TIMED_OUT]);
  const sendTo = (records: Buffer): number => {
    client.connection.receive(
      client.requestBytes(produce, 9, {
        acks: -1,
        topicData: [{ name: "work", partitionData: [{ index: 0, records }] }],
      }),
    );
    while (deferred.length > 0) deferred.shift()!();
    return codes()[0]!;
  };
  assert.equal(sendTo(numbered(1)), errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(sendTo(numbered(0)), errorCode.NONE);
  assert.equal(sendTo(numbered(1)), errorCode.NONE);
});

test("a large request keeps its room until it is done", async () => {
  const { house, client } = await withTopic();
  house.core.namespace("/")!.createQueue("work", plainQueue, {});
  const deferred: (() => void)[] = [];
  house.clock.defer = (run) => void deferred.push(run);
  const records = batchOf(["x".repeat(200_000)]);
  const bytes = client.requestBytes(produce, 9, {
    acks: -1,
    topicData: [{ name: "work", partitionData: [{ index: 0, records }] }],
  });
  const { room, opening } = house.server;
  opening.spent(1000);
  client.connection.receive(bytes.subarray(0, 100_000));
  assert.equal(room.takenBytes, bytes.length);
  // Somebody waits for room, so who is slow has to go.
  const others = [{ roomMade: (): void => undefined }, { roomMade: (): void => undefined }] as const;
  assert.deepEqual(
    others.map((other) => room.take(other, 200 << 20, house.clock.elapsedMs())),
    [true, false],
  );
  house.clock.advance(9000);
  client.connection.receive(bytes.subarray(100_000));
  assert.equal(room.takenBytes, bytes.length + (200 << 20));
  house.clock.advance(9000);
  client.connection.tick(house.clock.now());
  assert.equal(client.isEnded, false, "it is not the client that is slow");
  while (deferred.length > 0) deferred.shift()!();
  assert.equal(room.takenBytes, 200 << 20);
  assert.equal(house.core.namespace("/")!.queue("work")!.readyCount, 1);
});

test("who goes while its request is at work is not waited for", async () => {
  const { house, client } = await withTopic();
  let elapsedMs = 0;
  house.clock.elapsedMs = () => (elapsedMs += 15);
  const deferred: (() => void)[] = [];
  house.clock.defer = (run) => void deferred.push(run);
  const partitionData = ["a", "b", "c", "d", "e", "f"].map((value) => ({ index: 0, records: batchOf([value]) }));
  client.connection.receive(client.requestBytes(produce, 9, { acks: -1, topicData: [{ name: "t", partitionData }] }));
  const queue = house.core.namespace("/")!.queue("t")!;
  const before = queue.nextOffset;
  client.destroy();
  while (deferred.length > 0) deferred.shift()!();
  assert.equal(queue.nextOffset, before);
});

test("of the wrong records of one request so many are told, however many batches have some", async () => {
  const { client } = await withTopic({ "cleanup.policy": "compact" });
  const keyless = batchOf(Array.from({ length: 1000 }, () => "a"));
  const partitionData = Array.from({ length: 30 }, () => ({ index: 0, records: keyless }));
  const topicData = [{ name: "t", partitionData }];
  const { responses } = client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  const answers = responses[0]!.partitionResponses;
  assert.deepEqual(
    answers.map((answer) => [answer.errorCode, answer.recordErrors.length]),
    answers.map((_, at) => [errorCode.INVALID_RECORD, at < 10 ? 1000 : 0]),
  );
});
