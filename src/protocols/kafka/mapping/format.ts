/**
 * How the core looks into what came by Kafka's protocol: record batches, as they were produced, and single records, which are
 * what a batch is made of, what a queue gets that is produced to, and what dies of a batch.
 */

import { putU32, putU64 } from "../../../base/bytes.ts";
import {
  emptyPublication,
  type CanonicalHeader,
  type Entry,
  type MessageFormat,
  type Publication,
  type UnpackedMessage,
} from "../../../broker/api.ts";
import { BatchBuilder } from "../codec/batch-builder.ts";
import { openedBytesMost } from "../codec/compression.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import { headersFault } from "./header-section.ts";
import { canonicalOfRecord, RecordHeaders } from "./record-canonical.ts";
import { deathsIn, firstDeathQueueIn, withDeathIn } from "./record-death.ts";
import { RecordHead, withHeaders } from "./record-head.ts";
import { SingleRecords, type RecordParts } from "./single-records.ts";

/** In stored entries: do not change. */
export const batchFormatId = 2;
export const recordFormatId = 3;

/** An entry's time has 48 bits; a record may say any. */
const timestampMsMax = 0xffff_ffff_ffff;
const view = new BatchView();
const head = new RecordHead();
const records = new SingleRecords();
const builder = new BatchBuilder();

type Headers = Record<string, CanonicalHeader["value"]>;

/**
 * Visits the records of a batch, as long as `visit` answers true. False: it did not, or they are not what they should be.
 * Producers say in each record where in the batch it stands, and nobody looked when it came.
 */
function forEachRecord(batch: Entry, bytesMax: number, visit: (reader: SingleRecords["reader"]) => boolean): boolean {
  const { reader } = records;
  if (records.open(viewOf(batch), bytesMax) !== undefined) return false;
  let isGood = true;
  for (let last = batch.baseOffset - 1; isGood && records.next(); last = reader.offset) {
    isGood = reader.offset > last && reader.offset <= batch.offset && visit(reader);
  }
  records.close();
  return isGood && reader.fault === null;
}

function viewOf({ buffer, bodyStart }: Entry): BatchView {
  return view.set(buffer, bodyStart);
}

export const batchFormat: MessageFormat = {
  id: batchFormatId,
  name: "kafka-batch",
  // Of a batch nobody asks these: consumers, routing and deaths see its records.
  headers: () => ({}),
  property: () => undefined,
  extraKeys: () => [],
  deaths: () => [],
  withDeath: (buffer, headStart, headEnd) => buffer.subarray(headStart, headEnd),
  ownCrc: { at: batchAt.crc, from: batchAt.attributes },
  stamp(buffer, bodyStart, _bodyEnd, baseOffset) {
    putU64(buffer, bodyStart, baseOffset);
    putU32(buffer, bodyStart + batchAt.leaderEpoch, 0);
  },

  unpack(batch, into) {
    const message = { ...plainMessage, routingKey: into.topic };
    return forEachRecord(batch, into.bytesMax, (record) => {
      if (headersFault(record) !== undefined) return false;
      const { offset, timestampMs } = record;
      records.place(message);
      const timeMs = timestampMs < 0 ? batch.timestampMs : Math.min(timestampMs, timestampMsMax);
      return into.add(offset, timeMs, message);
    });
  },

  isControl: (batch) => viewOf(batch).isControl,

  transactionOf(batch) {
    const { isTransactional, producerId } = viewOf(batch);
    return isTransactional ? producerId : -1;
  },

  keys(batch, visit) {
    return forEachRecord(batch, openedBytesMost, ({ offset, buffer, keyStart, keyEnd, valueStart }) => {
      visit(offset, buffer, keyStart, keyEnd, valueStart < 0);
      return true;
    });
  },

  messages: (batch) => viewOf(batch).count,

  retain(batch, isKept) {
    const { baseOffset, lastOffset, baseTimestampMs, compression, attributes, isLogAppendTime, maxTimestampMs } =
      viewOf(batch);
    const { leaderEpoch, producerId, producerEpoch, baseSequence } = view;
    builder.begin(baseOffset, baseTimestampMs, { attributes, leaderEpoch, producerId, producerEpoch, baseSequence });
    const isRead = forEachRecord(batch, openedBytesMost, ({ offset, timestampMs, buffer, recordStart, recordEnd }) => {
      if (isKept(offset)) builder.rawRecord(offset, timestampMs, buffer, recordStart, recordEnd);
      return true;
    });
    // What cannot be read is not taken away.
    if (!isRead) return Buffer.from(batch.buffer.subarray(batch.bodyStart, batch.bodyEnd));
    if (builder.count === 0) return undefined;
    if (isLogAppendTime) builder.finish(compression, lastOffset, maxTimestampMs);
    else builder.finish(compression, lastOffset);
    return builder.copy();
  },
};

const plainMessage: UnpackedMessage & RecordParts = {
  ...emptyPublication({ name: "" }),
  format: recordFormatId,
  durable: true,
};

const propertyFields = {
  "message-id": "id",
  "correlation-id": "correlationId",
  "content-type": "contentType",
  "content-encoding": "contentEncoding",
  "reply-to": "replyTo",
  "app-id": "appId",
  type: "type",
} as const;

function headersIn(buffer: Buffer, headStart: number, headEnd: number): RecordHeaders {
  head.set(buffer, headStart, headEnd);
  return new RecordHeaders(buffer, head.headersStart, head.headersEnd);
}

export const recordFormat: MessageFormat = {
  id: recordFormatId,
  name: "kafka-record",

  headers(buffer, headStart, headEnd) {
    const headers: Headers = {};
    for (const { name, value } of headersIn(buffer, headStart, headEnd).headers) {
      // defineProperty, for a header may be called __proto__. Of those with one name the first counts.
      if (!Object.hasOwn(headers, name)) Object.defineProperty(headers, name, { value, enumerable: true });
    }
    return headers;
  },

  property(name, buffer, headStart, headEnd) {
    if (name === "timestamp") {
      const { isTimed, timestampMs } = head.set(buffer, headStart, headEnd);
      return isTimed ? String(Math.floor(timestampMs / 1000)) : undefined;
    }
    const field = (propertyFields as Readonly<Record<string, (typeof propertyFields)[keyof typeof propertyFields]>>)[
      name
    ];
    return field === undefined ? undefined : headersIn(buffer, headStart, headEnd).fields[field];
  },

  extraKeys: () => [],

  deaths(buffer, headStart, headEnd) {
    head.set(buffer, headStart, headEnd);
    return deathsIn(buffer, head.headersStart, head.headersEnd);
  },

  firstDeathQueue(buffer, headStart, headEnd) {
    head.set(buffer, headStart, headEnd);
    return firstDeathQueueIn(buffer, head.headersStart, head.headersEnd);
  },

  withDeath(buffer, headStart, headEnd, death) {
    head.set(buffer, headStart, headEnd);
    return withHeaders(buffer, headStart, head, withDeathIn(buffer, head.headersStart, head.headersEnd, death));
  },

  dedupId(buffer, headStart, headEnd) {
    const { headers } = headersIn(buffer, headStart, headEnd);
    const id = headers.find(({ name }) => name === "x-deduplication-header")?.value;
    return typeof id === "string" || typeof id === "number" ? String(id) : undefined;
  },

  canonical: canonicalOfRecord,

  partitionKey({ head: buffer, headStart, headEnd }: Publication) {
    const { keyStart, keyEnd } = head.set(buffer, headStart, headEnd);
    return keyStart < 0 ? undefined : buffer.subarray(keyStart, keyEnd);
  },

  keys({ offset, buffer, headStart, headEnd }, visit) {
    const { keyStart, keyEnd, hasValue } = head.set(buffer, headStart, headEnd);
    visit(offset, buffer, keyStart, keyEnd, !hasValue);
    return true;
  },
};
