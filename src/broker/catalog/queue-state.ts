/**
 * A queue: a partition, the subscription that reads it (a log has none), and the rules that are about neither alone: how
 * long settled entries stay, when an unused queue goes, which publishes are refused.
 */
import { putU32 } from "../../base/bytes.ts";
import { assert } from "../../base/assert.ts";
import type { TimerHandle } from "../../base/clock.ts";
import type { CommittedPosition, Entry, Queue, QueueSettings, SubscriptionSettings, SubscriptionView } from "../api.ts";
import {
  producerVerdict,
  type AbortedTransaction,
  type Batch,
  type OpenTransaction,
  type Produced,
  type ProducerView,
} from "../batch.ts";
import type { Core } from "../core.ts";
import { appendBatch } from "../topic/append-batch.ts";
import { Compaction } from "../topic/compaction.ts";
import { Producing, type ProducingJson } from "../topic/producing.ts";
import { Reading } from "../topic/reading.ts";
import { endOverAge, endOverBytes } from "../topic/retention.ts";
import type { DedupWindow } from "../dedup-window.ts";
import type { HeldIds } from "../held-ids.ts";
import { record } from "../durability/records.ts";
import { writeU48 } from "../entry.ts";
import { QueueCounts } from "../measures.ts";
import type { ConsumerState } from "../subscription/consumer-state.ts";
import { Subscription } from "../subscription/subscription.ts";
import type { Partition, Wakeable } from "../topic/partition.ts";
import { configureNamed, namedView, removeNamedSubscription, subscribe, unsubscribe } from "./named-subscriptions.ts";
import { isEqual } from "./is-equal.ts";
import { oldestReadyMs } from "./oldest-ready.ts";
import { Positions } from "./positions.ts";
import { applyDedup } from "./remembered-ids.ts";
import { sumOf } from "./sum-of.ts";
import { growTopic } from "./topic-partitions.ts";
import type { NamespaceState } from "./namespace-state.ts";

/** An age of days is looked at every five minutes. */
const ageCheckMsMax = 300_000;

export class QueueState implements Queue, Wakeable {
  readonly id: number;
  readonly name: string;
  readonly namespace: NamespaceState;
  readonly declaration: unknown;
  readonly partition: Partition;
  readonly subscription: Subscription | undefined;
  readonly reading: Reading;
  /** Consumers that read it as a log. */
  readonly readers = new Set<ConsumerState>();
  settings: QueueSettings;
  readonly counters: QueueCounts;
  isDeleted = false;
  isWoken = false;
  /** Ids seen lately, of all of the topic. */
  dedup: DedupWindow | undefined;
  /** Ids of what is here, of this partition. */
  heldIds: HeldIds | undefined;
  /** Not every publish may be appended: ask first. */
  mayRefuse = false;
  /** Not seen by anyone but the core: a place for messages that wait. */
  readonly isHidden: boolean;
  /** Further subscriptions of a log; undefined: none. */
  named: Map<string, Subscription> | undefined;
  /** Positions of groups that read it as a log. */
  readonly positions = new Positions();
  /** Of a log that keeps only the newest entry of each key. */
  compaction: Compaction | undefined;
  /** The queue that stands for the whole topic: itself, unless it is a further partition. */
  readonly topic: QueueState;
  readonly index: number;
  /** Itself first. */
  readonly partitions: QueueState[] = [this];
  /** The partition that had the last message without a key, or was asked last for one. */
  turn = 0;
  /** Each publish is appended to it, to no other partition. */
  isPlain = true;
  #producing: Producing | undefined;
  readonly #core: Core;
  #usedMs: number;
  #expiry: TimerHandle | undefined;
  #ageCheck: TimerHandle | undefined;
  #hadConsumer = false;

  constructor(
    core: Core,
    namespace: NamespaceState,
    id: number,
    name: string,
    settings: QueueSettings,
    declaration: unknown,
    partition: Partition,
    isHidden: boolean,
    topic?: QueueState,
    index = 0,
  ) {
    this.#core = core;
    this.namespace = namespace;
    this.id = id;
    this.name = name;
    this.settings = settings;
    this.declaration = declaration;
    this.partition = partition;
    this.isHidden = isHidden;
    this.topic = topic ?? this;
    this.index = index;
    partition.index = index;
    this.counters = this.topic === this ? new QueueCounts() : this.topic.counters;
    this.#usedMs = core.now();
    if (settings.mode !== "offset") {
      this.subscription = new Subscription(id, partition, settings, this.counters, core);
      this.subscription.onUnused = (): void => this.consumersLeft();
      const { subscription } = this;
      partition.isGone = (offset): boolean => !subscription.keepsHistory && subscription.settled.has(offset);
      partition.goneEnd = (offset): number =>
        subscription.keepsHistory ? offset : subscription.settled.endFrom(offset);
      partition.runs.unsettledIn = (start, end): number | undefined =>
        subscription.keepsHistory ? undefined : end - start - subscription.settled.countIn(start, end);
    }
    this.reading = new Reading(core, partition);
    this.#applySettings();
  }

  /** Another partition of this topic is there. */
  partitionAdded(queue: QueueState): void {
    assert(queue.index === this.partitions.length, "partitions are numbered without a gap");
    this.partitions.push(queue);
    this.isPlain = false;
  }

  addPartitions(count: number): void {
    growTopic(this.#core, this, count);
  }

  get scheduledCount(): number {
    return sumOf(this, ({ subscription }) => subscription?.scheduledCount ?? 0);
  }

  get oldestReadyMs(): number | undefined {
    return oldestReadyMs(this);
  }

  get readyCount(): number {
    return sumOf(this, ({ subscription, compaction, partition }) => {
      if (subscription !== undefined) return subscription.readyCount;
      return compaction?.countKept() ?? partition.next - partition.first;
    });
  }

  get leasedCount(): number {
    return sumOf(this, ({ subscription }) => subscription?.leasedCount ?? 0);
  }

  get readyBytes(): number {
    return sumOf(this, ({ subscription, partition }) => subscription?.readyBytes ?? partition.keptBytes);
  }

  get consumerCount(): number {
    let count = (this.subscription?.consumerCount ?? 0) + this.readers.size;
    if (this.named !== undefined) for (const { consumerCount } of this.named.values()) count += consumerCount;
    return count;
  }

  get firstOffset(): number {
    return this.partition.first;
  }

  get earliestOffset(): number {
    const { subscription } = this;
    const { first, stableEnd } = this.partition;
    if (subscription === undefined || subscription.keepsHistory) return first;
    // What was aborted is settled before that is durable.
    return Math.max(first, Math.min(subscription.settled.floor, stableEnd));
  }

  get nextOffset(): number {
    return this.partition.next;
  }

  get isDurable(): boolean {
    return this.partition.isDurable;
  }

  touch(): void {
    this.#usedMs = this.#core.now();
  }

  configure(settings: QueueSettings): void {
    const before = this.settings;
    if (isEqual(settings, before)) return;
    const { durable, mode, maxPriority } = before;
    assert(settings.durable === durable && settings.mode === mode, "a queue stays what it was created as");
    assert(settings.maxPriority === maxPriority, "priorities are told apart from the first message on");
    // What it takes away goes with it, or stays if it does not come to be.
    this.#core.commit.atomically(() => {
      for (const partition of this.partitions) partition.#reconfigure(settings);
      if (this.isDurable) this.#core.define({ op: "settings", id: this.id, settings });
    });
  }

  #reconfigure(settings: QueueSettings): void {
    const before = this.settings;
    const { subscription } = this;
    const keptHistory = subscription?.keepsHistory;
    this.settings = settings;
    subscription?.configure(settings);
    if (subscription?.keepsHistory !== keptHistory) this.#forgetHistory();
    // Of what is counted by another measure from now on, nothing was begun.
    if (settings.expiresMs !== before.expiresMs) {
      this.#expiry = this.#clear(this.#expiry);
      this.touch();
    }
    if (settings.retention.maxAgeMs !== before.retention.maxAgeMs) this.#ageCheck = this.#clear(this.#ageCheck);
    this.#applySettings();
    this.compaction?.configured();
    this.#enforceRetention(settings.retention.maxAgeMs);
    this.wake();
  }

  purge(name?: string): number {
    return sumOf(
      this,
      ({ subscription, named }) => (name === undefined ? subscription : named?.get(name))?.purge() ?? 0,
    );
  }

  subscribe(name: string, settings: SubscriptionSettings, startAt: "first" | "next" | { offset: number }): boolean {
    return subscribe(this.#core, this, name, settings, startAt);
  }

  configureSubscription(name: string, settings: SubscriptionSettings): void {
    configureNamed(this.#core, this, name, settings);
  }

  unsubscribe(name: string): boolean {
    return unsubscribe(this.#core, this, name);
  }

  namedSubscription(name: string): SubscriptionView | undefined {
    return namedView(this, name);
  }

  subscriptionNames(): Iterable<string> {
    return this.named?.keys() ?? [];
  }

  commitOffset(group: string, offset: number, metadata: string): void {
    assert(offset >= 0 && offset <= Number.MAX_SAFE_INTEGER, "an offset is a place in a log");
    const position = { offset, timeMs: this.#core.now(), metadata };
    this.positions.commit(this.#core, this.id, this.isDurable, group, position);
  }

  committedOffset(group: string): CommittedPosition | undefined {
    return this.positions.byGroup.get(group);
  }

  committedOffsets(): Iterable<[string, CommittedPosition]> {
    return this.positions.byGroup;
  }

  forgetOffset(group: string): boolean {
    if (!this.positions.byGroup.has(group)) return false;
    this.positions.commit(this.#core, this.id, this.isDurable, group, undefined);
    return true;
  }

  lag(group: string): number {
    const { earliestOffset, visibleEnd } = this;
    const position = this.positions.byGroup.get(group);
    return Math.max(0, visibleEnd - Math.max(earliestOffset, position?.offset ?? earliestOffset));
  }

  get visibleEnd(): number {
    return this.partition.visibleEnd;
  }

  get stableEnd(): number {
    return this.partition.stableEnd;
  }

  read(offset: number, end: number, visit: (entry: Entry) => boolean): number {
    return this.reading.read(offset, end, visit);
  }

  load(offset: number, done: () => void): void {
    this.reading.load(offset, done);
  }

  follow(advanced: () => void): () => void {
    return this.reading.follow(advanced);
  }

  offsetAtTime(timeMs: number): Promise<number> {
    return this.reading.offsetAtTime(timeMs);
  }

  trim(offset: number): void {
    assert(this.subscription === undefined, "what a queue holds goes when it is settled");
    this.#trimTo(Math.min(offset, this.partition.visibleEnd));
  }

  checkProducer(produced: Produced): number {
    return produced.producerId < 0 ? producerVerdict.next : this.producing().check(produced);
  }

  appendBatch(batch: Batch): number {
    return batch.producerId < 0 ? appendBatch(this.#core, this, batch) : this.producing().appendBatch(batch);
  }

  appendProduced(produced: Produced, publish: () => void): number {
    if (produced.producerId >= 0) return this.producing().appendProduced(produced, publish);
    const { next } = this.partition;
    this.#core.commit.atomically(publish);
    return next;
  }

  endTransaction(producerId: number, producerEpoch: number, isCommitted: boolean, marker: Batch | undefined): number {
    return this.producing().endTransaction(producerId, producerEpoch, isCommitted, marker);
  }

  openTransactions(): Iterable<OpenTransaction> {
    return this.#producing?.open() ?? [];
  }

  abortedTransactions(start: number, end: number): readonly AbortedTransaction[] {
    return this.#producing?.aborted(start, end) ?? [];
  }

  producers(): Iterable<ProducerView> {
    return this.#producing?.views() ?? [];
  }

  /** Who numbers what it appends here. */
  producing(): Producing {
    return (this.#producing ??= new Producing(this.#core, this));
  }

  producingJson(): ProducingJson | undefined {
    return this.#producing?.toJson();
  }

  consumerCame(): void {
    this.#hadConsumer = true;
    this.touch();
  }

  /** The last consumer has left. */
  consumersLeft(): void {
    // A consumer of a topic leaves its first partition last.
    if (this.topic !== this) return;
    this.touch();
    if (this.isDeleted || this.consumerCount > 0) return;
    if (this.settings.autoDelete && this.#hadConsumer) this.namespace.deleteQueue(this);
  }

  /** True: this publish is not to be appended. */
  refuses(bodyLength: number): boolean {
    return this.subscription?.lengthLimit.refuses(1, bodyLength) ?? false;
  }

  hasRoom(count: number, bodyBytes: number): boolean {
    return this.subscription?.lengthLimit.refuses(count, bodyBytes) !== true;
  }

  /** The partition grew: a log may have to give up its oldest entries. */
  wake(): void {
    this.#core.wake(this);
  }

  dispatch(): void {
    this.#enforceRetention(0);
    this.compaction?.wake();
  }

  /**
   * Trims what size and number do not allow to stay, and what is older than `maxAgeMs`, unless that is 0. Coarse where
   * entries are on disk: whole runs. Age is looked at from time to time only: what a producer dates back to long ago is
   * there for a while, as it is where logs are cut in segments.
   */
  #enforceRetention(maxAgeMs: number): void {
    if (this.isDeleted || this.#core.isRecovering) return;
    const { partition } = this;
    const { maxBytes, maxCount } = this.settings.retention;
    let to = partition.first;
    if (maxCount > 0) to = Math.max(to, partition.next - maxCount);
    if (maxBytes > 0) to = Math.max(to, endOverBytes(partition, maxBytes));
    if (maxAgeMs > 0) to = Math.max(to, endOverAge(partition, this.#core.now() - maxAgeMs));
    if (this.subscription !== undefined) to = Math.min(to, this.subscription.settled.floor);
    this.#trimTo(Math.min(to, partition.visibleEnd));
  }

  /** What was settled before history is kept is none, and what was when it is not any more, neither. */
  #forgetHistory(): void {
    const { partition } = this;
    const { settled, keepsHistory } = this.subscription!;
    // Recovery: what the journal says.
    if (!this.#core.isRecovering) this.#trimTo(Math.min(settled.floor, partition.visibleEnd));
    if (!keepsHistory) partition.removeGone();
  }

  #trimTo(first: number): void {
    const { partition } = this;
    if (first <= partition.first) return;
    partition.trimTo(first);
    if (!partition.isDurable) return;
    const { commit } = this.#core;
    commit.reserve(11);
    commit.buffer[commit.at] = record.trimmed;
    putU32(commit.buffer, commit.at + 1, this.id);
    writeU48(commit.buffer, commit.at + 5, first);
    commit.at += 11;
  }

  destroy(): void {
    this.isDeleted = true;
    this.#clear(this.#expiry);
    this.#clear(this.#ageCheck);
    this.compaction?.destroy();
    // Who follows it is told at the end of the turn: not in the middle of this, while others do not know of it yet.
    this.reading.wake();
    this.subscription?.delete();
    for (const name of [...this.subscriptionNames()]) removeNamedSubscription(this.#core, this, name);
    for (const reader of [...this.readers]) {
      reader.cancel();
      reader.receiver.ended("queue-deleted");
    }
    this.partition.destroy();
  }

  /** A log that was compacted stays so, whatever its settings say by now: what is superseded must not come back. */
  keepCompaction(): Compaction {
    return (this.compaction ??= new Compaction(this.#core, this.partition, () => this.settings.retention));
  }

  #applySettings(): void {
    const { overflow, maxLength, maxLengthBytes, dedup, retention, expiresMs } = this.settings;
    this.mayRefuse = dedup !== undefined || (overflow !== "drop-head" && (maxLength >= 0 || maxLengthBytes >= 0));
    this.isPlain = !this.mayRefuse && this.partitions.length === 1;
    applyDedup(this);
    if (retention.compact && this.subscription === undefined) this.keepCompaction();
    const { maxBytes, maxCount, maxAgeMs } = retention;
    if (maxBytes > 0 || maxCount > 0 || maxAgeMs > 0 || this.compaction !== undefined) this.partition.readers.add(this);
    else this.partition.readers.delete(this);
    if (retention.maxAgeMs > 0) this.#watchAge(retention.maxAgeMs);
    if (expiresMs > 0 && this.topic === this) this.#watchUse();
  }

  #clear(timer: TimerHandle | undefined): undefined {
    if (timer !== undefined) this.#core.clock.clearTimer(timer);
  }

  #watchAge(maxAgeMs: number): void {
    if (this.#ageCheck !== undefined) return;
    const everyMs = Math.max(100, Math.min(ageCheckMsMax, maxAgeMs / 10));
    this.#ageCheck = this.#core.clock.setTimer(this.#core.clock.now() + everyMs, () => {
      this.#ageCheck = undefined;
      this.#enforceRetention(this.settings.retention.maxAgeMs);
      if (!this.isDeleted && this.settings.retention.maxAgeMs > 0) this.#watchAge(this.settings.retention.maxAgeMs);
    });
  }

  #watchUse(): void {
    if (this.#expiry !== undefined || this.isDeleted) return;
    this.#expiry = this.#core.clock.setTimer(this.#usedMs + this.settings.expiresMs, () => {
      this.#expiry = undefined;
      if (this.isDeleted || this.settings.expiresMs === 0) return;
      if (this.consumerCount > 0 || this.#core.isRecovering) this.touch();
      if (this.#usedMs + this.settings.expiresMs <= this.#core.now()) this.namespace.deleteQueue(this);
      else this.#watchUse();
    });
  }
}
