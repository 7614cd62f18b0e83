/** What a topic's configs make of it: what the core works by, and what is asked of batches before they are appended. */

import type { QueueSettings } from "../../../broker/api.ts";
import { compressions } from "../codec/compression.ts";
import type { WantedCompression } from "../producing/recompression.ts";
import { configNumber, configValue, type ConfigTexts } from "./topic-configs.ts";

/** What of a topic's configuration counts when it is written and read. */
export interface TopicLimits {
  /** Of one batch. */
  readonly messageBytesMax: number;
  /** `message.timestamp.type`: its batches get the broker's time. */
  readonly usesAppendTime: boolean;
  /** How far a message's own time may lie back or ahead, ms. */
  readonly beforeMsMax: number;
  readonly afterMsMax: number;
  /** Messages need keys. */
  readonly isCompacted: boolean;
  /** Undefined: as producers send them. */
  readonly compression: WantedCompression | undefined;
}

const logSettings: Omit<QueueSettings, "retention"> = {
  durable: true,
  mode: "offset",
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

/** Of a topic made over Kafka. */
export function topicSettings(configs: ConfigTexts): QueueSettings {
  const policies = configValue("cleanup.policy", configs) as readonly string[];
  const deletes = policies.includes("delete");
  return {
    ...logSettings,
    retention: {
      untilSettled: false,
      maxAgeMs: deletes ? limitOf(configNumber("retention.ms", configs)) : 0,
      maxBytes: deletes ? limitOf(configNumber("retention.bytes", configs)) : 0,
      maxCount: 0,
      compact: policies.includes("compact"),
      compactLagMs: configNumber("min.compaction.lag.ms", configs),
      deleteRetentionMs: configNumber("delete.retention.ms", configs),
    },
  };
}

export function topicLimits(configs: ConfigTexts): TopicLimits {
  return {
    messageBytesMax: configNumber("max.message.bytes", configs),
    usesAppendTime: configValue("message.timestamp.type", configs) === "LogAppendTime",
    beforeMsMax: configNumber("message.timestamp.before.max.ms", configs),
    afterMsMax: configNumber("message.timestamp.after.max.ms", configs),
    isCompacted: (configValue("cleanup.policy", configs) as readonly string[]).includes("compact"),
    compression: wantedCompression(configs),
  };
}

function wantedCompression(configs: ConfigTexts): WantedCompression | undefined {
  const type = configValue("compression.type", configs) as keyof typeof compressions | "uncompressed" | "producer";
  switch (type) {
    case "producer":
      return undefined;
    case "gzip":
    case "zstd":
      return { kind: compressions[type], level: configNumber(`compression.${type}.level`, configs) };
    case "uncompressed":
      return { kind: compressions.none, level: undefined };
    default:
      return { kind: compressions[type], level: undefined };
  }
}

/** The configs by which a queue works that another protocol has made. */
export function configsOfQueue({ retention, mode }: QueueSettings): ConfigTexts {
  const configs = new Map<string, string>();
  if (retention.compact) configs.set("cleanup.policy", mode === "offset" ? "compact,delete" : "compact");
  configs.set("retention.ms", String(retention.maxAgeMs > 0 ? retention.maxAgeMs : -1));
  if (retention.maxBytes > 0) configs.set("retention.bytes", String(retention.maxBytes));
  return configs;
}

/** Kafka's -1 is none, which is 0 in the core; its 0 is nearly nothing. */
function limitOf(value: number): number {
  return value < 0 ? 0 : Math.max(1, value);
}
