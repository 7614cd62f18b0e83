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

const appendTimeMs = 1_800_000_000_000;

test("Kafka reads our batches, and we read Kafka's, in every compression", { timeout: 120_000 }, async (t) => {
  if (typeof kafka !== "function") return t.skip(kafka.missing);
  const lists = fc.sample(recordLists, { seed, numRuns: 100 });
  const cases = codecs.flatMap(([name, compression]) => lists.map((records) => ({ name, compression, records })));
  const ours = cases.map(({ records, compression }) => buildBatch(records, compression, traits));
  const answers = await kafka([
    ...ours.map((batch) => `records\t${batch.toString("hex")}`),
    ...cases.map(({ records, compression }) => batchQuestion(records, compression, null)),
    ...cases.map(({ records, compression }) => batchQuestion(records, compression, appendTimeMs)),
  ]);
  for (const [index, { name, compression, records }] of cases.entries()) {
    const [readByKafka, made, appended] = [0, 1, 2].map((round) => answers[round * cases.length + index]!);
    assert.deepEqual(JSON.parse(readByKafka!), records.map(toJson), name);
    const view = new BatchView().set(Buffer.from(made!, "hex"), 0);
    assert.equal(view.crc, view.computedCrc(), name);
    assert.deepEqual(readBatch(view.buffer), records, name);
    const inOneMoment = records.map((record) => ({ ...record, timestampMs: appendTimeMs }));
    assert.deepEqual(readBatch(Buffer.from(appended!, "hex")), inOneMoment, name);
    if (compression === compressions.none) assert.equal(ours[index]!.toString("hex"), made);
    new BatchView().set(ours[index]!, 0).setMaxTimestamp(true, appendTimeMs);
    assert.deepEqual(readBatch(ours[index]!), inOneMoment, name);
  }
});

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
