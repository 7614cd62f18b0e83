/**
 * OffsetForLeaderEpoch (23) v2-4: where an epoch of leadership ended. There is one epoch, 0, and it has not ended: nothing that
 * a client saw is ever cut off.
 */

import { errorCode } from "../codec/errors.ts";
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
} from "../codec/messages/offsets.ts";
import type { Command } from "../command.ts";
import { mayDescribe } from "../security/access.ts";
import { findPartition } from "../topics/find-partition.ts";

export const offsetForLeaderEpoch: Command<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse> = {
  name: "OffsetForLeaderEpoch",
  key: 23,
  minVersion: 2,
  maxVersion: 4,
  request: offsetForLeaderEpochRequest,
  response: offsetForLeaderEpochResponse,
  handle(request, call) {
    const topics = request.topics.map(({ topic, partitions }) => {
      const isAllowed = mayDescribe(call, topic);
      return {
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
          const queue = findPartition(call, isAllowed, topic, partition, currentLeaderEpoch);
          if (typeof queue === "number") return { partition, errorCode: queue };
          if (leaderEpoch !== 0) return { partition, errorCode: errorCode.NONE };
          return { partition, errorCode: errorCode.NONE, leaderEpoch: 0, endOffset: queue.visibleEnd };
        }),
      };
    });
    call.respond({ topics });
  },
};
