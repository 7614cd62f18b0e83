/**
 * Looks at every byte of a log that nobody has open: each block of the journal, each entry and index page of each segment,
 * each checkpoint, whether a start would read them or not. Nothing is written.
 *
 * `openLogToRead` is for whoever wants to know what the bytes mean: a log that answers like any other and takes nothing.
 */
import { openCheckpoints, verifyCheckpoints } from "./checkpoint.ts";
import { recoverJournal, verifyJournal } from "./journal-recovery.ts";
import { DamageError } from "./log.ts";
import type { Damage, Disk, Journal, Log, RunMeta, SegmentStore, Span } from "./log.ts";
import { openSegments } from "./segment.ts";

const readBytes = 1 << 20;
const readEntries = 8192;

export type DataFileKind = "journal" | "spare" | "segment" | "checkpoint" | "other";

export interface DataFile {
  readonly name: string;
  readonly kind: DataFileKind;
  readonly bytes: number;
}

/** What a log is made of, and what of it is not as it was written. */
export interface LogReport {
  readonly files: readonly DataFile[];
  /** Of all files. */
  readonly bytes: number;
  /** Of the journal: those that verified. */
  readonly blocks: number;
  readonly segments: number;
  /** Of all segments: those that verified, wanted or not. */
  readonly entries: number;
  readonly damage: readonly Damage[];
}

const kinds: readonly (readonly [RegExp, DataFileKind])[] = [
  [/^journal-spare-\d+\.log$/, "spare"],
  [/^journal-\d{16}-\d+\.log$/, "journal"],
  [/^segment-\d{16}\.seg$/, "segment"],
  [/^checkpoint-\d{16}\.ckpt$/, "checkpoint"],
];

/** `disk` must not change meanwhile. */
export async function checkLog(disk: Disk): Promise<LogReport> {
  const files: DataFile[] = [];
  for (const name of (await disk.list()).sort()) {
    const file = await disk.open(name, "read");
    const bytes = await file.size();
    await file.close();
    files.push({ name, kind: kinds.find(([pattern]) => pattern.test(name))?.[1] ?? "other", bytes });
  }
  const damage = await verifyCheckpoints(disk);
  const journal = await verifyJournal(disk);
  damage.push(...journal.damage);
  const store = openSegments(disk);
  const ids = await store.list();
  let entries = 0;
  for (const id of ids) entries += await verifySegment(store, id, damage);
  await store.close();
  const bytes = files.reduce((sum, one) => sum + one.bytes, 0);
  return { files, bytes, blocks: journal.blocks, segments: ids.length, entries, damage };
}

/** Answers how many entries verified. */
async function verifySegment(store: SegmentStore, id: number, damage: Damage[]): Promise<number> {
  let runs: RunMeta[];
  try {
    const opened = await store.open(id);
    damage.push(...opened.damage);
    ({ runs } = opened);
  } catch (error) {
    if (!(error instanceof DamageError)) throw error;
    damage.push(...error.damage);
    return 0;
  }
  let entries = 0;
  for (const run of runs) {
    for (let offset = run.firstOffset; offset <= run.lastOffset;) {
      const span = await read(store, run, offset);
      damage.push(...span.damage);
      entries += span.count;
      offset = span.nextOffset;
    }
  }
  return entries;
}

function read(store: SegmentStore, run: RunMeta, offset: number): Promise<Span> {
  return new Promise((resolve, reject) => {
    store.read(run, offset, readBytes, readEntries, (error, span) =>
      span === undefined ? reject(error ?? new Error("no span")) : resolve(span),
    );
  });
}

/**
 * A log that is read and never written: what would be removed stays, everything else that would change it is refused.
 * `found` is told what is missing or damaged of what is read.
 */
export function openLogToRead(disk: Disk, found: (damage: readonly Damage[]) => void): Log {
  const segments = openSegments(disk);
  const checkpoints = openCheckpoints(disk);
  return {
    async journalOpen(fromSeq, onBlock) {
      const { damage, nextSeq } = await recoverJournal(disk, fromSeq, onBlock);
      found(damage);
      return { journal: closedJournal(nextSeq), damage };
    },
    checkpoints: {
      async readNewest() {
        const newest = await checkpoints.readNewest();
        found(newest.damage);
        return newest;
      },
      write: refuse,
      removeOthers: refuse,
    },
    segments: {
      ...segments,
      async open(id) {
        try {
          const opened = await segments.open(id);
          found(opened.damage);
          return opened;
        } catch (error) {
          if (error instanceof DamageError) found(error.damage);
          throw error;
        }
      },
      create: refuse,
      remove: async () => undefined,
    },
    copying: undefined,
    freeBytes: () => disk.freeBytes(),
    close: () => segments.close(),
    allocate: () => undefined,
    isVolatile: false,
  };
}

function closedJournal(nextSeq: number): Journal {
  return {
    nextSeq,
    bytesSinceTrim: 0,
    bytesSinceRotate: 0,
    append: (_buffer, _length, _known, done) => queueMicrotask(() => done(readOnly())),
    rotate: () => nextSeq,
    extents: () => [],
    trim: refuse,
    giveBackSpare: refuse,
    close: async () => undefined,
  };
}

function readOnly(): Error {
  return new Error("this log is open to be read, not to be written");
}

async function refuse(): Promise<never> {
  throw readOnly();
}
