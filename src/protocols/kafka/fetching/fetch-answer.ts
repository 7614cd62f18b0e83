/**
 * Writes the answer to a fetch: the one place where stored bytes go to a socket, by one copy.
 *
 * First it is seen what goes with it (positions in the core's buffers, kept in arrays that are used again), then all is
 * written in one pass. Both happen in one turn, so the buffers stay what they are. The first batch of an answer goes whole,
 * whatever the limits; every other one goes whole or not.
 *
 * The layout is that of FetchResponse in codec/messages/fetch.ts, by which the tests read it in every version.
 */

import { assert } from "../../../base/assert.ts";
import type { AbortedTransaction, Entry } from "../../../broker/api.ts";
import type { Output } from "../../../wire/output.ts";
import { emptyBatch, emptyBatchBytes } from "../codec/batch-builder.ts";
import { errorCode } from "../codec/errors.ts";
import { uuidZero, writeInt64, writeLength, writeString, writeUuid } from "../codec/primitives.ts";
import { sizeOf, type FetchPartition } from "./fetch-partition.ts";

/** Encodes what is stored one by one: messages that follow each other become record batches. */
export interface ForeignEntries {
  /**
   * Adds the message to the batch that is being made, or begins one. False: that one is finished first.
   * @param usesAppendTime its time is when the broker took it, whatever it says itself.
   */
  add(entry: Entry, usesAppendTime: boolean): boolean;
  /** Of the batch that is being made; 0: there is none. */
  readonly bytes: number;
  /** The batch. */
  finish(): Buffer;
  /** The time that a message has in its batch. */
  timeOf(entry: Entry, usesAppendTime: boolean): number;
}

const noTransactions: readonly AbortedTransaction[] = [];

export class FetchAnswer {
  readonly #partitions: FetchPartition[] = [];
  /** Of partition i: its slices are those from #firstSlice[i] to #firstSlice[i + 1]. */
  readonly #firstSlice: number[] = [];
  readonly #recordBytes: number[] = [];
  readonly #aborted: (readonly AbortedTransaction[] | null)[] = [];
  readonly #buffers: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #foreign: ForeignEntries | undefined;
  /** Of the partition that is being added. */
  #usesAppendTime = false;
  #hasRecords = false;
  #bytesLeft = 0;
  #taken = 0;
  #takenMax = 0;
  #isRefused = false;
  #lastEnd = 0;

  begin(bytesMax: number, foreign: ForeignEntries | undefined): void {
    assert(this.#partitions.length === 0 && this.#starts.length === 0, "one answer is written at a time");
    this.#bytesLeft = bytesMax;
    this.#foreign = foreign;
    this.#hasRecords = false;
  }

  /**
   * Takes what there is of a partition, and room, and answers how many bytes that is. `always`: it is in the answer also
   * when there is nothing.
   */
  add(partition: FetchPartition, isCommittedOnly: boolean, always: boolean): number {
    const firstSlice = this.#starts.length;
    this.#taken = 0;
    this.#isRefused = false;
    this.#takenMax = Math.min(partition.bytesMax, this.#bytesLeft);
    let aborted: readonly AbortedTransaction[] | null = isCommittedOnly ? noTransactions : null;
    if (partition.error === 0) {
      const queue = partition.queue!;
      const end = partition.end(isCommittedOnly);
      this.#lastEnd = partition.offset;
      this.#usesAppendTime = partition.usesAppendTime;
      const next = queue.read(partition.offset, end, this.#take);
      this.#finishForeign();
      // What the reader asks for next is on its way when it asks.
      if (next < end && !this.#isRefused) queue.load(next, nothing);
      if (isCommittedOnly && this.#taken > 0) aborted = queue.abortedTransactions(partition.offset, this.#lastEnd);
      if (next >= end && partition.isGapped) this.#passOver(this.#lastEnd, end);
      const { visibleEnd, earliestOffset } = queue;
      const isNews = partition.toldEnd !== visibleEnd || partition.toldStart !== earliestOffset;
      if (this.#taken === 0 && !always && !isNews) return 0;
      partition.toldEnd = visibleEnd;
      partition.toldStart = earliestOffset;
    }
    this.#partitions.push(partition);
    this.#firstSlice.push(firstSlice);
    this.#recordBytes.push(this.#taken);
    this.#aborted.push(aborted);
    this.#bytesLeft -= this.#taken;
    return this.#taken;
  }

  readonly #take = (entry: Entry): boolean => {
    const bytes = sizeOf(entry);
    if (this.#hasRecords && this.#taken + (this.#foreign?.bytes ?? 0) + bytes > this.#takenMax) {
      this.#isRefused = true;
      return false;
    }
    if (!entry.isBatch && this.#foreign === undefined) return false;
    if (entry.isBatch) {
      this.#finishForeign();
      this.#slice(entry.buffer, entry.bodyStart, entry.bodyEnd);
    } else if (!this.#foreign!.add(entry, this.#usesAppendTime)) {
      this.#finishForeign();
      this.#foreign!.add(entry, this.#usesAppendTime);
    }
    this.#hasRecords = true;
    this.#lastEnd = entry.offset + 1;
    return true;
  };

  #finishForeign(): void {
    const foreign = this.#foreign;
    if (foreign === undefined || foreign.bytes === 0) return;
    const batch = foreign.finish();
    this.#slice(batch, 0, batch.length);
  }

  /**
   * What was between is gone: its reader comes behind it by a batch without records, as Kafka leaves behind what it compacts. That does
   * not end the wait of a fetch: kafkajs stays where it is, and would ask again at once.
   */
  #passOver(from: number, end: number): void {
    if (from >= end || (this.#hasRecords && this.#taken + emptyBatchBytes > this.#takenMax)) return;
    const batch = emptyBatch(from, end - 1);
    this.#slice(batch, 0, batch.length);
  }

  #slice(buffer: Buffer, start: number, end: number): void {
    this.#buffers.push(buffer);
    this.#starts.push(start);
    this.#ends.push(end);
    this.#taken += end - start;
  }

  /** Writes what was added, and forgets it. */
  write(output: Output, version: number, error: number, sessionId: number): void {
    const isFlexible = version >= 12;
    output.u32(0);
    if (version >= 7) {
      output.u16(error);
      output.u32(sessionId);
    }
    const partitions = this.#partitions;
    this.#firstSlice.push(this.#starts.length);
    writeLength(output, countTopics(partitions), isFlexible);
    for (let at = 0; at < partitions.length;) {
      const end = endOfTopic(partitions, at);
      const { topicName, topicId } = partitions[at]!;
      if (version >= 13) writeUuid(output, topicId);
      else writeString(output, topicName, isFlexible);
      writeLength(output, end - at, isFlexible);
      for (; at < end; at++) this.#writePartition(output, version, at);
      if (isFlexible) output.u8(0);
    }
    if (isFlexible) output.u8(0);
    this.#forget();
  }

  #writePartition(output: Output, version: number, at: number): void {
    const isFlexible = version >= 12;
    const { index, error, queue } = this.#partitions[at]!;
    const isRight = error === errorCode.NONE;
    output.u32(index);
    output.u16(error);
    writeInt64(output, isRight ? queue!.visibleEnd : -1);
    writeInt64(output, isRight ? queue!.stableEnd : -1);
    if (version >= 5) writeInt64(output, isRight ? queue!.earliestOffset : -1);
    this.#writeAborted(output, isFlexible, this.#aborted[at]!);
    // Its preferred read replica: the one that it asks.
    if (version >= 11) output.u32(0xffff_ffff);
    writeLength(output, this.#recordBytes[at]!, isFlexible);
    const end = this.#firstSlice[at + 1]!;
    for (let slice = this.#firstSlice[at]!; slice < end; slice++)
      output.copy(this.#buffers[slice]!, this.#starts[slice]!, this.#ends[slice]!);
    if (isFlexible) output.u8(0);
  }

  #writeAborted(output: Output, isFlexible: boolean, aborted: readonly AbortedTransaction[] | null): void {
    writeLength(output, aborted === null ? -1 : aborted.length, isFlexible);
    if (aborted === null) return;
    for (const { producerId, firstOffset } of aborted) {
      writeInt64(output, producerId);
      writeInt64(output, firstOffset);
      if (isFlexible) output.u8(0);
    }
  }

  #forget(): void {
    for (const array of [this.#partitions, this.#firstSlice, this.#recordBytes, this.#aborted]) array.length = 0;
    this.#buffers.length = 0;
    this.#starts.length = 0;
    this.#ends.length = 0;
    this.#foreign = undefined;
  }
}

function nothing(): void {
  // The next fetch looks itself.
}

function countTopics(partitions: readonly FetchPartition[]): number {
  let count = 0;
  for (let at = 0; at < partitions.length; at = endOfTopic(partitions, at)) count++;
  return count;
}

/** Partitions of a topic that follow each other stand together. */
function endOfTopic(partitions: readonly FetchPartition[], start: number): number {
  const first = partitions[start]!;
  let end = start + 1;
  while (end < partitions.length && isSameTopic(partitions[end]!, first)) end++;
  return end;
}

function isSameTopic(a: FetchPartition, b: FetchPartition): boolean {
  return a.topicId === b.topicId && (a.topicId !== uuidZero || a.topicName === b.topicName);
}
