/**
 * Up to where a log is to be given up, so that what is left is no more than so many bytes, or no older than that. Coarse where entries
 * are on disk: whole runs.
 */
import { EntryCursor } from "../entry.ts";
import type { Partition } from "./partition.ts";

const entry = new EntryCursor();

export function endOverBytes(partition: Partition, maxBytes: number): number {
  let over = partition.keptBytes - maxBytes;
  let end = partition.first;
  for (const { meta } of partition.runs.list) {
    if (over < meta.bytes) return end;
    over -= meta.bytes;
    end = meta.lastOffset + 1;
  }
  while (over > 0) {
    const last = partition.firstEndingFrom(end, partition.visibleEnd);
    const length = partition.entryLength(last);
    if (last === partition.visibleEnd || over < length) return end;
    over -= length;
    end = last + 1;
  }
  return end;
}

/** @param beforeMs when what may go was appended at the latest, ms since 1970. */
export function endOverAge(partition: Partition, beforeMs: number): number {
  let end = partition.first;
  for (const { meta } of partition.runs.list) {
    if (meta.lastTimestamp > beforeMs) return end;
    end = meta.lastOffset + 1;
  }
  while (end < partition.visibleEnd) {
    if (!partition.look(end, entry)) end = partition.firstInMemory(end + 1, partition.visibleEnd);
    else if (entry.timestampMs > beforeMs) return end;
    else end = entry.offset + 1;
  }
  return end;
}
