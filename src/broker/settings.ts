/**
 * What the core is told of a queue, a log or a subscription: how long what it holds stays, and how it is delivered. A part
 * of the door, `api.ts`.
 */
export type Overflow = "drop-head" | "reject-publish" | "reject-publish-dead-letter";

/** How long the entries of a topic stay. Limits of 0 mean: none. */
export interface Retention {
  /** True: an entry goes when its (default) subscription has settled it, and kept history is over. False: a log. */
  readonly untilSettled: boolean;
  /** For a queue: settled entries stay readable this long. For a log: entries older than this are trimmed. */
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly maxCount: number;
  /** Of a log: only the newest message of each key stays, from a second or so after it became durable. The limits hold too. */
  readonly compact: boolean;
  /** Of a compacted log: what is younger stays, whatever came after it. 0, or absent: none does. */
  readonly compactLagMs?: number;
  /** Of a compacted log: how long it still says that a key has no value any more. Absent: a day. */
  readonly deleteRetentionMs?: number;
}

/** What happens to a message that cannot be delivered: one policy for every protocol. */
export interface DeadLetterPolicy {
  /** Exchange to publish to; '' is the default exchange. */
  readonly exchange: string;
  /** Replaces the message's own routing keys. */
  readonly routingKey?: string;
  /** The source keeps the message until every target has it durably, a full target included. */
  readonly atLeastOnce?: boolean;
}

/** When a returned message becomes ready again. Delay of attempt n = min(minMs * factor^(n-1), maxMs), jittered. */
export interface RetryPolicy {
  readonly on: "all" | "failed" | "returned";
  readonly minMs: number;
  readonly maxMs: number;
  /** `linear`: minMs * n, `exponential`: minMs * 2^(n-1). */
  readonly growth: "linear" | "exponential";
  /** 0 to 1: the share of the delay that is random. */
  readonly jitter: number;
}

/** An id keeps duplicates away for a time, and as long as no more than so many others came after it. */
export interface DedupPolicy {
  readonly windowMs: number /** 0: no time limit */;
  readonly maxIds: number;
}

export type SubscriptionMode = "shared" | "failover" | "keyed" | "offset";

/** What the core needs to know of a queue or log. `Queue.configure` changes all but `durable`, `mode` and `maxPriority`. */
export interface QueueSettings {
  readonly durable: boolean;
  readonly retention: Retention;
  /** Of the default subscription; `offset`: a log that is read by readers only. */
  readonly mode: SubscriptionMode;
  /** Highest priority that is told apart; 0: none. */
  readonly maxPriority: number;
  /** Messages expire this long after they were appended; -1: never. */
  readonly ttlMs: number;
  /** The queue is deleted when unused (no consumer, get or declare) this long; 0: never. */
  readonly expiresMs: number;
  /** Ready messages at most; -1: no limit. */
  readonly maxLength: number;
  /** Body bytes of ready messages at most; -1: no limit. */
  readonly maxLengthBytes: number;
  readonly overflow: Overflow;
  readonly deadLetter: DeadLetterPolicy | undefined;
  /** A message is dead-lettered (reason delivery_limit) at the failed attempt after this many; -1: no limit. */
  readonly deliveryLimit: number;
  readonly retry: RetryPolicy | undefined;
  /** `until-settled`: an id keeps duplicates away as long as its message is here. Not for a log, where nothing is settled. */
  readonly dedup: DedupPolicy | "until-settled" | undefined;
  /** Deleted when its last consumer has left (having had one). */
  readonly autoDelete: boolean;
}

/** How a named subscription of a log delivers. */
export type SubscriptionSettings = Pick<QueueSettings, "maxPriority" | "deadLetter" | "deliveryLimit" | "retry"> & {
  readonly mode: Exclude<SubscriptionMode, "offset">;
};
