import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endTransactionMarker, BatchBuilder, plainTraits } from "./batch-builder.ts";
import { compressions } from "./compression.ts";
import { errorName } from "./errors.ts";
import { attributeBits, batchAt, BatchView, checkProducedBatch, findProducedBatch } from "./record-batch.ts";
import { buildBatch, readBatch, recordLists, type RecordModel } from "./record-models.suite.ts";
import { checkRecords, RecordReader } from "./records.ts";

const allCompressions = fc.constantFrom(...Object.values(compressions));
const bytesMax = 1_048_588;

function record(
  offset: number,
  timestampMs: number,
  key: string | null = "k",
  value: string | null = "v",
): RecordModel {
  return {
    offset,
    timestampMs,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: [],
  };
}

/** What is said of a batch in a Produce request. */
function verdict(bytes: Buffer, version = 9, max = bytesMax): string {
  const view = new BatchView();
  const fault = findProducedBatch(view, bytes, 0, bytes.length, version) ?? checkProducedBatch(view, max);
  return fault === null ? "taken" : `${errorName(fault.code)}: ${fault.reason}`;
}

/** With a field changed, and the checksum right again. */
function changed(batch: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  new BatchView().set(copy, 0).writeCrc();
  return copy;
}

test("records come out of a batch as they went in, in every compression", () => {
  fc.assert(
    fc.property(recordLists, allCompressions, (records, compression) => {
      const batch = buildBatch(records, compression);
      const view = new BatchView().set(batch, 0);
      assert.equal(view.end, batch.length);
      assert.equal(view.crc, view.computedCrc());
      assert.equal(view.compression, compression);
      assert.equal(view.lastOffset, records.at(-1)!.offset);
      assert.equal(view.maxTimestampMs, Math.max(...records.map(({ timestampMs }) => timestampMs)));
      assert.deepEqual(readBatch(batch), records);
    }),
    { numRuns: 300 },
  );
});

test("offsets and times are set in place; only the times need a new checksum", () => {
  const batch = buildBatch([record(0, 100), record(1, 200)]);
  const view = new BatchView().set(batch, 0);
  const { crc } = view;
  view.setOffset(2 ** 41, 3);
  assert.deepEqual([view.baseOffset, view.lastOffset, view.leaderEpoch, view.crc], [2 ** 41, 2 ** 41 + 1, 3, crc]);
  view.setMaxTimestamp(false, 200);
  assert.equal(view.crc, crc);
  view.setMaxTimestamp(true, 500);
  assert.equal(view.crc, view.computedCrc());
  const read = readBatch(batch) as RecordModel[];
  assert.deepEqual(
    read.map(({ offset, timestampMs }) => [offset, timestampMs]),
    [
      [2 ** 41, 500],
      [2 ** 41 + 1, 500],
    ],
  );
  view.setMaxTimestamp(false, 200);
  assert.equal(view.crc, crc);
});

test("what is wrong with a batch has Kafka's error, in Kafka's order", () => {
  const batch = buildBatch([record(0, 1), record(1, 2)]);
  const edit = (field: keyof typeof batchAt, value: number, bytes: number): Buffer =>
    changed(batch, (copy) => copy.writeIntBE(value, batchAt[field], bytes));
  const attributes = (bits: number): Buffer => edit("attributes", bits, 2);
  const damaged = Buffer.from(batch);
  damaged[70]! ^= 1;
  const raw = (field: keyof typeof batchAt, value: number, bytes: number): Buffer => {
    const copy = Buffer.from(batch);
    copy.writeIntBE(value, batchAt[field], bytes);
    return copy;
  };
  const said: [string, Buffer, string, number?, number?][] = [
    ["a whole one", batch, "taken"],
    ["bytes behind it", Buffer.concat([batch, batch.subarray(0, 40)]), "taken"],
    ["nothing", Buffer.alloc(0), "INVALID_RECORD: there is no record batch"],
    ["half of one", batch.subarray(0, 50), "INVALID_RECORD: there is no record batch"],
    ["two", Buffer.concat([batch, batch]), "INVALID_RECORD: more than one record batch"],
    ["magic 1", raw("magic", 1, 1), "INVALID_RECORD: a record batch of magic 1"],
    ["magic 0", raw("magic", 0, 1), "INVALID_RECORD: a record batch of magic 0"],
    ["magic 3", raw("magic", 3, 1), "CORRUPT_MESSAGE: a record batch of magic 3"],
    ["magic -1", raw("magic", -1, 1), "CORRUPT_MESSAGE: a record batch of magic -1"],
    ["a length too small", raw("length", 13, 4), "CORRUPT_MESSAGE: a record batch of length 13"],
    ["a negative length", raw("length", -1, 4), "CORRUPT_MESSAGE: a record batch of length -1"],
    ["no whole header", raw("length", 20, 4).subarray(0, 32), "CORRUPT_MESSAGE: a record batch of 32 bytes"],
    ["zstd too early", attributes(4), "UNSUPPORTED_COMPRESSION_TYPE: zstd in version 6 of the request", 6],
    ["zstd", attributes(4), "taken"],
    ["unknown compression", attributes(5), "INVALID_RECORD: compression 5"],
    ["a base offset", edit("baseOffset", 5, 6), `INVALID_RECORD: a base offset of ${5 * 2 ** 16}`],
    ["too large", batch, "MESSAGE_TOO_LARGE: a record batch of 79 bytes, of 78 at most", 9, 78],
    ["damaged", damaged, "CORRUPT_MESSAGE: its checksum is wrong"],
    ["no records", edit("count", 0, 4), "INVALID_RECORD: 0 records over 2 offsets"],
    ["fewer records than offsets", edit("count", 1, 4), "INVALID_RECORD: 1 records over 2 offsets"],
    ["offsets that fall", edit("lastOffsetDelta", -2, 4), "INVALID_RECORD: 2 records over -1 offsets"],
    ["control records", attributes(attributeBits.control), "INVALID_RECORD: clients write no control records"],
    ["a producer without numbers", edit("producerId", 1, 6), "INVALID_RECORD: a sequence number of -1"],
  ];
  for (const [what, bytes, expected, version, max] of said) assert.equal(verdict(bytes, version, max), expected, what);
});

test("records are held to a topic's rules one by one", () => {
  const batch = buildBatch([record(0, 100), record(1, 900, null), record(2, 50), record(3, 500, "k", null)]);
  const view = new BatchView().set(batch, 0);
  const open = (): RecordReader => new RecordReader().open(view, batch, batchAt.records, view.end);
  const lenient = { needsKey: false, timestampMinMs: 0, timestampMaxMs: 1000 };
  assert.equal(checkRecords(open(), lenient, []), 900);
  const faults: Parameters<typeof checkRecords>[2] = [];
  assert.equal(checkRecords(open(), { needsKey: true, timestampMinMs: 60, timestampMaxMs: 600 }, faults), 900);
  assert.deepEqual(faults, [
    { index: 1, kind: "no-key", timestampMs: 900 },
    { index: 2, kind: "timestamp", timestampMs: 50 },
  ]);
});

test("any bytes in the place of records are a fault or records, and nothing behind them is read", () => {
  fc.assert(
    fc.property(
      recordLists,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(20),
      (records, edits, cut) => {
        const batch = buildBatch(records);
        for (const [at, octet] of edits) batch[batchAt.records + (at % (batch.length - batchAt.records))] = octet;
        const end = Math.max(batchAt.records, batch.length - cut);
        const view = new BatchView().set(batch, 0);
        const reader = new RecordReader().open(view, batch, batchAt.records, end);
        let count = 0;
        while (reader.next()) {
          count++;
          assert.ok(
            reader.recordEnd <= end && reader.valueEnd <= reader.recordEnd && reader.keyEnd <= reader.recordEnd,
          );
          while (reader.nextHeader()) assert.ok(reader.headerValueEnd <= reader.recordEnd);
        }
        assert.ok(reader.fault !== null || count === view.count);
      },
    ),
    { numRuns: 1000 },
  );
});

test("what is left of a batch keeps offsets, times, and the producer's numbers", () => {
  const traits = { ...plainTraits, producerId: 9, producerEpoch: 2, baseSequence: 40 };
  const records = [record(10, 1000), record(11, 3000), record(12, 2000), record(13, 4000)];
  const batch = buildBatch(records, compressions.none, traits);
  const view = new BatchView().set(batch, 0);
  const reader = new RecordReader().open(view, batch, batchAt.records, view.end);
  const builder = new BatchBuilder();
  builder.begin(view.baseOffset, view.baseTimestampMs, traits);
  while (reader.next()) {
    if (reader.offset === 11 || reader.offset === 13) continue;
    builder.rawRecord(reader.offset, reader.timestampMs, batch, reader.recordStart, reader.recordEnd);
  }
  builder.finish(compressions.lz4, view.lastOffset);
  const left = new BatchView().set(builder.copy(), 0);
  assert.deepEqual([left.baseOffset, left.lastOffset, left.count, left.maxTimestampMs], [10, 13, 2, 2000]);
  assert.deepEqual([left.producerId, left.producerEpoch, left.baseSequence], [9, 2, 40]);
  assert.deepEqual(readBatch(left.buffer), [records[0], records[2]]);
});

test("a record's headers can be kept as they stand, and put into another", () => {
  const headers = [
    ["a", Buffer.from("1")],
    ["b", null],
    ["a", Buffer.alloc(300)],
  ] as const;
  const batch = buildBatch([{ ...record(0, 5), headers }]);
  const view = new BatchView().set(batch, 0);
  const reader = new RecordReader().open(view, batch, batchAt.records, view.end);
  assert.ok(reader.next());
  const builder = new BatchBuilder();
  builder.begin(0, 5);
  builder.record(0, 5);
  builder.key(batch, reader.keyStart, reader.keyEnd);
  builder.value(batch, reader.valueStart, reader.valueEnd);
  builder.rawHeaders(batch, reader.headersStart, reader.recordEnd);
  builder.finish();
  assert.deepEqual(builder.copy(), batch);
});

test("a transaction's end has the bytes that Kafka 4.2 writes", () => {
  const kafkas =
    "00000000000000000000004200000000027eae932f0030000000000000000000000005000000000000000500000000000000070001" +
    "ffffffff000000012000000008000000010c00000000000300";
  assert.equal(endTransactionMarker(true, 7, 1, 3, 5).toString("hex"), kafkas);
});
