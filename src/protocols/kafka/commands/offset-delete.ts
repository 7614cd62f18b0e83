/**
 * OffsetDelete (47) v0: a group's places in some partitions are forgotten, unless its members read them. Answered when that
 * is durable. A group with members of another kind than consumers keeps all of them (NON_EMPTY_GROUP): nobody knows what they
 * read.
 */
import { errorCode } from "../codec/errors.ts";
import {
  offsetDeleteRequest,
  offsetDeleteResponse,
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
} from "../codec/messages/group-offsets.ts";
import type { Call, Command } from "../command.ts";
import type { SeatedGroup } from "../groups/groups.ts";
import { mayConfigure, mayRead } from "../security/access.ts";

export const offsetDelete: Command<OffsetDeleteRequest, OffsetDeleteResponse> = {
  name: "OffsetDelete",
  key: 47,
  minVersion: 0,
  maxVersion: 0,
  request: offsetDeleteRequest,
  response: offsetDeleteResponse,
  handle({ groupId, topics }, call) {
    if (groupId === "") return call.respond({ errorCode: errorCode.INVALID_GROUP_ID });
    if (!mayConfigure(call, groupId)) return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
    const seat = call.server.groups.find(groupId);
    if (seat === undefined) return call.respond({ errorCode: errorCode.GROUP_ID_NOT_FOUND });
    if (seat.group.state !== "Empty" && !seat.group.isOfConsumers) {
      return call.respond({ errorCode: errorCode.NON_EMPTY_GROUP });
    }
    call.respondWhenDurable({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: forget(call, seat, name, partitionIndex),
        })),
      })),
    });
  },
};

function forget(call: Call, { group }: SeatedGroup, name: string, index: number): number {
  if (!mayRead(call, name)) return errorCode.TOPIC_AUTHORIZATION_FAILED;
  const partition = call.server.topics.find(name)?.partitions[index];
  if (partition === undefined) return errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  if (group.subscribedTopics?.has(name) ?? group.isOfConsumers) return errorCode.GROUP_SUBSCRIBED_TO_TOPIC;
  // Nor does it come back with a transaction that is open.
  call.server.groups.pending.dropOlder(group.id, name, index);
  partition.forgetOffset(group.id);
  return errorCode.NONE;
}
