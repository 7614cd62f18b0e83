import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, UnpackedMessage, UnpackTarget } from "../../../broker/api.ts";
import { batchHeadBytes, EntryCursor, writeBatchEntry } from "../../../broker/entry.ts";
import { BatchBuilder, endTransactionMarker, plainTraits } from "../codec/batch-builder.ts";
import { compressions } from "../codec/compression.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { RecordReader } from "../codec/records.ts";
import { buildBatch, readBatch, type RecordModel } from "../codec/record-models.suite.ts";
import { batchFormat, batchFormatId } from "./format.ts";

function entryOf(body: Buffer): Entry {
  const view = new BatchView().set(body, 0);
  const count = view.lastOffsetDelta + 1;
  const buffer = Buffer.alloc(batchHeadBytes + body.length);
  const who = { producerId: -1, producerEpoch: -1, sequence: -1, isTransactional: false };
  const range = { body, bodyStart: 0, bodyEnd: body.length };
  const end = writeBatchEntry(buffer, 0, { ...who, ...range, format: batchFormatId, timestampMs: 5, count }, true, 5);
  return new EntryCursor().set(buffer, 0, end, view.lastOffset);
}

class Target implements UnpackTarget {
  readonly bytesMax: number;
  readonly topic = "t";
  readonly found: string[] = [];

  constructor(bytesMax = 1e6) {
    this.bytesMax = bytesMax;
  }

  add(offset: number, timestampMs: number, { routingKey, body, bodyStart, bodyEnd }: UnpackedMessage): boolean {
    this.found.push(`${offset} ${timestampMs} ${routingKey} ${body.toString("utf8", bodyStart, bodyEnd)}`);
    return true;
  }
}

function recordOf(offset: number, value: string | null, key: string | null = null): RecordModel {
  const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text));
  return { offset, timestampMs: 1000 + offset, key: bytes(key), value: bytes(value), headers: [] };
}

test("a batch of any compression is taken apart, but for one that becomes more than there is room for", () => {
  const records = [recordOf(7, "a"), recordOf(8, "b"), recordOf(10, "c")];
  for (const compression of Object.values(compressions)) {
    const target = new Target();
    assert.ok(batchFormat.unpack!(entryOf(buildBatch(records, compression)), target));
    assert.deepEqual(target.found, ["7 1007 t a", "8 1008 t b", "10 1010 t c"]);
  }
  const bomb = buildBatch([recordOf(0, "x".repeat(100_000))], compressions.gzip);
  assert.equal(batchFormat.unpack!(entryOf(bomb), new Target(50_000)), false);
});

test("a record of very many headers is nobody's but Kafka's consumers', and so is its batch", () => {
  const withHeaders = (count: number): Entry => {
    const headers = Array.from({ length: count }, () => ["", null] as const);
    return entryOf(buildBatch([recordOf(0, "a"), { ...recordOf(1, "b"), headers }], compressions.zstd));
  };
  assert.equal(batchFormat.unpack!(withHeaders(10_000), new Target()), true);
  assert.equal(batchFormat.unpack!(withHeaders(10_001), new Target()), false);
});

test("a record of more than a megabyte of headers is neither", () => {
  for (const name of ["h", "amqp.message-id", "amqp.types"]) {
    const withBytes = (bytes: number): Entry => {
      const headers = [[name, Buffer.alloc(bytes, 0xff)]] as const;
      return entryOf(buildBatch([recordOf(0, "a"), { ...recordOf(1, "b"), headers }], compressions.zstd));
    };
    assert.equal(batchFormat.unpack!(withBytes((1 << 20) - 100), new Target(4e6)), true);
    assert.equal(batchFormat.unpack!(withBytes(1 << 20), new Target(4e6)), false);
  }
});

test("a batch whose records lie about their places is damaged, and breaks nothing", () => {
  const good = buildBatch([recordOf(0, "a"), recordOf(1, "b")]);
  const view = new BatchView().set(good, 0);
  for (const twice of [0, 1]) {
    const reader = new RecordReader().open(view, good, batchAt.records, view.end);
    for (let at = 0; at <= twice; at++) reader.next();
    const builder = new BatchBuilder();
    builder.begin(0, 1000);
    for (let at = 0; at < 2; at++) builder.rawRecord(at, 1000, good, reader.recordStart, reader.recordEnd);
    // Where they end is told otherwise, too.
    for (const lastOffset of [1, 0]) {
      builder.finish(compressions.none, lastOffset);
      const entry = entryOf(builder.copy());
      assert.equal(batchFormat.unpack!(entry, new Target()), false);
      assert.equal(
        batchFormat.keys!(entry, () => undefined),
        false,
      );
    }
  }
});

test("keys and tombstones are seen, and what is left of a batch keeps its place", () => {
  const records = [recordOf(3, "a", "k"), recordOf(4, null, "k"), recordOf(5, "c")];
  const entry = entryOf(buildBatch(records, compressions.snappy));
  const seen: unknown[] = [];
  batchFormat.keys!(entry, (offset, buffer, start, end, isTombstone) => {
    seen.push([offset, start < 0 ? null : Buffer.from(buffer.subarray(start, end)).toString(), isTombstone]);
  });
  assert.deepEqual(seen, [
    [3, "k", false],
    [4, "k", true],
    [5, null, false],
  ]);
  const left = batchFormat.retain!(entry, (offset) => offset !== 5)!;
  assert.deepEqual(readBatch(left), records.slice(0, 2));
  assert.equal(new BatchView().set(left, 0).lastOffset, 5);
  assert.equal(
    batchFormat.retain!(entry, () => false),
    undefined,
  );
});

test("ends of transactions are no messages, and both are known by their producer", () => {
  const marker = entryOf(endTransactionMarker(true, 9, 0, 0, 5));
  assert.deepEqual([batchFormat.isControl!(marker), batchFormat.transactionOf!(marker)], [true, 9]);
  const traits = { ...plainTraits, attributes: 0x10, producerId: 9, producerEpoch: 0, baseSequence: 0 };
  const message = entryOf(buildBatch([recordOf(0, "a")], compressions.none, traits));
  assert.deepEqual([batchFormat.isControl!(message), batchFormat.transactionOf!(message)], [false, 9]);
  const plain = entryOf(buildBatch([recordOf(0, "a")]));
  assert.deepEqual([batchFormat.isControl!(plain), batchFormat.transactionOf!(plain)], [false, -1]);
});
