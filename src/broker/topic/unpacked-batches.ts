/**
 * Batches seen message by message, for consumers that settle them one by one.
 *
 * A batch is unpacked by its format when the first of its messages is looked at: into entries of single messages, in a
 * buffer of its own, which look to everybody like entries that were stored one by one. The last few batches are kept so,
 * within a bound of bytes, and found by their partition; a batch that is looked at again later is unpacked again.
 *
 * Not every offset of a batch has a message: one may be superseded, or the batch is a word to readers of its own protocol.
 * A batch that cannot be unpacked (it is damaged, or what it says is larger than a bound) has none: consumers pass over it,
 * and the operator is told.
 *
 * A small batch may be a lot to unpack, and one that is passed over costs its consumer no credit. So all consumers together
 * have a share of each turn for it: who goes through a log looks whether a batch is for later, and then waits for the share.
 */
import { assert } from "../../base/assert.ts";
import { TurnShare } from "../../base/turn-share.ts";
import type { Core } from "../core.ts";
import { entryBytesMax, type EntryCursor, writeEntry } from "../entry.ts";
import type { MessageFormat, UnpackedMessage, UnpackTarget } from "../format.ts";
import type { Partition } from "./partition.ts";

/** Of all that are kept. */
const keptBytesMax = 32 << 20;
/** Of one batch, whose messages are compressed; and how much larger than it one may become in any case. */
const unpackedBytesMax = 64 << 20;
const growthMax = 8;
/** More in one batch take a turn of 0.1 s and more, and no producer sends so many. */
const messagesMax = 262_144;
const messageBytes = 24;
/** What one takes that has no message, about, with its places among those that are kept. */
const batchBytes = 512;

/** One batch as entries: entry i is buffer[starts[i], ends[i]) and has offsets[i]. */
export class UnpackedBatch implements UnpackTarget {
  readonly partition: Partition;
  /** Of the batch. */
  readonly offset: number;
  readonly bytesMax: number;
  readonly topic: string;
  buffer: Buffer;
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly offsets: number[] = [];
  #end = 0;
  /** Where the last search ended: whoever goes through a batch wants the next one. */
  #found = -1;

  constructor(partition: Partition, topic: string, batch: EntryCursor) {
    this.partition = partition;
    this.topic = topic;
    this.offset = batch.offset;
    const bytes = batch.bodyEnd - batch.bodyStart;
    this.bytesMax = Math.max(unpackedBytesMax, bytes * growthMax);
    this.buffer = Buffer.allocUnsafeSlow(Math.max(1024, bytes * 2));
  }

  add(offset: number, timestampMs: number, message: UnpackedMessage): boolean {
    const { offsets } = this;
    assert(offsets.length === 0 || offset > offsets.at(-1)!, "the messages of a batch are in order");
    const end = this.#end + entryBytesMax(message);
    if (end > this.bytesMax) return false;
    if (end > this.buffer.length) this.#grow(end);
    this.starts.push(this.#end);
    this.#end = writeEntry(this.buffer, this.#end, message, true, false, timestampMs);
    this.ends.push(this.#end);
    offsets.push(offset);
    return true;
  }

  /** What it turned out to be is not to be trusted. */
  clear(): void {
    this.buffer = Buffer.alloc(0);
    this.starts.length = this.ends.length = this.offsets.length = 0;
  }

  get bytes(): number {
    return batchBytes + this.buffer.length + this.offsets.length * messageBytes;
  }

  /** Index of the first message at or behind the offset; the number of messages if there is none. */
  find(offset: number): number {
    const { offsets } = this;
    if (offsets[this.#found + 1] === offset) return ++this.#found;
    let low = 0;
    let high = offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    this.#found = low;
    return low;
  }

  show(index: number, cursor: EntryCursor): void {
    cursor.set(this.buffer, this.starts[index]!, this.ends[index]!, this.offsets[index]!);
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.#end);
    this.buffer = grown;
  }
}

export class UnpackedBatches {
  readonly share: TurnShare;
  readonly #core: Core;
  /** Least recently used first. */
  readonly #kept = new Set<UnpackedBatch>();
  /** By partition, and by offset. */
  readonly #known = new WeakMap<Partition, Map<number, UnpackedBatch>>();
  #bytes = 0;
  #last: UnpackedBatch | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.share = new TurnShare(core.clock);
  }

  /** `cursor` is on a batch: it is still to be unpacked, and this turn has seen enough of that. */
  isForLater(partition: Partition, cursor: EntryCursor): boolean {
    return this.share.isUsedUp && this.#known.get(partition)?.has(cursor.offset) !== true;
  }

  /**
   * `cursor` is on a batch: moves it onto the first of its messages at or behind `offset`, and answers the offset of that;
   * -1: there is none.
   */
  seek(partition: Partition, cursor: EntryCursor, offset: number): number {
    const batch = this.#unpacked(partition, cursor);
    const { offsets } = batch;
    for (let i = batch.find(offset); i < offsets.length; i++) {
      const found = offsets[i]!;
      // A log may be cut within a batch.
      if (found < partition.first || partition.isGone(found, 1)) continue;
      batch.show(i, cursor);
      return found;
    }
    return -1;
  }

  /**
   * Moves `cursor` onto the message at `offset` if it is of the batch that was looked into last, which nearly every message of
   * a batch is: to find that batch by the offset of one of its messages costs more than all else. False says nothing.
   */
  lookAgain(partition: Partition, offset: number, cursor: EntryCursor): boolean {
    const batch = this.#last;
    if (batch?.partition !== partition || offset > batch.offset || offset < partition.first) return false;
    const index = batch.find(offset);
    if (batch.offsets[index] !== offset || partition.isGone(offset, 1)) return false;
    cursor.partition = partition.index;
    batch.show(index, cursor);
    return true;
  }

  #unpacked(partition: Partition, cursor: EntryCursor): UnpackedBatch {
    const last = this.#last;
    if (last?.partition === partition && last.offset === cursor.offset) return last;
    const known = this.#known.get(partition)?.get(cursor.offset);
    if (known !== undefined) this.#kept.delete(known);
    const batch = known ?? this.#unpackInTime(partition, cursor);
    this.#kept.add(batch);
    this.#last = batch;
    return batch;
  }

  #unpackInTime(partition: Partition, cursor: EntryCursor): UnpackedBatch {
    const { clock } = this.#core;
    const fromMs = clock.elapsedMs();
    const batch = this.#unpack(partition, cursor);
    this.share.spent(clock.elapsedMs() - fromMs);
    return batch;
  }

  #unpack(partition: Partition, cursor: EntryCursor): UnpackedBatch {
    const topic = this.#core.queueById.get(partition.id)?.topic.name ?? "";
    const batch = new UnpackedBatch(partition, topic, cursor);
    const format = this.#core.format(cursor.format);
    if (format.isControl?.(cursor) === true) batch.clear();
    else if (!isUnpacked(format, cursor, batch)) {
      batch.clear();
      this.#tell(partition, cursor);
    }
    let others = this.#known.get(partition);
    if (others === undefined) this.#known.set(partition, (others = new Map()));
    others.set(batch.offset, batch);
    this.#bytes += batch.bytes;
    for (const oldest of this.#kept) {
      if (this.#bytes <= keptBytesMax) break;
      this.#forget(oldest);
    }
    return batch;
  }

  #forget(batch: UnpackedBatch): void {
    this.#kept.delete(batch);
    this.#bytes -= batch.bytes;
    this.#known.get(batch.partition)?.delete(batch.offset);
  }

  #tell(partition: Partition, { baseOffset, offset }: EntryCursor): void {
    const queue = this.#core.queueById.get(partition.id);
    this.#core.limitedLog.warn("a batch cannot be unpacked: consumers pass over its messages", {
      queue: queue?.name,
      namespace: queue?.namespace.name,
      firstOffset: baseOffset,
      lastOffset: offset,
    });
  }
}

function isUnpacked(format: MessageFormat, cursor: EntryCursor, batch: UnpackedBatch): boolean {
  const count = format.messages?.(cursor) ?? cursor.count;
  return count <= messagesMax && format.unpack?.(cursor, batch) === true && isWithin(batch, cursor);
}

/** A format that says of a batch what it does not span would bring other messages out of order. */
function isWithin({ offsets }: UnpackedBatch, { baseOffset, offset }: EntryCursor): boolean {
  return offsets.length === 0 || (offsets[0]! >= baseOffset && offsets.at(-1)! <= offset);
}
