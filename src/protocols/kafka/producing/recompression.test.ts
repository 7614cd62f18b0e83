import assert from "node:assert/strict";
import { test } from "node:test";
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
  assert.equal(recompress(packed, wanted(compressions.none), 100)?.code, errorCode.MESSAGE_TOO_LARGE);
  assert.equal(packed.buffer, buffer);
  buffer.fill(0, 61);
  for (const kind of kinds.filter((each) => each !== compressions.gzip))
    assert.equal(recompress(packed, wanted(kind), bytesMax)?.code, errorCode.CORRUPT_MESSAGE);
});

async function openTopic(configs: Record<string, string>): Promise<{ house: KafkaHouse; client: KafkaClient }> {
  const house = await KafkaHouse.open();
  const client = house.client();
  const texts = Object.entries(configs).map(([name, value]) => ({ name, value }));
  client.call(createTopics, 7, {
    topics: [{ name: "orders", numPartitions: 1, replicationFactor: 1, configs: texts }],
  });
  return { house, client };
}

function send(client: KafkaClient, records: Buffer): number {
  const topicData = [{ name: "orders", partitionData: [{ index: 0, records }] }];
  const { responses } = client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  return responses[0]!.partitionResponses[0]!.errorCode;
}

test("a topic has its batches in the compression that it asks for, and consumers get them so", async () => {
  const { client } = await openTopic({ "compression.type": "gzip", "compression.gzip.level": "1" });
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
  const { client } = await openTopic({ "compression.type": "uncompressed" });
  const packed = (change: (batch: Buffer) => void): Buffer => {
    const view = new BatchView().set(batchOf(values), 0);
    recompress(view, wanted(compressions.gzip), bytesMax);
    change(view.buffer);
    view.writeCrc();
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

/** What a topic answers to a batch that it has compressed apart, which takes real time. */
async function sendApart(client: KafkaClient, records: Buffer) {
  client.ask(produce, 9, { acks: -1, topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }] });
  for (;;) {
    const [answer] = client.take();
    if (answer !== undefined) {
      type Partition = { readonly errorCode: number; readonly baseOffset: number };
      const { responses } = answer.response as { responses: { partitionResponses: Partition[] }[] };
      return responses[0]!.partitionResponses[0]!;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("large batches are compressed apart: others go on, and those of a connection keep their order", async () => {
  for (const kind of ["gzip", "zstd", "lz4", "snappy", "uncompressed"]) {
    const { house, client } = await openTopic({ "compression.type": kind });
    const other = house.client();
    const packed = new BatchView().set(batchOf(["z".repeat(100_000), "zz"]), 0);
    recompress(packed, wanted(kind === "gzip" ? compressions.zstd : compressions.gzip), bytesMax);
    const large = kind === "uncompressed" ? packed.buffer : batchOf(["x".repeat(100_000), "xx"]);
    for (const records of [large, batchOf(["small"])])
      client.ask(produce, 9, { acks: -1, topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }] });
    assert.equal(send(other, batchOf(["y"])), errorCode.NONE);
    assert.equal((await sendApart(other, packed.buffer)).errorCode, errorCode.NONE, kind);
    const topics = [{ topic: "orders", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: bytesMax }] }];
    const answer = other.call(fetch, 11, { maxWaitMs: 0, minBytes: 0, maxBytes: bytesMax, topics });
    const { records } = answer.responses[0]!.partitions[0]!;
    const found: string[] = [];
    for (let at = 0; at < records!.length;) {
      const view = new BatchView().set(records!, at);
      at = view.end;
      assert.equal(view.compression, compressions[kind === "uncompressed" ? "none" : (kind as "gzip")]);
      assert.equal(view.crc, view.computedCrc());
      recompress(view, wanted(compressions.none), bytesMax);
      const plain = view.buffer.subarray(view.start + batchAt.records, view.end);
      found.push(`${["small", "zz", "xx", "y"].find((text) => plain.includes(text))} ${view.count}`);
    }
    const first = kind === "uncompressed" ? "zz 2" : "xx 2";
    assert.deepEqual(found, ["y 1", first, "small 1", "zz 2"], kind);
  }
});

test("what becomes too much when it is opened to be compressed again is refused, and what is broken", async () => {
  const { client } = await openTopic({ "compression.type": "gzip", "max.message.bytes": "10000" });
  const packed = (bytes: number, change?: (view: BatchView) => void): Buffer => {
    const view = new BatchView().set(batchOf(["x".repeat(bytes)]), 0);
    recompress(view, wanted(compressions.zstd), bytesMax);
    change?.(view);
    return view.buffer;
  };
  const ask = async (batch: Buffer): Promise<number> => (await sendApart(client, batch)).errorCode;
  assert.equal(await ask(packed(150_000)), errorCode.NONE);
  assert.equal(await ask(packed(170_000)), errorCode.MESSAGE_TOO_LARGE);
  const broken = packed(100_000, (view) => {
    view.buffer.fill(0, 70);
    view.writeCrc();
  });
  assert.equal(await ask(broken), errorCode.CORRUPT_MESSAGE);
  const isMore = packed(100_000, (view) => {
    view.buffer.writeInt32BE(1, batchAt.lastOffsetDelta);
    view.buffer.writeInt32BE(2, batchAt.count);
    view.writeCrc();
  });
  assert.equal(await ask(isMore), errorCode.INVALID_RECORD);
});

test("a batch that the topic's compression makes too large is refused", async () => {
  const { client } = await openTopic({ "compression.type": "uncompressed", "max.message.bytes": "1000" });
  const packed = new BatchView().set(batchOf(values), 0);
  recompress(packed, wanted(compressions.zstd), bytesMax);
  assert.ok(packed.bytes < 1000);
  assert.equal(send(client, packed.buffer), errorCode.MESSAGE_TOO_LARGE);
});
