/**
 * Reads a journal back.
 *
 * One pass over the files from the one that holds fromSeq, in order of their first sequence. At each multiple of
 * BLOCK_ALIGN there is a block of this file and this journal, with the sequence that is due and the CRC of the one
 * before, or there is not. Where there is not, a *hole* begins, and the search goes on, block by block, through this
 * and all later files. What is found behind it decides what the hole was:
 *
 * - nothing: it was the end. A block that was being written when the process died, zeros, what a recycled file held
 *   before. Cut off without a word, for nobody was told that it is durable.
 * - the next sequence, at the start of the next file: the same. A start after a crash never overwrites a torn
 *   tail but begins a new file, under the sequence that the torn block would have had.
 * - anything else: damage. Blocks are appended one at a time, each after its predecessor was durable, so that whatever
 *   precedes a good block was good once. It is reported with its place and what is missing, and the good block, and
 *   what follows, is handed over all the same: what to make of a gap is for the caller to know.
 *
 * A good block inside of a damaged one cannot mislead the search, although bodies of messages may be anything: it would
 * have to carry this journal's random identity and this file's key, and a sequence at or after the damaged block's.
 *
 * Rejected: to trust the length in the header of a block whose payload is bad (it saves nothing worth having, and goes
 * wrong when it is the length that rotted), and to stop at the first hole (that is how one bad sector loses a day).
 */

import { codeOf, readAt, syncFile, writeAt } from "./disk-read.ts";
import {
  blockCrcAt,
  identityAt,
  isHeaderValid,
  isPayloadValid,
  journalFileKey,
  journalFileName,
  paddedLength,
  payloadLengthAt,
  previousCrcAt,
  seqAt,
} from "./journal-block.ts";
import type { FileKey } from "./journal-block.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES } from "./log.ts";
import type { Damage, Disk, DiskFile, JournalBlock } from "./log.ts";

const chunkBytes = 4 * 1024 * 1024;

/** A file of the journal. `bytes`: up to the end of its last good block; 0 if it has none, or was not read. */
export interface JournalFile extends FileKey {
  readonly name: string;
  bytes: number;
}

export interface RecoveredJournal {
  files: JournalFile[];
  nextSeq: number;
  /** The CRC of the last block, 0 if it is not known. */
  lastCrc: number;
  /** Undefined if there is not one good block. */
  identity: Buffer | undefined;
  /** In the blocks that were handed over. */
  bytesReplayed: number;
  /** Where the last good block stands; undefined if there is none. */
  lastBlock: { name: string; position: number; length: number } | undefined;
  damage: Damage[];
}

export async function recoverJournal(
  disk: Disk,
  fromSeq: number,
  onBlock: (block: JournalBlock) => void,
): Promise<RecoveredJournal> {
  const files = journalFiles(await disk.list());
  const identity = await findIdentity(disk, files);
  // Files that end before fromSeq are not read, unless the block before it, whose CRC the next one continues,
  // is to be had nowhere else.
  let start = files.findIndex((_, index) => index === files.length - 1 || files[index + 1]!.first > fromSeq);
  for (; start > 0 && !(await beginsWithBlock(disk, files[start]!, identity)); start--);
  const reader = new JournalReader(disk, files, identity, fromSeq, onBlock);
  return await reader.read(Math.max(0, start));
}

/** Every block of every file, needed or not. `bytes` of the answer are up to the last good one. */
export async function verifyJournal(disk: Disk): Promise<{ blocks: number; bytes: number; damage: Damage[] }> {
  let blocks = 0;
  const first = journalFiles(await disk.list())[0]?.first ?? 1;
  const { damage, bytesReplayed } = await recoverJournal(disk, first, () => blocks++);
  return { blocks, bytes: bytesReplayed, damage };
}

function journalFiles(names: string[]): JournalFile[] {
  const files: JournalFile[] = [];
  for (const name of names) {
    const key = journalFileKey(name);
    if (key !== undefined) files.push({ name, first: key.first, generation: key.generation, bytes: 0 });
  }
  return files.sort((a, b) => a.first - b.first || a.generation - b.generation);
}

/**
 * What was read may stand in the memory of the machine only: a process that was killed in the middle of a write, or whose
 * sync failed, leaves it there. Only the last block can be in that state, since its predecessors were durable before it
 * was begun. So it is written once more, as it is, before anybody builds on it. (Syncing would not do: after a failed
 * sync the pages pass for clean.)
 */
export async function makeTailSafe(disk: Disk, { lastBlock }: RecoveredJournal): Promise<void> {
  if (lastBlock === undefined) return;
  const { name, position, length } = lastBlock;
  const file = await disk.open(name, "synced");
  try {
    const block = Buffer.allocUnsafeSlow(length);
    await readAt(file, block, 0, length, position);
    await writeAt(file, block, 0, length, position);
  } catch (error) {
    // A disk that copies on write has no room even for this; a start on a full disk must not fail for it.
    if (codeOf(error) !== "ENOSPC") throw error;
    await syncFile(file);
  } finally {
    await file.close();
  }
  await disk.syncDirectory();
}

/** The newest file whose first block's header is intact and where it should be tells whose journal this is. */
async function findIdentity(disk: Disk, files: JournalFile[]): Promise<Buffer | undefined> {
  for (const file of files.toReversed()) {
    const header = await firstHeader(disk, file);
    if (header !== undefined && isHeaderValid(header, 0, file, undefined) && seqAt(header, 0) === file.first) {
      return identityAt(header, 0);
    }
  }
  return undefined;
}

async function beginsWithBlock(disk: Disk, file: JournalFile, identity: Buffer | undefined): Promise<boolean> {
  const header = await firstHeader(disk, file);
  return header !== undefined && isHeaderValid(header, 0, file, identity);
}

async function firstHeader(disk: Disk, file: JournalFile): Promise<Buffer | undefined> {
  const opened = await disk.open(file.name, "read");
  try {
    const header = Buffer.alloc(BLOCK_HEADER_BYTES);
    return (await readAt(opened, header, 0, header.length, 0)) === header.length ? header : undefined;
  } finally {
    await opened.close();
  }
}

/** Part of a file in memory. Its buffer is given away with the first block that is handed over from it. */
class Window {
  buffer = Buffer.alloc(0);
  isGivenAway = false;
  readonly size: number;
  readonly #file: DiskFile;
  #base = 0;
  #filled = 0;

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  has(position: number, length: number): boolean {
    return position >= this.#base && position + length <= this.#base + this.#filled;
  }

  /** Where a position of the file lies in the buffer. */
  at(position: number): number {
    return position - this.#base;
  }

  /** Loads a chunk that begins at position and holds length bytes at least. False: the file does not have them. */
  async load(position: number, length: number): Promise<boolean> {
    const wanted = Math.min(Math.max(length, chunkBytes), this.size - position);
    if (wanted < length) return false;
    if (this.isGivenAway || this.buffer.length < wanted) this.buffer = Buffer.allocUnsafeSlow(wanted);
    this.isGivenAway = false;
    this.#base = position;
    this.#filled = await readAt(this.#file, this.buffer, 0, wanted, position);
    return this.#filled >= length;
  }
}

class JournalReader {
  readonly #disk: Disk;
  readonly #files: JournalFile[];
  readonly #fromSeq: number;
  readonly #onBlock: (block: JournalBlock) => void;
  readonly #damage: Damage[] = [];
  #identity: Buffer | undefined;
  #due: number;
  /** Undefined before the first block that was read, whose predecessor is unknown. */
  #lastCrc: number | undefined;
  /** Where the hole in the file at hand begins; -1: there is none. */
  #hole = -1;
  #bytesReplayed = 0;

  #lastBlock: RecoveredJournal["lastBlock"];

  constructor(
    disk: Disk,
    files: JournalFile[],
    identity: Buffer | undefined,
    fromSeq: number,
    onBlock: (block: JournalBlock) => void,
  ) {
    this.#disk = disk;
    this.#files = files;
    this.#identity = identity;
    this.#fromSeq = fromSeq;
    this.#onBlock = onBlock;
    this.#due = fromSeq;
  }

  async read(start: number): Promise<RecoveredJournal> {
    const first = this.#files[start];
    if (this.#files.length === 0 && this.#fromSeq > 1) {
      const name = journalFileName({ first: this.#fromSeq, generation: 0 });
      this.#report(
        { name },
        0,
        0,
        `there is no journal: what came behind block ${this.#fromSeq - 1} is missing, if anything did`,
      );
    }
    if (first !== undefined) {
      if (first.first > this.#fromSeq) {
        this.#report(first, 0, 0, `the journal begins here: ${blocks(this.#fromSeq, first.first - 1)} missing`);
      }
      this.#due = first.first;
    }
    for (let index = start; index < this.#files.length; index++) {
      this.#enter(this.#files[index]!, index > start ? this.#files[index - 1] : undefined);
      await this.#readFile(this.#files[index]!, this.#files[index + 1]?.first ?? Number.POSITIVE_INFINITY);
    }
    if (this.#due < this.#fromSeq) {
      const last = this.#files.at(-1);
      const file = last ?? { name: journalFileName({ first: this.#due, generation: 0 }), bytes: 0 };
      const missing = blocks(this.#due, this.#fromSeq - 1);
      this.#report(file, file.bytes, 0, `the journal is shorter than the checkpoint says: ${missing} missing`);
      this.#due = this.#fromSeq;
    }
    return {
      files: this.#files,
      nextSeq: this.#due,
      lastCrc: this.#lastCrc ?? 0,
      identity: this.#identity,
      bytesReplayed: this.#bytesReplayed,
      lastBlock: this.#lastBlock,
      damage: this.#damage,
    };
  }

  async #readFile(file: JournalFile, nextFirst: number): Promise<void> {
    const opened = await this.#disk.open(file.name, "read");
    try {
      const window = new Window(opened, await opened.size());
      let position = 0;
      while (position + BLOCK_HEADER_BYTES <= window.size) {
        const length = await this.#blockLength(window, file, position);
        if (length > 0 && seqAt(window.buffer, window.at(position)) < nextFirst) {
          this.#take(window, file, position, length);
          position += length;
        } else {
          // A good block here belongs to a time that a later file has overruled: its sequences are that file's.
          if (length > 0) this.#report(file, position, length, "a block that a later file replaces");
          if (this.#hole < 0) this.#hole = position;
          position += BLOCK_ALIGN;
        }
      }
    } finally {
      await opened.close();
    }
  }

  /** The padded length of the good block at position that is due, or comes later than what is due; otherwise 0. */
  async #blockLength(window: Window, file: JournalFile, position: number): Promise<number> {
    if (!window.has(position, BLOCK_HEADER_BYTES) && !(await window.load(position, BLOCK_HEADER_BYTES))) return 0;
    const at = window.at(position);
    if (!isHeaderValid(window.buffer, at, file, this.#identity)) return 0;
    if (!(seqAt(window.buffer, at) >= this.#due)) return 0;
    const length = paddedLength(BLOCK_HEADER_BYTES + payloadLengthAt(window.buffer, at));
    if (!window.has(position, length) && !(await window.load(position, length))) return 0;
    return isPayloadValid(window.buffer, window.at(position)) ? length : 0;
  }

  #take(window: Window, file: JournalFile, position: number, length: number): void {
    const at = window.at(position);
    const { buffer } = window;
    const seq = seqAt(buffer, at);
    this.#judge(file, position, seq, previousCrcAt(buffer, at));
    this.#identity ??= identityAt(buffer, at);
    this.#due = seq + 1;
    this.#lastCrc = blockCrcAt(buffer, at);
    file.bytes = position + length;
    this.#lastBlock = { name: file.name, position, length };
    if (seq < this.#fromSeq) return;
    window.isGivenAway = true;
    this.#bytesReplayed += length;
    const start = at + BLOCK_HEADER_BYTES;
    this.#onBlock({ seq, buffer, start, end: start + payloadLengthAt(buffer, at), file: file.name, position });
  }

  /**
   * A file's name says that everything before its first sequence was durable, be there a good block in it or not.
   * So what is missing at the end of the file before is known here; if nothing is, a hole there was a torn tail.
   */
  #enter(file: JournalFile, before: JournalFile | undefined): void {
    if (before !== undefined && file.first > this.#due) {
      const position = this.#hole < 0 ? before.bytes : this.#hole;
      this.#report(before, position, 0, `${blocks(this.#due, file.first - 1)} missing or not readable`);
      this.#due = file.first;
      this.#lastCrc = undefined;
    }
    this.#hole = -1;
  }

  /** What the way from the last good block of this file to this one says. */
  #judge(file: JournalFile, position: number, seq: number, previousCrc: number): void {
    const from = this.#hole < 0 ? position : this.#hole;
    this.#hole = -1;
    if (seq > this.#due) {
      this.#report(file, from, position - from, `${blocks(this.#due, seq - 1)} missing or not readable`);
    } else if (from < position) {
      this.#report(file, from, position - from, `bytes that are no block, before block ${seq}`);
    } else if (this.#lastCrc !== undefined && previousCrc !== this.#lastCrc && !(previousCrc === 0 && position === 0)) {
      this.#report(file, position, 0, `block ${seq} does not continue the block before it`);
    }
  }

  #report(file: { name: string }, position: number, length: number, what: string): void {
    this.#damage.push({ file: file.name, position, length, what });
  }
}

function blocks(first: number, last: number): string {
  return first === last ? `block ${first} is` : `blocks ${first} to ${last} are`;
}
