/**
 * The way of one record batch into one partition: it is judged in place, in the request, and appended in one piece. Whoever
 * numbers batches is answered as Kafka does it: what was appended before is not appended again, and its offset is told.
 */

import { assert } from "../../../base/assert.ts";
import { batchEndMax, producerVerdict, type Batch, type Queue } from "../../../broker/api.ts";
import { compressions, openedBytesMax } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { batchAt, BatchView, findProducedBatch, type BatchFault } from "../codec/record-batch.ts";
import type { Call } from "../command.ts";
import { batchFormatId } from "../mapping/format.ts";
import { QueuedRecords } from "../mapping/queued-records.ts";
import type { Topic } from "../topics/topics.ts";
import { codeOfWrite } from "../transactions/codes.ts";
import { BatchCheck, recordBytesMin, type RecordError } from "./batch-check.ts";
import { recompress, reopenedBytesMax, smallBytesMax, type Recompression } from "./recompression.ts";
import { RefusedBatches } from "./refused-batches.ts";

const nothing = Buffer.alloc(0);
const stored = new BatchView();

/** What append() answers of a batch that has to be compressed again apart: recompression() says how. No error has it. */
export const compressedApart = -2;

/** Whether more is done with what comes than to copy it: that takes its time. */
export function isWork({ limits }: Topic, { settings }: Queue): boolean {
  return limits.isCompacted || limits.compression !== undefined || settings.mode !== "offset";
}

/** One at a time: what append() found is in its fields until the next. */
export class Appending {
  baseOffset = -1;
  logAppendTimeMs = -1;
  readonly #check = new BatchCheck();
  readonly #queued = new QueuedRecords();
  readonly #refused = new RefusedBatches();
  readonly #batch: Batch = {
    producerId: -1,
    producerEpoch: -1,
    sequence: -1,
    count: 0,
    isTransactional: false,
    beginsAtZero: false,
    format: batchFormatId,
    timestampMs: 0,
    body: nothing,
    bodyStart: 0,
    bodyEnd: 0,
  };

  /** What there is to say of a refusal beyond its code's own text. */
  get reason(): string | undefined {
    return this.#check.reason;
  }

  get recordErrors(): readonly RecordError[] {
    return this.#check.recordErrors;
  }

  /** It is refused for now without having been looked at. What is no batch, or no whole one, is not remembered. */
  putOff({ server, version }: Call, queue: Queue, records: Buffer | null): void {
    if (records === null) return;
    const { batch } = this.#check;
    const fault = findProducedBatch(batch, records, 0, records.length, version);
    if (fault === null && batch.bytes >= batchAt.records) this.#refused.add(queue, batch, server.clock.elapsedMs());
  }

  /**
   * Answers an error's code; NONE: it is appended, or was before.
   * @param isJudged it came before, and is now as the topic wants it.
   */
  append(
    call: Call,
    topic: Topic,
    queue: Queue,
    records: Buffer | null,
    transactionalId: string | null,
    isJudged: boolean,
  ): number {
    const check = this.#check;
    const nowMs = call.server.broker.clock.now();
    const bytes = records ?? nothing;
    const code = isJudged ? check.adopt(bytes) : check.judge(bytes, call.version, topic, queue.index, nowMs);
    if (code !== errorCode.NONE) return code;
    const fate = this.#append(call, topic, queue, transactionalId, nowMs, isJudged);
    this.#queued.close();
    return fate;
  }

  /** Of the batch of which append() said that it is to be compressed apart. */
  recompression({ limits }: Topic, isWanted: () => boolean): Recompression {
    const { batch } = this.#check;
    const bytesMax = reopenedBytesMax(batch.bytes, limits.messageBytesMax);
    const copy = Buffer.from(batch.buffer.subarray(batch.start, batch.end));
    return { batch: copy, wanted: limits.compression!, bytesMax, isWanted };
  }

  /** Of what was found when it was compressed apart. Answers its code. */
  refuse(fault: BatchFault): number {
    return this.#check.refuse(fault);
  }

  #append(
    call: Call,
    topic: Topic,
    queue: Queue,
    transactionalId: string | null,
    nowMs: number,
    isRecompressed: boolean,
  ): number {
    const check = this.#check;
    const isQueue = queue.settings.mode !== "offset";
    const fault = isQueue ? this.#openForQueue(topic, queue) : this.#prepareForLog(topic, queue, isRecompressed);
    if (fault !== errorCode.NONE) return fault;
    const refusal = check.batch.isTransactional ? this.#enterTransaction(call, topic, queue, transactionalId) : 0;
    if (refusal !== errorCode.NONE) return refusal;
    const batch = this.#fill(call.version);
    const verdict = batch.producerId < 0 ? producerVerdict.next : queue.checkProducer(batch);
    this.logAppendTimeMs = -1;
    this.baseOffset = verdict;
    if (verdict < 0 && verdict !== producerVerdict.next) return codeOf(verdict);
    if (verdict >= 0 && topic.limits.usesAppendTime) this.logAppendTimeMs = this.#appendTimeOf(queue, verdict);
    if (verdict === producerVerdict.next) {
      if (this.#refused.hasEarlier(queue, check.batch, call.server.clock))
        return errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
      const fate = isQueue ? this.#appendToQueue(call, topic, queue, batch) : this.#appendToLog(topic, queue, nowMs);
      if (fate !== errorCode.NONE) return fate;
    }
    this.#refused.forget(queue, batch.producerId);
    return errorCode.NONE;
  }

  /** From Produce v12 on the partition becomes a part of the transaction by what is produced. */
  #enterTransaction(call: Call, topic: Topic, queue: Queue, transactionalId: string | null): number {
    const { server, version } = call;
    assert(transactionalId !== null, "a request with a batch of a transaction names its id");
    const code = server.transactions.mayProduce(transactionalId, this.#check.batch, topic, queue, version >= 12);
    return codeOfWrite(11, version, code);
  }

  /** A queue takes records one by one: they have to be read before anything is promised. */
  #openForQueue({ limits }: Topic, { settings }: Queue): number {
    const check = this.#check;
    const queued = this.#queued;
    // A few bytes may say that they are millions of records. Producers cut in two what is too large.
    if (check.batch.count * recordBytesMin > limits.messageBytesMax) {
      check.reason = `${check.batch.count} records are more than a queue takes at once`;
      return errorCode.MESSAGE_TOO_LARGE;
    }
    const fault = queued.open(check.batch, openedBytesMax(limits.messageBytesMax));
    if (fault !== undefined) {
      check.reason = fault;
      return errorCode.INVALID_RECORD;
    }
    const { overflow, maxLength, maxLengthBytes } = settings;
    const neverFits =
      overflow !== "drop-head" &&
      ((maxLength >= 0 && queued.count > maxLength) || (maxLengthBytes >= 0 && queued.bodyBytes > maxLengthBytes));
    if (!neverFits) return errorCode.NONE;
    check.reason = "The queue refuses what is over its length limit, and these are more records than it may ever hold.";
    return errorCode.RECORD_LIST_TOO_LARGE;
  }

  #appendToQueue({ server }: Call, topic: Topic, queue: Queue, batch: Batch): number {
    const queued = this.#queued;
    if (!queue.hasRoom(queued.count, queued.bodyBytes)) {
      this.#check.reason = `Queue '${topic.name}' is at its length limit.`;
      this.#refused.add(queue, this.#check.batch, server.clock.elapsedMs());
      return errorCode.KAFKA_STORAGE_ERROR;
    }
    const [first] = topic.partitions;
    this.baseOffset = queue.appendProduced(batch, () => queued.publish(server.namespace!, first!, queue.index));
    return errorCode.NONE;
  }

  /** From Produce v12 on each transaction has an epoch of its own. */
  #fill(version: number): Batch {
    const batch = this.#batch;
    const view = this.#check.batch;
    batch.producerId = view.producerId;
    batch.producerEpoch = view.producerEpoch;
    batch.sequence = view.baseSequence;
    batch.count = view.count;
    batch.isTransactional = view.isTransactional;
    batch.beginsAtZero = view.isTransactional && version >= 12;
    return batch;
  }

  /** Compressed as the topic wants it, which may make it too large. */
  #prepareForLog({ limits }: Topic, queue: Queue, isRecompressed: boolean): number {
    const { compression, messageBytesMax } = limits;
    const check = this.#check;
    const { batch } = check;
    // Nobody has counted what is compressed: it takes as many offsets as it says.
    if (queue.nextOffset + batch.count > batchEndMax) {
      check.reason = "The partition has no offsets left for so many records.";
      return errorCode.INVALID_RECORD;
    }
    if (compression === undefined) return errorCode.NONE;
    if (!isRecompressed && batch.compression !== compression.kind) {
      if (batch.compression === compressions.none && batch.bytes > smallBytesMax) return compressedApart;
      // What a compressed batch becomes is seen when it is opened.
      const fault = recompress(batch, compression, smallBytesMax);
      if (fault?.code === errorCode.MESSAGE_TOO_LARGE) return compressedApart;
      if (fault !== undefined) return check.refuse(fault);
    }
    return batch.bytes > messageBytesMax ? errorCode.MESSAGE_TOO_LARGE : errorCode.NONE;
  }

  /** Of what is there already. It has just come, so it is in memory as a rule; -1: it is not, and its producer keeps its own time. */
  #appendTimeOf(queue: Queue, offset: number): number {
    let timeMs = -1;
    queue.read(offset, queue.visibleEnd, (entry) => {
      if (!entry.isBatch) return false;
      stored.set(entry.buffer, entry.bodyStart);
      // Another one, if it has been deleted.
      if (stored.baseOffset === offset && stored.isLogAppendTime) timeMs = stored.maxTimestampMs;
      return false;
    });
    return timeMs;
  }

  #appendToLog(topic: Topic, queue: Queue, nowMs: number): number {
    const batch = this.#batch;
    const view = this.#check.batch;
    const { maxTimestampMs } = view;
    batch.timestampMs = maxTimestampMs < 0 ? nowMs : maxTimestampMs;
    // It is to be found whatever is asked for, up to now.
    if (!view.knowsGreatestTime) batch.timestampMs = Math.max(nowMs, view.baseTimestampMs);
    if (topic.limits.usesAppendTime) {
      view.setMaxTimestamp(true, nowMs);
      batch.timestampMs = nowMs;
      this.logAppendTimeMs = nowMs;
    }
    batch.body = view.buffer;
    batch.bodyStart = view.start;
    batch.bodyEnd = view.end;
    this.baseOffset = queue.appendBatch(batch);
    batch.body = nothing;
    return errorCode.NONE;
  }
}

function codeOf(verdict: number): number {
  switch (verdict) {
    case producerVerdict.fenced:
      return errorCode.INVALID_PRODUCER_EPOCH;
    case producerVerdict.notInTransaction:
      return errorCode.INVALID_TXN_STATE;
    default:
      return errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
  }
}
