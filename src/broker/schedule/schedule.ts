/**
 * What becomes ready later: (due time, offset) pairs of subscriptions, millions of them, in memory as well as on disk.
 *
 * A new pair goes into its subscription's heap (16 bytes). A checkpoint writes the heap out as one run, sorted by due
 * time, and forgets it; of a run only a window of a few thousand pairs is in memory at a time (64 KB), and checkpoints merge
 * runs so that a subscription has a few tens of them at most (merging.ts). So the heap holds what came in since the last
 * checkpoint, and memory grows with the logarithm of what waits. The next to fire is the least of the heap's top and the
 * windows' heads.
 *
 * Pairs fire strictly in order (due, then offset), and `fired` is the last that did. That makes "has it fired?" one
 * comparison with what the entry itself says, without a set of fired offsets: the subscription's cursor passes over entries
 * that have not, and recovery takes up at the `fired` of the checkpoint: firing again what had fired is harmless, since a
 * recovered subscription starts from what is settled.
 *
 * Messages that came back and wait for their retry are a second heap, in memory only: the subscription keeps them in its
 * list of attempts, which every checkpoint holds.
 */
import type { Clock, TimerHandle } from "../../base/clock.ts";
import { OffsetHeap } from "../../base/offset-heap.ts";
import type { Damage, RunMeta, SegmentStore } from "../../log/log.ts";
import type { SegmentSink } from "../durability/segment-series.ts";
import { isBefore, type Pairs, readPairs, schedulePartitionBase } from "./due-runs.ts";
import { chooseSegments, type DueMerge, type DueSegment, writeMerge } from "./merging.ts";

/** Pairs that one turn fires at most. */
const firesPerTurn = 4096;

export interface DueTarget {
  /** True: nothing more is to fire, until goOn(). */
  holdBackDue(): boolean;
  due(offset: number): void;
  retryDue(offset: number): void;
  readonly settled: { has(offset: number): boolean };
  /** Those that came back, and have no delay any more. */
  readonly attempts: { has(offset: number): boolean };
}

interface ScheduleRun {
  readonly meta: RunMeta;
  /** Index of the first pair that was read into the window: all before it have fired. */
  from: number;
  /** Index of the first pair that is not in the window. */
  next: number;
  readonly dues: Float64Array;
  readonly offsets: Float64Array;
  at: number;
  count: number;
  isLoading: boolean;
}

interface Timeline {
  readonly id: number;
  readonly target: DueTarget;
  /** Pairs that no run holds. */
  fresh: OffsetHeap;
  /** Pairs that a checkpoint in progress writes to a run. */
  writing: OffsetHeap | undefined;
  readonly retries: OffsetHeap;
  runs: ScheduleRun[];
  firedDueMs: number;
  firedOffset: number;
}

/** What a checkpoint writes of the schedule, as it was when the checkpoint began. */
export interface DuesToWrite {
  readonly merges: readonly DueMerge[];
  /** Their runs are in `merges`: the checkpoint needs them no longer. */
  readonly segments: ReadonlySet<number>;
}

export interface ScheduleContext {
  readonly clock: Clock;
  now(): number;
  readonly segments: SegmentStore;
  segmentShrank(segment: number, entries: number): void;
  diskFailed(error: Error): void;
  /** Due times that could not be read back: their messages wait until the next start. */
  damaged(damage: readonly Damage[]): void;
}

export class Schedule {
  readonly #context: ScheduleContext;
  readonly #timelines = new Map<number, Timeline>();
  /** Of them, those in which something waits, or did when they were last looked at: few, however many queues there are. */
  readonly #busy = new Set<Timeline>();
  #timer: TimerHandle | undefined;
  /** Nothing fires while the journal is replayed. */
  #isStarted = false;
  #isStopped = false;

  constructor(context: ScheduleContext) {
    this.#context = context;
  }

  register(id: number, target: DueTarget): void {
    this.#timelines.set(id, {
      id,
      target,
      fresh: new OffsetHeap(),
      writing: undefined,
      retries: new OffsetHeap(),
      runs: [],
      firedDueMs: 0,
      firedOffset: -1,
    });
  }

  unregister(id: number): void {
    const timeline = this.#timelines.get(id);
    if (timeline === undefined) return;
    for (const run of timeline.runs) this.#context.segmentShrank(run.meta.segment, leftIn(run));
    this.#timelines.delete(id);
    this.#busy.delete(timeline);
  }

  /** A message published for later. */
  add(dueMs: number, id: number, offset: number): void {
    const timeline = this.#timelines.get(id)!;
    timeline.fresh.push(dueMs, offset);
    this.#busy.add(timeline);
    this.#armFor(dueMs);
  }

  /** A message that came back and is to wait. */
  addRetry(dueMs: number, id: number, offset: number): void {
    const timeline = this.#timelines.get(id)!;
    timeline.retries.push(dueMs, offset);
    this.#busy.add(timeline);
    this.#armFor(dueMs);
  }

  hasFired(id: number, dueMs: number, offset: number): boolean {
    const timeline = this.#timelines.get(id)!;
    return dueMs < timeline.firedDueMs || (dueMs === timeline.firedDueMs && offset <= timeline.firedOffset);
  }

  // ---- checkpoints

  /** Pairs that are in memory and in no run's window. */
  get freshCount(): number {
    let count = 0;
    for (const { fresh, writing } of this.#timelines.values()) count += fresh.size + (writing?.size ?? 0);
    return count;
  }

  /** State for the checkpoint. */
  toJson(): unknown {
    return [...this.#timelines.values()]
      .filter(({ firedDueMs }) => firedDueMs > 0)
      .map((one) => [one.id, one.firedDueMs, one.firedOffset]);
  }

  fromJson(json: [number, number, number][]): void {
    for (const [id, firedDueMs, firedOffset] of json) {
      const timeline = this.#timelines.get(id);
      if (timeline === undefined) continue;
      timeline.firedDueMs = firedDueMs;
      timeline.firedOffset = firedOffset;
    }
  }

  /** Of each segment that holds due times, how many. */
  segments(): Map<number, DueSegment> {
    const segments = new Map<number, DueSegment>();
    for (const { runs } of this.#timelines.values()) {
      for (const run of runs) {
        const { segment: id, count } = run.meta;
        let segment = segments.get(id);
        if (segment === undefined) segments.set(id, (segment = { id, total: 0, live: 0 }));
        segment.total += count;
        segment.live += leftIn(run);
      }
    }
    return segments;
  }

  /** Sets the heaps aside as they are now: what is answered is to be written by `write`. New pairs go elsewhere. */
  take(): DuesToWrite {
    let freshCount = 0;
    for (const { fresh } of this.#timelines.values()) freshCount += fresh.size;
    const segments = chooseSegments([...this.segments().values()], freshCount);
    const merges: DueMerge[] = [];
    for (const timeline of this.#timelines.values()) {
      const { id, firedDueMs, firedOffset } = timeline;
      const runs = timeline.runs.filter(({ meta }) => segments.has(meta.segment));
      if (timeline.fresh.size === 0 && runs.length === 0) continue;
      const fresh = timeline.fresh.clone();
      merges.push({ id, fresh, runs: runs.map(({ meta, from }) => ({ meta, from })), firedDueMs, firedOffset });
      timeline.writing = timeline.fresh;
      timeline.fresh = new OffsetHeap();
    }
    return { merges, segments };
  }

  /** Writes what take() answered, a slice at a time. */
  async write(sink: SegmentSink, { merges }: DuesToWrite, pause: () => Promise<void>): Promise<void> {
    for (const merge of merges) await writeMerge(sink, merge, (meta, from) => this.#readPairs(meta, from), pause);
  }

  /** The runs are durable: what they hold is forgotten. What has fired meanwhile is passed over in the runs. */
  persisted(metas: readonly RunMeta[], { segments }: DuesToWrite): void {
    for (const timeline of this.#timelines.values()) {
      timeline.writing = undefined;
      if (!timeline.runs.some(({ meta }) => segments.has(meta.segment))) continue;
      const merged = timeline.runs.filter(({ meta }) => segments.has(meta.segment));
      timeline.runs = timeline.runs.filter((run) => !merged.includes(run));
      for (const run of merged) this.#context.segmentShrank(run.meta.segment, leftIn(run));
    }
    for (const meta of metas) this.restoreRun(meta);
    this.#fire();
  }

  /** The checkpoint failed: what was set aside comes back. */
  abandoned(): void {
    for (const timeline of this.#timelines.values()) {
      const { writing, fresh } = timeline;
      if (writing === undefined) continue;
      timeline.writing = undefined;
      timeline.fresh = writing;
      fresh.forEach((dueMs, offset) => writing.push(dueMs, offset));
    }
  }

  /** Recovery: a run that a checkpoint names. */
  restoreRun(meta: RunMeta): void {
    const timeline = this.#timelines.get(meta.partition - schedulePartitionBase);
    if (timeline === undefined) this.#context.segmentShrank(meta.segment, meta.count);
    else this.#adopt(timeline, meta);
  }

  /** Recovery: how many messages of a subscription wait in the schedule. Reads its runs once. */
  async countWaiting(id: number): Promise<number> {
    const timeline = this.#timelines.get(id)!;
    let count = 0;
    const { settled, attempts } = timeline.target;
    timeline.fresh.forEach((_due, offset) => void (settled.has(offset) || attempts.has(offset) || count++));
    for (const run of timeline.runs) {
      let index = 0;
      while (index < run.meta.count) {
        const read = await this.#readPairs(run.meta, index);
        for (let i = 0; i < read.count; i++) {
          const offset = read.offsets[i]!;
          if (!this.hasFired(id, read.dues[i]!, offset) && !settled.has(offset) && !attempts.has(offset)) count++;
        }
        index = read.nextIndex;
      }
    }
    return count;
  }

  /** Begins to fire. */
  start(): void {
    if (this.#isStopped) return;
    this.#isStarted = true;
    this.#fire();
  }

  /** A target that held back what is due does so no longer. */
  goOn(): void {
    this.#fire();
  }

  stop(): void {
    this.#isStopped = true;
    this.#isStarted = false;
    if (this.#timer !== undefined) this.#context.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  // ---- firing

  #adopt(timeline: Timeline, meta: RunMeta): void {
    const run: ScheduleRun = {
      meta,
      from: 0,
      next: 0,
      dues: new Float64Array(0),
      offsets: new Float64Array(0),
      at: 0,
      count: 0,
      isLoading: false,
    };
    timeline.runs.push(run);
    this.#busy.add(timeline);
    this.#fill(timeline, run);
  }

  /** Fills the window of a run, passing over what has fired or gone. */
  #fill(timeline: Timeline, run: ScheduleRun): void {
    if (run.isLoading) return;
    run.isLoading = true;
    const from = run.next;
    void this.#readPairs(run.meta, run.next).then(
      (read) => {
        run.isLoading = false;
        // It is deleted, or merged.
        if (this.#timelines.get(timeline.id) !== timeline || !timeline.runs.includes(run)) return;
        run.from = from;
        run.next = read.nextIndex;
        let count = 0;
        for (let i = 0; i < read.count; i++) {
          if (this.hasFired(timeline.id, read.dues[i]!, read.offsets[i]!)) continue;
          read.dues[count] = read.dues[i]!;
          read.offsets[count++] = read.offsets[i]!;
        }
        // Pairs in the window still need their segment: until they have fired, it is all that a restart knows of them.
        this.#context.segmentShrank(run.meta.segment, read.nextIndex - from - count);
        Object.assign(run, { dues: read.dues, offsets: read.offsets, at: 0, count });
        if (count === 0 && run.next >= run.meta.count) timeline.runs = timeline.runs.filter((other) => other !== run);
        else if (count === 0) this.#fill(timeline, run);
        this.#fire();
      },
      (error: Error) => this.#context.diskFailed(error),
    );
  }

  #readPairs(meta: RunMeta, from: number): Promise<Pairs> {
    return readPairs(this.#context.segments, meta, from, (damage) => this.#context.damaged(damage));
  }

  #armFor(dueMs: number): void {
    if (this.#timer !== undefined) {
      if (this.#timer.atMs <= dueMs) return;
      this.#context.clock.clearTimer(this.#timer);
    }
    this.#timer = this.#context.clock.setTimer(dueMs, () => {
      this.#timer = undefined;
      this.#fire();
    });
  }

  /** The head of a run's window fires. */
  #taken(timeline: Timeline, run: ScheduleRun): void {
    this.#context.segmentShrank(run.meta.segment, 1);
    if (++run.at < run.count) return;
    if (run.next < run.meta.count) this.#fill(timeline, run);
    else timeline.runs = timeline.runs.filter((other) => other !== run);
  }

  #fire(): void {
    if (!this.#isStarted) return;
    const nowMs = this.#context.now();
    let nextMs = Infinity;
    let fires = 0;
    for (const timeline of this.#busy) {
      const { retries } = timeline;
      for (; retries.peekKey() <= nowMs && fires < firesPerTurn; fires++) this.#fireRetry(timeline);
      let dueMs = this.#nextDue(timeline);
      for (; dueMs <= nowMs && fires < firesPerTurn; fires++) {
        if (timeline.target.holdBackDue()) dueMs = Infinity;
        else {
          this.#fireOne(timeline);
          dueMs = this.#nextDue(timeline);
        }
      }
      nextMs = Math.min(nextMs, retries.peekKey(), dueMs);
      if (isIdle(timeline)) this.#busy.delete(timeline);
    }
    if (nextMs !== Infinity) this.#armFor(nextMs);
  }

  #fireRetry({ retries, target }: Timeline): void {
    const offset = retries.peekValue();
    retries.pop();
    target.retryDue(offset);
  }

  /** Due time of the next pair; Infinity when there is none, or when a window has to be read before anyone can tell. */
  #nextDue(timeline: Timeline): number {
    let dueMs = Math.min(timeline.fresh.peekKey(), timeline.writing?.peekKey() ?? Infinity);
    for (const run of timeline.runs) {
      if (run.at === run.count) return Infinity;
      dueMs = Math.min(dueMs, run.dues[run.at]!);
    }
    return dueMs;
  }

  #fireOne(timeline: Timeline): void {
    const { fresh, writing } = timeline;
    let heap = fresh;
    if (writing !== undefined && isBefore(writing.peekKey(), writing.peekValue(), fresh.peekKey(), fresh.peekValue()))
      heap = writing;
    let dueMs = heap.peekKey();
    let offset = heap.peekValue();
    let from: ScheduleRun | undefined;
    for (const run of timeline.runs) {
      if (!isBefore(run.dues[run.at]!, run.offsets[run.at]!, dueMs, offset)) continue;
      dueMs = run.dues[run.at]!;
      offset = run.offsets[run.at]!;
      from = run;
    }
    if (from === undefined) heap.pop();
    else this.#taken(timeline, from);
    timeline.firedDueMs = dueMs;
    timeline.firedOffset = offset;
    timeline.target.due(offset);
  }
}

function isIdle({ fresh, writing, retries, runs }: Timeline): boolean {
  return fresh.size === 0 && (writing === undefined || writing.size === 0) && retries.size === 0 && runs.length === 0;
}

/** Pairs that have not fired. */
function leftIn(run: ScheduleRun): number {
  return run.meta.count - run.next + (run.count - run.at);
}
