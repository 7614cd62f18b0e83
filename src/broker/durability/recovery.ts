/**
 * The way back: newest checkpoint, then the journal blocks behind it, in order.
 *
 * What cannot be read is reported and never skipped in silence; what can be read is kept, whatever else is missing.
 * Blocks of an atomic group are applied when its last block has come, or not at all. Segments that the checkpoint does not
 * name are leftovers of an attempt that did not finish if they are newer than it, and go at once; older ones are what the
 * checkpoint before it needed, and go at the next. One that is named and cannot be opened, or is missing, stays named by all
 * checkpoints to come: nobody knows what it holds, so nobody knows that it is not wanted, and it may be put back or mended.
 */
import { DamageError, type Damage, type Journal, type RunMeta } from "../../log/log.ts";
import type { Core } from "../core.ts";
import { finishRestore, restoreSubscription } from "../subscription/subscription-snapshot.ts";
import { scan } from "../subscription/scan.ts";
import type { Subscription } from "../subscription/subscription.ts";
import { SettledSet } from "../subscription/settled-set.ts";
import { SeenTimes } from "../topic/seen-times.ts";
import { RangeSet } from "../../base/range-set.ts";
import { isScheduleRun } from "./checkpoint.ts";
import { restoreId } from "../catalog/remembered-ids.ts";
import { applyDefinition, Replay } from "./replay.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { readSnapshot } from "./stored-snapshot.ts";

export interface Recovered {
  readonly journal: Journal;
  readonly checkpointId: number;
  readonly nextSegment: number;
  readonly seq: number;
  readonly isNew: boolean;
  /** What is sound, and is left out with what is not. */
  readonly leftOut: readonly Damage[];
}

/** Brings the core to the state that the log holds. */
export async function recover(core: Core): Promise<Recovered> {
  core.isRecovering = true;
  const { log } = core;
  const newest = await log.checkpoints.readNewest();
  report(core, newest.damage);
  const snapshot = newest.id === 0 ? undefined : readSnapshot((newest as { bytes: Buffer }).bytes);
  if (snapshot !== undefined) await restoreSnapshot(core, snapshot);
  // A checkpoint that is there and cannot be read is not the absence of one: what it names must not be taken for litter.
  else if (newest.damage.length > 0) throw new DamageError(newest.damage);
  const replay = new Replay(core);
  const { journal, damage } = await log.journalOpen(snapshot?.seq ?? 1, (block) => replay.block(block));
  replay.end(journal.nextSeq);
  report(core, damage);
  report(core, replay.damage);
  if (snapshot === undefined) {
    await assertNew(core, journal);
    if (damage.length === 0) await removeStraySegments(core);
  }
  await finish(core);
  core.isRecovering = false;
  return {
    journal,
    checkpointId: newest.id,
    nextSegment: snapshot?.nextSegment ?? 1,
    seq: snapshot?.seq ?? 1,
    isNew: snapshot === undefined && replay.blocks === 0,
    leftOut: replay.damage,
  };
}

function report(core: Core, damage: readonly Damage[]): void {
  for (const one of damage) core.logger.error("the data directory is damaged", { ...one });
}

/**
 * Without a checkpoint the journal has all that there ever was. Where it has not, something was taken away, and what is left must
 * not be taken for litter by a broker that thinks itself new.
 */
async function assertNew({ log }: Core, journal: Journal): Promise<void> {
  const [oldest] = journal.extents();
  const [segment] = oldest === undefined ? await log.segments.list() : [];
  const isNew = oldest === undefined ? segment === undefined : oldest.first === 1;
  if (isNew) return;
  await journal.close();
  const what =
    oldest === undefined
      ? `there are segments, such as ${segment}, but neither a checkpoint nor a journal`
      : `there is no checkpoint, and the journal begins at block ${oldest.first}`;
  throw new DamageError([{ file: oldest?.name ?? "checkpoint", position: 0, length: 0, what }]);
}

async function removeStraySegments(core: Core): Promise<void> {
  // Without a checkpoint no segment is anybody's: the first attempt at one did not finish, and the journal has it all.
  for (const id of await core.log.segments.list()) await core.log.segments.remove(id);
}

async function restoreSnapshot(core: Core, snapshot: StoredSnapshot): Promise<void> {
  core.lastId = snapshot.lastId;
  for (const definition of snapshot.definitions) applyDefinition(core, definition);
  for (const one of snapshot.queues) {
    const queue = core.queueById.get(one.id);
    if (queue === undefined) continue;
    const { partition, subscription } = queue;
    partition.first = one.first;
    partition.next = one.next;
    partition.maxSpan = one.span ?? 1;
    partition.persistedEnd = one.next;
    if (subscription !== undefined) {
      if (one.subscription !== undefined) restoreSubscription(subscription, one.subscription);
      const fleeting = RangeSet.fromList(one.fleeting);
      fleeting.starts.forEach((start, i) => subscription.settled.addRange(start, fleeting.ends[i]!));
    }
    if (one.superseded !== undefined && subscription === undefined) {
      const compaction = queue.keepCompaction();
      compaction.superseded = SettledSet.fromJson(one.superseded);
      compaction.seen = SeenTimes.fromJson(one.seen ?? []);
    }
    for (const [id, named] of one.named ?? []) {
      const subscription = core.subscriptionById.get(id);
      if (subscription !== undefined) restoreSubscription(subscription, named);
    }
    queue.positions.fromJson(one.positions ?? []);
    if (one.producing !== undefined) queue.producing().fromJson(one.producing);
    for (const [id, at] of one.dedup ?? []) restoreId(queue, id, at);
  }
  for (const namespace of core.namespaceByName.values()) {
    for (const exchange of namespace.exchangeByName.values()) {
      const dedup = snapshot.exchangeDedups.find(([id]) => id === exchange.id);
      for (const [id, seenAt] of dedup?.[1] ?? []) exchange.dedup?.add(id, seenAt);
    }
  }
  core.schedule.fromJson(snapshot.schedule as [number, number, number][]);
  for (const [, firedDueMs] of snapshot.schedule as [number, number, number][]) core.notBefore(firedDueMs);
  await restoreSegments(core, snapshot);
}

async function restoreSegments(core: Core, snapshot: StoredSnapshot): Promise<void> {
  const named = new Set(snapshot.segments);
  for (const id of await core.log.segments.list()) {
    if (named.has(id)) continue;
    if (id >= snapshot.nextSegment) await core.log.segments.remove(id);
    else core.segments.set(id, { live: 0, total: 0, runs: 0, bytes: 0, fileBytes: 0 });
  }
  for (const id of snapshot.segments) {
    try {
      const { runs, bytes: fileBytes, damage } = await core.log.segments.open(id);
      report(core, damage);
      const total = runs.reduce((sum, run) => sum + run.count, 0);
      const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
      core.segments.set(id, { live: total, total, runs: runs.length, bytes, fileBytes });
      for (const run of runs) restoreRun(core, run);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      report(core, error.damage);
      core.segments.set(id, { live: 1, total: 1, runs: 1, bytes: 0, fileBytes: 0 });
    }
  }
}

function restoreRun(core: Core, meta: RunMeta): void {
  if (isScheduleRun(meta)) return core.schedule.restoreRun(meta);
  const queue = core.queueById.get(meta.partition);
  if (queue === undefined) return core.segmentShrank(meta.segment, meta.count);
  const { partition } = queue;
  const { firstOffset, lastOffset, count } = meta;
  const live = partition.runs.unsettledIn(firstOffset, lastOffset + 1) ?? (lastOffset < partition.first ? 0 : count);
  if (live <= 0) return core.segmentShrank(meta.segment, count);
  // A run that was written anew and those that it was made of can all be named; the one that comes later has what lives.
  for (const original of partition.runs.overlapping(firstOffset, lastOffset + 1)) partition.runs.forget(original);
  partition.runs.add(meta, live);
}

/** Everything is read: counts, cursors, orders. */
async function finish(core: Core): Promise<void> {
  for (const queue of core.queueById.values()) {
    const { partition, subscription } = queue;
    const named = [...(queue.named?.values() ?? [])];
    for (const one of subscription === undefined ? named : [subscription]) await finishSubscription(core, one);
    const { compaction } = queue;
    if (compaction !== undefined) partition.runs.limit((low, high) => compaction.liveIn(low, high));
    partition.visibleEnd = partition.next;
    partition.makeStable();
    partition.lastBatchStart = Math.max(partition.first, partition.next - 1);
  }
}

async function finishSubscription(core: Core, subscription: Subscription): Promise<void> {
  const { id, partition, settled, settings, ready } = subscription;
  // What retention has taken is over for everyone.
  settled.addRange(settled.floor, partition.first);
  const waiting = await core.schedule.countWaiting(id);
  finishRestore(subscription, waiting, (readyAtMs, offset) => core.schedule.addRetry(readyAtMs, id, offset));
  // What was leased or delayed, or settled in a segment, is in the sum, or is not.
  subscription.areBytesExact = subscription.readyCount === 0;
  if (ready.needsScan || settings.maxLengthBytes >= 0) await scan(core, subscription);
  if (subscription.departures !== undefined) subscription.wake();
}
