/**
 * What the core counts. Counters are plain numbers that only rise, raised where the thing happens; who wants rates reads
 * them twice. All of it is of this run: nothing of it is stored.
 */

/** Messages since the exchange was created or the broker started. */
export interface ExchangeCounters {
  /** Published to it: by clients, by the broker, by the death of a message. Where it led from there does not count. */
  readonly publishedIn: number;
  /** Copies of these that queues were found for, however many exchanges lay between. */
  readonly routedOut: number;
}

/** By the reason of their death, whether or not there was a queue for the dead. */
export interface DeathCounters {
  readonly expired: number;
  readonly rejected: number;
  readonly overflowed: number;
  readonly deliveryLimited: number;
}

/** Messages of a queue since it was created or the broker started. They only rise. */
export interface QueueCounters extends DeathCounters {
  /** Appended, wherever they came from. */
  readonly published: number;
  /** To consumers that settle, and to those that do not. Redeliveries count here too. */
  readonly delivered: number;
  readonly deliveredNoAck: number;
  readonly got: number;
  readonly gotNoAck: number;
  readonly getEmpty: number;
  readonly redelivered: number;
  /** Accepted. */
  readonly settled: number;
}

/** How often a value fell between bounds. */
export interface Distribution {
  /** Upper bounds, rising; the last count is of what was above all of them. */
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

/** What the core knows of its own work. Reading it costs nothing to those who are at work. */
export interface BrokerStatistics {
  /** Synced writes of blocks: how long each took, in ms, and how many bytes it had. */
  readonly commitMs: Distribution;
  readonly commitBytes: Distribution;
  /** From a delivery to its settlement, where it was accepted or rejected, in ms; all queues. */
  readonly settleMs: Distribution;
  readonly journalBytes: number;
  readonly segmentBytes: number;
  readonly segmentCount: number;
  readonly checkpoints: number;
  /** Of the last one, from its beginning to when it was durable. */
  readonly checkpointMs: number;
  /** Memory that holds messages. */
  readonly cacheBytes: number;
  /** Of these, in memory that process.memoryUsage() does not count. */
  readonly lastingCacheBytes: number;
  /** Where the data is; undefined: it is in memory, or it was not measured yet. */
  readonly diskFreeBytes: number | undefined;
  readonly isVolatile: boolean;
}
