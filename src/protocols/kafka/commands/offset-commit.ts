/**
 * OffsetCommit (8) v2-10: a group, or somebody in its name while it is empty, has read so far. Answered when that is durable.
 * From v10 on topics are said by their ids.
 *
 * Differs: the offset -1 forgets the group's place there, which reads the same; one past 2^48 - 2 is refused with
 * INVALID_COMMIT_OFFSET_SIZE, and so is all of a request that is too large (groups/commit-size.ts).
 */
import { errorCode } from "../codec/errors.ts";
import {
  offsetCommitRequest,
  offsetCommitResponse,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../codec/messages/group-offsets.ts";
import type { Call, Command } from "../command.ts";
import { isCommitTooLarge } from "../groups/commit-size.ts";
import { mayRead } from "../security/access.ts";
import type { Topic } from "../topics/topics.ts";

type Asked = OffsetCommitRequest["topics"][number];
type AskedPartition = Asked["partitions"][number];

export const offsetCommit: Command<OffsetCommitRequest, OffsetCommitResponse> = {
  name: "OffsetCommit",
  key: 8,
  minVersion: 2,
  maxVersion: 10,
  request: offsetCommitRequest,
  response: offsetCommitResponse,
  handle(request, call) {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request;
    const found = request.topics.map((asked) => find(asked, call));
    let refused: number = errorCode.NONE;
    if (!mayRead(call, groupId)) {
      found.fill(errorCode.GROUP_AUTHORIZATION_FAILED);
    } else if (found.some((topic, at) => typeof topic !== "number" && hasPartition(topic, request.topics[at]!))) {
      const unknownGroup = call.version >= 9 ? errorCode.GROUP_ID_NOT_FOUND : errorCode.ILLEGAL_GENERATION;
      const by = { memberId, instanceId: groupInstanceId ?? undefined, generation };
      const isTooLarge = isCommitTooLarge(Buffer.byteLength(groupId), request.topics);
      refused = isTooLarge
        ? errorCode.INVALID_COMMIT_OFFSET_SIZE
        : call.server.groups.mayCommit(groupId, by, unknownGroup);
    }
    const { retentionTimeMs } = request;
    const expiresAtMs = retentionTimeMs < 0 ? Infinity : call.server.broker.clock.now() + retentionTimeMs;
    const topics = request.topics.map((asked, at) => {
      const topic = found[at]!;
      const partitions = asked.partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: typeof topic === "number" ? topic : commit(call, groupId, topic, partition, refused, expiresAtMs),
      }));
      return { name: asked.name, topicId: asked.topicId, partitions };
    });
    call.server.groups.forgetUnused(groupId);
    call.respondWhenDurable({ topics });
  },
};

/** Answers an error code for a topic that is not there, or not for this one. */
function find({ name, topicId }: Asked, call: Call): Topic | number {
  const { topics } = call.server;
  if (call.version >= 10) {
    const topic = topics.findById(topicId);
    if (topic === undefined) return errorCode.UNKNOWN_TOPIC_ID;
    return mayRead(call, topic.name) ? topic : errorCode.TOPIC_AUTHORIZATION_FAILED;
  }
  if (!mayRead(call, name)) return errorCode.TOPIC_AUTHORIZATION_FAILED;
  return topics.find(name) ?? errorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function hasPartition(topic: Topic, { partitions }: Asked): boolean {
  return partitions.some(({ partitionIndex }) => topic.partitions[partitionIndex] !== undefined);
}

function commit(
  call: Call,
  groupId: string,
  topic: Topic,
  asked: AskedPartition,
  refused: number,
  expiresAtMs: number,
): number {
  const partition = topic.partitions[asked.partitionIndex];
  if (partition === undefined) return errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  if (refused !== errorCode.NONE) return refused;
  const { committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata } = asked;
  const head = topic.partitions[0]!;
  return call.server.groups.commit(groupId, head, partition, { offset, leaderEpoch, metadata }, expiresAtMs);
}
