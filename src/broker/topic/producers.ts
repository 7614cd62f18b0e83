/**
 * Who numbers what it appends to one partition, so that what is sent twice is there once.
 *
 * Of each producer are known its epoch and its last five batches: first and last sequence, and where they begin. A batch
 * is next if it goes on where the last one ended; it is a duplicate if it is one of the five, to the message; anything
 * else is out of order. A newer epoch begins at 0, an older one is fenced. Who is not known (it is new, or was idle for so
 * long that it was forgotten) may begin anywhere: its numbers are as good as any. Sequences go from 0 to 2^31 - 1 and round.
 *
 * State is a row of numbers in one array, however many producers there are: 152 bytes each, and a place in a map.
 */
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../base/bytes.ts";
import { producerVerdict, type Produced } from "../batch.ts";
import { readU48, writeU48 } from "../entry.ts";

/** Batches of each producer that can be told from new ones: as many as a client has under way at most. */
export const batchesKept = 5;
const sequences = 0x8000_0000;

// A row.
const epochAt = 0;
const lastMsAt = 1;
/** Batches known, and which of them is the newest. */
const knownAt = 2;
const newestAt = 3;
const batchesAt = 4;
/** Of a batch: last sequence, messages, first offset. */
const batchWords = 3;
const rowWords = batchesAt + batchesKept * batchWords;

/** In a checkpoint: id u64, epoch u16, last time u48, batches u8; and of each, the oldest first: last u32, messages u32, first u48. */
const storedBytes = 17;
const storedBatchBytes = 14;

export class Producers {
  readonly #rowOf = new Map<number, number>();
  readonly #freeRows: number[] = [];
  #rows = new Float64Array(rowWords);
  #rowsUsed = 0;
  readonly #expiryMs: number;

  /** `expiryMs`: who appends nothing for so long is forgotten. */
  constructor(expiryMs: number) {
    this.#expiryMs = expiryMs;
  }

  get size(): number {
    return this.#rowOf.size;
  }

  has(producerId: number): boolean {
    return this.#rowOf.has(producerId);
  }

  /** -1: it is not known. */
  epochOf(producerId: number): number {
    return this.#get(producerId, epochAt, -1);
  }

  /** -1: no batch of its epoch is known. */
  lastSequenceOf(producerId: number): number {
    const row = this.#rowOf.get(producerId);
    return row === undefined ? -1 : this.#lastSequence(row);
  }

  lastMsOf(producerId: number): number {
    return this.#get(producerId, lastMsAt, -1);
  }

  ids(): Iterable<number> {
    return this.#rowOf.keys();
  }

  /** As PartitionReading.checkProducer(). `isBusy`: has a transaction open here, and is not forgotten. */
  check(produced: Produced, nowMs: number, isBusy: boolean): number {
    const { producerId, producerEpoch, sequence, count } = produced;
    if (producerId < 0) return producerVerdict.next;
    const row = this.#rowOf.get(producerId);
    const isExpired = row !== undefined && nowMs - this.#rows[row + lastMsAt]! >= this.#expiryMs && !isBusy;
    if (row === undefined || isExpired) return firstVerdict(produced);
    const epoch = this.#rows[row + epochAt]!;
    if (producerEpoch < epoch) return producerVerdict.fenced;
    if (sequence < 0) return producerVerdict.next;
    if (producerEpoch > epoch) return sequence === 0 ? producerVerdict.next : producerVerdict.outOfOrder;
    const last = this.#lastSequence(row);
    if (sequence === sequenceAfter(last, 1)) return producerVerdict.next;
    return this.#checkOlder(row, sequence, sequenceAfter(sequence, count - 1));
  }

  /** A batch was appended. */
  append(producerId: number, epoch: number, sequence: number, count: number, firstOffset: number, nowMs: number): void {
    const row = this.#rowFor(producerId, epoch);
    const rows = this.#rows;
    rows[row + lastMsAt] = nowMs;
    if (sequence < 0) return;
    const newest = rows[row + knownAt] === 0 ? 0 : (rows[row + newestAt]! + 1) % batchesKept;
    rows[row + newestAt] = newest;
    rows[row + knownAt] = Math.min(batchesKept, rows[row + knownAt]! + 1);
    const at = row + batchesAt + newest * batchWords;
    rows[at] = sequenceAfter(sequence, count - 1);
    rows[at + 1] = count;
    rows[at + 2] = firstOffset;
  }

  /** A transaction of it was decided, in this epoch: older ones are fenced from now on. */
  ended(producerId: number, epoch: number, nowMs: number): void {
    const row = this.#rowFor(producerId, epoch);
    this.#rows[row + lastMsAt] = nowMs;
  }

  /** Forgets who was idle for too long. */
  expire(nowMs: number, isBusy: (producerId: number) => boolean): void {
    for (const [producerId, row] of this.#rowOf) {
      if (nowMs - this.#rows[row + lastMsAt]! < this.#expiryMs || isBusy(producerId)) continue;
      this.#rowOf.delete(producerId);
      this.#freeRows.push(row);
    }
  }

  /** For checkpoints, in which they may be a hundred thousand: in base64, which takes a tenth of the time of JSON. */
  toText(): string {
    const rows = this.#rows;
    const bytes = Buffer.allocUnsafe(this.#rowOf.size * (storedBytes + batchesKept * storedBatchBytes));
    let to = 0;
    for (const [producerId, row] of this.#rowOf) {
      const known = rows[row + knownAt]!;
      putU64(bytes, to, producerId);
      putU16(bytes, to + 8, rows[row + epochAt]!);
      writeU48(bytes, to + 10, rows[row + lastMsAt]!);
      bytes[to + 16] = known;
      to += storedBytes;
      for (let i = 0; i < known; i++, to += storedBatchBytes) {
        const at = this.#batchAt(row, i);
        putU32(bytes, to, rows[at]!);
        putU32(bytes, to + 4, rows[at + 1]!);
        writeU48(bytes, to + 8, rows[at + 2]!);
      }
    }
    return bytes.toString("base64", 0, to);
  }

  fromText(text: string): void {
    const bytes = Buffer.from(text, "base64");
    for (let at = 0; at < bytes.length;) {
      const producerId = getU64(bytes, at);
      const epoch = getU16(bytes, at + 8);
      const lastMs = readU48(bytes, at + 10);
      const known = bytes[at + 16]!;
      at += storedBytes;
      this.ended(producerId, epoch, lastMs);
      for (let i = 0; i < known; i++, at += storedBatchBytes) {
        const count = getU32(bytes, at + 4);
        const sequence = sequenceAfter(getU32(bytes, at), 1 - count);
        this.append(producerId, epoch, sequence, count, readU48(bytes, at + 8), lastMs);
      }
    }
  }

  #checkOlder(row: number, first: number, last: number): number {
    let oldest = -1;
    for (let i = 0; i < this.#rows[row + knownAt]!; i++) {
      const at = this.#batchAt(row, i);
      const start = sequenceAfter(this.#rows[at]!, 1 - this.#rows[at + 1]!);
      if (this.#rows[at] === last && start === first) return this.#rows[at + 2]!;
      if (oldest < 0) oldest = start;
    }
    // As many behind as ahead: which it is, is told by half of the circle.
    const isBelow = oldest >= 0 && distance(last, oldest) > 0 && distance(last, oldest) < sequences / 2;
    return isBelow && distance(first, last) < sequences / 2 ? producerVerdict.longPast : producerVerdict.outOfOrder;
  }

  /** Where its batch i is, of which 0 is the oldest. */
  #batchAt(row: number, i: number): number {
    const older = this.#rows[row + knownAt]! - 1 - i;
    return row + batchesAt + ((this.#rows[row + newestAt]! - older + batchesKept) % batchesKept) * batchWords;
  }

  #lastSequence(row: number): number {
    if (this.#rows[row + knownAt] === 0) return -1;
    return this.#rows[row + batchesAt + this.#rows[row + newestAt]! * batchWords]!;
  }

  #get(producerId: number, word: number, otherwise: number): number {
    const row = this.#rowOf.get(producerId);
    return row === undefined ? otherwise : this.#rows[row + word]!;
  }

  /** Its row; of another epoch than it was, with no batches. */
  #rowFor(producerId: number, epoch: number): number {
    let row = this.#rowOf.get(producerId);
    if (row === undefined) {
      row = this.#freeRows.pop() ?? this.#newRow();
      this.#rowOf.set(producerId, row);
      this.#rows[row + epochAt] = -1;
    }
    if (this.#rows[row + epochAt] === epoch) return row;
    this.#rows[row + epochAt] = epoch;
    this.#rows[row + knownAt] = 0;
    this.#rows[row + newestAt] = 0;
    return row;
  }

  #newRow(): number {
    const row = this.#rowsUsed;
    this.#rowsUsed += rowWords;
    if (this.#rowsUsed > this.#rows.length) {
      const grown = new Float64Array(this.#rows.length * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    return row;
  }
}

/** Of a producer that is not known. */
function firstVerdict({ beginsAtZero, sequence }: Produced): number {
  return beginsAtZero === true && sequence > 0 ? producerVerdict.outOfOrder : producerVerdict.next;
}

/** The sequence `steps` behind another; -1, none, is before 0. */
function sequenceAfter(sequence: number, steps: number): number {
  return (sequence + steps + sequences) % sequences;
}

/** Steps from one to the other, upwards. */
function distance(from: number, to: number): number {
  return (to - from + sequences) % sequences;
}
