/**
 * The journal over a Disk: blocks one after the other in files of 64 MB, each durable when its append is done.
 *
 * One write makes one block durable, because the file is opened synced and its space is there already (see
 * journal-space.ts); past the system's cache, since nobody reads it but a start and a backup
 * (docs/decisions/57-files-go-past-the-systems-cache.md).
 * There is no buffer and no queue here: group commit is the caller's, who gathers the next block while this one is at the disk. What
 * a block looks like is in journal-block.ts, how it is found again in journal-recovery.ts.
 *
 * After a start, appending goes on in a new file: what recovery took for a torn tail stays as it is for whoever wants
 * to look. A new file is a spare under a new name, and its name is durable before its first block is written, so that
 * a durable block never stands in a file that is not found.
 *
 * When a write fails, nothing is known of what reached the disk, and the journal refuses everything from then on; the
 * process is to end and to read what is there. ENOSPC is the exception: it says that the file could not grow, the
 * position and the sequence stay, and the next try writes over whatever part has arrived, or into a spare file if there is
 * one: its space is the last that consumers have to settle in. Once a new file was begun, the next try is for that file
 * and no other, whether its name was made or not. A crash in between leaves a torn tail, which nobody was told of.
 *
 * Rejected: write then fdatasync (two calls; 0.69 of the throughput), one endless file (space comes back only by
 * punching holes, which Node cannot), and overwriting in a ring (a torn lap is hard to tell from damage).
 */

import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { codeOf } from "./disk-read.ts";
import { IDENTITY_BYTES, journalFileName, paddedLength, sealBlock } from "./journal-block.ts";
import { makeTailSafe, recoverJournal } from "./journal-recovery.ts";
import type { JournalFile, RecoveredJournal } from "./journal-recovery.ts";
import { SpareFiles } from "./journal-space.ts";
import type { SpaceOptions, TailFile } from "./journal-space.ts";
import type { Damage, Disk, Journal, JournalBlock } from "./log.ts";

const MB = 1024 * 1024;
/** Zeros go in small pieces: large ones hold up the appends between them. */
export const journalDefaults: SpaceOptions = { fileBytesMax: 64 * MB, aheadBytes: 4 * MB, stepBytes: 64 * 1024 };

/** See OpenJournal. `random` makes the identity of a journal that is new. */
export async function openJournal(
  disk: Disk,
  random: Random,
  options: SpaceOptions,
  fromSeq: number,
  onBlock: (block: JournalBlock) => void,
): Promise<{ journal: Journal; damage: Damage[] }> {
  const recovered = await recoverJournal(disk, fromSeq, onBlock);
  await makeTailSafe(disk, recovered);
  const spares = new SpareFiles(disk, options, await disk.list());
  const identity = recovered.identity ?? random.bytes(IDENTITY_BYTES);
  const journal = new DiskJournal(spares, options, recovered, identity);
  spares.prepare();
  return { journal, damage: recovered.damage };
}

class DiskJournal implements Journal {
  nextSeq: number;
  bytesSinceTrim: number;
  bytesSinceRotate: number;
  readonly #spares: SpareFiles;
  readonly #options: SpaceOptions;
  readonly #identity: Buffer;
  /** Oldest first. The last is the one that is written, once `#tail` is there. */
  readonly #files: JournalFile[];
  #tail: TailFile | undefined;
  #lastCrc: number;
  /** Blocks from here on go to a file that begins at or after it. */
  #rotateSeq = 1;
  /** The tail's file cannot grow. */
  #isTailFull = false;
  #trimSeq = 0;
  #error: Error | undefined;

  // The append under way.
  #done: ((error: Error | undefined) => void) | undefined;
  #buffer: Buffer | undefined;
  #length = 0;
  #known: readonly number[] = [];
  #padded = 0;
  #crc = 0;
  #whenIdle: (() => void) | undefined;

  constructor(spares: SpareFiles, options: SpaceOptions, recovered: RecoveredJournal, identity: Buffer) {
    this.#spares = spares;
    this.#options = options;
    this.#identity = identity;
    this.#files = recovered.files;
    this.#lastCrc = recovered.lastCrc;
    this.nextSeq = recovered.nextSeq;
    this.bytesSinceTrim = recovered.bytesReplayed;
    this.bytesSinceRotate = recovered.bytesReplayed;
  }

  append(
    buffer: Buffer,
    length: number,
    known: readonly number[],
    done: (error: Error | undefined) => void,
    isLone = false,
  ): void {
    assert(this.#done === undefined, "one append at a time");
    this.#done = done;
    if (this.#error !== undefined) {
      queueMicrotask(() => this.#finish(this.#error));
      return;
    }
    this.#buffer = buffer;
    this.#length = length;
    this.#known = known;
    this.#padded = paddedLength(length);
    const seq = this.nextSeq++;
    const tail = this.#tail;
    if (tail !== undefined && this.#fits(tail, seq)) this.#write(tail, this.#files.at(-1)!, seq, isLone);
    else void this.#writeToNewFile(seq);
  }

  rotate(): number {
    this.#rotateSeq = this.nextSeq;
    this.bytesSinceRotate = 0;
    return this.nextSeq;
  }

  async trim(seq: number): Promise<void> {
    if (seq <= this.#trimSeq) return;
    this.#trimSeq = seq;
    const newest = this.#files.findLastIndex((file) => file.bytes > 0);
    let count = 0;
    while (count < newest && this.#files[count + 1]!.first <= seq) count++;
    const trimmed = this.#files.splice(0, count);
    let bytes = 0;
    for (const file of this.#files) bytes += file.bytes;
    this.bytesSinceTrim = Math.min(this.bytesSinceTrim, bytes);
    for (const file of trimmed) await this.#spares.recycle(file.name, file.bytes);
  }

  extents(): readonly { name: string; first: number; bytes: number }[] {
    return this.#files.map(({ name, first, bytes }) => ({ name, first, bytes }));
  }

  giveBackSpare(): Promise<void> {
    return this.#spares.giveBack();
  }

  async close(): Promise<void> {
    if (this.#done !== undefined) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#error ??= new Error("the journal is closed");
    await this.#spares.close();
    await this.#tail?.close();
  }

  #fits(tail: TailFile, seq: number): boolean {
    const { first } = this.#files.at(-1)!;
    const isBehindRotation = seq >= this.#rotateSeq && first < this.#rotateSeq;
    if (this.#isTailFull && first < seq && this.#spares.count > 0) return false;
    // One that is longer than a file by itself, and was refused there, has this one to itself.
    return !isBehindRotation && (tail.position === 0 || tail.position + this.#padded <= this.#options.fileBytesMax);
  }

  async #writeToNewFile(seq: number): Promise<void> {
    const same = this.#files.filter((file) => file.first === seq);
    const generation = same.length === 0 ? 0 : same.at(-1)!.generation + 1;
    const file = { name: journalFileName({ first: seq, generation }), first: seq, generation, bytes: 0 };
    let tail: TailFile;
    try {
      tail = await this.#spares.take(file.name);
    } catch (error) {
      // It may be there under its name, which says that this block is not in the file before: it must not go there any more.
      this.#rotateSeq = seq;
      this.#written(error as Error);
      return;
    }
    // What the old file may still write in the background must not outlive its turn as a spare. Its blocks are durable:
    // an error of closing it says nothing about them.
    await this.#tail?.close().catch(() => undefined);
    this.#tail = tail;
    this.#isTailFull = false;
    this.#files.push(file);
    this.#write(tail, file, seq, false);
  }

  #write(tail: TailFile, file: JournalFile, seq: number, isLone: boolean): void {
    const buffer = this.#buffer!;
    this.#crc = sealBlock(buffer, this.#length, this.#known, seq, this.#lastCrc, this.#identity, file);
    tail.write(buffer, this.#padded, this.#written, isLone);
  }

  readonly #written = (error: Error | undefined): void => {
    if (error === undefined) {
      this.#lastCrc = this.#crc;
      this.#files.at(-1)!.bytes = this.#tail!.position;
      this.bytesSinceTrim += this.#padded;
      this.bytesSinceRotate += this.#padded;
      if (this.#tail!.position > this.#options.fileBytesMax / 2) this.#spares.prepare();
    } else if (codeOf(error) === "ENOSPC") {
      this.nextSeq--;
      this.#isTailFull = true;
    } else {
      this.#error = error;
    }
    this.#finish(error);
  };

  #finish(error: Error | undefined): void {
    const done = this.#done!;
    this.#done = undefined;
    this.#buffer = undefined;
    const whenIdle = this.#whenIdle;
    this.#whenIdle = undefined;
    done(error);
    whenIdle?.();
  }
}
