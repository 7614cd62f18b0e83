/**
 * What the broker may know of storage: three places to put bytes, and nothing of how they are kept.
 *
 * - The *journal* makes it durable: numbered blocks, appended one at a time, read back in order at start.
 * - *Segments* keep it readable: immutable files of entries, found by partition and offset.
 * - *Checkpoints* keep the state that is neither: small snapshots from which a start begins.
 *
 * The split is by how the bytes are lost and found again. A journal may end in a torn block, and that is no
 * damage; a segment and a checkpoint are complete before anybody is told of them, so that anything wrong in
 * them is. Damage is never hidden and never fatal by itself: each reader answers with what it could verify
 * and a list of what it could not, with file and position, and the caller decides.
 *
 * Callbacks instead of promises stand where a call is made for each block or each span read; the rest is rare
 * enough for promises. Nothing here reads a clock or a random source.
 */

export type OpenMode = "synced" | "direct" | "write" | "read";

/** One data directory, and the only way by which the code of this folder touches storage. Names are flat. */
export interface Disk {
  /** Names of the files that are there, in no order. */
  list(): Promise<string[]>;
  /**
   * 'synced': read and write, created when missing, every write is durable when it is done (O_DSYNC).
   * 'direct': not for read(), past the system's cache where there is such a way and the bytes lie in memory of allocate()'s;
   * durable as 'synced', but for what makes the file longer, which is so after sync(): ext4 of Linux 5.5 to 6.6 forgets the length.
   * Position, length and start are multiples of BLOCK_ALIGN. 'write': as 'synced', but durable after sync(). 'read': fails when missing.
   * A created file's name is durable after syncDirectory().
   */
  open(name: string, mode: OpenMode): Promise<DiskFile>;
  /** Zeros, in memory from which a 'direct' file is written past the cache; for long use, since it is dear to make. Undefined: any will do. */
  allocate(bytes: number): Buffer | undefined;
  /** Replaces `to` in one step. Durable after syncDirectory(). Open files stay usable. */
  rename(from: string, to: string): Promise<void>;
  /** Durable after syncDirectory(). A missing file is no error. */
  remove(name: string): Promise<void>;
  syncDirectory(): Promise<void>;
  /** Bytes that may still be written by this user. */
  freeBytes(): Promise<number>;
  /** True: somebody copies files, and none may be written anew under another name. */
  readonly isHeld?: boolean;
}

export interface DiskFile {
  size(): Promise<number>;
  /** Writes all of it or fails; after a failure any part may have been written. */
  write(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined) => void,
  ): void;
  /**
   * The same at once, holding up the thread; `undefined` when this is no moment for it (the disk has been slow, or
   * cannot): nothing was written then. `true`: written. A short write to a disk that is quick is over sooner than two
   * threads have woken each other.
   */
  writeNow?(buffer: Buffer, start: number, length: number, position: number): true | Error | undefined;
  /** Reads until `length` or the file's end; fewer bytes than asked mean the end. */
  read(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined, bytesRead: number) => void,
  ): void;
  /** After an error nothing is known of what was written before: the caller must not go on. */
  sync(done: (error: Error | undefined) => void): void;
  /** Nothing happens when it is closed already. */
  close(): Promise<void>;
}

/** Room that an append's caller leaves before the payload. */
export const BLOCK_HEADER_BYTES = 64;
/**
 * Blocks of the journal begin and end at multiples of this, and so do direct writes; an append's buffer must have room for the
 * padding.
 */
export const BLOCK_ALIGN = 4096;

export interface Journal {
  /**
   * Sequence of the block that the next append() writes, from 1. It advances when append() is called, so that
   * while block n is at the disk this is n + 1: the ticket of what is being gathered. An append that failed
   * with ENOSPC takes its step back.
   */
  readonly nextSeq: number;
  /** Bytes in files that hold blocks at or after the last trim point: what a recovery would read. */
  readonly bytesSinceTrim: number;
  /** Bytes appended since the last rotate() (or since the journal was opened, with what was replayed). */
  readonly bytesSinceRotate: number;
  /**
   * buffer[BLOCK_HEADER_BYTES, length) is the payload; the journal fills the header in place, zero-pads to
   * BLOCK_ALIGN (the buffer has that room) and writes. One append at a time; the buffer is not to be touched
   * until done. done(undefined): the block is durable. done(error) with code 'ENOSPC': nothing happened, the
   * same append may be tried again. Any other error: the journal is dead and refuses everything that follows.
   * `known`: parts of the payload whose CRC-32C the caller has already, so that they need not be read for it: start, end
   * and CRC of the first, then of the next, one behind the other. A wrong one makes a block that will not be found again.
   * `isLone`: nothing else has to be done meanwhile, so `done` may be called before append() returns.
   */
  append(
    buffer: Buffer,
    length: number,
    known: readonly number[],
    done: (error: Error | undefined) => void,
    isLone?: boolean,
  ): void;
  /** The next append begins a new file. Answers its first sequence. */
  rotate(): number;
  /**
   * Blocks below seq are no longer needed: whole files are recycled (up to 2 kept) or removed. The file of the
   * newest block always stays, so that a journal that was lost can be told from one that was trimmed.
   */
  trim(seq: number): Promise<void>;
  /** Its files, oldest first, each with the bytes of it that are durable; 0: none, or they are behind every trim point. */
  extents(): readonly { readonly name: string; readonly first: number; readonly bytes: number }[];
  /** Gives the space of one file that waits for its turn back to the disk. The last one stays. */
  giveBackSpare(): Promise<void>;
  /** Waits for an append that is under way. */
  close(): Promise<void>;
}

/**
 * A block that was read back; its payload is buffer[start, end). The buffer is the receiver's to keep (it is
 * never reused), but other blocks of the same read lie in it too: it holds up to a few MB.
 */
export interface JournalBlock {
  seq: number;
  buffer: Buffer;
  start: number;
  end: number;
  file: string;
  position: number;
}

/** Bytes that are not what was written. `what` is a sentence for the operator. */
export interface Damage {
  file: string;
  position: number;
  length: number;
  what: string;
  /** The offset of the entry that is lost, where exactly one is. */
  offset?: number;
}

/** Thrown where a file as a whole is unusable. */
export class DamageError extends Error {
  /** As the system's errors have one: no fault of the program. */
  readonly code = "EDAMAGED";
  readonly damage: Damage[];
  constructor(damage: Damage[]) {
    super(damage.map((one) => `${one.file} at ${one.position}: ${one.what}`).join("; "));
    this.name = "DamageError";
    this.damage = damage;
  }
}

/**
 * Reads every block from fromSeq on, in order, then answers a journal that continues behind them in a new file.
 * A torn last block is cut off without a word. Everything else that is not as it was written is in `damage`,
 * and the blocks behind it are still handed over. fromSeq is 1 for a journal without a checkpoint.
 */
export type OpenJournal = (
  fromSeq: number,
  onBlock: (block: JournalBlock) => void,
) => Promise<{ journal: Journal; damage: Damage[] }>;

export interface CheckpointStore {
  /** Durable when resolved. Ids only grow; from 1. Takes a piece when the one before was written. */
  write(id: number, pieces: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void>;
  /** The newest that verifies. Newer ones that do not are in `damage`; id 0: there is none. */
  readNewest(): Promise<{ id: number; bytes: Buffer; damage: Damage[] } | { id: 0; damage: Damage[] }>;
  /** All but these go: which of them are whole is not to be told from their numbers. */
  removeOthers(kept: readonly number[]): Promise<void>;
}

/** A partition's entries in one segment, in offset order. Numbers of a run that stay in memory. */
export interface RunMeta {
  segment: number;
  /** Of the segment's format. */
  version: number;
  partition: number;
  firstOffset: number;
  lastOffset: number;
  /** Entries. */
  count: number;
  /** Sum of the entries' lengths, shared ones too. */
  bytes: number;
  /** Where its index begins in the file. */
  indexPosition: number;
  /** Of the first entry, ms. */
  firstTimestamp: number;
  /** The greatest of all, ms. */
  lastTimestamp: number;
  /** Offset of each 512th index entry. */
  fences: Float64Array;
  /** The greatest timestamp among the 512 entries from each fence, ms. */
  fenceTimestamps: Float64Array;
}

/** Payload positions are 32 bits: a builder refuses to grow past this. */
export const SEGMENT_PAYLOAD_BYTES_MAX = 0xffff_0000;
/** Entries carry their append time (u48, ms) here; offsetAtTime() reads it. */
export const ENTRY_TIMESTAMP_AT = 4;

/** What is copied at once takes memory until it is written; what is lent has to stay as it is for so long. */
export const LENT_BYTES_MIN = 512 * 1024;

/** Writes one segment in the background. Under its final name it is complete. */
export interface SegmentBuilder {
  beginRun(partition: number): void;
  /**
   * Takes the entry: copied at once, or, from LENT_BYTES_MIN on, when it is written, so that the bytes are to stay as they are
   * until the next flush() or finish() is over. Answers its position in the file, for share(). Offsets grow within a run.
   * `crc`: its CRC-32C, where the caller has it already.
   */
  put(offset: number, timestamp: number, source: Buffer, start: number, end: number, crc?: number): number;
  /** An index entry for a payload that put() placed in this file already: fan-out is stored once. */
  share(offset: number, timestamp: number, position: number, length: number): void;
  endRun(): void;
  /** Put since the last flush(). The caller calls that when this is past 1 MB, between its time slices. */
  readonly bytesBuffered: number;
  /** Gives back what was lent. Less than 1 MB may be left to write. */
  flush(): Promise<void>;
  /** Size of the payload area so far. */
  readonly bytes: number;
  /**
   * Writes index, directory and footer, syncs file and directory. Runs without entries are left out; a run
   * whose offsets spread over more than 32 bits within a page is answered as several. Without any entry there is no
   * segment: what was written is removed, and no run answered.
   */
  finish(): Promise<RunMeta[]>;
  /** Removes what was written. Also the way to end after a failed flush() or finish(). */
  abort(): Promise<void>;
}

/** Entries read back: entry i is buffer[positions[i], positions[i] + lengths[i]) and has offsets[i]. */
export interface Span {
  offsets: Float64Array;
  positions: Uint32Array;
  lengths: Uint32Array;
  count: number;
  /** Never reused: the receiver's to keep. */
  buffer: Buffer;
  /** Index within the run of the first entry behind what was examined; run.count at its end. */
  nextIndex: number;
  /** Where the next read goes on; run.lastOffset + 1 at its end. */
  nextOffset: number;
  /** Entries that are left out because they did not verify, and index pages that did not. */
  damage: Damage[];
}

export interface SegmentStore {
  create(id: number): Promise<SegmentBuilder>;
  /**
   * Reads the directory. `damage` lists what its copies could repair; throws DamageError where they could not,
   * or where the file is missing.
   */
  open(id: number): Promise<{ runs: RunMeta[]; bytes: number; damage: Damage[] }>;
  /**
   * Entries of the run from the first with offset >= fromOffset (or, `covering`, from the last with offset <=
   * fromOffset, if there is one), up to bytesMax of payload and entriesMax, but at least one if there is one.
   * Verifies each; a damaged one is left out and listed. An error is one of the disk. `allocate` gives the span's buffer, of
   * at least so many bytes; without it, it is a new one.
   */
  read(
    run: RunMeta,
    fromOffset: number,
    bytesMax: number,
    entriesMax: number,
    done: (error: Error | undefined, span: Span | undefined) => void,
    covering?: boolean,
    allocate?: (bytes: number) => Buffer,
  ): void;
  /**
   * First offset, from `fromOffset` on, whose timestamp is >= ms, in whatever order they are; run.lastOffset + 1 if there is
   * none. Damaged entries do not count.
   */
  offsetAtTime(run: RunMeta, ms: number, fromOffset?: number): Promise<number>;
  /** Durable at the next directory sync: a segment may come back after a crash, and is then listed. */
  remove(id: number): Promise<void>;
  list(): Promise<number[]>;
}

/** What a copy of a log that is in use needs. */
export interface LogCopying {
  /** From now on until the function that it answers is called, no file goes, and none changes but at its end. */
  hold(): () => void;
  /** Bytes of a file; undefined: there is none of this name. */
  size(name: string): Promise<number | undefined>;
  /**
   * Hands over the first `length` bytes in pieces of `buffer`'s size at most, each when the one before has been taken.
   * Rejects if the file is shorter.
   */
  read(name: string, length: number, buffer: Buffer, take: (piece: Buffer) => Promise<void>): Promise<void>;
  checkpointName(id: number): string;
  segmentName(id: number): string;
}

export interface Log {
  journalOpen: OpenJournal;
  checkpoints: CheckpointStore;
  segments: SegmentStore;
  /** Memory for blocks of the journal, from which they are written the cheapest way. As Disk.allocate(). */
  allocate(bytes: number): Buffer | undefined;
  /** Undefined: nothing outlives the process, so there is nothing to copy. */
  readonly copying: LogCopying | undefined;
  freeBytes(): Promise<number>;
  close(): Promise<void>;
  /** Nothing outlives the process: no need for checkpoints, and "durable" means nothing. */
  readonly isVolatile: boolean;
}
