/**
 * The state machine that everything hangs on: namespaces, queues, sessions, the committer, the schedule. Single-threaded
 * and without I/O of its own: time comes from a Clock, chance from a Random, bytes go to and come from a Log.
 *
 * One turn: protocols call in (publish, settle, declare), which changes state at once, appends records to the open block
 * and puts who may have something to deliver on the list of the woken. At the end of the turn the block goes to disk if the
 * disk is idle, and the woken are dispatched. When a block is durable its entries become visible, which wakes their
 * readers, and commit listeners send confirms.
 */
import { putU32 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { TurnShare } from "../base/turn-share.ts";
import type { Random } from "../base/random.ts";
import { must } from "../base/assert.ts";
import type { Damage, Log } from "../log/log.ts";
import { LimitedLog } from "../observe/limited-log.ts";
import type { Logger } from "../observe/log.ts";
import type { CommitListener, DeathReason, MessageFormat, Pressure, Publication } from "./api.ts";
import type { Definition } from "./catalog/definition.ts";
import { NamespaceState } from "./catalog/namespace-state.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { deadLetter, deadLetterRefused, republish } from "./dead-letter.ts";
import { BlockCache, type LastingMemory } from "./durability/block-cache.ts";
import { Committer } from "./durability/committer.ts";
import { Eviction } from "./durability/eviction.ts";
import { record } from "./durability/records.ts";
import { Room } from "./durability/room.ts";
import type { EntryCursor } from "./entry.ts";
import { Measures } from "./measures.ts";
import { OwnedClock } from "./owned-clock.ts";
import { Publisher, type Refusal } from "./publisher.ts";
import { Schedule } from "./schedule/schedule.ts";
import type { LeaseOwner } from "./subscription/lease-owner.ts";
import { Overfull } from "./subscription/length-limit.ts";
import type { SessionState } from "./subscription/session.ts";
import type { Subscription } from "./subscription/subscription.ts";
import { Partition } from "./topic/partition.ts";
import { UnpackedBatches } from "./topic/unpacked-batches.ts";

export interface CoreSettings {
  /** A checkpoint is taken when this much journal has been written since the last. */
  readonly checkpointBytes: number;
  /** Entries in memory beyond this are dropped when they are in segments. */
  readonly cacheBytes: number;
  /** Producers are held back while more than this is in memory. */
  readonly memoryHighBytes: number;
  /** Producers are held back while less than this is free on disk. */
  readonly diskFreeBytesMin: number;
  /** Bytes taken in and not yet durable, beyond which connections stop reading. */
  readonly pendingBytesMax: number;
  /** Who numbers what it appends, and appends nothing for so long, is forgotten. */
  readonly producerExpiryMs: number;
  /** Memory for the keys of compacted logs, all together, about. */
  readonly compactionBytesMax: number;
  /** Size of the buffers that blocks are gathered in and entries live in. */
  readonly bufferBytes: number;
  /** A checkpoint that has put more than this into a segment goes on in another. */
  readonly segmentBytesMax: number;
}

/** What is looked at at the end of a turn. */
export interface Dispatchable {
  isWoken: boolean;
  dispatch(): void;
}

export interface CoreOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: CoreSettings;
  /** The broker cannot keep its promises any more: end the process. */
  readonly fatal: (error: Error) => void;
}

/** What is left of a segment. */
export interface SegmentState {
  /** Entries that are wanted, and entries that it was written with. */
  live: number;
  readonly total: number;
  readonly runs: number;
  /** Sum of the entries' lengths: what several queues share counts for each. */
  readonly bytes: number;
  /** What it takes of the disk. */
  readonly fileBytes: number;
}

export class Core {
  readonly log: Log;
  readonly clock: OwnedClock;
  readonly random: Random;
  readonly logger: Logger;
  /** For what queues and disks bring about, which may be many and often. */
  readonly limitedLog: LimitedLog;
  readonly settings: CoreSettings;
  readonly fatal: (error: Error) => void;
  readonly cache: BlockCache;
  readonly eviction: Eviction;
  readonly commit: Committer;
  readonly room: Room;
  readonly schedule: Schedule;
  readonly publisher: Publisher;
  readonly unpacked: UnpackedBatches;
  /** Of the passes of compacted logs. */
  readonly compacting: TurnShare;
  /** Subscriptions that have more than they may, and drop it. */
  readonly overfull = new Overfull();
  /** What the keys of compacted logs take, about, and what the ends of transactions in them. */
  compactionBytes = 0;
  compactionEndBytes = 0;
  readonly measures = new Measures();
  readonly namespaceByName = new Map<string, NamespaceState>();
  readonly queueById = new Map<number, QueueState>();
  /** Named subscriptions of logs; a queue's own has its queue's id. */
  readonly subscriptionById = new Map<number, Subscription>();
  /** Sessions that are open. */
  readonly sessions = new Set<SessionState>();
  readonly definitions = new Map<string, Map<string, unknown>>();
  readonly pressure: { memory: boolean; disk: boolean } = { memory: false, disk: false };
  /** Live entries by segment, and what each held at first. */
  readonly segments = new Map<number, SegmentState>();
  /** Partitions with entries that are in no segment yet. */
  readonly dirty = new Set<Partition>();
  lastId = 0;
  /** True while the journal is replayed: nothing is recorded. */
  isRecovering = false;
  /** Set by the checkpointer. */
  onCommitted: () => void = () => undefined;
  onRotated: (firstSeq: number) => void = () => undefined;
  readonly #formats = new Map<number, MessageFormat>();
  readonly #listeners = new Set<CommitListener>();
  readonly #pressureListeners = new Set<(pressure: Pressure) => void>();
  readonly #shortOfDisk = new Set<string>();
  #woken: Dispatchable[] = [];
  #collected: Subscription[] = [];
  #horizons: { ticket: number; subscription: Subscription; horizon: number }[] = [];
  #durables: { ticket: number; run: () => void }[] = [];
  #nowMs = 0;
  #isNowFresh = false;

  constructor(options: CoreOptions) {
    this.log = options.log;
    // When a timer fires, time has passed.
    this.clock = new OwnedClock(options.clock, () => void (this.#isNowFresh = false));
    this.unpacked = new UnpackedBatches(this);
    this.compacting = new TurnShare(this.clock);
    this.random = options.random;
    this.logger = options.logger;
    this.limitedLog = new LimitedLog(options.logger, this.clock);
    this.settings = options.settings;
    this.fatal = options.fatal;
    this.cache = new BlockCache(options.settings.bufferBytes, lastingMemory(options));
    this.room = new Room(this);
    this.cache.onRoom = (): void => this.clock.defer(() => this.#tellListeners());
    this.eviction = new Eviction(this.cache, options.settings.cacheBytes);
    this.commit = new Committer(this.cache, this.clock, this.measures, {
      beforeSeal: (partitions) => this.#beforeSeal(partitions),
      hasCollected: () => this.#collected.length > 0,
      rotated: (firstSeq) => this.onRotated(firstSeq),
      completed: (ticket) => this.#completed(ticket),
      dispatch: () => this.#dispatch(),
      turned: () => void (this.#isNowFresh = false),
      slow: (ms, bytes) => this.limitedLog.warn("a commit took long: the disk is slow", { ms, bytes }),
      failed: (error, isFull) => this.#journalFailed(error, isFull),
      recovered: () => this.setDiskPressure("journal", false),
    });
    this.schedule = new Schedule({
      clock: this.clock,
      now: () => this.now(),
      segments: this.log.segments,
      segmentShrank: (segment, entries) => this.segmentShrank(segment, entries),
      diskFailed: (error) => this.fatal(error),
      damaged: (damage) => {
        for (const one of damage)
          this.logger.error("stored due times are damaged: delayed messages stay behind", { ...one });
      },
    });
    this.publisher = new Publisher(this);
  }

  /**
   * The time that decisions are made by: never goes back, whatever the machine's clock does. Read once a turn: asking the
   * clock for each message was 5 % of all time.
   */
  now(): number {
    if (!this.#isNowFresh) {
      this.#isNowFresh = true;
      // The end of the turn makes it stale again; somebody has to bring that end about.
      this.commit.schedule();
      const nowMs = this.clock.now();
      if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    }
    return this.#nowMs;
  }

  /** Recovery: the time is at least this. A clock that was set back while the broker was down changes nothing either. */
  notBefore(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  nextId(): number {
    return ++this.lastId;
  }

  // ---- definitions

  /** Writes a change of definitions to the open block. */
  define(definition: Definition): void {
    if (this.isRecovering) return;
    const json = Buffer.from(JSON.stringify(definition));
    const { commit } = this;
    commit.reserve(5 + json.length);
    commit.buffer[commit.at] = record.define;
    putU32(commit.buffer, commit.at + 1, json.length);
    json.copy(commit.buffer, commit.at + 5);
    commit.at += 5 + json.length;
  }

  addNamespace(name: string): NamespaceState {
    let namespace = this.namespaceByName.get(name);
    if (namespace !== undefined) return namespace;
    namespace = new NamespaceState(this, name);
    this.namespaceByName.set(name, namespace);
    return namespace;
  }

  /** All that is in it goes with it, without a word to the journal. */
  removeNamespace(name: string): void {
    const namespace = this.namespaceByName.get(name);
    this.namespaceByName.delete(name);
    namespace?.destroy();
  }

  createPartition(id: number, isDurable: boolean): Partition {
    return new Partition(id, isDurable && !this.log.isVolatile, {
      cache: this.cache,
      segments: this.log.segments,
      segmentShrank: (segment, entries) => this.segmentShrank(segment, entries),
      damaged: (partition, damage) => this.damaged(partition, damage),
      loading: () => this.eviction.makeRoom(),
      loaded: (partition, bases, bytes) => this.eviction.loaded(partition, bases, bytes),
      diskFailed: (error) => this.fatal(error),
      appended: (partition) => void this.dirty.add(partition),
    });
  }

  queueAdded(queue: QueueState): void {
    this.queueById.set(queue.id, queue);
    if (queue.subscription !== undefined) this.schedule.register(queue.id, queue.subscription);
  }

  queueRemoved(queue: QueueState): void {
    this.queueById.delete(queue.id);
    this.schedule.unregister(queue.id);
    this.dirty.delete(queue.partition);
  }

  // ---- formats

  addFormat(format: MessageFormat): void {
    this.#formats.set(format.id, format);
  }

  format(id: number): MessageFormat {
    return must(this.#formats.get(id), "the format of a message is registered");
  }

  // ---- sessions

  /** Offsets that some session holds for `owner`, in order. Looks at every lease: for rare occasions. */
  leasedOf(owner: LeaseOwner): number[] {
    const offsets: number[] = [];
    for (const session of this.sessions) session.leasedOf(owner, offsets);
    return offsets.sort((a, b) => a - b);
  }

  // ---- the turn

  wake(one: Dispatchable): void {
    // Recovery delivers nothing; everyone is woken at its end.
    if (one.isWoken || this.isRecovering) return;
    one.isWoken = true;
    this.#woken.push(one);
    this.commit.schedule();
  }

  /** A subscription has settlements or a horizon to write. */
  collect(subscription: Subscription): void {
    this.#collected.push(subscription);
    this.commit.schedule();
  }

  /** Runs `run` when what is done now is durable, before anybody else is told of that. */
  onceDurable(run: () => void): void {
    this.#durables.push({ ticket: this.commit.openTicket, run });
  }

  horizonWritten(subscription: Subscription, horizon: number): void {
    this.#horizons.push({ ticket: this.commit.openTicket, subscription, horizon });
  }

  addCommitListener(listener: CommitListener): void {
    this.#listeners.add(listener);
  }

  removeCommitListener(listener: CommitListener): void {
    this.#listeners.delete(listener);
  }

  #beforeSeal(partitions: readonly Partition[]): void {
    for (const { id } of partitions) {
      const queue = this.queueById.get(id);
      queue?.subscription?.journal.coverNew();
      if (queue?.named !== undefined) for (const subscription of queue.named.values()) subscription.journal.coverNew();
    }
    const collected = this.#collected;
    if (collected.length === 0) return;
    this.#collected = [];
    for (const subscription of collected) subscription.journal.write();
  }

  #completed(ticket: number): void {
    while (this.#durables.length > 0 && this.#durables[0]!.ticket <= ticket) this.#durables.shift()!.run();
    while (this.#horizons.length > 0 && this.#horizons[0]!.ticket <= ticket) {
      const { subscription, horizon } = this.#horizons.shift()!;
      subscription.horizon = Math.max(subscription.horizon, horizon);
      subscription.wake();
    }
    this.#tellListeners();
    this.onCommitted();
  }

  #tellListeners(): void {
    this.room.goOn();
    for (const listener of this.#listeners) listener.committed(this.commit.durableTicket);
  }

  #dispatch(): void {
    // What is woken while dispatching is dispatched in the same turn, a bounded number of times: two queues that feed each
    // other must not keep the loop from reading sockets.
    for (let round = 0; round < 4 && this.#woken.length > 0; round++) {
      const woken = this.#woken;
      this.#woken = [];
      for (const one of woken) {
        one.isWoken = false;
        one.dispatch();
      }
    }
    if (this.#woken.length > 0) this.commit.schedule();
  }

  // ---- death and rebirth

  deadLetter(subscription: Subscription, entry: EntryCursor, reason: DeathReason): boolean {
    const queue = must(this.queueById.get(subscription.partition.id), "a subscription has its queue");
    return deadLetter(this, queue, subscription.settings.deadLetter, entry, reason);
  }

  deadLetterRefused(queue: QueueState, refused: Publication, refusals: Refusal[]): void {
    deadLetterRefused(this, queue.topic, refused, refusals);
  }

  republish(namespace: NamespaceState, entry: EntryCursor, exchange: string): void {
    republish(this, namespace, entry, exchange);
  }

  // ---- memory and disk

  /** Entries were removed from a segment. */
  segmentShrank(segment: number, entries: number): void {
    const state = this.segments.get(segment);
    if (state !== undefined) state.live -= entries;
  }

  /** Drops from memory what segments hold until it is within its budget, or no more can be dropped. */
  evict(): void {
    this.eviction.run();
  }

  /** `cause`: who is short of space. Producers go on when nobody is any more. */
  setDiskPressure(cause: "journal" | "checkpoint" | "reserve", isHigh: boolean): void {
    if (isHigh) this.#shortOfDisk.add(cause);
    else this.#shortOfDisk.delete(cause);
    this.setPressure("disk", this.#shortOfDisk.size > 0);
  }

  setPressure(kind: "memory" | "disk", isHigh: boolean): void {
    if (this.pressure[kind] === isHigh) return;
    this.pressure[kind] = isHigh;
    if (isHigh) this.logger.warn(`producers are held back: ${kind} is short`);
    else this.logger.info(`producers go on: there is ${kind} again`);
    for (const changed of this.#pressureListeners) changed(this.pressure);
  }

  onPressure(changed: (pressure: Pressure) => void): () => void {
    this.#pressureListeners.add(changed);
    return () => void this.#pressureListeners.delete(changed);
  }

  damaged(partition: Partition, damage: readonly Damage[]): void {
    const queue = this.queueById.get(partition.id);
    for (const one of damage) {
      this.logger.error("stored bytes are damaged: a message is lost", {
        ...one,
        queue: queue?.topic.name,
        partition: partition.index,
        namespace: queue?.namespace.name,
      });
    }
  }

  #journalFailed(error: Error, isFull: boolean): void {
    if (!isFull) return this.fatal(error);
    this.setDiskPressure("journal", true);
  }
}

/** For what the cache holds, and what comes in until a checkpoint is written. */
function lastingMemory({ log, settings }: CoreOptions): LastingMemory {
  return {
    bytesMax: settings.cacheBytes + settings.checkpointBytes,
    allocate: (bytes) => log.allocate(bytes),
  };
}
