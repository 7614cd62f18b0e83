/**
 * ListOffsets (2) v1-11: where a partition begins and ends, and the first message of a time or later.
 *
 * The special times: -1 the end (of what is decided, for readers of that), -2 and -4 the beginning, -3 the message with the
 * greatest time, -5 and -6 what was moved to another tier, which is nothing.
 */

import { errorCode } from "../codec/errors.ts";
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
} from "../codec/messages/offsets.ts";
import type { Queue } from "../../../broker/api.ts";
import type { Call, Command } from "../command.ts";
import { findByTime, findGreatestTime, type FoundMessage } from "../fetching/find-by-time.ts";
import { mayDescribe } from "../security/access.ts";
import { findPartition } from "../topics/find-partition.ts";

type Asked = ListOffsetsRequest["topics"][number]["partitions"][number];
type PartitionAnswer = NonNullable<NonNullable<ListOffsetsResponse["topics"]>[number]["partitions"]>[number];

const latest = -1;
const earliest = -2;
const greatestTime = -3;
const earliestLocal = -4;
const latestTiered = -5;
const earliestPendingUpload = -6;
/** Later times than so much ahead of ours count as that. */
const aheadMsMax = 3_600_000;
/** The lowest version that has them. */
const versionByTime: Readonly<Record<number, number>> = {
  [latest]: 1,
  [earliest]: 1,
  [greatestTime]: 7,
  [earliestLocal]: 8,
  [latestTiered]: 9,
  [earliestPendingUpload]: 11,
};

export const listOffsets: Command<ListOffsetsRequest, ListOffsetsResponse> = {
  name: "ListOffsets",
  key: 2,
  minVersion: 1,
  maxVersion: 11,
  request: listOffsetsRequest,
  response: listOffsetsResponse,
  handle(request, call) {
    const seen = new Set<string>();
    const twice = new Set<string>();
    for (const { name, partitions } of request.topics) {
      for (const { partitionIndex } of partitions) {
        const key = `${partitionIndex}:${name}`;
        if (seen.has(key)) twice.add(key);
        seen.add(key);
      }
    }
    const waits: Promise<unknown>[] = [];
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((asked) => {
        const isTwice = twice.has(`${asked.partitionIndex}:${name}`);
        const found = isTwice
          ? refused(asked, errorCode.INVALID_REQUEST)
          : find(call, name, asked, request.isolationLevel);
        const slot: { answer: PartitionAnswer } = { answer: {} };
        if (found instanceof Promise) waits.push(found.then((answer) => (slot.answer = answer)));
        else slot.answer = found;
        return slot;
      }),
    }));
    const respond = (): void =>
      call.respond({
        topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ answer }) => answer) })),
      });
    if (waits.length === 0) respond();
    else void Promise.all(waits).then(respond);
  },
};

function find(
  call: Call,
  name: string,
  asked: Asked,
  isolationLevel: number,
): PartitionAnswer | Promise<PartitionAnswer> {
  const { timestamp, currentLeaderEpoch, partitionIndex } = asked;
  const isAllowed = mayDescribe(call, name);
  // Before it is looked whether there is such a partition, as in Kafka.
  if (isAllowed && !isTimeKnown(timestamp, call.version)) return refused(asked, errorCode.UNSUPPORTED_VERSION);
  const queue = findPartition(call, isAllowed, name, partitionIndex, currentLeaderEpoch);
  if (typeof queue === "number") return refused(asked, queue);
  const end = isolationLevel === 1 ? queue.stableEnd : queue.visibleEnd;
  if (timestamp === latest) return at(asked, end);
  if (timestamp === earliest) return at(asked, queue.earliestOffset);
  const { server, connection } = call;
  const asker = { server, connection, usesAppendTime: server.topics.find(name)?.limits.usesAppendTime === true };
  switch (timestamp) {
    case earliestLocal:
      return at(asked, queue.earliestOffset);
    case latestTiered:
    case earliestPendingUpload:
      return { partitionIndex };
    case greatestTime:
      return whenFound(call, asked, queue, findGreatestTime(queue, end, server.broker.clock.now() + aheadMsMax, asker));
    default:
      return whenFound(call, asked, queue, findByTime(queue, end, timestamp, asker));
  }
}

function isTimeKnown(timestamp: number, version: number): boolean {
  return timestamp >= 0 || version >= (versionByTime[timestamp] ?? Infinity);
}

/** While it is looked for on disk, the topic may go, or what is looked for cannot be read: the client asks again. */
function whenFound(
  { server }: Call,
  asked: Asked,
  queue: Queue,
  finding: Promise<FoundMessage | undefined>,
): Promise<PartitionAnswer> {
  return finding.then(
    (found) => (queue.isDeleted ? refused(asked, errorCode.UNKNOWN_TOPIC_OR_PARTITION) : shown(asked, found)),
    (error: unknown) => {
      if (queue.isDeleted) return refused(asked, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const fields = { topic: queue.name, partition: asked.partitionIndex, reason };
      server.log.warn("an offset could not be looked up by time", fields);
      return refused(asked, errorCode.KAFKA_STORAGE_ERROR);
    },
  );
}

function at({ partitionIndex }: Asked, offset: number): PartitionAnswer {
  return { partitionIndex, timestamp: -1, offset, leaderEpoch: 0 };
}

function shown({ partitionIndex }: Asked, found: FoundMessage | undefined): PartitionAnswer {
  if (found === undefined) return { partitionIndex };
  return { partitionIndex, timestamp: found.shownMs, offset: found.offset, leaderEpoch: 0 };
}

function refused({ partitionIndex }: Asked, code: number): PartitionAnswer {
  return { partitionIndex, errorCode: code };
}
