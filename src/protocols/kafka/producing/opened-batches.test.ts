/** What is compressed may become 64 MB: it is held for as long as it is looked at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { zstdCompressSync } from "node:zlib";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { buildBatch } from "../codec/record-models.suite.ts";
import { createTopics } from "../commands/create-topics.ts";
import { produce } from "../commands/produce.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What buffers take when all that nobody holds is gone, which takes some turns, or after so many that somebody must hold it. */
async function bufferBytes(bytesMax = 0): Promise<number> {
  for (let turn = 0; turn < 10; turn++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    if (process.memoryUsage().arrayBuffers < bytesMax) break;
  }
  return process.memoryUsage().arrayBuffers;
}

function send(client: KafkaClient, name: string, records: Buffer): number {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }];
  const { responses } = client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  return responses[0]!.partitionResponses[0]!.errorCode;
}

function large(count: number, timestampMs: number): Buffer {
  const value = Buffer.alloc(16_000_000 / count);
  const records = Array.from({ length: count }, (_, offset) => ({
    offset,
    timestampMs,
    key: null,
    value,
    headers: [],
  }));
  return buildBatch(records, compressions.gzip);
}

test("what was opened to be looked at is let go of, whatever becomes of the batch", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const settings = { ...plainQueue, maxLength: 1, overflow: "reject-publish" } as const;
  house.core.namespace("/")!.createQueue("full", settings, {});
  assert.equal(send(client, "full", batchOf(["first"])), errorCode.NONE);
  client.call(createTopics, 5, {
    topics: [
      {
        name: "compacted",
        numPartitions: 1,
        replicationFactor: 1,
        configs: [{ name: "cleanup.policy", value: "compact" }],
      },
    ],
    timeoutMs: 1000,
  });
  const nowMs = house.core.clock.now();
  const [one, two] = [large(1, nowMs), large(2, nowMs)];
  const before = await bufferBytes();
  for (const [topic, batch, code] of [
    ["full", one, errorCode.KAFKA_STORAGE_ERROR],
    ["full", two, errorCode.RECORD_LIST_TOO_LARGE],
    ["compacted", one, errorCode.INVALID_RECORD],
  ] as const) {
    assert.equal(send(client, topic, batch), code);
    const heldBytes = (await bufferBytes(before + 6_000_000)) - before;
    assert.ok(heldBytes < 6_000_000, `${topic}: ${heldBytes} bytes are held`);
  }
});

test("a topic that takes large batches opens no more than what compaction reads again, whatever its clients say", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const most = { name: "max.message.bytes", value: "2147483647" };
  const topics = ["compact", "delete"].map((policy) => ({
    name: policy,
    numPartitions: 1,
    replicationFactor: 1,
    configs: [most, { name: "cleanup.policy", value: policy }],
  }));
  client.call(createTopics, 5, { topics, timeoutMs: 1000 });
  const header = buildBatch([{ offset: 0, timestampMs: 0, key: null, value: null, headers: [] }]).subarray(0, 61);
  const batchWith = (records: Buffer, count: number): Buffer => {
    const batch = Buffer.concat([header, records]);
    batch.writeInt32BE(batch.length - 12, batchAt.length);
    batch.writeInt16BE(compressions.zstd, batchAt.attributes);
    batch.writeInt32BE(count - 1, batchAt.lastOffsetDelta);
    batch.writeInt32BE(count, batchAt.count);
    new BatchView().set(batch, 0).writeCrc();
    return batch;
  };
  const ask = (name: string, records: Buffer) => {
    const topicData = [{ name, partitionData: [{ index: 0, records }] }];
    return client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData }).responses[0]!.partitionResponses[0]!;
  };
  const bomb = ask("compact", batchWith(zstdCompressSync(Buffer.alloc((256 << 20) + 1)), 1));
  assert.deepEqual(
    [bomb.errorCode, bomb.errorMessage],
    [errorCode.INVALID_RECORD, "the records cannot be decompressed"],
  );
  const promise = ask("delete", batchWith(zstdCompressSync(Buffer.alloc(100)), 40_000_000));
  assert.deepEqual(
    [promise.errorCode, promise.errorMessage],
    [errorCode.INVALID_RECORD, "40000000 records are more than a batch can hold"],
  );
});
