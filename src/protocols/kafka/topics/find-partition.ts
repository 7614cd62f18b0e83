/** A partition that a request names, or why there is none for it. */

import type { Queue } from "../../../broker/api.ts";
import { errorCode } from "../codec/errors.ts";
import type { Call } from "../command.ts";

/** An error's code in place of the partition. `leaderEpoch` is what the client believes; -1: it does not say. */
export function findPartition(
  { server }: Call,
  isAllowed: boolean,
  topicName: string,
  index: number,
  leaderEpoch: number,
): Queue | number {
  if (!isAllowed) return errorCode.TOPIC_AUTHORIZATION_FAILED;
  const queue = server.topics.find(topicName)?.partitions[index];
  if (queue === undefined) return errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  // The epoch is 0 for ever: nothing that anybody saw is ever cut off.
  return leaderEpoch > 0 ? errorCode.UNKNOWN_LEADER_EPOCH : queue;
}
