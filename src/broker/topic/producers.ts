/**
 * Who numbers what it appends to one partition, so that what is sent twice is there once.
 *
 * Of each producer are known its epoch and its last five batches: first and last sequence, and where they begin. A batch
 * is next if it goes on where the last one ended; it is a duplicate if it is one of the five, to the message; anything
 * else is out of order. A newer epoch begins at 0, an older one is fenced. Who is not known (it is new, or was idle for so
 * long that it was forgotten) may begin anywhere: its numbers are as good as any. Sequences go from 0 to 2^31 - 1 and round.
 * Rejected: to take what lies before all that is known for something appended long ago. Of somebody who began anywhere it may
 * be what was refused before that, and who hears of a duplicate believes that it is there.
 *
 * State is a row of numbers, however many producers there are: 160 bytes each, and a place in a map. Rows lie in pages. A
 * checkpoint, which has to have all as they are at one moment, takes hold of the pages and writes them down later: a page
 * that changes meanwhile is copied first. So with a million producers the moment is as short as with one.
 */
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../base/bytes.ts";
import { producerVerdict, type Produced } from "../batch.ts";
import { readU48, writeU48 } from "../entry.ts";

/** Batches of each producer that can be told from new ones: as many as a client has under way at most. */
export const batchesKept = 5;
const sequences = 0x8000_0000;

// A row.
/** -1: nobody's. */
const idAt = 0;
const epochAt = 1;
const lastMsAt = 2;
/** Batches known, and which of them is the newest. */
const knownAt = 3;
const newestAt = 4;
const batchesAt = 5;
/** Of a batch: last sequence, messages, first offset. */
const batchWords = 3;
const rowWords = batchesAt + batchesKept * batchWords;
const pageShift = 9;
const pageRows = 1 << pageShift;

/** In a checkpoint: id u64, epoch u16, last time u48, batches u8; and of each, the oldest first: last u32, messages u32, first u48. */
const storedBytes = 17;
const storedBatchBytes = 14;

export class Producers {
  readonly #rowOf = new Map<number, number>();
  readonly #freeRows: number[] = [];
  readonly #pages: Float64Array[] = [];
  /** Of each page: a checkpoint may still read it, so it is not to be changed. */
  readonly #isHeld: boolean[] = [];
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
    return row === undefined ? -1 : lastSequence(this.#pages[row >>> pageShift]!, placeOf(row));
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
    if (row === undefined) return firstVerdict(produced);
    const page = this.#pages[row >>> pageShift]!;
    const at = placeOf(row);
    if (nowMs - page[at + lastMsAt]! >= this.#expiryMs && !isBusy) return firstVerdict(produced);
    const epoch = page[at + epochAt]!;
    if (producerEpoch < epoch) return producerVerdict.fenced;
    if (sequence < 0) return producerVerdict.next;
    if (producerEpoch > epoch) return sequence === 0 ? producerVerdict.next : producerVerdict.outOfOrder;
    if (sequence === sequenceAfter(lastSequence(page, at), 1)) return producerVerdict.next;
    return offsetOf(page, at, sequence, sequenceAfter(sequence, count - 1)) ?? producerVerdict.outOfOrder;
  }

  /** A batch was appended. */
  append(producerId: number, epoch: number, sequence: number, count: number, firstOffset: number, nowMs: number): void {
    const row = this.#rowFor(producerId, epoch);
    const page = this.#pageToChange(row);
    const at = placeOf(row);
    page[at + lastMsAt] = nowMs;
    if (sequence < 0) return;
    const newest = page[at + knownAt] === 0 ? 0 : (page[at + newestAt]! + 1) % batchesKept;
    page[at + newestAt] = newest;
    page[at + knownAt] = Math.min(batchesKept, page[at + knownAt]! + 1);
    const batch = at + batchesAt + newest * batchWords;
    page[batch] = sequenceAfter(sequence, count - 1);
    page[batch + 1] = count;
    page[batch + 2] = firstOffset;
  }

  /** A transaction of it was decided, in this epoch: older ones are fenced from now on. */
  ended(producerId: number, epoch: number, nowMs: number): void {
    const row = this.#rowFor(producerId, epoch);
    this.#pageToChange(row)[placeOf(row) + lastMsAt] = nowMs;
  }

  /** Forgets who was idle for too long. */
  expire(nowMs: number, isBusy: (producerId: number) => boolean): void {
    for (const [producerId, row] of this.#rowOf) {
      if (nowMs - this.#word(row, lastMsAt) < this.#expiryMs || isBusy(producerId)) continue;
      this.#rowOf.delete(producerId);
      this.#freeRows.push(row);
      this.#pageToChange(row)[placeOf(row) + idAt] = -1;
    }
  }

  /** All as they are now, to be read later: in base64, which takes a tenth of the time of JSON, so many at a time. */
  toTexts(): Iterable<string> {
    const pages = [...this.#pages];
    this.#isHeld.fill(true);
    return {
      *[Symbol.iterator](): Generator<string> {
        for (const page of pages) {
          const text = pageText(page);
          if (text !== "") yield text;
        }
      },
    };
  }

  fromTexts(texts: Iterable<string>): void {
    for (const text of texts) this.#fromText(text);
  }

  #fromText(text: string): void {
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

  #word(row: number, word: number): number {
    return this.#pages[row >>> pageShift]![placeOf(row) + word]!;
  }

  #get(producerId: number, word: number, otherwise: number): number {
    const row = this.#rowOf.get(producerId);
    return row === undefined ? otherwise : this.#word(row, word);
  }

  #pageToChange(row: number): Float64Array {
    const number = row >>> pageShift;
    if (this.#isHeld[number] === true) {
      this.#pages[number] = this.#pages[number]!.slice();
      this.#isHeld[number] = false;
    }
    return this.#pages[number]!;
  }

  /** Its row; of another epoch than it was, with no batches. */
  #rowFor(producerId: number, epoch: number): number {
    let row = this.#rowOf.get(producerId);
    if (row === undefined) {
      row = this.#freeRows.pop() ?? this.#newRow();
      this.#rowOf.set(producerId, row);
      const page = this.#pageToChange(row);
      page[placeOf(row) + idAt] = producerId;
      page[placeOf(row) + epochAt] = -1;
    }
    if (this.#word(row, epochAt) === epoch) return row;
    const page = this.#pageToChange(row);
    const at = placeOf(row);
    page[at + epochAt] = epoch;
    page[at + knownAt] = 0;
    page[at + newestAt] = 0;
    return row;
  }

  #newRow(): number {
    const row = this.#rowsUsed++;
    const number = row >>> pageShift;
    const page = this.#pages[number];
    // There may be many partitions with one producer each: a page begins small.
    if (page === undefined || placeOf(row) === page.length) {
      const grown = new Float64Array(page === undefined ? rowWords : page.length * 2).fill(-1);
      if (page !== undefined) grown.set(page);
      this.#pages[number] = grown;
      this.#isHeld[number] = false;
    }
    return row;
  }
}

/** Within its page. */
function placeOf(row: number): number {
  return (row & (pageRows - 1)) * rowWords;
}

/** Where batch i is of the producer whose row begins at `at`, of which 0 is the oldest. */
function batchAt(page: Float64Array, at: number, i: number): number {
  const older = page[at + knownAt]! - 1 - i;
  return at + batchesAt + ((page[at + newestAt]! - older + batchesKept) % batchesKept) * batchWords;
}

/** -1: none is known. */
function lastSequence(page: Float64Array, at: number): number {
  return page[at + knownAt] === 0 ? -1 : page[at + batchesAt + page[at + newestAt]! * batchWords]!;
}

/** Of the batch with these sequences, if it is known. */
function offsetOf(page: Float64Array, at: number, first: number, last: number): number | undefined {
  for (let i = 0; i < page[at + knownAt]!; i++) {
    const batch = batchAt(page, at, i);
    if (page[batch] === last && sequenceAfter(last, 1 - page[batch + 1]!) === first) return page[batch + 2]!;
  }
  return undefined;
}

function pageText(page: Float64Array): string {
  const bytes = Buffer.allocUnsafe((page.length / rowWords) * (storedBytes + batchesKept * storedBatchBytes));
  let to = 0;
  for (let at = 0; at < page.length; at += rowWords) {
    if (page[at + idAt]! < 0) continue;
    const known = page[at + knownAt]!;
    putU64(bytes, to, page[at + idAt]!);
    putU16(bytes, to + 8, page[at + epochAt]!);
    writeU48(bytes, to + 10, page[at + lastMsAt]!);
    bytes[to + 16] = known;
    to += storedBytes;
    for (let i = 0; i < known; i++, to += storedBatchBytes) {
      const batch = batchAt(page, at, i);
      putU32(bytes, to, page[batch]!);
      putU32(bytes, to + 4, page[batch + 1]!);
      writeU48(bytes, to + 8, page[batch + 2]!);
    }
  }
  return bytes.toString("base64", 0, to);
}

/** Of a producer that is not known. */
function firstVerdict({ beginsAtZero, sequence }: Produced): number {
  return beginsAtZero === true && sequence > 0 ? producerVerdict.outOfOrder : producerVerdict.next;
}

/** The sequence `steps` behind another; -1, none, is before 0. */
function sequenceAfter(sequence: number, steps: number): number {
  return (sequence + steps + sequences) % sequences;
}
