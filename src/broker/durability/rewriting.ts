/**
 * What a checkpoint writes anew of older segments, into segments of their own, since it is likely to stay.
 *
 * Those that are mostly dead, for the space that they hold. And small ones, of which there may be many: a log to which little is
 * appended leaves one at each checkpoint that a busy queue brings about, and all of them would be kept, as files and as runs in
 * memory, for as long as the log keeps what is in them. When there are some of about the same size they become one, so that what
 * stays is written anew a few times, each time into what is several times as large, and is then left alone (below the first of the
 * sizes more often, which is little). But not those in which
 * queues share payloads, which would be written once for each queue; and their runs stay apart where retention takes them one by
 * one, or where what nobody could read may lie between them.
 */
import type { Slices } from "../../base/slices.ts";
import type { RunMeta, Span } from "../../log/log.ts";
import type { Retention } from "../api.ts";
import type { Core, SegmentState } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { Partition } from "../topic/partition.ts";
import type { Run } from "../topic/runs.ts";
import type { SegmentSink } from "./segment-series.ts";

/** A segment is mostly dead when less than this share of it is alive. */
const deadBelow = 0.5;
/** Bytes of segments read for one checkpoint, at most. */
const readBytesMax = 128 << 20;
/** What reading a run costs beside its bytes: a page of its index, and going there twice. */
const runBytes = 64 << 10;
/** Segments of about the same size that become one. */
const tierSegments = 8;
/** Where sizes end that are about the same. Of what is larger, few fill a disk. */
const tierBytes = [1 << 17, 1 << 20, 1 << 23];
/** What is joined into one run goes as one: it is this much of what retention keeps, at most. */
const retentionShare = 1 / 8;
const flushBytes = 1 << 20;

/** Runs of segments that go, one behind the other; their survivors were copied into one. */
export interface Rewritten {
  readonly partition: Partition;
  readonly runs: readonly Run[];
}

export class SegmentRewriting {
  readonly #core: Core;
  readonly #slices: Slices;
  readonly #cursor = new EntryCursor();

  constructor(core: Core, slices: Slices) {
    this.#core = core;
    this.#slices = slices;
  }

  /** The segments that are to go. */
  choose(): Set<number> {
    const core = this.#core;
    const chosen = new Set<number>();
    const tiers = tierBytes.map((below): { below: number; segments: number[] } => ({ below, segments: [] }));
    const superseded = this.#supersededBytes();
    // Those of due times are merged by the schedule.
    const dueSegments = core.schedule.segments();
    let budget = readBytesMax;
    const costOf = (segment: number): number => {
      const { bytes, runs } = core.segments.get(segment)!;
      return bytes + runs * runBytes;
    };
    for (const [segment, state] of core.segments) {
      const { live, total, bytes, fileBytes } = state;
      if (live <= 0 || isUnread(state) || dueSegments.has(segment)) continue;
      const supersededBytes = superseded.get(segment) ?? 0;
      // What a fan-out shares is written once for each queue here: it has to be worth it.
      const liveBytes = (bytes * live) / total - supersededBytes;
      const hasDead = live < total * deadBelow || supersededBytes > 0;
      if (hasDead && liveBytes < fileBytes * deadBelow) {
        if (costOf(segment) > budget && chosen.size > 0) continue;
        budget -= costOf(segment);
        chosen.add(segment);
      } else if (liveBytes <= fileBytes) tiers.find(({ below }) => liveBytes < below)?.segments.push(segment);
    }
    const { segmentBytesMax, diskFreeBytesMin } = core.settings;
    const { diskFreeBytes = Infinity } = core.measures;
    // It takes space before it gives some back.
    budget = Math.min(budget, core.pressure.disk ? 0 : (diskFreeBytes - diskFreeBytesMin) / 2);
    for (const { below, segments } of tiers) {
      if (segments.length < tierSegments || below * tierSegments > segmentBytesMax) continue;
      let left = budget;
      const together = segments.filter((segment) => {
        const isIn = costOf(segment) <= left;
        if (isIn) left -= costOf(segment);
        return isIn;
      });
      if (together.length === 1) continue;
      budget = left;
      for (const segment of together) chosen.add(segment);
    }
    return chosen;
  }

  /** Copies what lives in these segments. */
  async write(builder: SegmentSink, chosen: ReadonlySet<number>): Promise<Rewritten[]> {
    const rewritten: Rewritten[] = [];
    // Of what, nobody knows.
    const isSomeUnread = [...this.#core.segments.values()].some((state) => state.live > 0 && isUnread(state));
    for (const { partition, settings } of this.#core.queueById.values()) {
      const mayJoin = (first: Run, last: Run): boolean =>
        !isSomeUnread && goTogether(settings.retention, first.meta, last.meta);
      for (const runs of adjacent(partition.runs.list, chosen, mayJoin)) {
        builder.beginRun(partition.id);
        for (const { meta } of runs) await this.#copyRun(builder, partition, meta);
        builder.endRun();
        rewritten.push({ partition, runs });
      }
    }
    return rewritten;
  }

  async #copyRun(builder: SegmentSink, partition: Partition, meta: RunMeta): Promise<void> {
    let offset = meta.firstOffset;
    while (offset <= meta.lastOffset && !partition.isDeleted) {
      const span = await this.#read(meta, offset);
      if (span.damage.length > 0) this.#core.damaged(partition, span.damage);
      for (let i = 0; i < span.count; i++) {
        const at = span.offsets[i]!;
        const start = span.positions[i]!;
        const entry = this.#cursor.set(span.buffer, start, start + span.lengths[i]!, at);
        if (at < partition.first || partition.isGone(at, entry.count)) continue;
        const { timestampMs } = entry;
        const retained = partition.retained?.(entry);
        if (retained === undefined) builder.put(at, timestampMs, span.buffer, start, start + span.lengths[i]!);
        else {
          builder.put(at, timestampMs, retained, 0, retained.length);
          if (this.#slices.isOver()) await this.#slices.pause();
        }
      }
      offset = span.nextOffset;
      if (builder.bytesBuffered > flushBytes) await builder.flush();
      if (this.#slices.isOver()) await this.#slices.pause();
    }
  }

  #read(meta: RunMeta, offset: number): Promise<Span> {
    return new Promise((resolve, reject) => {
      this.#core.log.segments.read(meta, offset, 1 << 20, 8192, (error, span) =>
        span === undefined ? reject(error ?? new Error("no span")) : resolve(span),
      );
    });
  }

  /** By segment: bytes of messages that were superseded since they were written, in batches of which others are left. About. */
  #supersededBytes(): Map<number, number> {
    const bytesBySegment = new Map<number, number>();
    for (const { compaction, partition } of this.#core.queueById.values()) {
      if (compaction === undefined || partition.maxSpan === 1) continue;
      for (const { meta, live, kept } of partition.runs.list) {
        const end = meta.lastOffset + 1;
        // What is older than this process is written anew once more than need be, at most.
        const before = kept ?? end - Math.max(0, meta.firstOffset - partition.maxSpan + 1);
        const keptShare = compaction.liveIn(meta.firstOffset, end) / Math.max(1, before);
        const bytes = meta.bytes * (Math.min(1, live / meta.count) - keptShare);
        if (bytes > 0) bytesBySegment.set(meta.segment, (bytesBySegment.get(meta.segment) ?? 0) + bytes);
      }
    }
    return bytesBySegment;
  }
}

/** It is missing, or damaged so that nothing of it could be read, and may be put back. */
function isUnread({ fileBytes }: SegmentState): boolean {
  return fileBytes === 0;
}

/** Whether retention may take two runs, and all between them, as one. */
function goTogether({ maxAgeMs, maxBytes }: Retention, first: RunMeta, last: RunMeta): boolean {
  if (maxAgeMs > 0 && last.lastTimestamp - first.firstTimestamp > maxAgeMs * retentionShare) return false;
  // Runs that are chosen together are of about the same size.
  return maxBytes <= 0 || tierSegments * Math.max(first.bytes, last.bytes) <= maxBytes * retentionShare;
}

/** Runs of the chosen segments; those with none between them together, as far as the first and the last may be. */
function adjacent(
  list: readonly Run[],
  chosen: ReadonlySet<number>,
  mayJoin: (first: Run, last: Run) => boolean,
): Run[][] {
  const groups: Run[][] = [];
  let group: Run[] | undefined;
  for (const run of list) {
    if (!chosen.has(run.meta.segment)) group = undefined;
    else if (group !== undefined && group.length < tierSegments && mayJoin(group[0]!, run)) group.push(run);
    else groups.push((group = [run]));
  }
  return groups;
}
