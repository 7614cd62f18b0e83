/** Our batches against Kafka's own classes: each reads what the other wrote, in every compression. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endTransactionMarker, plainTraits } from "../../../src/protocols/kafka/codec/batch-builder.ts";
import { compressions } from "../../../src/protocols/kafka/codec/compression.ts";
import { attributeBits, BatchView } from "../../../src/protocols/kafka/codec/record-batch.ts";
import {
  buildBatch,
  readBatch,
  recordLists,
  type RecordModel,
} from "../../../src/protocols/kafka/codec/record-models.suite.ts";
import { kafkaClasses } from "./kafka-classes.ts";

const kafka = await kafkaClasses();
const codecs = Object.entries(compressions);
const seed = Number(process.env["ENTREPOT_SEED"] ?? 4);
const traits = {
  ...plainTraits,
  attributes: attributeBits.transactional,
  leaderEpoch: 3,
  producerId: 2 ** 40,
  producerEpoch: 5,
  baseSequence: 77,
};

function toJson(record: RecordModel): unknown {
  const text = (bytes: Buffer | null): string | null => bytes?.toString("base64") ?? null;
  const headers = record.headers.map(([name, value]) => [name, text(value)]);
  return { ...record, key: text(record.key), value: text(record.value), headers };
}

function batchQuestion(records: readonly RecordModel[], compression: number, appendTimeMs: number | null): string {
  const { leaderEpoch, producerId, producerEpoch, baseSequence } = traits;
  const numbers = { leaderEpoch, producerId, producerEpoch, baseSequence, isTransactional: true };
  const baseOffset = records[0]!.offset;
  return `batch\t${JSON.stringify({ ...numbers, baseOffset, compression, appendTimeMs, records: records.map(toJson) })}`;
}

for (const [name, compression] of codecs) {
  test(`${name}: Kafka reads our batches, and we read Kafka's`, async (t) => {
    if (typeof kafka !== "function") return t.skip(kafka.missing);
    const lists = fc.sample(recordLists, { seed, numRuns: 100 });
    const ours = lists.map((records) => buildBatch(records, compression, traits));
    const theirs = await kafka([
      ...lists.map((records) => batchQuestion(records, compression, null)),
      ...lists.map((records) => batchQuestion(records, compression, 1_800_000_000_000)),
    ]);
    const readByKafka = await kafka(ours.map((batch) => `records\t${batch.toString("hex")}`));
    for (const [index, records] of lists.entries()) {
      assert.deepEqual(JSON.parse(readByKafka[index]!), records.map(toJson));
      const made = Buffer.from(theirs[index]!, "hex");
      assert.deepEqual(readBatch(made), records);
      const view = new BatchView().set(made, 0);
      assert.equal(view.crc, view.computedCrc());
      if (compression === compressions.none) assert.equal(ours[index]!.toString("hex"), theirs[index]);
      const appended = new BatchView().set(Buffer.from(theirs[lists.length + index]!, "hex"), 0);
      assert.deepEqual(
        readBatch(appended.buffer),
        records.map((record) => ({ ...record, timestampMs: 1_800_000_000_000 })),
      );
      // Kafka too says the base time of the first record.
      if (compression !== compressions.none) continue;
      new BatchView().set(ours[index]!, 0).setMaxTimestamp(true, 1_800_000_000_000);
      assert.deepEqual(readBatch(ours[index]!), readBatch(appended.buffer));
    }
  });
}

test("markers that end transactions are Kafka's to the byte", async (t) => {
  if (typeof kafka !== "function") return t.skip(kafka.missing);
  const ends = [true, false].flatMap((isCommitted) =>
    [0, 1, 2 ** 45].map((producerId) => ({
      isCommitted,
      producerId,
      producerEpoch: 32_767,
      coordinatorEpoch: 300,
      timestampMs: 1_750_000_000_000,
    })),
  );
  const answers = await kafka(ends.map((end) => `marker\t${JSON.stringify(end)}`));
  for (const [index, { isCommitted, producerId, producerEpoch, coordinatorEpoch, timestampMs }] of ends.entries()) {
    const ours = endTransactionMarker(isCommitted, producerId, producerEpoch, coordinatorEpoch, timestampMs);
    assert.equal(ours.toString("hex"), answers[index]);
  }
});
