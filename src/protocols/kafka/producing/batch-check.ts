/**
 * Whether a record batch may go into a topic, in Kafka's order of questions and with its errors.
 *
 * Records that are not compressed are walked over, so that nobody stores what a consumer falls over, and the batch gets the
 * greatest of their times. They are read one by one only where something is asked of each: keys, of a compacted topic, and
 * times, where one is out of range. Compressed ones are opened for keys alone; for their times the batch's are believed, or, if it
 * says no greatest one, nothing is: whoever looks for a time opens it then (`knowsGreatestTime`).
 */

import { getU16 } from "../../../base/bytes.ts";
import { decompress, openedBytesMax } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import {
  attributeBits,
  batchAt,
  BatchView,
  checkProducedBatch,
  findProducedBatch,
  type BatchFault,
} from "../codec/record-batch.ts";
import { RecordWalk } from "../codec/record-walk.ts";
import { checkRecords, RecordReader, type RecordFault } from "../codec/records.ts";
import type { Topic } from "../topics/topics.ts";

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
  readonly #walk = new RecordWalk();
  /** What the topic asks of each of the records. */
  readonly #rules = { needsKey: false, timestampMinMs: -Infinity, timestampMaxMs: Infinity };

  /** Of what stands for one of the topic's partitions in a request of this version. Answers an error's code, or NONE. */
  judge(records: Buffer, version: number, topic: Topic, partition: number, nowMs: number): number {
    this.reason = undefined;
    this.recordErrors = noErrors;
    const { batch } = this;
    const fault =
      findProducedBatch(batch, records, 0, records.length, version) ??
      checkProducedBatch(batch, topic.limits.messageBytesMax);
    return fault === null ? this.#judgeRecords(topic, partition, nowMs) : this.refuse(fault);
  }

  /** Looks at one that was judged, and is as the broker has made it. Answers NONE. */
  adopt(records: Buffer): number {
    this.reason = undefined;
    this.recordErrors = noErrors;
    this.batch.set(records, 0);
    return errorCode.NONE;
  }

  #judgeRecords(topic: Topic, partition: number, nowMs: number): number {
    const { batch } = this;
    const { usesAppendTime, beforeMsMax, afterMsMax, isCompacted, messageBytesMax } = topic.limits;
    const attributes = getU16(batch.buffer, batchAt.attributes);
    if ((attributes & attributeBits.logAppendTime) !== 0) {
      if (usesAppendTime || batch.maxTimestampMs < 0) {
        this.reason = "Invalid timestamp in message. Producer should not set timestamp type to LogAppendTime.";
        return errorCode.INVALID_TIMESTAMP;
      }
      // As Kafka: the topic says which times there are, whatever the batch says.
      batch.setMaxTimestamp(false, batch.maxTimestampMs);
    }
    if ((attributes & attributeBits.transactional) !== 0 && batch.producerId < 0)
      return this.#invalid("a transactional batch without a producer id");
    const isCompressed = (attributes & attributeBits.compression) !== 0;
    // Unopened, it takes as many offsets as it says.
    if (isCompressed && batch.count * recordBytesMin > openedBytesMax(messageBytesMax))
      return this.#invalid(`${batch.count} records are more than a batch can hold`);
    // Looking at each takes its time: no more of them than an uncompressed batch could hold. Producers cut in two what is too large.
    if (isCompressed && isCompacted && batch.count * recordBytesMin > messageBytesMax) {
      this.reason = `${batch.count} records are more than a compacted topic takes at once`;
      return errorCode.MESSAGE_TOO_LARGE;
    }
    const rules = this.#rules;
    rules.needsKey = isCompacted;
    rules.timestampMinMs = usesAppendTime ? -Infinity : nowMs - beforeMsMax;
    rules.timestampMaxMs = usesAppendTime ? Infinity : nowMs + afterMsMax;
    if (isCompacted) return this.#judgeEach(topic, partition, nowMs);
    if (!isCompressed) return this.#judgeWalking(topic, partition, nowMs);
    const { baseTimestampMs } = batch;
    const isEarly = baseTimestampMs !== -1 && baseTimestampMs < rules.timestampMinMs;
    if (!isEarly && Math.max(batch.maxTimestampMs, baseTimestampMs) <= rules.timestampMaxMs) return errorCode.NONE;
    this.reason = lateReason;
    return errorCode.INVALID_TIMESTAMP;
  }

  #judgeWalking(topic: Topic, partition: number, nowMs: number): number {
    const { batch } = this;
    const rules = this.#rules;
    const walk = this.#walk;
    if (!walk.walk(batch)) return this.#invalid("the records do not fill their batch");
    const { greatestMs, leastMs } = walk;
    if (greatestMs > rules.timestampMaxMs || leastMs < rules.timestampMinMs)
      return this.#judgeEach(topic, partition, nowMs);
    if (!topic.limits.usesAppendTime) batch.setMaxTimestamp(false, greatestMs);
    return errorCode.NONE;
  }

  #judgeEach(topic: Topic, partition: number, nowMs: number): number {
    const { batch } = this;
    const { messageBytesMax, usesAppendTime } = topic.limits;
    const reader = this.#reader;
    const start = batchAt.records;
    if (batch.compression === 0) {
      reader.open(batch, batch.buffer, start, batch.end);
    } else {
      const bytesMax = openedBytesMax(messageBytesMax);
      const plain = decompress(batch.compression, batch.buffer, start, batch.end, bytesMax);
      if (!(plain instanceof Buffer)) return this.#invalid("the records cannot be decompressed");
      reader.open(batch, plain, 0, plain.length);
    }
    const faults: RecordFault[] = [];
    const greatestMs = checkRecords(reader, this.#rules, faults);
    // Opened, they may be much larger than the request that they came in.
    reader.buffer = nothing;
    if (reader.fault !== null) return this.#invalid(reader.fault);
    if (faults.length > 0) return this.#refuseRecords(faults, topic, partition, nowMs);
    if (!usesAppendTime) batch.setMaxTimestamp(false, greatestMs);
    return errorCode.NONE;
  }

  /** In Kafka's words: some clients look into them. */
  #refuseRecords(faults: readonly RecordFault[], { limits, name }: Topic, partition: number, nowMs: number): number {
    const range = `[${sumText(nowMs, -limits.beforeMsMax)}, ${sumText(nowMs, limits.afterMsMax)}]`;
    // Each of them: a client takes from it which of its records were wrong, and which may be sent again.
    this.recordErrors = faults.map(({ index, kind, timestampMs }) => ({
      batchIndex: index,
      batchIndexErrorMessage:
        kind === "no-key"
          ? `Compacted topic cannot accept message without key in topic partition ${name}-${partition}`
          : `Timestamp ${timestampMs} of message with offset ${index} is out of range. The timestamp should be within ${range}`,
    }));
    if (faults.some(({ kind }) => kind === "timestamp")) {
      this.reason = lateReason;
      return errorCode.INVALID_TIMESTAMP;
    }
    const shown = this.recordErrors
      .slice(0, 3)
      .map((error) => `RecordError(batchIndex=${error.batchIndex}, message='${error.batchIndexErrorMessage}')`);
    this.reason =
      `One or more records have been rejected due to ${faults.length} record errors in total, ` +
      `and only showing the first three errors at most: [${shown.join(", ")}]`;
    return errorCode.INVALID_RECORD;
  }

  /** Answers the fault's code. */
  refuse({ code, reason }: BatchFault): number {
    this.reason = reason;
    // Those of the batch before, of whoever it was.
    this.recordErrors = noErrors;
    return code;
  }

  #invalid(reason: string): number {
    this.reason = reason;
    return errorCode.INVALID_RECORD;
  }
}

/** Its length, attributes, time, offset, key, value and headers take an octet each. */
export const recordBytesMin = 7;
const lateReason = "One or more records have been rejected due to invalid timestamp";

/** As Kafka says it. The largest limit that we know stands for Kafka's, which is the default: an int64 may wrap round. */
function sumText(nowMs: number, limitMs: number): string {
  const isMost = Math.abs(limitMs) >= Number.MAX_SAFE_INTEGER;
  const limit = isMost ? BigInt(Math.sign(limitMs)) * (2n ** 63n - 1n) : BigInt(limitMs);
  return String(BigInt.asIntN(64, BigInt(nowMs) + limit));
}
