// Records as plain objects: what the tests of batches draw, build and read. Named so that it stays out of the build.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Malformed } from "../../../wire/input.ts";
import { BatchBuilder, plainTraits, type BatchTraits } from "./batch-builder.ts";
import { compressions, decompress } from "./compression.ts";
import { batchAt, BatchView } from "./record-batch.ts";
import { RecordReader } from "./records.ts";

export interface RecordModel {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

const someBytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(0, 1, 62, 63, 64, 65, 127, 128, 9000).map((length) => Buffer.alloc(length, "entrepot of records ")),
);
const maybeBytes = fc.option(someBytes, { freq: 4 });

const recordParts = fc.record({
  gap: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 100_000 })),
  timestampMs: fc.oneof(
    fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
    fc.constantFrom(0, 1, 1_700_000_000_000, 2 ** 52, 8_640_000_000_000_000, 2 ** 53 - 1),
  ),
  key: maybeBytes,
  value: maybeBytes,
  headers: fc.array(fc.tuple(fc.constantFrom("", "trace-id", "größe", "x".repeat(70)), maybeBytes), { maxLength: 3 }),
});

/** At least one record; offsets rise from the base, with gaps now and then. */
export const recordLists: fc.Arbitrary<RecordModel[]> = fc
  .tuple(fc.constantFrom(0, 7, 2 ** 40), fc.array(recordParts, { minLength: 1, maxLength: 12 }))
  .map(([base, parts]) => {
    let offset = base - 1;
    return parts.map(({ gap, timestampMs, key, value, headers }, index) => {
      offset += index === 0 ? 1 : gap;
      return { offset, timestampMs, key, value, headers };
    });
  });

const builder = new BatchBuilder();

export function buildBatch(
  records: readonly RecordModel[],
  compression: number = compressions.none,
  traits: BatchTraits = plainTraits,
): Buffer {
  builder.begin(records[0]!.offset, records[0]!.timestampMs, traits);
  for (const { offset, timestampMs, key, value, headers } of records) {
    builder.record(offset, timestampMs);
    if (key === null) builder.noKey();
    else builder.key(key);
    if (value === null) builder.noValue();
    else builder.value(value);
    builder.headers(headers.length);
    for (const [name, content] of headers) builder.header(name, content);
  }
  builder.finish(compression);
  return builder.copy();
}

function slice(buffer: Buffer, start: number, end: number): Buffer | null {
  return start < 0 ? null : Buffer.from(buffer.subarray(start, end));
}

/** The records of a batch, or what is wrong with them. */
export function readBatch(batch: Buffer, reader = new RecordReader()): RecordModel[] | string {
  const view = new BatchView().set(batch, 0);
  const payload = decompress(view.compression, batch, batchAt.records, view.end, 100_000_000);
  if (payload instanceof Malformed) return payload.reason;
  reader.open(view, payload, 0, payload.length);
  const found: RecordModel[] = [];
  while (reader.next()) {
    const headers: [string, Buffer | null][] = [];
    while (reader.nextHeader()) {
      const name = payload.toString("utf8", reader.headerNameStart, reader.headerNameEnd);
      headers.push([name, slice(payload, reader.headerValueStart, reader.headerValueEnd)]);
    }
    assert.equal(headers.length, reader.headerCount);
    const key = slice(payload, reader.keyStart, reader.keyEnd);
    const value = slice(payload, reader.valueStart, reader.valueEnd);
    found.push({ offset: reader.offset, timestampMs: reader.timestampMs, key, value, headers });
  }
  return reader.fault ?? found;
}
