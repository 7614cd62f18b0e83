/**
 * Fetch (1) v4-18: record batches of some partitions, from an offset each, as they were stored.
 *
 * Waits until there are min_bytes, for max_wait at most, and no longer than an idle connection is kept: Kafka would close it.
 * The first batch goes whole whatever the limits say; all others
 * within max_bytes and partition_max_bytes, and no answer has more than 4 MB of them. Sessions as in KIP-227.
 */

import { errorCode } from "../codec/errors.ts";
import { fetchRequest, fetchResponse, type FetchRequest, type FetchResponse } from "../codec/messages/fetch.ts";
import type { Call, Command } from "../command.ts";
import { FetchPartition } from "../fetching/fetch-partition.ts";
import type { FetchSession } from "../fetching/fetch-session.ts";
import { WaitingFetch, type FetchLimits } from "../fetching/waiting-fetch.ts";

/** More than this goes with no answer, whatever the client allows: it is memory of ours until the client has read it. */
const answerBytesMax = 4_194_304;
/** Of queues, which are topics: AMQP lets them have more than Kafka. */
const topicNameMax = 255;
const noSession = -1;
const newSession = 0;

type TopicRequest = FetchRequest["topics"][number];
type PartitionRequest = TopicRequest["partitions"][number];

export const fetch: Command<FetchRequest, FetchResponse> = {
  name: "Fetch",
  key: 1,
  minVersion: 4,
  maxVersion: 18,
  request: fetchRequest,
  response: fetchResponse,
  isLongPoll: true,
  isPipelined: true,
  handle(request, call) {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch !== noSession && sessionEpoch !== newSession) {
      fetchInSession(request, call);
      return;
    }
    const { fetchSessions } = call.server;
    if (sessionId !== 0) fetchSessions.remove(sessionId);
    const usesIds = call.version >= 13;
    const isShort = hasShortNames(request);
    // As Kafka: of a partition that is asked for twice, the last counts.
    const partitionByKey = new Map<string, FetchPartition>();
    forEach(request, (topic, asked) => {
      partitionByKey.set(keyOf(topic.topic, topic.topicId, asked.partition), partitionOf(topic, asked, usesIds));
    });
    const partitions = [...partitionByKey.values()];
    const session =
      sessionEpoch === noSession || call.version < 7 || partitions.length === 0 || !isShort
        ? undefined
        : fetchSessions.create(call.connection, usesIds, partitions.length);
    if (session !== undefined) for (const [key, partition] of partitionByKey) session.add(key, partition);
    const limits = limitsOf(request, call.server.settings.idleMs);
    new WaitingFetch(call, isShort ? limits : { ...limits, maxWaitMs: 0 }, partitions, session, true).start();
  },
};

/** No topic has a longer one. What has is answered, and not kept for longer: it may be a hundred megabytes. */
function hasShortNames({ topics }: FetchRequest): boolean {
  return topics.every(({ topic }) => topic.length <= topicNameMax);
}

function fetchInSession(request: FetchRequest, call: Call<FetchResponse>): void {
  const { fetchSessions } = call.server;
  const usesIds = call.version >= 13;
  const session = fetchSessions.find(request.sessionId);
  if (session === undefined) {
    call.respond({ errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND });
  } else if (session.epoch !== request.sessionEpoch) {
    call.respond({ errorCode: errorCode.INVALID_FETCH_SESSION_EPOCH });
  } else if (session.usesIds !== usesIds) {
    call.respond({ errorCode: errorCode.FETCH_SESSION_TOPIC_ID_ERROR });
  } else if (!hasShortNames(request)) {
    fetchSessions.remove(session.id);
    call.respond({ errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND });
  } else {
    const knownBefore = session.size;
    update(session, request, usesIds);
    if (session.size > knownBefore && !fetchSessions.hasRoom) {
      // It has grown beyond what is kept: the client begins anew, without a session if there is no room for it.
      fetchSessions.remove(session.id);
      call.respond({ errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND });
      return;
    }
    session.nextEpoch();
    fetchSessions.touch(session);
    if (session.size > 0) {
      new WaitingFetch(call, limitsOf(request, call.server.settings.idleMs), [], session, false).start();
      return;
    }
    // As Kafka: a session of nothing is at its end.
    fetchSessions.remove(session.id);
    new WaitingFetch(call, limitsOf(request, call.server.settings.idleMs), [], undefined, true).start();
  }
}

function update(session: FetchSession, request: FetchRequest, usesIds: boolean): void {
  for (const { topic, topicId, partitions } of request.forgottenTopicsData)
    for (const index of partitions) session.remove(keyOf(topic, topicId, index));
  forEach(request, (topic, asked) => {
    const key = keyOf(topic.topic, topic.topicId, asked.partition);
    const known = session.find(key);
    if (known === undefined) {
      session.add(key, partitionOf(topic, asked, usesIds));
      return;
    }
    known.ask(asked.fetchOffset, asked.partitionMaxBytes, asked.currentLeaderEpoch);
    session.active.add(known);
  });
}

function forEach(request: FetchRequest, visit: (topic: TopicRequest, asked: PartitionRequest) => void): void {
  for (const topic of request.topics) for (const asked of topic.partitions) visit(topic, asked);
}

function partitionOf({ topic, topicId }: TopicRequest, asked: PartitionRequest, usesIds: boolean): FetchPartition {
  const partition = new FetchPartition(topic, topicId, asked.partition, usesIds);
  partition.ask(asked.fetchOffset, asked.partitionMaxBytes, asked.currentLeaderEpoch);
  return partition;
}

function keyOf(name: string, id: string, index: number): string {
  return `${index}:${name === "" ? id : name}`;
}

function limitsOf(request: FetchRequest, idleMs: number): FetchLimits {
  const { isolationLevel } = request;
  // Whoever has a request behind it is not read meanwhile, and would not be seen to be gone.
  const maxWaitMs = idleMs > 0 ? Math.min(request.maxWaitMs, idleMs) : request.maxWaitMs;
  const maxBytes = Math.min(request.maxBytes, answerBytesMax);
  // As Kafka: more than it may have is not waited for.
  const minBytes = Math.min(request.minBytes, maxBytes);
  return { maxWaitMs, minBytes, maxBytes, isCommittedOnly: isolationLevel === 1 };
}
