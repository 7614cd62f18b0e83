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
  const fault = epochFault(leaderEpoch);
  return fault === errorCode.NONE ? queue : fault;
}

/** The epoch is 0 for ever: nothing that anybody saw is ever cut off. */
export function epochFault(leaderEpoch: number): number {
  if (leaderEpoch > 0) return errorCode.UNKNOWN_LEADER_EPOCH;
  return leaderEpoch < -1 ? errorCode.FENCED_LEADER_EPOCH : errorCode.NONE;
}
