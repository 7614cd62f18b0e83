/** How the core looks into Kafka's record batches. */

import { putU32, putU64 } from "../../../base/bytes.ts";
import type { MessageFormat } from "../../../broker/api.ts";

/** In stored entries: do not change. */
export const batchFormatId = 2;

const leaderEpochAt = 12;

export const batchFormat: MessageFormat = {
  id: batchFormatId,
  name: "kafka-batch",
  headers: () => ({}),
  property: () => undefined,
  extraKeys: () => [],
  deaths: () => [],
  withDeath: (buffer, headStart, headEnd) => buffer.subarray(headStart, headEnd),
  stamp(buffer, bodyStart, _bodyEnd, baseOffset) {
    putU64(buffer, bodyStart, baseOffset);
    putU32(buffer, bodyStart + leaderEpochAt, 0);
  },
};
