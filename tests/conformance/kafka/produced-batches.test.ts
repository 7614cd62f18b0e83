/**
 * What becomes of right and wrong record batches. The codes are those of Kafka 4.1.1, to which the same requests were sent;
 * `ENTREPOT_KAFKA=127.0.0.1:9092` sends them to whatever listens there. Where we differ, the case says so and why.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { compressions } from "../../../src/protocols/kafka/codec/compression.ts";
import { errorCode, errorName, type ErrorName } from "../../../src/protocols/kafka/codec/errors.ts";
import { produceRequest, produceResponse } from "../../../src/protocols/kafka/codec/messages/produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../src/protocols/kafka/codec/messages/topics.ts";
import { attributeBits, batchAt, BatchView } from "../../../src/protocols/kafka/codec/record-batch.ts";
import { buildBatch, type RecordModel } from "../../../src/protocols/kafka/codec/record-models.suite.ts";
import { startBroker } from "../../../src/start-broker.ts";
import { WireClient } from "./wire-client.ts";

const nowMs = Date.now();
const hourMs = 3_600_000;

function record(offset: number, timestampMs = nowMs, valueBytes = 1): RecordModel {
  return { offset, timestampMs, key: Buffer.from("k"), value: Buffer.alloc(valueBytes, "v"), headers: [] };
}

const batch = buildBatch([record(0), record(1)]);

type Edit = readonly [at: keyof typeof batchAt | number, value: number, bytes: number];

/** With numbers in the place of others, and the checksum as it was. */
function raw(...edits: readonly Edit[]): Buffer {
  const copy = Buffer.from(batch);
  for (const [at, value, bytes] of edits) copy.writeIntBE(value, typeof at === "number" ? at : batchAt[at], bytes);
  return copy;
}

/** The same with a checksum that is right. */
function edited(...edits: readonly Edit[]): Buffer {
  const copy = raw(...edits);
  new BatchView().set(copy, 0).writeCrc();
  return copy;
}

function brokenGzip(): Buffer {
  const copy = buildBatch([record(0)], compressions.gzip);
  copy[copy.length - 12]! ^= 0xff;
  new BatchView().set(copy, 0).writeCrc();
  return copy;
}

interface Case {
  readonly what: string;
  readonly records: Buffer;
  readonly kafka: ErrorName;
  /** What we answer, where it is something else. */
  readonly ours?: ErrorName;
  readonly version?: number;
}

const cases: readonly Case[] = [
  { what: "a batch", records: batch, kafka: "NONE" },
  { what: "half a batch behind it", records: Buffer.concat([batch, batch.subarray(0, 40)]), kafka: "NONE" },
  { what: "a few bytes behind it", records: Buffer.concat([batch, Buffer.alloc(7)]), kafka: "NONE" },
  { what: "zeros behind it", records: Buffer.concat([batch, Buffer.alloc(40)]), kafka: "CORRUPT_MESSAGE" },
  { what: "nothing", records: Buffer.alloc(0), kafka: "INVALID_RECORD" },
  { what: "half a batch", records: batch.subarray(0, 50), kafka: "INVALID_RECORD" },
  { what: "two batches", records: Buffer.concat([batch, batch]), kafka: "INVALID_RECORD" },
  { what: "magic 1", records: raw(["magic", 1, 1]), kafka: "INVALID_RECORD" },
  { what: "magic 0", records: raw(["magic", 0, 1]), kafka: "INVALID_RECORD" },
  { what: "magic 3", records: raw(["magic", 3, 1]), kafka: "CORRUPT_MESSAGE" },
  { what: "magic -1", records: raw(["magic", -1, 1]), kafka: "CORRUPT_MESSAGE" },
  { what: "a length below the least", records: raw(["length", 13, 4]), kafka: "CORRUPT_MESSAGE" },
  { what: "a negative length", records: raw(["length", -1, 4]), kafka: "CORRUPT_MESSAGE" },
  // Kafka reads past the batch's end and does not know what happened.
  {
    what: "a length within the header",
    records: raw(["length", 20, 4]).subarray(0, 32),
    kafka: "UNKNOWN_SERVER_ERROR",
    ours: "CORRUPT_MESSAGE",
  },
  {
    what: "zstd before version 7",
    records: edited(["attributes", 4, 2]),
    version: 6,
    kafka: "UNSUPPORTED_COMPRESSION_TYPE",
  },
  // Kafka has no error for it.
  {
    what: "a compression that is none",
    records: edited(["attributes", 5, 2]),
    kafka: "UNKNOWN_SERVER_ERROR",
    ours: "INVALID_RECORD",
  },
  { what: "a base offset", records: edited(["baseOffset", 5, 6]), kafka: "INVALID_RECORD" },
  { what: "a wrong checksum", records: raw([70, 0x33, 1]), kafka: "CORRUPT_MESSAGE" },
  { what: "a count of 0", records: edited(["count", 0, 4]), kafka: "INVALID_RECORD" },
  { what: "fewer records than offsets", records: edited(["count", 1, 4]), kafka: "INVALID_RECORD" },
  { what: "offsets that end before they begin", records: edited(["lastOffsetDelta", -2, 4]), kafka: "INVALID_RECORD" },
  { what: "gaps between offsets", records: buildBatch([record(0), record(5)]), kafka: "INVALID_RECORD" },
  { what: "control records", records: edited(["attributes", attributeBits.control, 2]), kafka: "INVALID_RECORD" },
  { what: "a producer without sequence numbers", records: edited(["producerId", 1, 6]), kafka: "INVALID_RECORD" },
  { what: "a record whose length lies", records: edited([batchAt.records, 0x40, 1]), kafka: "INVALID_RECORD" },
  {
    what: "more records counted than there are",
    records: edited(["lastOffsetDelta", 2, 4], ["count", 3, 4]),
    kafka: "INVALID_RECORD",
  },
  {
    what: "fewer records counted than there are",
    records: edited(["lastOffsetDelta", 0, 4], ["count", 1, 4]),
    kafka: "INVALID_RECORD",
  },
  { what: "append times", records: edited(["attributes", attributeBits.logAppendTime, 2]), kafka: "NONE" },
  { what: "a time in two hours", records: buildBatch([record(0, nowMs + 2 * hourMs)]), kafka: "INVALID_TIMESTAMP" },
  { what: "a time of long ago", records: buildBatch([record(0, 1)]), kafka: "NONE" },
  { what: "no time", records: buildBatch([record(0, -1)]), kafka: "NONE" },
  { what: "gzip", records: buildBatch([record(0)], compressions.gzip), kafka: "NONE" },
  // What is compressed is passed on unopened.
  { what: "broken gzip", records: brokenGzip(), kafka: "UNKNOWN_SERVER_ERROR", ours: "NONE" },
  { what: "a greatest time that lies", records: edited([batchAt.maxTimestamp + 2, nowMs + 500, 6]), kafka: "NONE" },
  { what: "attributes that nobody uses", records: edited(["attributes", 0x7f00, 2]), kafka: "NONE" },
  { what: "a batch over the limit", records: buildBatch([record(0, nowMs, 1_048_516)]), kafka: "MESSAGE_TOO_LARGE" },
  { what: "a batch at the limit", records: buildBatch([record(0, nowMs, 1_048_515)]), kafka: "NONE" },
];

test("record batches have Kafka's verdicts", async (t) => {
  const elsewhere = process.env["ENTREPOT_KAFKA"];
  const broker =
    elsewhere === undefined ? await startBroker({ listen: { kafka: "127.0.0.1:0" }, memory: true }) : undefined;
  const client = await WireClient.open(elsewhere ?? `127.0.0.1:${broker!.ports["kafka"]}`);
  try {
    const name = `verdicts-${nowMs}`;
    const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
    const created = await client.ask(createTopicsRequest, createTopicsResponse, 5, { topics, timeoutMs: 5000 });
    assert.equal(created?.topics[0]?.errorCode, 0);
    assert.equal(buildBatch([record(0, nowMs, 1_048_515)]).length, 1_048_588);
    let nextOffset = 0;
    for (const { what, records, kafka, ours, version = 9 } of cases) {
      await t.test(what, async () => {
        const topicData = [{ name, partitionData: [{ index: 0, records }] }];
        const answer = await client.ask(produceRequest, produceResponse, version, {
          acks: -1,
          timeoutMs: 5000,
          topicData,
        });
        const { errorCode: code, baseOffset } = answer!.responses[0]!.partitionResponses[0]!;
        assert.equal(errorName(code), elsewhere === undefined ? (ours ?? kafka) : kafka);
        assert.equal(baseOffset, code === errorCode.NONE ? nextOffset : -1);
        if (code === errorCode.NONE) nextOffset += new BatchView().set(records, 0).count;
      });
    }
  } finally {
    client.close();
    await broker?.stop();
  }
});
