/**
 * TxnOffsetCommit (28) v0-5: offsets of a group that count when the transaction is committed, and are unstable until it is
 * decided. Who is a member of the group has to be of its present generation (from v3 on). From v5 on the group joins the
 * transaction by it.
 *
 * Differs: up to v4, what comes by an older connection than was to be expected is asked for twice, see transactions/.
 */
import { errorCode } from "../codec/errors.ts";
import {
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponse,
} from "../codec/messages/transactions.ts";
import type { Call, Command } from "../command.ts";
import { isCommitTooLarge } from "../groups/commit-size.ts";
import type { PendingOffset } from "../groups/pending-offsets.ts";
import { mayRead, mayWrite } from "../security/access.ts";
import { codeOfWrite } from "../transactions/codes.ts";

type Asked = TxnOffsetCommitRequest["topics"][number];
type AskedPartition = Asked["partitions"][number];

export const txnOffsetCommit: Command<TxnOffsetCommitRequest, TxnOffsetCommitResponse> = {
  name: "TxnOffsetCommit",
  key: 28,
  minVersion: 0,
  maxVersion: 5,
  request: txnOffsetCommitRequest,
  response: txnOffsetCommitResponse,
  handle(request, call) {
    const { topics, groupId, producerId } = request;
    const whole = checkNames(request, call);
    const codes = topics.map((topic) => topic.partitions.map((partition) => whole || check(topic, partition, call)));
    const isAnyThere = codes.some((ofTopic) => ofTopic.includes(errorCode.NONE));
    // Who asks for nothing that there is makes no group by it.
    const refused = !isAnyThere
      ? errorCode.NONE
      : isCommitTooLarge(2 * JSON.stringify(groupId).length, topics)
        ? errorCode.INVALID_COMMIT_OFFSET_SIZE
        : mayCommit(request, call);
    const offsets: PendingOffset[] = [];
    const answers = topics.map((topic, topicAt) => ({
      name: topic.name,
      partitions: topic.partitions.map((partition, at) => {
        const code = codes[topicAt]![at]! || refused || call.server.groups.checkPosition(positionOf(partition));
        if (code === errorCode.NONE) {
          const { id } = call.server.topics.find(topic.name)!;
          const place = { topic: topic.name, topicId: id, partition: partition.partitionIndex };
          offsets.push({ ...place, ...positionOf(partition) });
        }
        return { partitionIndex: partition.partitionIndex, errorCode: code };
      }),
    }));
    const { pending } = call.server.groups;
    if (!pending.hasRoomFor(producerId, groupId, offsets)) refuseAll(answers, errorCode.COORDINATOR_NOT_AVAILABLE);
    else if (offsets.length > 0) pending.add(producerId, groupId, offsets);
    call.server.groups.forgetUnused(groupId);
    call.respondWhenDurable({ topics: answers });
  },
};

/** All that could be done: clients try again later. */
function refuseAll(answers: readonly { readonly partitions: readonly { errorCode: number }[] }[], code: number): void {
  for (const { partitions } of answers)
    for (const answer of partitions) if (answer.errorCode === errorCode.NONE) answer.errorCode = code;
}

function positionOf({ committedOffset, committedLeaderEpoch, committedMetadata }: AskedPartition) {
  return { offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata: committedMetadata };
}

/** An error's code of the whole. */
function checkNames({ transactionalId, groupId }: TxnOffsetCommitRequest, call: Call): number {
  if (!mayWrite(call, transactionalId)) return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  return mayRead(call, groupId) ? errorCode.NONE : errorCode.GROUP_AUTHORIZATION_FAILED;
}

function check({ name }: Asked, { partitionIndex }: AskedPartition, call: Call): number {
  if (!mayRead(call, name)) return errorCode.TOPIC_AUTHORIZATION_FAILED;
  const isThere = call.server.topics.find(name)?.partitions[partitionIndex] !== undefined;
  return isThere ? errorCode.NONE : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function mayCommit(request: TxnOffsetCommitRequest, { server, version, connection }: Call): number {
  const { transactionalId, producerId, producerEpoch, groupId, memberId, groupInstanceId, generationId } = request;
  // Plain commits take it: so it is in Kafka.
  if (groupId === "") return errorCode.INVALID_GROUP_ID;
  const by = { producerId, producerEpoch };
  const isImplicit = version >= 5;
  const code = server.transactions.mayCommitOffsets(transactionalId, by, groupId, isImplicit, Number(connection.id));
  if (code !== errorCode.NONE) return codeOfWrite(4, version, code);
  const member = { memberId, instanceId: groupInstanceId ?? undefined, generation: generationId };
  return server.groups.mayCommit(groupId, member, errorCode.ILLEGAL_GENERATION, true);
}
