/**
 * Produce (0) v3-13: appends a record batch to each of some partitions, and answers when they are durable.
 *
 * acks=1 and acks=all are the same here, durable on disk; with acks=0 nothing is answered, and a refusal ends the
 * connection, so that the client looks anew what is wrong, as Kafka does it.
 *
 * While the broker has no memory or no disk left, a batch is refused with KAFKA_STORAGE_ERROR and a throttle time. Clients
 * try that again, after the pause, until their delivery time-out has passed. Kafka stops altogether when a disk is full.
 * Rejected: to hold the request back (what a client asks on the same connection, a heartbeat, would wait behind it), and to
 * stop reading (the same, and nothing says why).
 */

import { errorCode, errorText } from "../codec/errors.ts";
import {
  produceRequest,
  produceResponse,
  type ProduceRequest,
  type ProduceResponse,
} from "../codec/messages/produce.ts";
import type { Call, Command } from "../command.ts";
import { Appending } from "../producing/appending.ts";
import type { Topic } from "../topics/topics.ts";

/** How long a client is asked to wait while there is no room. */
const noRoomThrottleMs = 1000;

/** What a request has beyond so much work is to be tried again: records that have to be opened may be a lot of it. */
const workMsMax = 1000;

const appending = new Appending();

type TopicData = ProduceRequest["topicData"][number];
type TopicResponse = NonNullable<ProduceResponse["responses"]>[number];
type PartitionResponse = NonNullable<TopicResponse["partitionResponses"]>[number];

export const produce: Command<ProduceRequest, ProduceResponse> = {
  name: "Produce",
  key: 0,
  minVersion: 3,
  maxVersion: 13,
  shownMinVersion: 0,
  request: produceRequest,
  response: produceResponse,
  isProducing: true,
  isPipelined: true,
  handle(request, call) {
    const { acks } = request;
    const { memory, disk } = call.server.broker.pressure;
    const hasRoom = !memory && !disk;
    const blanket =
      acks < -1 || acks > 1 ? errorCode.INVALID_REQUIRED_ACKS : hasRoom ? 0 : errorCode.KAFKA_STORAGE_ERROR;
    const untilMs = call.server.clock.elapsedMs() + workMsMax;
    let failures = 0;
    const responses = request.topicData.map((data) => {
      const answered = produceToTopic(request, data, call, blanket, untilMs);
      for (const { errorCode: code } of answered.partitionResponses ?? []) if (code !== 0) failures++;
      return answered;
    });
    if (acks !== 0) {
      call.respondWhenDurable(hasRoom ? { responses } : { responses, throttleTimeMs: noRoomThrottleMs });
      return;
    }
    call.respondNothing();
    if (failures > 0) call.connection.end("what was produced with acks=0 was refused");
  },
};

function produceToTopic(
  request: ProduceRequest,
  data: TopicData,
  call: Call,
  blanket: number,
  untilMs: number,
): TopicResponse {
  const { server, identity, version } = call;
  const topic = version >= 13 ? server.topics.findById(data.topicId) : server.topics.find(data.name);
  const name = topic?.name ?? data.name;
  const isAllowed =
    version >= 13 && topic === undefined ? true : identity.may("write", server.settings.namespace, name);
  const unknown = version >= 13 ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const refusal =
    blanket !== 0 ? blanket : !isAllowed ? errorCode.TOPIC_AUTHORIZATION_FAILED : topic === undefined ? unknown : 0;
  const isShort = refusal === errorCode.KAFKA_STORAGE_ERROR;
  const partitionResponses = data.partitionData.map(({ index, records }) => {
    if (refusal !== 0 && !isShort) return refused(index, refusal);
    if (!isShort && server.clock.elapsedMs() <= untilMs)
      return produceToPartition(request, topic!, index, records, call);
    const queue = topic?.partitions[index];
    if (isAllowed && queue !== undefined) appending.putOff(call, queue, records);
    return refused(index, isShort ? refusal : errorCode.REQUEST_TIMED_OUT);
  });
  return { name: data.name, topicId: data.topicId, partitionResponses };
}

function produceToPartition(
  { transactionalId }: ProduceRequest,
  topic: Topic,
  index: number,
  records: Buffer | null,
  call: Call,
): PartitionResponse {
  const queue = topic.partitions[index];
  if (queue === undefined) return refused(index, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const code = appending.append(call, topic, queue, records, transactionalId);
  if (code !== errorCode.NONE) {
    const { reason, recordErrors } = appending;
    return { ...refused(index, code), errorMessage: reason ?? errorText(code), recordErrors };
  }
  return {
    index,
    errorCode: errorCode.NONE,
    baseOffset: appending.baseOffset,
    logAppendTimeMs: appending.logAppendTimeMs,
    logStartOffset: queue.firstOffset,
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
