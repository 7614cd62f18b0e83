/**
 * A copy of the data of a broker that goes on working: the newest checkpoint, the segments that it names, and the journal
 * behind it up to a block that was durable when all this was written down. A broker that is started on the copy finds
 * everything that was confirmed before the copy was asked for, and some of what came after: what a crash at that moment
 * would have left.
 *
 * The copy is consistent because its files do not change: segments and checkpoints never do, journals only at their end,
 * and the log holds back what it would remove or use again until the copy is over (held-disk.ts). So nothing is locked and
 * nobody waits; the cost is the reading, one piece at a time, and the space of what would have gone meanwhile. A disk that
 * gets full is worth more than a copy: the copy is given up.
 *
 * The checkpoint comes last: without it, a copy that was cut short is refused when it is started.
 */
import { assert } from "../../base/assert.ts";
import { DamageError, type LogCopying } from "../../log/log.ts";
import type { BackupReport, BackupSink } from "../backup-sink.ts";
import type { Core } from "../core.ts";
import { readSnapshotHead } from "./stored-snapshot.ts";

/** Bytes read at once, and held in memory. */
const pieceBytes = 1 << 20;
/** How long a rest is, by the time that the piece before it took; a sink that is slow by itself needs none from us. */
const restShare = 3;
const restMsMax = 200;

interface FileToCopy {
  readonly name: string;
  readonly bytes: number;
}

/** Why a backup did not come to its end, as a `code` for who asked for it. */
function refusal(code: "EVOLATILE" | "ECANCELED" | "ENOSPC", text: string): Error {
  return Object.assign(new Error(text), { code });
}

export class Backups {
  readonly #core: Core;
  /** How to end those that are under way. */
  readonly #ends = new Set<(reason: Error) => void>();

  constructor(core: Core) {
    this.#core = core;
  }

  async take(sink: BackupSink): Promise<BackupReport> {
    const { log, pressure } = this.#core;
    const { copying } = log;
    if (copying === undefined)
      throw refusal("EVOLATILE", "this broker keeps its data in memory: there is nothing to back up");
    if (pressure.disk) throw fullDisk();
    const release = copying.hold();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    // Nobody listens once the copy is done.
    ended.catch(() => undefined);
    const end = (reason: Error): void => {
      release();
      reject(reason);
    };
    this.#ends.add(end);
    const forget = this.#core.onPressure(({ disk }) => {
      if (disk) end(fullDisk());
    });
    try {
      return await this.#copy(copying, sink, ended);
    } finally {
      forget();
      this.#ends.delete(end);
      release();
    }
  }

  /** The broker stops: what is under way fails. */
  stop(): void {
    for (const end of this.#ends) end(refusal("ECANCELED", "the backup was given up: the broker stops"));
  }

  async #copy(copying: LogCopying, sink: BackupSink, ended: Promise<never>): Promise<BackupReport> {
    const files = await Promise.race([this.#filesToCopy(copying), ended]);
    const buffer = Buffer.allocUnsafeSlow(pieceBytes);
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    await Promise.race([sink.begin?.({ files: files.length, bytes: total }), ended]);
    for (const { name, bytes } of files) {
      await Promise.race([sink.file(name, bytes), ended]);
      let sinceMs = this.#core.clock.elapsedMs();
      await copying.read(name, bytes, buffer, async (piece) => {
        await Promise.race([sink.write(piece), ended]);
        await Promise.race([this.#rest(this.#core.clock.elapsedMs() - sinceMs), ended]);
        sinceMs = this.#core.clock.elapsedMs();
      });
    }
    return { files: files.length, bytes: total };
  }

  /** A copy that goes to the disk of the journal leaves most of that disk to the journal. */
  #rest(tookMs: number): Promise<void> {
    const { clock } = this.#core;
    if (tookMs < 1) return Promise.resolve();
    return new Promise((resolve) => void clock.setDelay(Math.min(tookMs * restShare, restMsMax), resolve));
  }

  async #filesToCopy(copying: LogCopying): Promise<FileToCopy[]> {
    const core = this.#core;
    const { commit, log } = core;
    await new Promise<void>((resolve) => commit.whenDurable(commit.ticket, resolve));
    const newest = await log.checkpoints.readNewest();
    for (const one of newest.damage) core.logger.error("the data directory is damaged", { ...one });
    // A start on the copy would refuse it, too.
    if (newest.id === 0 && newest.damage.length > 0) throw new DamageError(newest.damage);
    const snapshot = newest.id === 0 ? undefined : readSnapshotHead((newest as { bytes: Buffer }).bytes);
    // After the checkpoint was read: what it was taken at the end of is durable, and in these.
    const journal = commit.journal.extents();
    const seq = snapshot?.seq ?? 1;
    // One that nothing has been written to does not count: what is there of the block before it lies in an earlier one.
    const from = journal.findLastIndex(({ first, bytes }) => first <= seq && bytes > 0);
    if (from < 0 && journal.some(({ bytes }) => bytes > 0)) throw overtaken(seq);
    const files = await this.#segmentFiles(copying, snapshot?.segments ?? []);
    files.push(...journal.slice(Math.max(0, from)).filter(({ bytes }) => bytes > 0));
    if (snapshot !== undefined) {
      const name = copying.checkpointName(newest.id);
      const bytes = await copying.size(name);
      assert(bytes !== undefined, "a file that is held does not go");
      files.push({ name, bytes });
    }
    return files;
  }

  async #segmentFiles(copying: LogCopying, segments: readonly number[]): Promise<FileToCopy[]> {
    const files: FileToCopy[] = [];
    for (const segment of segments) {
      const name = copying.segmentName(segment);
      const bytes = await copying.size(name);
      if (bytes !== undefined) files.push({ name, bytes });
      else this.#core.logger.error("a segment is missing from the data, and from its backup", { file: name });
    }
    return files;
  }
}

/** Newer checkpoints were taken while this one was read, or are damaged. */
function overtaken(seq: number): Error {
  return refusal(
    "ECANCELED",
    `no backup: the journal is not kept any more from block ${seq} on, as its checkpoint needs it`,
  );
}

function fullDisk(): Error {
  return refusal("ENOSPC", "no backup: the disk is short of space, which what is copied would keep from coming back");
}
