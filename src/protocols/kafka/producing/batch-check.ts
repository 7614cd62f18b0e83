/**
 * Whether a record batch may go into a topic, in Kafka's order of questions and with its errors.
 *
 * Records that are not compressed are walked over, so that nobody stores what a consumer falls over. They are read one by one
 * only where something is asked of each: keys, of a compacted topic, and times, where the batch's own say that one is out of
 * range. Compressed ones are opened for keys alone; for their times the batch's are believed, as its readers do.
 */

import { getU16 } from "../../../base/bytes.ts";
import { decompress } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import {
  attributeBits,
  batchAt,
  BatchView,
  checkProducedBatch,
  findProducedBatch,
  type BatchFault,
} from "../codec/record-batch.ts";
import { checkRecords, RecordReader, type RecordFault } from "../codec/records.ts";
import type { TopicLimits } from "../topics/topics.ts";

export interface RecordError {
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string;
}

const noErrors: readonly RecordError[] = [];
const nothing = Buffer.alloc(0);

/** One at a time: what judge() found is in its fields until the next. */
export class BatchCheck {
  readonly batch = new BatchView();
  /** What was wrong, where the code does not say it all. */
  reason: string | undefined;
  recordErrors: readonly RecordError[] = noErrors;
  readonly #reader = new RecordReader();

  /** Of what stands for one partition in a request of this version. Answers an error's code, or NONE. */
  judge(records: Buffer, version: number, limits: TopicLimits, nowMs: number): number {
    this.reason = undefined;
    this.recordErrors = noErrors;
    const { batch } = this;
    const fault =
      findProducedBatch(batch, records, 0, records.length, version) ??
      checkProducedBatch(batch, limits.messageBytesMax);
    return fault === null ? this.#judgeRecords(limits, nowMs) : this.#refuse(fault);
  }

  #judgeRecords(limits: TopicLimits, nowMs: number): number {
    const { batch } = this;
    const attributes = getU16(batch.buffer, batchAt.attributes);
    if ((attributes & attributeBits.logAppendTime) !== 0) {
      if (limits.usesAppendTime || batch.maxTimestampMs < 0)
        return this.#lateAs("Producer should not set timestamp type to LogAppendTime.");
      // As Kafka: the topic says which times there are, whatever the batch says.
      batch.setMaxTimestamp(false, batch.maxTimestampMs);
    }
    if ((attributes & attributeBits.transactional) !== 0 && batch.producerId < 0)
      return this.#invalid("a transactional batch without a producer id");
    const { usesAppendTime, beforeMsMax, afterMsMax, isCompacted } = limits;
    const timestampMinMs = usesAppendTime ? -Infinity : nowMs - beforeMsMax;
    const timestampMaxMs = usesAppendTime ? Infinity : nowMs + afterMsMax;
    const isLate = batch.maxTimestampMs > timestampMaxMs || batch.baseTimestampMs < timestampMinMs;
    const isCompressed = (attributes & attributeBits.compression) !== 0;
    // Unopened, it takes as many offsets as it says.
    if (isCompressed && batch.count * recordBytesMin > limits.messageBytesMax * expansionMax)
      return this.#invalid(`${batch.count} records are more than a batch can hold`);
    // Looking at each takes its time: no more of them than an uncompressed batch could hold. Producers cut in two what is too large.
    if (isCompressed && isCompacted && batch.count * recordBytesMin > limits.messageBytesMax) {
      this.reason = `${batch.count} records are more than a compacted topic takes at once`;
      return errorCode.MESSAGE_TOO_LARGE;
    }
    if (isCompacted || (isLate && !isCompressed))
      return this.#judgeEach({ needsKey: isCompacted, timestampMinMs, timestampMaxMs }, limits.messageBytesMax);
    if (isLate) return this.#lateAs(`Timestamps up to ${batch.maxTimestampMs} are out of range.`);
    return isCompressed || isWalkable(batch) ? errorCode.NONE : this.#invalid("the records do not fill their batch");
  }

  #judgeEach(rules: Parameters<typeof checkRecords>[1], bytesMax: number): number {
    const { batch } = this;
    const reader = this.#reader;
    const start = batchAt.records;
    if (batch.compression === 0) {
      reader.open(batch, batch.buffer, start, batch.end);
    } else {
      const plain = decompress(batch.compression, batch.buffer, start, batch.end, bytesMax * expansionMax);
      if (!(plain instanceof Buffer)) return this.#invalid("the records cannot be decompressed");
      reader.open(batch, plain, 0, plain.length);
    }
    const faults: RecordFault[] = [];
    checkRecords(reader, rules, faults);
    // Opened, they may be much larger than the request that they came in.
    reader.buffer = nothing;
    if (reader.fault !== null) return this.#invalid(reader.fault);
    return faults.length === 0 ? errorCode.NONE : this.#refuseRecords(faults);
  }

  #refuseRecords(faults: readonly RecordFault[]): number {
    // Each of them: a client takes from it which of its records were wrong, and which may be sent again.
    this.recordErrors = faults.map(({ index, kind, timestampMs }) => ({
      batchIndex: index,
      batchIndexErrorMessage:
        kind === "no-key"
          ? "Compacted topic cannot accept message without key."
          : `Timestamp ${timestampMs} of message with offset ${index} is out of range.`,
    }));
    const isOfTime = faults.some(({ kind }) => kind === "timestamp");
    const why = isOfTime ? "invalid timestamp" : `${faults.length} record errors in total`;
    this.reason = `One or more records have been rejected due to ${why}`;
    return isOfTime ? errorCode.INVALID_TIMESTAMP : errorCode.INVALID_RECORD;
  }

  #refuse({ code, reason }: BatchFault): number {
    this.reason = reason;
    return code;
  }

  #lateAs(reason: string): number {
    this.reason = `Invalid timestamp in message. ${reason}`;
    return errorCode.INVALID_TIMESTAMP;
  }

  #invalid(reason: string): number {
    this.reason = reason;
    return errorCode.INVALID_RECORD;
  }
}

/** Compressed records of a compacted topic are no larger than so many times what the topic takes in one batch. */
const expansionMax = 64;
/** Its length, attributes, time, offset, key, value and headers take an octet each. */
export const recordBytesMin = 7;

/** Of one that is not compressed: they are as many, and as long, as the batch says. */
export function isWalkable(batch: BatchView): boolean {
  const { buffer, end, start } = batch;
  let at = start + batchAt.records;
  for (let left = batch.count; left > 0; left--) {
    let octet = buffer[at++]!;
    let bytes = octet & 0x7f;
    for (let shift = 7; octet >= 0x80 && shift < 35; shift += 7) {
      octet = buffer[at++]!;
      bytes |= (octet & 0x7f) << shift;
    }
    // The lowest bit is the sign.
    at += bytes >>> 1;
    if ((bytes & 1) !== 0 || at > end) return false;
  }
  return at === end;
}
