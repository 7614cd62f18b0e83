/**
 * One Produce request: its partitions one after the other, over as many turns as that takes.
 *
 * To copy a batch takes next to no time. To open it may take much: for the keys of a compacted topic, for a queue, which stores
 * records one by one, for another compression. Such work is done in the share of a turn that opening has, and what is compressed
 * again and is not small, apart (recompression.ts). When the share is used up, or the request has had its part of the turn,
 * the rest waits for a later one, and with it all that the connection sends behind it, so that batches get in in their order.
 * Its bytes are copied then, and the room that they came by stays taken until it is done: so that it has an end, what is left of
 * it after ten seconds is refused, and sent again; what waits to be compressed for so long is not begun any more.
 */

import type { Queue } from "../../../broker/api.ts";
import { errorCode, errorText } from "../codec/errors.ts";
import type { ProduceRequest, ProduceResponse } from "../codec/messages/produce.ts";
import { isOfTransaction, type BatchFault } from "../codec/record-batch.ts";
import type { Call } from "../command.ts";
import { mayWrite } from "../security/access.ts";
import type { Topic, TopicLimits } from "../topics/topics.ts";
import { Appending, compressedApart, isWork } from "./appending.ts";
import type { Recompression } from "./recompression.ts";

/** How long a client is asked to wait while there is no room. */
const noRoomThrottleMs = 1000;
/** So long a request is worked at in one turn, and until the partition ends at which it is then. */
const turnMsMax = 20;
/** And so long in all: what is left then is to be tried again. Clients wait for half a minute as a rule. */
const wholeMsMax = 10_000;

const appending = new Appending();

type TopicData = ProduceRequest["topicData"][number];
type PartitionData = TopicData["partitionData"][number];
type TopicResponse = NonNullable<ProduceResponse["responses"]>[number];
type PartitionResponse = NonNullable<TopicResponse["partitionResponses"]>[number];

/** What has become of the batch at which the request waits, and the limits by which it was judged before. */
interface Recompressed {
  readonly limits: TopicLimits;
  readonly found: Buffer | BatchFault;
}

/** Told in one answer; of batches behind them it is said that some of their records are wrong. */
const recordErrorsMax = 10_000;

export class Producing {
  readonly #call: Call<ProduceResponse>;
  #request: ProduceRequest;
  readonly #responses: { name: string; topicId: string; partitionResponses: PartitionResponse[] }[] = [];
  /** Where it stands. */
  #topicAt = 0;
  #partitionAt = 0;
  #isHeld = false;
  #isShort = false;
  #hasFailed = false;
  /** Single records that were found to be wrong. */
  #recordErrors = 0;
  #recompressed: Recompressed | undefined;
  readonly #startedMs: number;
  /** Some of its batches are of a transaction. */
  readonly #isTransactional: boolean;

  constructor(request: ProduceRequest, call: Call<ProduceResponse>) {
    this.#startedMs = call.server.clock.elapsedMs();
    this.#request = request;
    this.#call = call;
    this.#isTransactional = request.topicData.some(({ partitionData }) =>
      partitionData.some(({ records }) => records !== null && isOfTransaction(records)),
    );
  }

  readonly run = (): void => {
    const call = this.#call;
    if (call.connection.isClosed) return;
    const { topicData } = this.#request;
    const untilMs = call.server.clock.elapsedMs() + turnMsMax;
    const blanket = this.#blanket();
    for (; this.#topicAt < topicData.length; this.#topicAt++) {
      if (!this.#goThrough(topicData[this.#topicAt]!, blanket, untilMs)) return;
      this.#partitionAt = 0;
    }
    this.#answer();
  };

  /** What holds for all of it just now. */
  #blanket(): number {
    const { transactionalId } = this.#request;
    // As in Kafka: who says whose transaction it is and is not let has nothing of the request appended, of a transaction or not.
    if (this.#isTransactional && (transactionalId === null || !mayWrite(this.#call, transactionalId)))
      return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const { memory, disk } = this.#call.server.broker.pressure;
    if (!memory && !disk) return errorCode.NONE;
    this.#isShort = true;
    return errorCode.KAFKA_STORAGE_ERROR;
  }

  /** False: the rest is to be done later. */
  #goThrough(data: TopicData, blanket: number, untilMs: number): boolean {
    const { server, version } = this.#call;
    const topic = version >= 13 ? server.topics.findById(data.topicId) : server.topics.find(data.name);
    const name = topic?.name ?? data.name;
    const isAllowed = (version >= 13 && topic === undefined) || mayWrite(this.#call, name);
    const unknown = version >= 13 ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const refusal =
      blanket !== 0 ? blanket : !isAllowed ? errorCode.TOPIC_AUTHORIZATION_FAILED : topic === undefined ? unknown : 0;
    const { partitionData } = data;
    const { acks } = this.#request;
    if (this.#responses.length === this.#topicAt)
      this.#responses.push({ name: data.name, topicId: data.topicId, partitionResponses: [] });
    for (; this.#partitionAt < partitionData.length; this.#partitionAt++) {
      const one = partitionData[this.#partitionAt]!;
      const queue = topic?.partitions[one.index];
      if (refusal !== 0) {
        if (refusal === errorCode.KAFKA_STORAGE_ERROR && isAllowed && queue !== undefined)
          appending.putOff(this.#call, queue, one.records);
        this.#note(refused(one.index, refusal));
      } else if (queue === undefined) {
        this.#note(refused(one.index, errorCode.UNKNOWN_TOPIC_OR_PARTITION));
      } else if (acks < -1 || acks > 1) {
        this.#note(refused(one.index, errorCode.INVALID_REQUIRED_ACKS));
      } else if (!this.#produce(topic!, queue, one, untilMs)) {
        return false;
      }
      this.#recompressed = undefined;
    }
    return true;
  }

  /** False: not yet. */
  #produce(topic: Topic, queue: Queue, { index, records }: PartitionData, untilMs: number): boolean {
    const call = this.#call;
    const { clock, opening } = call.server;
    const mustWork = isWork(topic, queue);
    const fromMs = clock.elapsedMs();
    if (fromMs - this.#startedMs > wholeMsMax && this.#recompressed === undefined) {
      appending.putOff(call, queue, records);
      this.#note(refused(index, errorCode.REQUEST_TIMED_OUT));
      return true;
    }
    if (fromMs > untilMs || (mustWork && opening.isUsedUp)) {
      this.#hold();
      opening.wait(this.run);
      return false;
    }
    const code = this.#append(topic, queue, records);
    if (mustWork || this.#isHeld) opening.spent(clock.elapsedMs() - fromMs);
    if (code === compressedApart) {
      const { limits } = topic;
      this.#recompress(
        limits,
        appending.recompression(topic, () => !call.connection.isClosed && !this.#isOverdue()),
      );
      return false;
    }
    this.#note(answerOf(queue, index, code));
    return true;
  }

  #append(topic: Topic, queue: Queue, records: Buffer | null): number {
    const { transactionalId } = this.#request;
    const done = this.#recompressed;
    // By other limits it would have to be judged anew.
    if (done === undefined || done.limits !== topic.limits)
      return appending.append(this.#call, topic, queue, records, transactionalId, false);
    const { found } = done;
    if ("code" in found) return appending.refuse(found);
    return appending.append(this.#call, topic, queue, found, transactionalId, true);
  }

  #recompress(limits: TopicLimits, job: Recompression): void {
    this.#hold();
    void this.#call.server.recompressions.run(job).then((found) => {
      if (found !== undefined) this.#recompressed = { limits, found };
      this.run();
    });
  }

  #isOverdue(): boolean {
    return this.#call.server.clock.elapsedMs() - this.#startedMs > wholeMsMax;
  }

  /** Nothing of the connection is handled before this is done. */
  #hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#call.connection.hold();
    // The bytes of a request are its own while it is handled, and no longer.
    const topicData = this.#request.topicData.slice();
    for (let at = this.#topicAt; at < topicData.length; at++) topicData[at] = kept(topicData[at]!);
    this.#request = { ...this.#request, topicData };
  }

  #note(answer: PartitionResponse): void {
    this.#recordErrors += answer.recordErrors?.length ?? 0;
    // A batch of a hundred bytes may have a thousand wrong records, and a request some ten thousand of such batches.
    const isTold = this.#recordErrors <= recordErrorsMax;
    this.#responses[this.#topicAt]!.partitionResponses.push(isTold ? answer : { ...answer, recordErrors: [] });
    if (answer.errorCode !== errorCode.NONE) this.#hasFailed = true;
  }

  #answer(): void {
    const call = this.#call;
    const responses: TopicResponse[] = this.#responses;
    if (this.#request.acks === 0) {
      call.respondNothing();
      if (this.#hasFailed) call.connection.end("what was produced with acks=0 was refused");
    } else {
      call.respondWhenDurable(this.#isShort ? { responses, throttleTimeMs: noRoomThrottleMs } : { responses });
    }
    if (this.#isHeld) call.connection.release();
  }
}

function kept(data: TopicData): TopicData {
  const partitionData = data.partitionData.map((one) =>
    one.records === null ? one : { ...one, records: Buffer.from(one.records) },
  );
  return { ...data, partitionData };
}

function answerOf(queue: Queue, index: number, code: number): PartitionResponse {
  if (code !== errorCode.NONE) {
    const { reason, recordErrors } = appending;
    return { ...refused(index, code), errorMessage: reason ?? errorText(code), recordErrors };
  }
  return {
    index,
    errorCode: errorCode.NONE,
    baseOffset: appending.baseOffset,
    logAppendTimeMs: appending.logAppendTimeMs,
    logStartOffset: queue.earliestOffset,
  };
}

function refused(index: number, code: number): PartitionResponse {
  return {
    index,
    errorCode: code,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    errorMessage: errorText(code),
  };
}
