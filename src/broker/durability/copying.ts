/**
 * The part of a checkpoint that takes long: entries go into its segments, a slice at a time, so that everybody else has
 * their turns in between.
 *
 * An entry stays in its block buffer until the builder writes it, or is copied at once if it is short (see SegmentBuilder.put()).
 * It may be settled and leave memory before the builder has written it. The buffer is retained for so long: what would
 * otherwise be filled anew before it was copied.
 */
import type { Slices } from "../../base/slices.ts";
import { LENT_BYTES_MIN } from "../../log/log.ts";
import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import { crcOfBatch } from "../topic/append-batch.ts";
import { pageEntries } from "../topic/page.ts";
import type { Partition } from "../topic/partition.ts";
import type { SegmentSink } from "./segment-series.ts";

/** Entries copied, and partitions looked at, in one slice of a turn. */
const sliceEntries = 2048;
const flushBytes = 1 << 20;

export class SegmentCopying {
  readonly #core: Core;
  readonly #slices: Slices;
  readonly #cursor = new EntryCursor();
  readonly #lentSlots: number[] = [];
  /** Where payloads that several queues share were put, by slot and position; all in one segment. */
  readonly #placed = new Map<number, number>();
  #placedIn = -1;
  /** In this slice. */
  #copied = 0;

  constructor(core: Core, slices: Slices) {
    this.#core = core;
    this.#slices = slices;
  }

  /**
   * Copies what lives below each partition's snapshot end. Buffers are lent to the builder until takeBack(), which is to follow
   * when it is finished, or given up.
   */
  async copy(builder: SegmentSink, partitions: readonly Partition[]): Promise<void> {
    this.#placed.clear();
    for (const partition of partitions) {
      if (partition.isDeleted) continue;
      builder.beginRun(partition.id);
      await this.#copyPartition(builder, partition);
      builder.endRun();
      this.#copied++;
      await this.#paused();
    }
    this.#placed.clear();
  }

  async #copyPartition(builder: SegmentSink, partition: Partition): Promise<void> {
    const end = partition.snapshotEnd;
    let offset = Math.max(partition.persistedEnd, partition.first);
    while (offset < end && !partition.isDeleted) {
      const page = partition.pageOf(offset);
      if (page === undefined) {
        offset = partition.firstEndingFrom(offset, end);
        partition.checkpointWritten = offset;
        continue;
      }
      const pageEnd = Math.min(end, page.base + pageEntries);
      while (offset < pageEnd && this.#copied < sliceEntries && builder.bytesBuffered <= flushBytes) {
        if (partition.lookAt(offset, this.#cursor)) {
          // What is written anew without some of its messages is unpacked for that, which takes longer than a copy.
          const isWhole = this.#copyEntry(builder, partition, offset);
          this.#copied += isWhole || !this.#slices.isOver() ? 1 : sliceEntries;
        }
        offset++;
      }
      partition.checkpointWritten = offset;
      await this.#flushed(builder);
      await this.#paused();
    }
    partition.checkpointWritten = end;
  }

  /** Gives the turn back, if that is due. */
  async #paused(): Promise<void> {
    if (this.#copied < sliceEntries) return;
    this.#copied = 0;
    await this.#slices.pause();
  }

  /** False: without some of its messages. */
  #copyEntry(builder: SegmentSink, partition: Partition, offset: number): boolean {
    const { buffer, timestampMs, isShared, isBatch, bodyStart, bodyEnd } = this.#cursor;
    const retained = partition.retained?.(this.#cursor);
    if (retained !== undefined) {
      builder.put(offset, timestampMs, retained, 0, retained.length);
      return false;
    }
    const start = partition.startOf(offset);
    if (bodyEnd - start >= LENT_BYTES_MIN) this.#lend(partition.slotOf(offset));
    if (!isShared) {
      const format = isBatch ? this.#core.format(this.#cursor.format) : undefined;
      const crc = format && crcOfBatch(format, buffer, start, bodyStart, bodyEnd);
      builder.put(offset, timestampMs, buffer, start, bodyEnd, crc);
      return true;
    }
    // Fan-out: the same bytes, at the same place of the same block buffer, are stored once.
    const identity = partition.slotOf(offset) * 0x1_0000_0000 + start;
    if (builder.number !== this.#placedIn) this.#placed.clear();
    this.#placedIn = builder.number;
    const position = this.#placed.get(identity);
    if (position === undefined) this.#placed.set(identity, builder.put(offset, timestampMs, buffer, start, bodyEnd));
    else builder.share(offset, timestampMs, position, bodyEnd - start);
    return true;
  }

  /** The builder copies from this buffer at its flush: whatever becomes of its entries meanwhile, nobody is to fill it anew. */
  #lend(slot: number): void {
    this.#core.cache.retain(slot);
    this.#lentSlots.push(slot);
  }

  /** Writes what has gathered, if that is enough. */
  async #flushed(builder: SegmentSink): Promise<void> {
    if (builder.bytesBuffered <= flushBytes) return;
    await builder.flush();
    this.takeBack();
  }

  /** The builder has no more need of what it was lent. */
  takeBack(): void {
    for (const slot of this.#lentSlots) this.#core.cache.release(slot);
    this.#lentSlots.length = 0;
  }
}
