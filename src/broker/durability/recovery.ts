/**
 * The way back: newest checkpoint, then the journal blocks behind it, in order.
 *
 * What cannot be read is reported and never skipped in silence; what can be read is kept, whatever else is missing.
 * Blocks of an atomic group are applied when its last block has come, or not at all. Segments that no checkpoint names
 * are leftovers of an attempt that did not finish if they are newer than the checkpoint; older ones are set apart by
 * being left alone, with a report.
 */
import { DamageError, type Damage, type Journal, type JournalBlock, type RunMeta } from "../../log/log.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import { headersFromJson, type Definition } from "../catalog/definition.ts";
import type { Core } from "../core.ts";
import { EntryCursor, readU16, readU32, readU48 } from "../entry.ts";
import { RangeSet } from "../../base/range-set.ts";
import { isScheduleRun } from "./checkpoint.ts";
import { blockContinued, record } from "./records.ts";
import type { StoredSnapshot } from "./snapshot.ts";

export interface Recovered {
  readonly journal: Journal;
  readonly checkpointId: number;
  readonly nextSegment: number;
  readonly seq: number;
  readonly isNew: boolean;
}

/** Brings the core to the state that the log holds. */
export async function recover(core: Core): Promise<Recovered> {
  core.isRecovering = true;
  const { log } = core;
  const newest = await log.checkpoints.readNewest();
  report(core, newest.damage);
  const snapshot =
    newest.id === 0 ? undefined : (JSON.parse((newest as { bytes: Buffer }).bytes.toString()) as StoredSnapshot);
  if (snapshot !== undefined) await restoreSnapshot(core, snapshot);
  else await reportStraySegments(core);
  const replay = new Replay(core);
  const { journal, damage } = await log.journalOpen(snapshot?.seq ?? 1, (block) => replay.block(block));
  report(core, damage);
  replay.release();
  await finish(core);
  core.isRecovering = false;
  return {
    journal,
    checkpointId: newest.id,
    nextSegment: snapshot?.nextSegment ?? 1,
    seq: snapshot?.seq ?? 1,
    isNew: snapshot === undefined && replay.blocks === 0,
  };
}

function report(core: Core, damage: readonly Damage[]): void {
  for (const one of damage) core.logger.error("the data directory is damaged", { ...one });
}

async function reportStraySegments(core: Core): Promise<void> {
  // Without a checkpoint no segment is anybody's: the first attempt at one did not finish, and the journal has it all.
  for (const id of await core.log.segments.list()) await core.log.segments.remove(id);
}

async function restoreSnapshot(core: Core, snapshot: StoredSnapshot): Promise<void> {
  core.lastId = snapshot.lastId;
  for (const definition of snapshot.definitions) apply(core, definition);
  for (const one of snapshot.queues) {
    const queue = core.queueById.get(one.id);
    if (queue === undefined) continue;
    const { partition, subscription } = queue;
    partition.first = one.first;
    partition.next = one.next;
    partition.persistedEnd = one.next;
    if (subscription !== undefined) {
      subscription.fromJson(one.subscription as Parameters<typeof subscription.fromJson>[0]);
      const fleeting = RangeSet.fromList(one.fleeting);
      fleeting.starts.forEach((start, i) => subscription.settled.addRange(start, fleeting.ends[i]!));
    }
    for (const [id, seenMs] of one.dedup ?? []) queue.dedup?.add(id, seenMs);
  }
  for (const namespace of core.namespaceByName.values()) {
    for (const exchange of namespace.exchangeByName.values()) {
      const dedup = snapshot.exchangeDedups.find(([id]) => id === exchange.id);
      for (const [id, seenMs] of dedup?.[1] ?? []) exchange.dedup?.add(id, seenMs);
    }
  }
  core.schedule.fromJson(snapshot.schedule as [number, number, number][]);
  await restoreSegments(core, snapshot);
}

async function restoreSegments(core: Core, snapshot: StoredSnapshot): Promise<void> {
  const named = new Set(snapshot.segments);
  for (const id of await core.log.segments.list()) {
    if (named.has(id)) continue;
    if (id >= snapshot.nextSegment) await core.log.segments.remove(id);
    else core.segments.set(id, { live: 0, total: 0, bytes: 0 });
  }
  for (const id of snapshot.segments) {
    try {
      const { runs, damage } = await core.log.segments.open(id);
      report(core, damage);
      const total = runs.reduce((sum, run) => sum + run.count, 0);
      core.segments.set(id, { live: total, total, bytes: runs.reduce((sum, run) => sum + run.bytes, 0) });
      for (const run of runs) restoreRun(core, run);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      report(core, error.damage);
    }
  }
}

function restoreRun(core: Core, meta: RunMeta): void {
  if (isScheduleRun(meta)) return core.schedule.restoreRun(meta);
  const queue = core.queueById.get(meta.partition);
  if (queue === undefined) return core.segmentShrank(meta.segment, meta.count);
  const { partition, subscription } = queue;
  const span = meta.lastOffset - meta.firstOffset + 1;
  let live = meta.lastOffset < partition.first ? 0 : meta.count;
  if (subscription !== undefined && !subscription.keepsHistory) {
    live = span - subscription.settled.countIn(meta.firstOffset, meta.lastOffset + 1);
  }
  if (live <= 0) return core.segmentShrank(meta.segment, meta.count);
  // A run that was written anew and its original can both be named; the one that comes later has what lives.
  const twin = partition.runs.find(
    (run) => run.meta.firstOffset <= meta.lastOffset && run.meta.lastOffset >= meta.firstOffset,
  );
  if (twin !== undefined) {
    partition.runs.splice(partition.runs.indexOf(twin), 1);
    core.segmentShrank(twin.meta.segment, twin.live);
  }
  partition.addRun(meta, Math.min(live, meta.count));
}

/** Changes of definitions, as snapshots and journal records hold them. */
function apply(core: Core, definition: Definition): void {
  switch (definition.op) {
    case "namespace":
      core.addNamespace(definition.name);
      return;
    case "queue": {
      const namespace = core.addNamespace(definition.ns);
      core.lastId = Math.max(core.lastId, definition.id);
      namespace.addQueue(
        definition.id,
        definition.name,
        definition.settings,
        definition.declaration,
        definition.hidden === true,
      );
      return;
    }
    case "queue-deleted": {
      const queue = core.queueById.get(definition.id);
      if (queue !== undefined) queue.namespace.removeQueue(queue);
      return;
    }
    case "settings":
      core.queueById.get(definition.id)?.configure(definition.settings);
      return;
    case "exchange":
      core.lastId = Math.max(core.lastId, definition.id);
      core
        .addNamespace(definition.ns)
        .addExchange(definition.id, definition.name, definition.settings, definition.declaration);
      return;
    case "exchange-deleted":
      core.addNamespace(definition.ns).removeExchange(definition.name);
      return;
    case "bind":
    case "unbind":
      applyBinding(core, definition);
      return;
    case "put": {
      let values = core.definitions.get(definition.kind);
      if (values === undefined) core.definitions.set(definition.kind, (values = new Map()));
      values.set(definition.name, definition.value);
      return;
    }
    case "remove":
      core.definitions.get(definition.kind)?.delete(definition.name);
      return;
  }
}

function applyBinding(core: Core, binding: Extract<Definition, { op: "bind" | "unbind" }>): void {
  const namespace = core.addNamespace(binding.ns);
  const queue = binding.queue === undefined ? undefined : namespace.queueByName.get(binding.queue);
  const destination = queue === undefined ? { exchange: binding.exchange ?? "" } : { queue };
  if (namespace.exchange(binding.source) === undefined) return;
  if ("exchange" in destination && namespace.exchange(destination.exchange)?.routing === undefined) return;
  const args = headersFromJson(binding.args);
  if (binding.op === "bind") namespace.addBinding(binding.source, destination, binding.key, args);
  else namespace.removeBinding(binding.source, destination, binding.key, args);
}

/** Applies the records of journal blocks. */
class Replay {
  blocks = 0;
  readonly #core: Core;
  readonly #cursor = new EntryCursor();
  readonly #slots = new Map<Buffer, number>();
  #group: JournalBlock[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  block(block: JournalBlock): void {
    this.blocks++;
    this.#group.push(block);
    if ((block.buffer[block.start]! & blockContinued) !== 0) return;
    const group = this.#group;
    this.#group = [];
    for (const one of group) this.#apply(one);
  }

  /** Gives up the references that kept buffers while they were replayed. */
  release(): void {
    for (const slot of this.#slots.values()) this.#core.cache.release(slot);
    this.#slots.clear();
  }

  #apply(block: JournalBlock): void {
    const { buffer, end } = block;
    let at = block.start + 1;
    while (at < end) {
      const kind = buffer[at]!;
      if (kind === record.entry) at = this.#entry(buffer, at);
      else if (kind === record.settled) at = this.#settled(buffer, at);
      else if (kind === record.horizon) {
        this.#queue(readU32(buffer, at + 1))?.subscription?.restoreHorizon(readU48(buffer, at + 5));
        at += 11;
      } else if (kind === record.returned) at = this.#returned(buffer, at);
      else if (kind === record.trimmed) {
        const queue = this.#queue(readU32(buffer, at + 1));
        queue?.partition.trimTo(readU48(buffer, at + 5));
        at += 11;
      } else if (kind === record.define) {
        const length = readU32(buffer, at + 1);
        apply(this.#core, JSON.parse(buffer.toString("utf8", at + 5, at + 5 + length)) as Definition);
        at += 5 + length;
      } else if (kind === record.dedup) at = this.#dedup(buffer, at);
      else
        throw new Error(
          `journal block ${block.seq} of ${block.file} has a record of unknown kind ${kind}: written by a newer version?`,
        );
    }
  }

  #queue(id: number): QueueState | undefined {
    return this.#core.queueById.get(id);
  }

  #entry(buffer: Buffer, at: number): number {
    const targets = readU16(buffer, at + 1);
    const start = at + 7 + targets * 10;
    const length = readU32(buffer, start - 4);
    const cursor = this.#cursor.set(buffer, start, start + length, 0);
    const bodyLength = cursor.bodyEnd - cursor.bodyStart;
    for (let i = 0; i < targets; i++) {
      const queue = this.#queue(readU32(buffer, at + 3 + i * 10));
      if (queue === undefined) continue;
      const offset = readU48(buffer, at + 7 + i * 10);
      const { partition, subscription } = queue;
      if (offset > partition.next) subscription?.settled.addRange(partition.next, offset);
      partition.restore(offset, this.#slot(buffer), start, length, bodyLength);
      if (subscription !== undefined) this.#count(queue, cursor, offset, bodyLength);
    }
    return start + length;
  }

  #count(queue: QueueState, cursor: EntryCursor, offset: number, bodyLength: number): void {
    const subscription = queue.subscription!;
    subscription.readyBytes += bodyLength;
    if (cursor.ttlMs >= 0) subscription.mayExpire = true;
    if (
      cursor.deliverAtMs > cursor.timestampMs &&
      !this.#core.schedule.hasFired(queue.id, cursor.deliverAtMs, offset)
    ) {
      this.#core.schedule.add(cursor.deliverAtMs, queue.id, offset);
    }
  }

  #settled(buffer: Buffer, at: number): number {
    const queue = this.#queue(readU32(buffer, at + 1));
    const ranges = readU16(buffer, at + 5);
    for (let i = 0; i < ranges; i++) {
      const range = at + 7 + i * 10;
      queue?.subscription?.restoreSettled(readU48(buffer, range), readU32(buffer, range + 6));
    }
    return at + 7 + ranges * 10;
  }

  #returned(buffer: Buffer, at: number): number {
    const subscription = this.#queue(readU32(buffer, at + 1))?.subscription;
    subscription?.restoreAttempts(
      readU48(buffer, at + 5),
      readU16(buffer, at + 11),
      readU16(buffer, at + 13),
      readU48(buffer, at + 15),
    );
    return at + 21;
  }

  #dedup(buffer: Buffer, at: number): number {
    const length = readU16(buffer, at + 11);
    const id = buffer.toString("utf8", at + 13, at + 13 + length);
    const owner = readU32(buffer, at + 1);
    const seenMs = readU48(buffer, at + 5);
    const queue = this.#queue(owner);
    if (queue !== undefined) queue.dedup?.add(id, seenMs);
    else {
      for (const namespace of this.#core.namespaceByName.values()) {
        for (const exchange of namespace.exchangeByName.values())
          if (exchange.id === owner) exchange.dedup?.add(id, seenMs);
      }
    }
    return at + 13 + length;
  }

  #slot(buffer: Buffer): number {
    let slot = this.#slots.get(buffer);
    if (slot === undefined) this.#slots.set(buffer, (slot = this.#core.cache.adopt(buffer)));
    return slot;
  }
}

/** Everything is read: counts, cursors, orders. */
async function finish(core: Core): Promise<void> {
  for (const queue of core.queueById.values()) {
    const { partition, subscription } = queue;
    if (subscription !== undefined) {
      subscription.restored(await core.schedule.countWaiting(queue.id));
      if (subscription.ready.needsScan) await scan(core, queue);
    }
    partition.visibleEnd = partition.next;
    partition.lastBatchStart = Math.max(partition.first, partition.next - 1);
  }
}

/** Calls appended() for each message that waits, for orders that need to know it. */
async function scan(core: Core, queue: QueueState): Promise<void> {
  const { partition } = queue;
  const subscription = queue.subscription!;
  const cursor = new EntryCursor();
  let offset = subscription.settled.floor;
  while (offset < partition.next) {
    if (subscription.settled.has(offset)) offset++;
    else if (partition.look(offset, cursor)) {
      const isWaiting =
        cursor.deliverAtMs > cursor.timestampMs && !core.schedule.hasFired(queue.id, cursor.deliverAtMs, offset);
      if (!isWaiting) subscription.ready.appended(offset, cursor.priority, cursor.key());
      offset++;
    } else {
      const at = offset;
      const coveredEnd = await new Promise<number>((resolve) => {
        partition.load(at, false, resolve);
      });
      if (!partition.look(at, cursor)) offset = Math.max(at + 1, Math.min(coveredEnd, partition.next));
      core.evict();
    }
  }
}
