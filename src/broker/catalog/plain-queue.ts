import type { QueueSettings } from "../api.ts";

/** A durable queue that does nothing but hold what it gets until it is settled: the places that the core keeps for itself. */
export const plainQueueSettings: QueueSettings = {
  durable: true,
  retention: { untilSettled: true, maxAgeMs: 0, maxBytes: 0, maxCount: 0, compact: false },
  mode: "shared",
  maxPriority: 0,
  ttlMs: -1,
  expiresMs: 0,
  maxLength: -1,
  maxLengthBytes: -1,
  overflow: "drop-head",
  deadLetter: undefined,
  deliveryLimit: -1,
  retry: undefined,
  dedup: undefined,
  autoDelete: false,
};
