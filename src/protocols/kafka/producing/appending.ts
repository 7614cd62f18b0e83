/**
 * The way of one record batch into one partition: it is judged in place, in the request, and appended in one piece. Whoever
 * numbers batches is answered as Kafka does it: what was appended before is not appended again, and its offset is told.
 */

import { batchEndMax, producerVerdict, type Batch, type Queue } from "../../../broker/api.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { batchAt, findProducedBatch } from "../codec/record-batch.ts";
import type { Call } from "../command.ts";
import { batchFormatId } from "../mapping/format.ts";
import { QueuedRecords } from "../mapping/queued-records.ts";
import type { Topic } from "../topics/topics.ts";
import { codeOfWrite } from "../transactions/codes.ts";
import { BatchCheck, isWalkable, recordBytesMin, type RecordError } from "./batch-check.ts";
import { recompress } from "./recompression.ts";
import { RefusedBatches } from "./refused-batches.ts";

const nothing = Buffer.alloc(0);
/** What is opened may become so many times what the topic takes in one batch. */
const expansionMax = 64;

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

  /** Answers an error's code; NONE: it is appended, or was before. */
  append(call: Call, topic: Topic, queue: Queue, records: Buffer | null, transactionalId: string | null): number {
    const code = this.#judgeAndAppend(call, topic, queue, records, transactionalId);
    this.#queued.close();
    return code;
  }

  #judgeAndAppend(
    call: Call,
    topic: Topic,
    queue: Queue,
    records: Buffer | null,
    transactionalId: string | null,
  ): number {
    const check = this.#check;
    const nowMs = call.server.broker.clock.now();
    const code = check.judge(records ?? nothing, call.version, topic.limits, nowMs);
    if (code !== errorCode.NONE) return code;
    const isQueue = queue.settings.mode !== "offset";
    const fault = isQueue ? this.#openForQueue(topic, queue) : this.#prepareForLog(topic, queue);
    if (fault !== errorCode.NONE) return fault;
    const refusal = check.batch.isTransactional ? this.#enterTransaction(call, topic, queue, transactionalId) : 0;
    if (refusal !== errorCode.NONE) return refusal;
    const batch = this.#fill(call.version);
    const verdict = batch.producerId < 0 ? producerVerdict.next : queue.checkProducer(batch);
    this.logAppendTimeMs = -1;
    this.baseOffset = verdict;
    if (verdict < 0 && verdict !== producerVerdict.next) return codeOf(verdict);
    if (verdict === producerVerdict.next) {
      if (this.#refused.hasEarlier(queue, check.batch, call.server.clock))
        return errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
      const fate = isQueue ? this.#appendToQueue(call, topic, queue, batch) : this.#append(topic, queue, nowMs);
      if (fate !== errorCode.NONE) return fate;
    }
    this.#refused.forget(queue, batch.producerId);
    return errorCode.NONE;
  }

  /** From Produce v12 on the partition becomes a part of the transaction by what is produced. */
  #enterTransaction({ server, version }: Call, topic: Topic, queue: Queue, transactionalId: string | null): number {
    if (transactionalId === null) return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
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
    const fault = queued.open(check.batch, limits.messageBytesMax * expansionMax);
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
  #prepareForLog({ limits }: Topic, queue: Queue): number {
    const { compression, messageBytesMax } = limits;
    const check = this.#check;
    // Nobody has counted what is compressed: it takes as many offsets as it says.
    if (queue.nextOffset + check.batch.count > batchEndMax) {
      check.reason = "The partition has no offsets left for so many records.";
      return errorCode.INVALID_RECORD;
    }
    if (compression === undefined) return errorCode.NONE;
    const isOpened = check.batch.compression !== compressions.none && compression.kind === compressions.none;
    const fault = recompress(check.batch, compression, messageBytesMax * expansionMax);
    if (fault !== undefined) {
      check.reason = fault.reason;
      return errorCode.CORRUPT_MESSAGE;
    }
    if (isOpened && !isWalkable(check.batch)) {
      check.reason = "the records do not fill their batch";
      return errorCode.INVALID_RECORD;
    }
    return check.batch.bytes > messageBytesMax ? errorCode.MESSAGE_TOO_LARGE : errorCode.NONE;
  }

  #append(topic: Topic, queue: Queue, nowMs: number): number {
    const batch = this.#batch;
    const view = this.#check.batch;
    const { maxTimestampMs } = view;
    batch.timestampMs = maxTimestampMs < 0 ? nowMs : maxTimestampMs;
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
