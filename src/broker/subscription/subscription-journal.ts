/**
 * What a subscription owes the journal: settlements, collected as ranges and written once per block, and its horizon.
 * Collecting costs an array element per run of neighbours; the records are written when the block is sealed, so that a
 * thousand acknowledgements in order are one range.
 */
import { putU16, putU32 } from "../../base/bytes.ts";
import { must } from "../../base/assert.ts";
import type { DeathReason } from "../api.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { writeU48 } from "../entry.ts";
import type { Attempts } from "./attempts.ts";
import type { Subscription } from "./subscription.ts";

/** How far ahead of its cursor a horizon is written. */
export const horizonStep = 8192;
/** Ranges in one record. */
const rangesPerRecord = 4096;
/** Offsets in one range: 32 bits say how many. */
const rangeMax = 0xffff_ffff;
/** What a record says by number. */
const reasons: readonly DeathReason[] = ["rejected", "expired", "maxlen", "delivery_limit"];

export function deathNumberOf(reason: DeathReason): number {
  return reasons.indexOf(reason);
}

export function deathReasonOf(number: number): DeathReason {
  return must(reasons[number], "a death has a reason that is known");
}

export class SubscriptionJournal {
  /** The journal says that offsets below may have been delivered, or will with the open block. */
  horizonWritten = 0;
  readonly #core: Core;
  readonly #subscription: Subscription;
  readonly #starts: number[] = [];
  readonly #counts: number[] = [];
  #horizonWanted = 0;
  #isCollected = false;

  constructor(core: Core, subscription: Subscription) {
    this.#core = core;
    this.#subscription = subscription;
  }

  /** [start, start + count) is settled. */
  noteSettled(start: number, count: number): void {
    if (!this.#subscription.partition.isDurable || count === 0) return;
    const last = this.#starts.length - 1;
    const isNext = last >= 0 && this.#starts[last]! + this.#counts[last]! === start;
    if (isNext && this.#counts[last]! + count <= rangeMax) this.#counts[last]! += count;
    else {
      for (let done = 0; done < count; done += rangeMax) {
        this.#starts.push(start + done);
        this.#counts.push(Math.min(count - done, rangeMax));
      }
    }
    this.#collect();
  }

  /** A batch is about to be sealed that holds new entries of the partition: let the horizon go with it. */
  coverNew(): void {
    const { partition, consumerCount, horizon, settled, leasedCount } = this.#subscription;
    const { next } = partition;
    if (consumerCount === 0 || horizon === Infinity) return;
    // However old the oldest is that somebody holds: what was settled behind it is not in between.
    const unsettled = next - settled.floor - settled.above;
    if (unsettled - leasedCount <= 4 * horizonStep) this.#want(next);
  }

  /** The message at `offset` is the next to be delivered. */
  announce(offset: number): void {
    const { partition, horizon, settled, ready } = this.#subscription;
    const { visibleEnd } = partition;
    // An order other than that of offsets jumps: all of it is announced, or the first of it might have to wait.
    if (ready.needsScan) this.#want(visibleEnd);
    else this.#want(Math.min(visibleEnd, Math.max(horizon, settled.floor, offset) + horizonStep));
  }

  #want(end: number): void {
    if (end > this.#horizonWanted) this.#horizonWanted = end;
    if (this.#horizonWanted > this.horizonWritten) this.#collect();
  }

  /** Writes what was collected into the open block. */
  write(): void {
    this.#isCollected = false;
    const { id, partition, isDeleted } = this.#subscription;
    if (!partition.isDurable || isDeleted) return;
    this.#writeSettled(id);
    if (this.#horizonWanted <= this.horizonWritten) return;
    this.horizonWritten = this.#horizonWanted;
    const { commit } = this.#core;
    commit.reserve(11);
    commit.buffer[commit.at] = record.horizon;
    putU32(commit.buffer, commit.at + 1, id);
    writeU48(commit.buffer, commit.at + 5, this.horizonWritten);
    commit.at += 11;
    this.#core.horizonWritten(this.#subscription, this.horizonWritten);
  }

  /** A message came back: how often, and when it is ready again. */
  recordReturned(offset: number, attempts: Attempts): void {
    const { commit } = this.#core;
    commit.reserve(21);
    const { buffer, at } = commit;
    buffer[at] = record.returned;
    putU32(buffer, at + 1, this.#subscription.id);
    writeU48(buffer, at + 5, offset);
    putU16(buffer, at + 11, Math.min(attempts.returns, 65_535));
    putU16(buffer, at + 13, Math.min(attempts.failures, 65_535));
    writeU48(buffer, at + 15, attempts.readyAtMs);
    commit.at = at + 21;
  }

  /** A message died, and stays for as long as its dead-letter target is full: it is given to nobody any more. */
  recordDied(offset: number, reason: DeathReason): void {
    const { commit } = this.#core;
    commit.reserve(12);
    const { buffer, at } = commit;
    buffer[at] = record.died;
    putU32(buffer, at + 1, this.#subscription.id);
    writeU48(buffer, at + 5, offset);
    buffer[at + 11] = deathNumberOf(reason);
    commit.at = at + 12;
  }

  #collect(): void {
    if (this.#isCollected) return;
    this.#isCollected = true;
    this.#core.collect(this.#subscription);
  }

  #writeSettled(id: number): void {
    const { commit } = this.#core;
    const total = this.#starts.length;
    for (let from = 0; from < total; from += rangesPerRecord) {
      const count = Math.min(rangesPerRecord, total - from);
      commit.reserve(7 + count * 10);
      const { buffer } = commit;
      let { at } = commit;
      buffer[at] = record.settled;
      putU32(buffer, at + 1, id);
      putU16(buffer, at + 5, count);
      at += 7;
      for (let i = from; i < from + count; i++) {
        writeU48(buffer, at, this.#starts[i]!);
        putU32(buffer, at + 6, this.#counts[i]!);
        at += 10;
      }
      commit.at = at;
    }
    this.#starts.length = 0;
    this.#counts.length = 0;
  }
}
