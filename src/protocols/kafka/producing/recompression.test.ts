import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../../../wire/input.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { createTopics } from "../commands/create-topics.ts";
import { fetch } from "../commands/fetch.ts";
import { produce } from "../commands/produce.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { recompress } from "./recompression.ts";

const kinds = Object.values(compressions);
const values = ["one", "key=two", "x".repeat(5000)];
const bytesMax = 1 << 20;

function wanted(kind: number, level?: number) {
  return { kind, level };
}

test("a batch goes from each compression to each other one and is the same when it comes back", () => {
  const plain = batchOf(values, { producerId: 7, producerEpoch: 1, baseSequence: 9 });
  for (const first of kinds)
    for (const second of kinds) {
      const view = new BatchView().set(Buffer.concat([Buffer.from("before"), plain]), 6);
      for (const kind of [first, second]) {
        assert.equal(recompress(view, wanted(kind, kind === compressions.zstd ? 1 : undefined), bytesMax), undefined);
        assert.equal(view.compression, kind);
        assert.equal(view.crc, view.computedCrc());
        assert.deepEqual([view.count, view.producerId, view.baseSequence], [3, 7, 9]);
      }
      recompress(view, wanted(compressions.none), bytesMax);
      assert.deepEqual(view.buffer.subarray(view.start, view.end), plain);
    }
});

test("what cannot be opened, or becomes too much, is left as it was", () => {
  const packed = new BatchView().set(batchOf(values), 0);
  recompress(packed, wanted(compressions.gzip), bytesMax);
  const { buffer } = packed;
  assert.ok(recompress(packed, wanted(compressions.none), 100) instanceof Malformed);
  assert.equal(packed.buffer, buffer);
  buffer.fill(0, 61);
  for (const kind of kinds.filter((each) => each !== compressions.gzip))
    assert.ok(recompress(packed, wanted(kind), bytesMax) instanceof Malformed);
});

async function openTopic(configs: Record<string, string>): Promise<KafkaClient> {
  const client = (await KafkaHouse.open()).client();
  const texts = Object.entries(configs).map(([name, value]) => ({ name, value }));
  client.call(createTopics, 7, {
    topics: [{ name: "orders", numPartitions: 1, replicationFactor: 1, configs: texts }],
  });
  return client;
}

function send(client: KafkaClient, records: Buffer): number {
  const topicData = [{ name: "orders", partitionData: [{ index: 0, records }] }];
  const { responses } = client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  return responses[0]!.partitionResponses[0]!.errorCode;
}

test("a topic has its batches in the compression that it asks for, and consumers get them so", async () => {
  const client = await openTopic({ "compression.type": "gzip", "compression.gzip.level": "1" });
  const plain = batchOf(values);
  assert.equal(send(client, plain), errorCode.NONE);
  const topics = [{ topic: "orders", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: bytesMax }] }];
  const answer = client.call(fetch, 11, { maxWaitMs: 0, minBytes: 0, maxBytes: bytesMax, topics });
  const { records } = answer.responses[0]!.partitions[0]!;
  const view = new BatchView().set(records!, 0);
  assert.equal(view.compression, compressions.gzip);
  assert.equal(view.crc, view.computedCrc());
  recompress(view, wanted(compressions.none), bytesMax);
  assert.deepEqual(view.buffer.subarray(61), plain.subarray(61));
});

test("records that are stored open are looked at, also when they came compressed", async () => {
  const client = await openTopic({ "compression.type": "uncompressed" });
  const packed = (change: (batch: Buffer) => void): Buffer => {
    const batch = batchOf(values);
    change(batch);
    const view = new BatchView().set(batch, 0);
    recompress(view, wanted(compressions.gzip), bytesMax);
    return view.buffer;
  };
  const isOneTooFew = (batch: Buffer): void => {
    batch.writeInt32BE(1, batchAt.lastOffsetDelta);
    batch.writeInt32BE(2, batchAt.count);
  };
  assert.equal(send(client, packed(isOneTooFew)), errorCode.INVALID_RECORD);
  assert.equal(
    send(
      client,
      packed(() => undefined),
    ),
    errorCode.NONE,
  );
});

test("a batch that the topic's compression makes too large is refused", async () => {
  const client = await openTopic({ "compression.type": "uncompressed", "max.message.bytes": "1000" });
  const packed = new BatchView().set(batchOf(values), 0);
  recompress(packed, wanted(compressions.zstd), bytesMax);
  assert.ok(packed.bytes < 1000);
  assert.equal(send(client, packed.buffer), errorCode.MESSAGE_TOO_LARGE);
});
