/**
 * OffsetFetch (9) v1-10: how far groups have read, in the partitions that are named, or in all (topics null, from v2 on).
 * From v8 on of several groups, from v10 on by ids of topics. Only what is durable is told. With requireStable (from v7 on), a
 * partition for which a transaction is about to commit another offset gives UNSTABLE_OFFSET_COMMIT: the client asks again.
 */
import type { Queue } from "../../../broker/api.ts";
import { errorCode } from "../codec/errors.ts";
import {
  offsetFetchRequest,
  offsetFetchResponse,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
} from "../codec/messages/group-offsets.ts";
import type { Call, Command } from "../command.ts";
import { distinct } from "../distinct.ts";
import { storedPosition } from "../groups/stored-position.ts";
import { mayDescribe } from "../security/access.ts";
import type { Topic } from "../topics/topics.ts";

interface AskedTopic {
  readonly name: string;
  readonly topicId?: string;
  readonly partitionIndexes: readonly number[];
}

const groupRefused = errorCode.GROUP_AUTHORIZATION_FAILED;
const nowhere = { committedOffset: -1, committedLeaderEpoch: -1, metadata: "" };

export const offsetFetch: Command<OffsetFetchRequest, OffsetFetchResponse> = {
  name: "OffsetFetch",
  key: 9,
  minVersion: 1,
  maxVersion: 10,
  request: offsetFetchRequest,
  response: offsetFetchResponse,
  handle(request, call) {
    const { requireStable } = request;
    if (call.version < 8) {
      const isAllowed = mayDescribe(call, request.groupId);
      const topics = isAllowed
        ? offsetsOf(request.groupId, request.topics, requireStable, call)
        : refused(call.version < 2 ? (request.topics ?? []) : []);
      return call.respondWhenDurable({ topics, errorCode: isAllowed ? errorCode.NONE : groupRefused });
    }
    call.respondWhenDurable({
      groups: distinct(request.groups, ({ groupId, topics }) => `${topics === null} ${groupId}`).map(
        ({ groupId, topics }) => {
          if (!mayDescribe(call, groupId)) return { groupId, errorCode: groupRefused, topics: [] };
          return { groupId, errorCode: errorCode.NONE, topics: offsetsOf(groupId, topics, requireStable, call) };
        },
      ),
    });
  },
};

/** The oldest version says it of each partition, having no other place. */
function refused(asked: readonly AskedTopic[]) {
  return asked.map(({ name, partitionIndexes }) => ({
    name,
    topicId: "",
    partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode: groupRefused, ...nowhere })),
  }));
}

function offsetsOf(groupId: string, asked: readonly AskedTopic[] | null, requireStable: boolean, call: Call) {
  if (asked === null) return allOffsets(groupId, requireStable, call);
  return distinct(asked, ({ name, topicId }) => `${topicId ?? ""} ${name}`).map(
    ({ name, topicId, partitionIndexes }) => {
      const topic = call.version >= 10 ? call.server.topics.findById(topicId ?? "") : call.server.topics.find(name);
      const shownName = topic?.name ?? name;
      const code =
        call.version >= 10 && topic === undefined
          ? errorCode.UNKNOWN_TOPIC_ID
          : mayDescribe(call, shownName)
            ? errorCode.NONE
            : errorCode.TOPIC_AUTHORIZATION_FAILED;
      return {
        name,
        topicId: topicId ?? "",
        partitions: distinct(partitionIndexes, (index) => index).map((index) =>
          code === errorCode.NONE
            ? offsetOf(groupId, shownName, topic?.partitions[index], index, requireStable, call)
            : { partitionIndex: index, errorCode: code, ...nowhere },
        ),
      };
    },
  );
}

/** Those of topics that the caller may see. */
function allOffsets(groupId: string, requireStable: boolean, call: Call) {
  const { groups, topics } = call.server;
  const shown = [];
  for (const { name } of groups.topics.of(groupId)) {
    const topic = mayDescribe(call, name) ? topics.find(name) : undefined;
    if (topic === undefined) continue;
    const partitions = placesOf(topic, groupId).map((index) =>
      offsetOf(groupId, name, topic.partitions[index], index, requireStable, call),
    );
    if (partitions.length > 0) shown.push({ name, topicId: topic.id, partitions });
  }
  return shown;
}

function placesOf(topic: Topic, groupId: string): number[] {
  return [...topic.partitions.keys()].filter((at) => topic.partitions[at]!.committedOffset(groupId) !== undefined);
}

function offsetOf(
  groupId: string,
  topic: string,
  partition: Queue | undefined,
  partitionIndex: number,
  requireStable: boolean,
  call: Call,
) {
  if (requireStable && call.server.groups.pending.has(groupId, topic, partitionIndex)) {
    return { partitionIndex, errorCode: errorCode.UNSTABLE_OFFSET_COMMIT, ...nowhere };
  }
  const committed = partition?.committedOffset(groupId);
  if (committed === undefined) return { partitionIndex, errorCode: errorCode.NONE, ...nowhere };
  const { offset, leaderEpoch, metadata } = storedPosition(committed);
  return {
    partitionIndex,
    errorCode: errorCode.NONE,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
  };
}
