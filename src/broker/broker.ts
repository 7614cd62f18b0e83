/** The core behind the door: opens a log, recovers, and answers as `Broker`. */
import type { Random } from "../base/random.ts";
import { assert } from "../base/assert.ts";
import type { Clock, TimerHandle } from "../base/clock.ts";
import type {
  BackupReport,
  BackupSink,
  Broker,
  BrokerStatistics,
  CommitListener,
  Definitions,
  Entry,
  MessageFormat,
  Namespace,
  Pressure,
  Session,
} from "./api.ts";
import { Core, type CoreOptions, type CoreSettings } from "./core.ts";
import { Backups } from "./durability/backup.ts";
import { Checkpointer } from "./durability/checkpoint.ts";
import { recover } from "./durability/recovery.ts";
import { StatisticsView } from "./measures.ts";
import { SessionState } from "./subscription/session.ts";
import { redrive } from "./redrive.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import type { Queue } from "./api.ts";

/** How often free space is asked for: rarely while there is plenty, so often that no disk can eat up a reserve between. */
const diskCheckMsMax = 1000;
const diskCheckMsMin = 50;
const diskBytesPerMsMax = 1_000_000;
/** While it is short; each time is also an occasion to make room. */
const shortDiskCheckMs = 500;

export type BrokerOptions = Omit<CoreOptions, "settings"> & {
  readonly settings?: Partial<CoreSettings>;
  /** Created at the first start. */
  readonly namespaces?: readonly string[];
  /** Those of all protocols that have stored messages: what is due at the start is read at once. */
  readonly formats?: readonly MessageFormat[];
};

export const defaultCoreSettings: CoreSettings = {
  checkpointBytes: 48 << 20,
  cacheBytes: 128 << 20,
  memoryHighBytes: 1 << 30,
  diskFreeBytesMin: 50 << 20,
  pendingBytesMax: 16 << 20,
  producerExpiryMs: 86_400_000,
  compactionBytesMax: 1 << 30,
  bufferBytes: 1 << 20,
  segmentBytesMax: 1 << 30,
};

/** A broker that can be stopped. */
export class RunningCore implements Broker {
  readonly core: Core;
  readonly clock: Clock;
  readonly random: Random;
  readonly definitions: Definitions;
  readonly #checkpointer: Checkpointer;
  readonly #statistics: BrokerStatistics;
  readonly #backups: Backups;
  #diskCheck: TimerHandle | undefined;
  #isShort = false;
  #isStopped = false;

  constructor(core: Core, checkpointer: Checkpointer, freeBytes: number) {
    this.core = core;
    this.clock = core.clock;
    this.random = core.random;
    this.#checkpointer = checkpointer;
    this.definitions = definitionsOf(core);
    this.#statistics = new StatisticsView(core);
    this.#backups = new Backups(core);
    if (!core.log.isVolatile) this.#diskChecked(freeBytes);
  }

  get id(): string {
    return this.definitions.get("broker", "id") as string;
  }

  now(): number {
    return this.core.now();
  }

  get durableTicket(): number {
    return this.core.commit.durableTicket;
  }

  get ticket(): number {
    return this.core.commit.ticket;
  }

  get pressure(): Pressure {
    return this.core.pressure;
  }

  get isCongested(): boolean {
    return this.core.room.isCongested;
  }

  get statistics(): BrokerStatistics {
    return this.#statistics;
  }

  namespaces(): Iterable<Namespace> {
    return this.core.namespaceByName.values();
  }

  createNamespace(name: string): Namespace {
    assert(!this.core.namespaceByName.has(name), "a namespace is created once");
    this.core.define({ op: "namespace", name });
    return this.core.addNamespace(name);
  }

  deleteNamespace(name: string): void {
    assert(this.core.namespaceByName.has(name), "the namespace exists");
    // One record, whatever is in it. It goes first: a checkpoint may be taken between a record and what it says.
    this.core.define({ op: "namespace-deleted", name });
    this.core.removeNamespace(name);
  }

  namespace(name: string): Namespace | undefined {
    return this.core.namespaceByName.get(name);
  }

  registerFormat(format: MessageFormat): void {
    this.core.addFormat(format);
  }

  formatOf(entry: Entry): MessageFormat {
    return this.core.format(entry.format);
  }

  createSession(): Session {
    return new SessionState(this.core);
  }

  whenDurable(ticket: number, run: () => void): void {
    this.core.commit.whenDurable(ticket, run);
  }

  addCommitListener(listener: CommitListener): void {
    this.core.addCommitListener(listener);
  }

  removeCommitListener(listener: CommitListener): void {
    this.core.removeCommitListener(listener);
  }

  atomically(run: () => void): number {
    return this.core.commit.atomically(run);
  }

  onPressure(changed: (pressure: Pressure) => void): () => void {
    return this.core.onPressure(changed);
  }

  redrive(queue: Queue, countMax: number): Promise<number> {
    return redrive(this.core, queue as QueueState, countMax);
  }

  backup(sink: BackupSink): Promise<BackupReport> {
    return this.#backups.take(sink);
  }

  /** Takes a checkpoint now; resolves when it is durable, or did not find room. */
  checkpoint(): Promise<void> {
    return this.#checkpointer.take(false);
  }

  /** Returns what sessions still hold, makes everything durable and closes the log. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#diskCheck !== undefined) this.clock.clearTimer(this.#diskCheck);
    this.#backups.stop();
    this.core.schedule.stop();
    for (const session of [...this.core.sessions]) {
      // Nobody failed: that the broker stops is no attempt.
      session.settle(0, true, "release");
      session.close();
    }
    await this.#settled();
    await this.#checkpointer.take(true);
    // A message that had to be read to be dropped may have come late.
    while (this.durableTicket < this.ticket) await this.#settled();
    this.#checkpointer.stop();
    this.core.commit.stop();
    if (!this.core.log.isVolatile) await this.core.commit.journal.close();
    this.core.clock.stop();
    await this.core.log.close();
  }

  /** Gives up a stop that takes too long: nothing is written any more. What was confirmed is on disk. */
  abandon(): void {
    this.#checkpointer.stop();
    this.core.commit.stop();
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => this.whenDurable(this.ticket, resolve));
  }

  #diskChecked(freeBytes: number): void {
    if (this.#isStopped) return;
    const { core } = this;
    // A disk without an end: of a test. No API has a number for it.
    if (freeBytes === Infinity) return;
    core.measures.diskFreeBytes = freeBytes;
    const spareBytes = freeBytes - core.settings.diskFreeBytesMin;
    // Let go a tenth above where they were held: at the edge itself, each message would turn it.
    this.#isShort = spareBytes < (this.#isShort ? core.settings.diskFreeBytesMin / 10 : 0);
    core.setDiskPressure("reserve", this.#isShort);
    if (core.pressure.disk) this.#checkpointer.makeRoom();
    const soonMs = Math.min(diskCheckMsMax, Math.max(diskCheckMsMin, spareBytes / diskBytesPerMsMax));
    this.#diskCheck = this.clock.setDelay(core.pressure.disk ? shortDiskCheckMs : soonMs, () => {
      void core.log.freeBytes().then((bytes) => this.#diskChecked(bytes), core.fatal);
    });
  }
}

/** Opens the log, recovers what it holds, and starts. */
export async function openBroker(options: BrokerOptions): Promise<RunningCore> {
  const core = new Core({ ...options, settings: { ...defaultCoreSettings, ...options.settings } });
  for (const format of options.formats ?? []) core.addFormat(format);
  // Asked for first: a disk that is short is to be known before the first producer comes.
  const freeBytes = await core.log.freeBytes();
  const recovered = await recover(core);
  core.commit.start(recovered.journal);
  const checkpointer = new Checkpointer(core, recovered.checkpointId, recovered.nextSegment, recovered.seq);
  const broker = new RunningCore(core, checkpointer, freeBytes);
  // At the first start and never again: a namespace that was deleted stays so. A broker that has an id has had its first.
  if (broker.definitions.get("broker", "id") === undefined) {
    core.commit.atomically(() => {
      for (const name of options.namespaces ?? ["/"]) if (!core.namespaceByName.has(name)) broker.createNamespace(name);
      broker.definitions.put("broker", "id", core.random.bytes(16).toString("hex"));
    });
  }
  core.clock.defer(() => core.schedule.start());
  for (const queue of core.queueById.values()) {
    queue.subscription?.wake();
    for (const subscription of queue.named?.values() ?? []) subscription.wake();
    queue.wake();
  }
  return broker;
}

function definitionsOf(core: Core): Definitions {
  return {
    get: (kind, name) => core.definitions.get(kind)?.get(name),
    entries: (kind) => core.definitions.get(kind) ?? [],
    put(kind, name, value): void {
      // The record goes first: what cannot be written down is not kept either, or no checkpoint could be taken any more.
      core.define({ op: "put", kind, name, value });
      let values = core.definitions.get(kind);
      if (values === undefined) core.definitions.set(kind, (values = new Map()));
      values.set(name, value);
    },
    remove(kind, name): void {
      if (core.definitions.get(kind)?.delete(name) === true) core.define({ op: "remove", kind, name });
    },
  };
}
