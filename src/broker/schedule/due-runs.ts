/**
 * Runs of due times as they lie in segments: (due time, offset) pairs of one subscription, in the order in which they fire.
 * Of a run that waits to fire a window is in memory; here is how one is read, for that and for whoever writes runs anew.
 */
import type { Damage, RunMeta, SegmentStore } from "../../log/log.ts";
import { readU48, writeU48 } from "../entry.ts";

/** Runs of due times stand in segments under their subscription's id plus this. */
export const schedulePartitionBase = 0x8000_0000;
/** Pairs that are read at a time. */
const windowEntries = 4096;
export const pairBytes = 16;

export interface Pairs {
  readonly dues: Float64Array;
  readonly offsets: Float64Array;
  readonly count: number;
  /** Of the first pair behind them. */
  readonly nextIndex: number;
}

/** The order in which pairs fire. */
export function isBefore(dueMs: number, offset: number, otherDueMs: number, otherOffset: number): boolean {
  return dueMs < otherDueMs || (dueMs === otherDueMs && offset < otherOffset);
}

export function writePair(pair: Buffer, dueMs: number, offset: number): void {
  writeU48(pair, 4, dueMs);
  writeU48(pair, 10, offset);
}

/** Reads pairs from index `from` on. What is damaged is left out, and told. */
export function readPairs(
  segments: SegmentStore,
  meta: RunMeta,
  from: number,
  damaged: (damage: readonly Damage[]) => void,
): Promise<Pairs> {
  return new Promise((resolve, reject) => {
    segments.read(meta, from, windowEntries * pairBytes, windowEntries, (error, span) => {
      if (error !== undefined || span === undefined) return reject(error ?? new Error("no span"));
      if (span.damage.length > 0) damaged(span.damage);
      const dues = new Float64Array(span.count);
      const offsets = new Float64Array(span.count);
      for (let i = 0; i < span.count; i++) {
        dues[i] = readU48(span.buffer, span.positions[i]! + 4);
        offsets[i] = readU48(span.buffer, span.positions[i]! + 10);
      }
      resolve({ dues, offsets, count: span.count, nextIndex: Math.max(span.nextIndex, from + 1) });
    });
  });
}
