// What is published by one protocol and read by another comes back as it was: AMQP to Kafka and back, and the other way
// round, over the bytes that clients get.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { textOfBytes } from "../../src/base/byte-text.ts";
import { emptyPublication } from "../../src/broker/publication.ts";
import { EntryCursor, entryBytesMax, writeEntry } from "../../src/broker/entry.ts";
import type { Broker, Entry, MessageFormat } from "../../src/broker/api.ts";
import { BatchBuilder } from "../../src/protocols/kafka/codec/batch-builder.ts";
import { BatchView } from "../../src/protocols/kafka/codec/record-batch.ts";
import { ForeignBatches } from "../../src/protocols/kafka/mapping/foreign-batches.ts";
import { recordFormat, recordFormatId } from "../../src/protocols/kafka/mapping/format.ts";
import { readHeaders, writeHeaders, type RecordHeader } from "../../src/protocols/kafka/mapping/header-section.ts";
import { SingleRecords } from "../../src/protocols/kafka/mapping/single-records.ts";
import { amqpFormat, amqpFormatId } from "../../src/protocols/rabbitmq/model/format.ts";
import { foreignContent } from "../../src/protocols/rabbitmq/model/foreign-content.ts";
import type { FieldTable, FieldValue } from "../../src/protocols/rabbitmq/model/field-table.ts";
import { nameOf } from "../../src/protocols/rabbitmq/model/field-shape.ts";
import { decodeProperties, encodeProperties, type Properties } from "../../src/protocols/rabbitmq/model/properties.ts";
import { fieldValues } from "../../src/protocols/rabbitmq/amqp091/codec-arbitraries.suite.ts";

const formats = new Map<number, MessageFormat>([
  [amqpFormatId, amqpFormat],
  [recordFormatId, recordFormat],
]);
// All that the translation asks of a broker.
const broker = { formatOf: (entry: Entry) => formats.get(entry.format)! } as Broker;
const appendedMs = 1_764_000_000_123;

interface Place {
  readonly exchange: string;
  readonly routingKey: string;
}

function entryOf(format: number, place: Place, head: Buffer, body: Buffer): EntryCursor {
  const publication = {
    ...emptyPublication({ name: place.exchange } as never),
    format,
    routingKey: place.routingKey,
    head,
    headEnd: head.length,
    body,
    bodyEnd: body.length,
  };
  const buffer = Buffer.alloc(entryBytesMax(publication));
  const end = writeEntry(buffer, 0, publication, true, false, appendedMs);
  return new EntryCursor().set(buffer, 0, end, 5);
}

const toKafka = new ForeignBatches(broker);
const records = new SingleRecords();

function batchWith(entry: Entry): Buffer {
  assert.ok(toKafka.add(entry, false));
  return toKafka.finish();
}

/** As a Kafka consumer gets it, and produces it again as it is. */
function throughKafka(entry: Entry, place: Place): EntryCursor {
  const batch = batchWith(entry);
  const view = new BatchView().set(batch, 0);
  assert.equal(view.crc, view.computedCrc());
  assert.equal(records.open(view, 1e9), undefined);
  assert.ok(records.next());
  assert.equal(records.reader.offset, 5);
  const parts = { head: batch, headStart: 0, headEnd: 0, body: batch, bodyStart: 0, bodyEnd: 0 };
  records.place(parts);
  const head = Buffer.from(parts.head.subarray(parts.headStart, parts.headEnd));
  const body = Buffer.from(parts.body.subarray(parts.bodyStart, parts.bodyEnd));
  assert.ok(!records.next() && records.reader.fault === null);
  return entryOf(recordFormatId, place, head, body);
}

/** As an AMQP consumer gets it, and publishes it again as it is. */
function throughAmqp(entry: Entry, place?: Place): EntryCursor {
  const { head, exchange, routingKey } = foreignContent(broker, entry);
  const body = entry.buffer.subarray(entry.bodyStart, entry.bodyEnd);
  return entryOf(amqpFormatId, place ?? { exchange, routingKey }, head, body);
}

const names = fc.oneof(
  fc.constantFrom(
    ..."kafka.key kafka.tombstone kafka.header.x timestamp_in_ms".split(" "),
    ..."amqp.types amqp.priority amqp.header.amqp.priority amqp.header.x amqp.content-type x-death __proto__ 7 CC".split(
      " ",
    ),
  ),
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => Buffer.from(text).toString()),
);

/** Fields of one name in one table are told apart nowhere else. */
function hasUniqueNames(value: FieldValue): boolean {
  if (value.type === "A") return value.value.every(hasUniqueNames);
  if (value.type !== "F") return true;
  return (
    new Set(value.value.map(nameOf)).size === value.value.length && value.value.every((f) => hasUniqueNames(f.value))
  );
}

const headerTables = fc
  .uniqueArray(fc.record({ name: names, value: fieldValues.filter(hasUniqueNames) }, { noNullPrototype: true }), {
    selector: ({ name }) => name,
    maxLength: 6,
  })
  .map((table) => table as FieldTable);
const shorts = fc.string({ unit: "binary", maxLength: 40 }).map((text) => Buffer.from(text).toString());
const properties: fc.Arbitrary<Properties> = fc.record(
  {
    contentType: shorts,
    contentEncoding: shorts,
    headers: headerTables,
    priority: fc.nat(255),
    correlationId: shorts,
    replyTo: shorts,
    expiration: fc.nat(1e9).map(String),
    messageId: shorts,
    timestamp: fc.oneof(fc.nat(2_000_000_000), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(exactly)),
    type: shorts,
    appId: shorts,
    clusterId: shorts,
    deliveryMode: fc.constantFrom(1, 2),
  },
  { requiredKeys: ["deliveryMode"], noNullPrototype: true },
);
const bodies = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const places: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ exchange: fc.constant(""), routingKey: fc.constant("q") }),
  fc.record({
    exchange: fc.constantFrom("orders", "größe"),
    routingKey: fc.constantFrom("", "a.b", "ü", "\udcff\udc80"),
  }),
);

function exactly(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** In an order of its own: what is hidden in headers comes back behind the others. */
function sortedTable(table: FieldTable): FieldTable {
  return table
    .map(({ name, value, ...rest }) => ({ name, value: sortedValue(value), ...rest }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function sortedValue(value: FieldValue): FieldValue {
  if (value.type === "F") return { type: "F", value: sortedTable(value.value) };
  return value.type === "A" ? { type: "A", value: value.value.map(sortedValue) } : value;
}

function shown(head: Buffer): Properties {
  const found = decodeProperties(head, 0, head.length) as Properties;
  const { headers, ...others } = found;
  return headers === undefined || headers.length === 0 ? others : { ...others, headers: sortedTable(headers) };
}

function headOf({ buffer, headStart, headEnd }: Entry): Buffer {
  return buffer.subarray(headStart, headEnd);
}

test("what AMQP published comes back through Kafka as it was: properties, types of headers, exchange, key and body", () => {
  fc.assert(
    fc.property(properties, bodies, places, (original, body, place) => {
      const entry = entryOf(amqpFormatId, place, encodeProperties(original), body);
      const back = throughAmqp(throughKafka(entry, { exchange: "", routingKey: "topic" }));
      assert.deepEqual(shown(headOf(back)), shown(headOf(entry)));
      assert.deepEqual(back.buffer.subarray(back.bodyStart, back.bodyEnd), body);
      assert.deepEqual([back.exchange(), back.routingKey()], [place.exchange, place.routingKey]);
    }),
    { numRuns: 2000 },
  );
});

const someBytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom("", "text", "5", "true", "größe").map((text) => Buffer.from(text)),
);
const recordNames = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "trace-id",
    "x".repeat(300),
    "kafka.key",
    "kafka.header.kafka.key",
    "timestamp_in_ms",
    "__proto__",
  ),
  fc.constantFrom("kafka.tombstone", "amqp.unknown", "amqp.header.x", "x-death"),
  someBytes.map((bytes) => textOfBytes(bytes)),
);
const recordHeaders = fc.array(
  fc.record({ name: recordNames, value: fc.option(someBytes, { freq: 4 }) }, { noNullPrototype: true }),
  { maxLength: 6 },
);
/** Each once: which of two would be the field is anybody's guess. */
const fieldHeaders = fc.uniqueArray(
  fc.record(
    {
      name: fc.constantFrom(
        "kafka.repeated",
        "kafka.headers",
        "amqp.priority",
        "amqp.message-id",
        "amqp.types",
        "amqp.expiration",
        "amqp.delivery-mode",
      ),
      value: fc.constantFrom("1", "7", "700", "", "text", "{", '{"a":1}').map((text) => Buffer.from(text)),
    },
    { noNullPrototype: true },
  ),
  { selector: ({ name }) => name, maxLength: 2 },
);

const builder = new BatchBuilder();

interface RecordModel {
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

const models: fc.Arbitrary<RecordModel> = fc.record(
  {
    timestampMs: fc.oneof(fc.nat(2_000_000_000_000), fc.constantFrom(0, 999, 1000)),
    key: fc.option(someBytes),
    value: fc.option(someBytes),
    headers: fc.tuple(recordHeaders, fieldHeaders).map(([some, others]) => [...some, ...others]),
  },
  { noNullPrototype: true },
);

function entryOfRecord({ timestampMs, key, value, headers }: RecordModel, place: Place): EntryCursor {
  builder.begin(5, timestampMs);
  builder.record(5, timestampMs);
  if (key === null) builder.noKey();
  else builder.key(key);
  if (value === null) builder.noValue();
  else builder.value(value);
  const section = writeHeaders(headers);
  builder.rawHeaders(section, 0, section.length);
  builder.finish();
  const view = new BatchView().set(builder.copy(), 0);
  assert.equal(records.open(view, 1e9), undefined);
  assert.ok(records.next());
  const parts = { head: view.buffer, headStart: 0, headEnd: 0, body: view.buffer, bodyStart: 0, bodyEnd: 0 };
  records.place(parts);
  const body = parts.body.subarray(parts.bodyStart, parts.bodyEnd);
  return entryOf(recordFormatId, place, Buffer.from(parts.head.subarray(0, parts.headEnd)), Buffer.from(body));
}

/** Names in order, and for each its values in theirs; without what the publish brought. */
function grouped(headers: readonly RecordHeader[]): [string, (string | null)[]][] {
  const byName = new Map<string, (string | null)[]>();
  for (const { name, value } of headers) {
    if (name === "amqp.routing-key") continue;
    const known = byName.get(name) ?? [];
    known.push(value?.toString("hex") ?? null);
    byName.set(name, known);
  }
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

test("what Kafka produced comes back through AMQP as it was: key, value, time, headers that repeat, are null, or no text", () => {
  fc.assert(
    fc.property(models, (original) => {
      const place = { exchange: "", routingKey: "topic" };
      const back = batchWith(throughAmqp(entryOfRecord(original, place)));
      const view = new BatchView().set(back, 0);
      assert.ok(!view.isLogAppendTime);
      records.open(view, 1e9);
      assert.ok(records.next());
      const { buffer, keyStart, keyEnd, valueStart, valueEnd, headersStart, recordEnd, timestampMs } = records.reader;
      assert.equal(timestampMs, original.timestampMs);
      assert.deepEqual(keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd), original.key);
      assert.deepEqual(valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd), original.value);
      assert.deepEqual(grouped(readHeaders(buffer, headersStart, recordEnd)), grouped(original.headers));
    }),
    { numRuns: 3000 },
  );
});
