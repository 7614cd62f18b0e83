/**
 * What the core measures of itself. Bounds are powers of two of a unit, so that finding a value's place is one count of
 * leading zeros: settlements are measured one by one, and a search through bounds would show in the throughput.
 */
import type { BrokerStatistics, DeathCounters, Distribution, QueueCounters } from "./statistics.ts";
import type { DeathReason } from "./api.ts";
import type { Core } from "./core.ts";

/** Counts of values: of up to one unit, up to two, up to four, and so on, and of what is above all bounds. */
export class Histogram implements Distribution {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;
  readonly #unit: number;

  constructor(unit: number, bounds: number) {
    this.#unit = unit;
    this.bounds = Array.from({ length: bounds }, (_, i) => unit * 2 ** i);
    this.counts = new Float64Array(bounds + 1);
  }

  add(value: number): void {
    const units = Math.ceil(value / this.#unit);
    const place = units <= 1 ? 0 : units > 0x7fff_ffff ? 31 : 32 - Math.clz32(units - 1);
    const last = this.counts.length - 1;
    this.counts[place < last ? place : last]!++;
    this.sum += value;
  }
}

export class Measures {
  /** 1/16 ms to 4 s. */
  readonly commitMs = new Histogram(1 / 16, 17);
  /** 4 KB to 16 MB. */
  readonly commitBytes = new Histogram(4096, 13);
  /** 1 ms to 2.3 h. */
  readonly settleMs = new Histogram(1, 24);
  checkpoints = 0;
  checkpointMs = 0;
  diskFreeBytes: number | undefined;
}

/** The core's measures with what is to be had by looking. */
export class StatisticsView implements BrokerStatistics {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  get commitMs(): Distribution {
    return this.#core.measures.commitMs;
  }

  get commitBytes(): Distribution {
    return this.#core.measures.commitBytes;
  }

  get settleMs(): Distribution {
    return this.#core.measures.settleMs;
  }

  get journalBytes(): number {
    return this.#core.commit.journalBytes;
  }

  get segmentBytes(): number {
    let bytes = 0;
    for (const { fileBytes } of this.#core.segments.values()) bytes += fileBytes;
    return bytes;
  }

  get segmentCount(): number {
    return this.#core.segments.size;
  }

  get checkpoints(): number {
    return this.#core.measures.checkpoints;
  }

  get checkpointMs(): number {
    return this.#core.measures.checkpointMs;
  }

  get cacheBytes(): number {
    return this.#core.cache.bytes;
  }

  get lastingCacheBytes(): number {
    return this.#core.cache.lastingBytes;
  }

  get diskFreeBytes(): number | undefined {
    return this.#core.measures.diskFreeBytes;
  }

  get isVolatile(): boolean {
    return this.#core.log.isVolatile;
  }
}

/** A queue's counters on the side that raises them. */
export class QueueCounts implements QueueCounters {
  published = 0;
  delivered = 0;
  deliveredNoAck = 0;
  got = 0;
  gotNoAck = 0;
  getEmpty = 0;
  redelivered = 0;
  settled = 0;
  expired = 0;
  rejected = 0;
  overflowed = 0;
  deliveryLimited = 0;

  /** To a consumer. */
  handed(noAck: boolean, isRedelivered: boolean): void {
    if (noAck) this.deliveredNoAck++;
    else this.delivered++;
    if (isRedelivered) this.redelivered++;
  }

  /** By who asked for one. */
  taken(noAck: boolean, isRedelivered: boolean): void {
    if (noAck) this.gotNoAck++;
    else this.got++;
    if (isRedelivered) this.redelivered++;
  }

  died(reason: DeathReason): void {
    this[counterByReason[reason]]++;
  }
}

const counterByReason: Readonly<Record<DeathReason, keyof DeathCounters>> = {
  expired: "expired",
  rejected: "rejected",
  maxlen: "overflowed",
  delivery_limit: "deliveryLimited",
};
