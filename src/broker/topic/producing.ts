/**
 * Producers and transactions of one partition, on their way into the journal and back.
 *
 * What a producer did is a record in the same block as the messages that it is about, and the state here changes with that
 * record, so a checkpoint and a crash find both or neither. The records have a fixed size (see records.ts).
 */
import { assert } from "../../base/assert.ts";
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../base/bytes.ts";
import {
  type AbortedTransaction,
  type Batch,
  type OpenTransaction,
  type Produced,
  producerVerdict,
  type ProducerView,
} from "../batch.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import { commitId, idsMaxOf } from "../catalog/remembered-ids.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import type { ReplayedIds } from "../durability/replayed-ids.ts";
import { readU48, writeU48 } from "../entry.ts";
import { appendBatch, assertOffsets, batchRecordBytes } from "./append-batch.ts";
import { Producers } from "./producers.ts";
import { type Transaction, Transactions, type TransactionsJson } from "./transactions.ts";
import { UndecidedIds } from "./undecided-ids.ts";

const producedBytes = 42;
const endedBytes = 28;
const transactional = 1;
const committed = 1;
const noSequence = 0xffff_ffff;
const noOffset = 0xffff_ffff_ffff;
/** How often idle producers are looked for, at most. */
const sweepEveryMs = 600_000;

export interface ProducingJson extends TransactionsJson {
  /** Base64, each of some hundreds; one text for all in checkpoints of format 1. */
  readonly producers: Iterable<string> | string;
}

export class Producing {
  readonly producers: Producers;
  readonly transactions: Transactions;
  readonly #core: Core;
  readonly #queue: QueueState;
  #sweptMs: number;

  constructor(core: Core, queue: QueueState) {
    this.#core = core;
    this.#queue = queue;
    this.producers = new Producers(core.settings.producerExpiryMs);
    this.transactions = new Transactions(queue.subscription !== undefined);
    this.#sweptMs = core.now();
    queue.partition.transactions = this.transactions;
  }

  check(produced: Produced): number {
    const open = this.transactions.openOf(produced.producerId);
    const verdict = this.producers.check(produced, this.#core.now(), open !== undefined);
    if (verdict !== producerVerdict.next || open === undefined || produced.isTransactional) return verdict;
    return producerVerdict.notInTransaction;
  }

  appendBatch(batch: Batch): number {
    assert(this.check(batch) === producerVerdict.next, "a batch is appended when its turn has come");
    const { partition } = this.#queue;
    assertOffsets(partition, batch.count);
    // Room for all of it: the record and the batch must not come to lie in different blocks.
    if (partition.isDurable) this.#core.commit.reserve(producedBytes + batchRecordBytes(batch));
    const base = partition.next;
    this.#write(batch, base, base + batch.count);
    const placed = appendBatch(this.#core, this.#queue, batch);
    assert(placed === base, "a batch gets the offsets that its producer's record says");
    this.#appended(batch, base, base + batch.count);
    return base;
  }

  appendProduced(produced: Produced, publish: () => void): number {
    assert(this.check(produced) === producerVerdict.next, "messages are appended when their turn has come");
    const { partition, subscription } = this.#queue;
    const base = partition.next;
    this.#core.commit.atomically(() => {
      const ids = produced.isTransactional ? this.#newIds(produced.producerId) : undefined;
      if (subscription !== undefined) subscription.undecided.begin(produced.isTransactional, ids);
      try {
        publish();
      } finally {
        if (subscription !== undefined) subscription.undecided.begin(false, undefined);
      }
      if (partition.isDurable) this.#core.commit.reserve(producedBytes);
      this.#write(produced, base, partition.next);
      this.#appended(produced, base, partition.next);
      if (ids !== undefined) this.#keepIds(produced.producerId, ids.added);
    });
    return base;
  }

  endTransaction(producerId: number, producerEpoch: number, isCommitted: boolean, word: Batch | undefined): number {
    const { partition, subscription } = this.#queue;
    // It comes late: whatever is open is of somebody who took over.
    if (producerEpoch < this.producers.epochOf(producerId)) return -1;
    const marker = subscription === undefined ? word : undefined;
    if (partition.isDurable) {
      this.#core.commit.reserve(endedBytes + (marker === undefined ? 0 : batchRecordBytes(marker)));
    }
    const markerOffset = marker === undefined ? -1 : partition.next + marker.count - 1;
    this.#writeEnded(producerId, producerEpoch, isCommitted, markerOffset);
    if (marker !== undefined) appendBatch(this.#core, this.#queue, marker);
    this.producers.ended(producerId, producerEpoch, this.#core.now());
    const ended = this.#end(producerId, isCommitted, markerOffset, this.#core.now());
    if (ended === undefined) return markerOffset;
    // A log leaves it where it is, for readers to pass over; and a batch may say that it spans millions of offsets.
    if (!isCommitted && subscription !== undefined)
      forEachOffset(ended, (offset) => subscription.undecided.abort(offset));
    // Not at once, where nothing is to be written either: what is decided with it in other partitions may have to be.
    this.#core.commit.touch(partition);
    this.#core.onceDurable(() => this.#decided(ended, isCommitted));
    return markerOffset;
  }

  open(): Iterable<OpenTransaction> {
    return this.transactions.open();
  }

  aborted(start: number, end: number): readonly AbortedTransaction[] {
    const { partition, compaction } = this.#queue;
    this.transactions.trim(partition.first);
    const found = this.transactions.aborted(start, end);
    if (compaction === undefined) return found;
    // Who is told of one looks for its end, and drops what its producer sent until then: an end that has gone is not to come.
    return found.filter(({ lastOffset }) => !compaction.superseded.has(lastOffset));
  }

  *views(): Iterable<ProducerView> {
    for (const producerId of this.producers.ids()) {
      yield {
        producerId,
        producerEpoch: this.producers.epochOf(producerId),
        lastSequence: this.producers.lastSequenceOf(producerId),
        lastTimestampMs: this.producers.lastMsOf(producerId),
        transactionFirstOffset: this.transactions.openOf(producerId)?.firstOffset ?? -1,
      };
    }
  }

  // ---- recovery

  /** Applies a record of messages that begins at `at`; answers the position behind it. */
  static restoreProduced(
    producingOf: (queue: number) => Producing | undefined,
    buffer: Buffer,
    at: number,
    ids: ReplayedIds,
  ): number {
    const queue = getU32(buffer, at + 1);
    const producing = producingOf(queue);
    if (producing !== undefined) {
      const sequence = getU32(buffer, at + 16);
      const produced: Produced = {
        producerId: getU64(buffer, at + 5),
        producerEpoch: getU16(buffer, at + 13),
        isTransactional: (buffer[at + 15]! & transactional) !== 0,
        sequence: sequence === noSequence ? -1 : sequence,
        count: getU32(buffer, at + 20),
      };
      const start = readU48(buffer, at + 24);
      const end = readU48(buffer, at + 30);
      producing.#appended(produced, start, end, readU48(buffer, at + 36));
      if (produced.isTransactional) producing.#keepIds(produced.producerId, ids.take(queue, start, end));
    }
    return at + producedBytes;
  }

  /** The same for the end of a transaction. */
  static restoreEnded(producingOf: (queue: number) => Producing | undefined, buffer: Buffer, at: number): number {
    const producing = producingOf(getU32(buffer, at + 1));
    if (producing !== undefined) {
      const producerId = getU64(buffer, at + 5);
      const isCommitted = (buffer[at + 15]! & committed) !== 0;
      const marker = readU48(buffer, at + 16);
      const endedMs = readU48(buffer, at + 22);
      producing.producers.ended(producerId, getU16(buffer, at + 13), endedMs);
      const ended = producing.#end(producerId, isCommitted, marker === noOffset ? -1 : marker, endedMs);
      // What a queue settled by it is in the same block, as what is settled always is.
      if (ended !== undefined) producing.transactions.decided(ended);
    }
    return at + endedBytes;
  }

  toJson(): ProducingJson | undefined {
    const { producers, transactions } = this;
    this.#sweep(this.#core.now());
    const { partition, compaction } = this.#queue;
    transactions.trim(partition.first);
    if (compaction !== undefined) transactions.prune((start, end) => compaction.superseded.hasAll(start, end));
    if (producers.size === 0 && transactions.isIdle) return undefined;
    return { producers: producers.toTexts(), ...transactions.toJson() };
  }

  fromJson(json: ProducingJson): void {
    this.producers.fromTexts(typeof json.producers === "string" ? [json.producers] : json.producers);
    this.transactions.fromJson(json, idsMaxOf(this.#queue));
  }

  // ---- what both ways have in common

  #appended(produced: Produced, start: number, end: number, nowMs = this.#core.now()): void {
    const { producerId, producerEpoch, sequence, count, isTransactional } = produced;
    if (nowMs - this.#sweptMs > sweepEveryMs) this.#sweep(nowMs);
    this.producers.append(producerId, producerEpoch, sequence, count, start, nowMs);
    if (isTransactional && start < end) this.transactions.append(producerId, producerEpoch, start, end, nowMs);
  }

  /** Ids that its open transaction is to remember. */
  #keepIds(producerId: number, ids: Iterable<[string, number]>): void {
    this.transactions.openOf(producerId)?.remember(ids, idsMaxOf(this.#queue));
  }

  #newIds(producerId: number): UndecidedIds | undefined {
    const { settings, topic } = this.#queue;
    if (settings.dedup === undefined) return undefined;
    return new UndecidedIds(
      idsMaxOf(this.#queue),
      topic.partitions.map((one) => one.producing().transactions.openOf(producerId)?.ids),
    );
  }

  #end(producerId: number, isCommitted: boolean, markerOffset: number, nowMs: number): Transaction | undefined {
    const ended = this.transactions.end(producerId);
    if (ended === undefined) return undefined;
    if (isCommitted) {
      for (const [id, at] of ended.ids?.toJson() ?? []) commitId(this.#queue, id, at, nowMs);
      return ended;
    }
    const { subscription } = this.#queue;
    const lastOffset = Math.max(markerOffset, ended.ranges.ends.at(-1)! - 1);
    // A queue that keeps no history has settled them, and they are gone.
    if (subscription === undefined || subscription.keepsHistory) this.transactions.abort(ended, lastOffset);
    return ended;
  }

  #decided(ended: Transaction, isCommitted: boolean): void {
    const { partition, subscription } = this.#queue;
    if (partition.isDeleted) return;
    this.transactions.decided(ended);
    if (isCommitted && subscription !== undefined) {
      forEachOffset(ended, (offset) => subscription.undecided.commit(offset));
      subscription.lengthLimit.exceeded();
      subscription.wake();
    }
    partition.makeStable();
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    this.producers.expire(nowMs, (producerId) => this.transactions.openOf(producerId) !== undefined);
  }

  /** There is room for it. */
  #write(produced: Produced, start: number, end: number): void {
    if (!this.#queue.partition.isDurable) return;
    const { commit } = this.#core;
    const { buffer, at } = commit;
    this.#writeHead(record.produced, produced.producerId, produced.producerEpoch);
    buffer[at + 15] = produced.isTransactional ? transactional : 0;
    putU32(buffer, at + 16, produced.sequence < 0 ? noSequence : produced.sequence);
    putU32(buffer, at + 20, produced.count);
    writeU48(buffer, at + 24, start);
    writeU48(buffer, at + 30, end);
    writeU48(buffer, at + 36, this.#core.now());
    commit.at = at + producedBytes;
  }

  /** There is room for it. */
  #writeEnded(producerId: number, producerEpoch: number, isCommitted: boolean, markerOffset: number): void {
    if (!this.#queue.partition.isDurable) return;
    const { commit } = this.#core;
    const { buffer, at } = commit;
    this.#writeHead(record.ended, producerId, producerEpoch);
    buffer[at + 15] = isCommitted ? committed : 0;
    writeU48(buffer, at + 16, markerOffset < 0 ? noOffset : markerOffset);
    writeU48(buffer, at + 22, this.#core.now());
    commit.at = at + endedBytes;
  }

  #writeHead(kind: number, producerId: number, producerEpoch: number): void {
    const { buffer, at } = this.#core.commit;
    buffer[at] = kind;
    putU32(buffer, at + 1, this.#queue.id);
    putU64(buffer, at + 5, producerId);
    putU16(buffer, at + 13, producerEpoch);
  }
}

function forEachOffset({ ranges }: Transaction, visit: (offset: number) => void): void {
  for (const [i, start] of ranges.starts.entries()) {
    for (let offset = start; offset < ranges.ends[i]!; offset++) visit(offset);
  }
}
