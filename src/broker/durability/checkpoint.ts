/**
 * Checkpoints: what makes the journal short again.
 *
 * A checkpoint is taken in three steps. (1) At the seal of a block the state of everything is written down in one go,
 * and the journal begins a new file behind that block: state plus the blocks from there on is the whole truth. (2) In
 * the background, a slice at a time, every entry that lived at that moment and is in no segment yet is copied into a
 * new segment, or several (segment-series.ts); what is left of older segments may be written anew with it
 * (rewriting.ts). What was settled meanwhile is left out: the journal behind the snapshot says so. (3) When that is
 * durable, the checkpoint file is written; when that is durable, journal and segments that only the checkpoint *before
 * the previous* needed go. So a damaged checkpoint has a predecessor to fall back on.
 *
 * A full disk ends an attempt and nothing else: what it wrote is removed, the journal grows on, and the next try comes
 * later. While a disk is short of space, checkpoints are taken before their time: what consumers settle is given back
 * to the disk only by them, and producers who are held back write no journal that would bring one about. When not even
 * a record of the journal, or a checkpoint, finds room any more, the predecessor is given up with what only it needs: a
 * broker that nothing can be taken from would stay full for ever. The one that is left was written, or verified at the
 * start, by this process: not simply the newest of the directory, which may be the one that the start found damaged.
 */
import type { TimerHandle } from "../../base/clock.ts";
import { Slices } from "../../base/slices.ts";
import type { RunMeta } from "../../log/log.ts";
import type { Core } from "../core.ts";
import { schedulePartitionBase } from "../schedule/due-runs.ts";
import type { DuesToWrite } from "../schedule/schedule.ts";
import { pageEntries } from "../topic/page.ts";
import type { Partition } from "../topic/partition.ts";
import { SegmentCopying } from "./copying.ts";
import { Gathering } from "./gathering.ts";
import { type Rewritten, SegmentRewriting } from "./rewriting.ts";
import { SegmentSeries, type WrittenSegment } from "./segment-series.ts";
import { snapshotOf, type StoredSnapshot } from "./snapshot.ts";
import { snapshotPieces } from "./stored-snapshot.ts";

const retryMs = 2000;
const sliceMs = 5;
/** After the checkpoint that does not name a segment any more comes the one that removes it, and its journal. */
const checkpointsToFree = 3;

export class Checkpointer {
  #id: number;
  /** The newest checkpoint that is known to be whole; 0: there is none. */
  #whole: number;
  #nextSegment: number;
  #isRunning = false;
  #isWanted = false;
  #isWantedClean = false;
  #retryAtMs = -Infinity;
  #begunMs = 0;
  /** Checkpoints that may still free something on a disk that is short. */
  #roundsLeft = checkpointsToFree;
  /** First journal block behind the newest checkpoint: what a fall back to it, once there is a newer one, begins with. */
  #previousSeq: number;
  /** Segments that the newest checkpoint does not name, and the one before it may. */
  #unnamedSegments: number[];
  #isPublishing = false;
  #givingUp: Promise<void> | undefined;
  #retry: TimerHandle | undefined;
  #done: (() => void)[] = [];
  readonly #core: Core;
  readonly #gathering: Gathering;
  readonly #slices: Slices;
  readonly #copying: SegmentCopying;
  readonly #rewriting: SegmentRewriting;

  constructor(core: Core, id: number, nextSegment: number, seq: number) {
    this.#core = core;
    this.#gathering = new Gathering(core);
    this.#slices = new Slices(core.clock, sliceMs);
    this.#copying = new SegmentCopying(core, this.#slices);
    this.#rewriting = new SegmentRewriting(core, this.#slices);
    this.#id = this.#whole = id;
    this.#nextSegment = nextSegment;
    this.#previousSeq = seq;
    this.#unnamedSegments = [...core.segments].filter(([, { total }]) => total === 0).map(([segment]) => segment);
    core.onCommitted = (): void => this.#check();
    // Later: whoever is let go on publishes, and something is being removed just now.
    core.cache.onLow = (): void => core.clock.defer(() => this.#checkMemory());
  }

  /** Takes a checkpoint now; resolves when it is durable, or did not find room: the journal has everything, and it is tried again. */
  take(isClean: boolean): Promise<void> {
    if (this.#core.log.isVolatile) return Promise.resolve();
    return new Promise((resolve) => {
      this.#done.push(resolve);
      if (!this.#isRunning) this.#begin(isClean);
      else {
        this.#isWanted = true;
        this.#isWantedClean = isClean;
      }
    });
  }

  /** After each commit: is it time? */
  #check(): void {
    const core = this.#core;
    const { cache, settings, log } = core;
    this.#checkMemory();
    if (log.isVolatile) return this.#gathering.check();
    if (cache.bytes > settings.cacheBytes) core.evict();
    if (this.#isRunning || core.clock.elapsedMs() < this.#retryAtMs) return;
    const isOver = core.pressure.memory || cache.bytes > settings.cacheBytes + settings.checkpointBytes / 2;
    const isFull = isOver && cache.bytes > settings.cacheBytes && core.dirty.size > 0;
    if (core.commit.journal.bytesSinceRotate > settings.checkpointBytes || isFull) this.#begin(false);
  }

  /** Held back above the mark, let go below nine tenths of it. */
  #checkMemory(): void {
    const { cache, settings, pressure } = this.#core;
    const lowBytes = settings.memoryHighBytes * 0.9;
    const isHigh = cache.bytes > (pressure.memory ? lowBytes : settings.memoryHighBytes);
    cache.lowBytes = isHigh ? lowBytes : 0;
    this.#core.setPressure("memory", isHigh);
  }

  /** The disk is short of space: takes a checkpoint if something has changed that could give some back. */
  makeRoom(): void {
    const core = this.#core;
    if (core.commit.isFull) this.#giveUpPredecessor();
    if (this.#isRunning || core.clock.elapsedMs() < this.#retryAtMs) return;
    if (core.commit.journal.bytesSinceRotate > 0) this.#roundsLeft = checkpointsToFree;
    if (this.#roundsLeft === 0) return;
    this.#roundsLeft--;
    this.#begin(false);
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#gathering.stop();
    if (this.#retry !== undefined) this.#core.clock.clearTimer(this.#retry);
    this.#retry = undefined;
    this.#isRunning = true;
  }

  #begin(isClean: boolean): void {
    this.#isRunning = true;
    const core = this.#core;
    this.#begunMs = core.clock.elapsedMs();
    core.commit.snapshotAtNextSeal(() => {
      const snapshot = snapshotOf(core, isClean);
      const partitions = [...core.dirty];
      core.dirty.clear();
      for (const partition of partitions) partition.beginSnapshot();
      const dues = core.schedule.take();
      const inUse: number[] = [];
      for (const [segment, { live }] of core.segments) if (live > 0 && !dues.segments.has(segment)) inUse.push(segment);
      core.onRotated = (firstSeq): void => {
        void this.#write(snapshot, partitions, dues, inUse, firstSeq).then(
          () => this.#finished(undefined),
          (error: Error) => this.#finished(error),
        );
      };
    });
  }

  #finished(error: Error | undefined): void {
    const core = this.#core;
    this.#isRunning = false;
    if (error !== undefined) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") return core.fatal(error);
      core.setDiskPressure("checkpoint", true);
      core.logger.error("no space for a checkpoint: it is tried again", { error });
      this.#giveUpPredecessor();
      core.commit.journal.giveBackSpare().catch(core.fatal);
      // By a timer of its own: producers that are held back commit nothing that would bring the next attempt about.
      this.#retryAtMs = core.clock.elapsedMs() + retryMs;
      this.#retry = core.clock.setDelay(retryMs, () => {
        this.#retry = undefined;
        if (!this.#isRunning) this.#begin(false);
      });
    } else {
      core.setDiskPressure("checkpoint", false);
      core.measures.checkpoints++;
      core.measures.checkpointMs = core.clock.elapsedMs() - this.#begunMs;
      core.evict();
    }
    if (this.#isWanted) {
      this.#isWanted = false;
      this.#begin(this.#isWantedClean);
      return;
    }
    const waiting = this.#done.splice(0);
    for (const done of waiting) done();
    // What came in meanwhile may be due for the next one, and hold back all who would commit anything.
    if (waiting.length === 0 && error === undefined) this.#check();
  }

  async #write(
    snapshot: ReturnType<typeof snapshotOf>,
    partitions: readonly Partition[],
    dues: DuesToWrite,
    inUse: readonly number[],
    firstSeq: number,
  ): Promise<void> {
    const core = this.#core;
    const series: SegmentSeries[] = [];
    const begin = async (): Promise<SegmentSeries> => {
      const begun = await this.#beginSeries();
      series.push(begun);
      return begun;
    };
    let isInUse = false;
    try {
      const entries = await begin();
      await this.#copying.copy(entries, partitions);
      await entries.finish();
      this.#copying.takeBack();
      const chosen = this.#rewriting.choose();
      const survivors = chosen.size > 0 ? await begin() : undefined;
      const rewritten = survivors === undefined ? [] : await this.#rewriting.write(survivors, chosen);
      await survivors?.finish();
      const timers = dues.merges.length > 0 ? await begin() : undefined;
      if (timers !== undefined) await core.schedule.write(timers, dues, () => this.#slices.pause());
      await timers?.finish();
      isInUse = true;
      const written = series.flatMap((one) => one.written);
      for (const segment of written) this.#register(segment);
      this.#replace(rewritten, survivors?.metas ?? []);
      this.#adopt(entries.metas, partitions);
      core.schedule.persisted(timers?.metas ?? [], dues);
      await this.#publish(snapshot, [...inUse, ...written.map(({ id }) => id)], firstSeq);
    } catch (error) {
      this.#copying.takeBack();
      core.schedule.abandoned();
      for (const partition of partitions) {
        partition.abandonSnapshot();
        core.dirty.add(partition);
      }
      if (!isInUse) for (const one of series) await one.abort();
      throw error;
    }
  }

  #beginSeries(): Promise<SegmentSeries> {
    const { log, settings } = this.#core;
    return SegmentSeries.begin(log.segments, settings.segmentBytesMax, () => this.#nextSegment++);
  }

  #register({ id, metas, bytes: fileBytes }: WrittenSegment): void {
    const total = metas.reduce((sum, meta) => sum + meta.count, 0);
    const bytes = metas.reduce((sum, meta) => sum + meta.bytes, 0);
    this.#core.segments.set(id, { live: total, total, runs: metas.length, bytes, fileBytes });
  }

  /** What was written anew is durable: partitions read from it from now on. */
  #replace(rewritten: readonly Rewritten[], metas: readonly RunMeta[]): void {
    const byPartition = Map.groupBy(metas, (meta) => meta.partition);
    for (const { partition, runs } of rewritten) {
      const { firstOffset } = runs[0]!.meta;
      const { lastOffset } = runs.at(-1)!.meta;
      const all = byPartition.get(partition.id) ?? [];
      const own = all.filter((meta) => meta.firstOffset >= firstOffset && meta.lastOffset <= lastOffset);
      partition.runs.replace(runs, own);
      // Retention may have gone on meanwhile.
      partition.runs.trimTo(partition.first);
    }
  }

  /** What was written for the first time is, too. */
  #adopt(metas: readonly RunMeta[], partitions: readonly Partition[]): void {
    const byPartition = Map.groupBy(metas, (meta) => meta.partition);
    for (const partition of partitions) {
      const own = byPartition.get(partition.id) ?? [];
      if (partition.isDeleted) {
        for (const meta of own) this.#core.segmentShrank(meta.segment, meta.count);
        continue;
      }
      const from = partition.persistedEnd;
      partition.persisted(own, partition.snapshotEnd, partition.checkpointRemoved);
      this.#offerPages(partition, from);
    }
  }

  /** Pages of which more is in segments now may be dropped, as far as it is. */
  #offerPages(partition: Partition, from: number): void {
    for (const page of partition.pages.values()) {
      if (page.base + pageEntries > from && page.base < partition.persistedEnd) {
        this.#core.eviction.offer(partition, page.base);
      }
    }
  }

  /** Leaves the newest checkpoint alone on a disk that is full. */
  #giveUpPredecessor(): void {
    if (this.#isPublishing || this.#givingUp !== undefined) return;
    const { log, commit, segments, fatal } = this.#core;
    const giveUp = async (): Promise<void> => {
      // In this order: a checkpoint that is there has all it needs.
      await log.checkpoints.removeOthers([this.#whole]);
      await commit.journal.trim(this.#previousSeq);
      for (const segment of this.#unnamedSegments.splice(0)) {
        await log.segments.remove(segment);
        segments.delete(segment);
      }
    };
    this.#givingUp = giveUp()
      .catch(fatal)
      .finally(() => (this.#givingUp = undefined));
  }

  async #publish(snapshot: ReturnType<typeof snapshotOf>, inUse: readonly number[], firstSeq: number): Promise<void> {
    const core = this.#core;
    // Those in use at the moment of the snapshot, and not those in use now: what has fired since is in no journal.
    const named = new Set(inUse.filter((segment) => core.segments.has(segment)));
    const unnamed = [...core.segments.keys()].filter((segment) => !named.has(segment));
    const stored = { ...snapshot, seq: firstSeq, nextSegment: this.#nextSegment, segments: [...named] };
    // Messages that are left out were settled meanwhile: that has to be durable first, or a crash would know of neither.
    await new Promise<void>((resolve) => core.commit.whenDurable(core.commit.ticket, resolve));
    await this.#givingUp;
    this.#isPublishing = true;
    try {
      await this.#replaceNewest(stored, unnamed, firstSeq);
    } finally {
      this.#isPublishing = false;
    }
  }

  async #replaceNewest(stored: StoredSnapshot, unnamed: number[], firstSeq: number): Promise<void> {
    const core = this.#core;
    const id = ++this.#id;
    const before = this.#whole;
    const pieces = snapshotPieces(stored, () => (this.#slices.isOver() ? this.#slices.pause() : undefined));
    await core.log.checkpoints.write(id, pieces);
    this.#whole = id;
    await core.commit.journal.trim(this.#previousSeq);
    this.#previousSeq = firstSeq;
    await core.log.checkpoints.removeOthers([id, before]);
    // What the checkpoint before this one did not name either is nobody's any more.
    for (const segment of this.#unnamedSegments) {
      await core.log.segments.remove(segment);
      core.segments.delete(segment);
    }
    this.#unnamedSegments = unnamed;
  }
}

/** True for runs of due times. */
export function isScheduleRun(meta: RunMeta): boolean {
  return meta.partition >= schedulePartitionBase;
}
