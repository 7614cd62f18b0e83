/**
 * The only door between protocols and the core.
 *
 * Everything here is synchronous: a call changes the state in memory at once and is made durable with the block
 * (group commit) that is open at that moment. The number of that block is the *ticket*. A protocol that owes its
 * client an answer remembers the ticket and answers when `durableTicket` has reached it: nothing is confirmed, and
 * nothing durable is delivered, before it is on disk. Tickets rise and are committed in order, so one number per
 * waiting answer is enough and no promise or closure is made per message.
 *
 * Structures marked *reused* are filled anew for every message; nobody keeps them beyond the call.
 */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Headers } from "./router/values.ts";
import type { BackupReport, BackupSink } from "./backup-sink.ts";
import type { PartitionReading } from "./batch.ts";
import type { MessageFormat } from "./format.ts";
import type { DedupPolicy, QueueSettings, SubscriptionSettings } from "./settings.ts";
import type { BrokerStatistics, ExchangeCounters, QueueCounters } from "./statistics.ts";
import type { MatcherKind } from "./router/matcher.ts";
import type { LiveChannels } from "./live.ts";

export type { BackupReport, BackupSink } from "./backup-sink.ts";
export type { AbortedTransaction, Batch, OpenTransaction, PartitionReading, Produced } from "./batch.ts";
export { batchEndMax, producerVerdict } from "./batch.ts";
export type { CanonicalHeader, CanonicalMessage } from "./canonical.ts";
export type { Death, DeathReason, MessageFormat, UnpackedMessage, UnpackTarget } from "./format.ts";
export type { LiveChannels, LiveMessage, LiveSubscriber } from "./live.ts";
export { emptyPublication } from "./publication.ts";
export type {
  DeadLetterPolicy,
  DedupPolicy,
  Overflow,
  QueueSettings,
  Retention,
  RetryPolicy,
  SubscriptionSettings,
} from "./settings.ts";
export type { BrokerStatistics, Distribution, ExchangeCounters, QueueCounters } from "./statistics.ts";

/** What a client asks to have done with a message that it holds a lease on. */
export type Settlement =
  | "accept" /** done: gone for good */
  | "release" /** back to its place, redelivered flag set; counts as a return, not as a failure */
  | "fail" /** back to its place like release, but the attempt counts against the delivery limit */
  | "reject"; /** not wanted: dead-lettered with reason `rejected`, or dropped */

/** Where a reader of a log begins. Offsets are those of the partition; times are ms since 1970. */
export type StartAt = "first" | "last" | "next" | { readonly offset: number } | { readonly timeMs: number };

/** A named subscription as it stands. */
export interface SubscriptionView {
  readonly readyCount: number;
  readonly leasedCount: number;
  readonly scheduledCount: number;
  readonly consumerCount: number;
}

/** What a protocol hands to publish(). *Reused.* The byte ranges are copied during the call. */
export interface Publication {
  /** Id of the MessageFormat whose raw form head and body are. */
  format: number;
  durable: boolean;
  priority: number;
  /** -1: none */
  ttlMs: number;
  /** Ready not before this time; 0: at once */
  deliverAtMs: number;
  /** For keyed subscriptions and compaction. */
  key: string | undefined;
  /**
   * Refused silently (reported as routed) by a queue, and stopped by an exchange, that remembers it. undefined: as the
   * message itself says (MessageFormat.dedupId).
   */
  dedupId: string | undefined;
  /** Of a topic with several: which one; it is there. -1: by the key, or else each in turn. */
  partition: number;
  exchange: Exchange;
  routingKey: string;
  /** Further routing keys (AMQP's CC and BCC); undefined: none. */
  extraKeys: readonly string[] | undefined;
  head: Buffer;
  headStart: number;
  headEnd: number;
  body: Buffer;
  bodyStart: number;
  bodyEnd: number;
}

/** What publish() did. *Reused.* */
export interface PublishOutcome {
  /** Number of queues that the message was routed to (refusing ones included); 1 where it reached none, but waits or is a duplicate. */
  routed: number;
  /** A queue with a reject overflow was full: to be negatively confirmed. */
  refused: boolean;
  /** Confirm when durableTicket >= ticket. */
  ticket: number;
}

/** A stored message in place, in the form in which it came. *Reused*: valid during the call that hands it over. */
export interface Entry {
  readonly buffer: Buffer;
  /** Of its topic's partitions; 0 where there is one. */
  readonly partition: number;
  /** Of a batch, the last that it spans. */
  readonly offset: number;
  /** Offsets that it spans, from baseOffset on: 1, but for a batch. */
  readonly count: number;
  readonly baseOffset: number;
  /** Its body is messages in the form of its protocol, even if it is one. Consumers are never handed one: PartitionReading is. */
  readonly isBatch: boolean;
  readonly format: number;
  readonly isDurable: boolean;
  readonly priority: number;
  /** ms since 1970 of the append */
  readonly timestampMs: number;
  readonly ttlMs: number;
  readonly exchangeStart: number;
  readonly exchangeEnd: number;
  readonly routingKeyStart: number;
  readonly routingKeyEnd: number;
  readonly headStart: number;
  readonly headEnd: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
  exchange(): string;
  routingKey(): string;
  key(): string | undefined;
}

/** One who takes deliveries: implemented by a protocol for each consumer. */
export interface Receiver {
  /**
   * Writes one delivery to the peer. `lease` numbers the deliveries of the session from 1 (AMQP's delivery tag).
   * `returns`: how often the message came back before; `failures`: how many of those count against the limit.
   */
  deliver(lease: number, entry: Entry, isRedelivered: boolean, returns: number, failures: number): void;
  /** The broker has ended this consumer (queue deleted, stream gone). No deliver() follows. */
  ended(reason: "queue-deleted" | "lease-timeout"): void;
  /** Single active consumer: this one became active or stopped being so. */
  activity?(isActive: boolean): void;
}

export interface ConsumeOptions {
  /** Settled the moment it is handed over. */
  readonly noAck: boolean;
  /** Alone on this queue. */
  readonly exclusive: boolean;
  /** Higher is served first. */
  readonly priority: number;
  /** Unsettled deliveries at most; 0: no limit. */
  readonly creditLimit: number;
  /** ms a delivery may stay unsettled; 0: no limit */
  readonly leaseMs: number;
  /** Logs (mode offset) only. */
  readonly startAt?: StartAt;
  /** Logs only: as a consumer of this named subscription, which exists; `startAt` and `filter` count for nothing then. */
  readonly subscription?: string;
  /** Logs only: entries for which this answers false are passed over. */
  readonly filter?: (entry: Entry) => boolean;
}

export interface Consumer {
  readonly queue: Queue;
  readonly leasedCount: number;
  /** False while another holds the single active place. */
  readonly isActive: boolean;
  setCreditLimit(limit: number): void;
  /** Stops deliveries; leases stay with the session. */
  cancel(): void;
}

export type ConsumeRefusal = { readonly refused: "exclusive" };

/**
 * One party that holds leases: an AMQP channel, a Kafka group member, a Redis consumer. Leases are numbered from 1 in
 * order of delivery and settled by number.
 */
export interface Session {
  readonly leasedCount: number;
  /** Unsettled deliveries over all consumers of the session, what get() took not counted; 0: no limit. */
  setCreditLimit(limit: number): void;
  consume(queue: Queue, options: ConsumeOptions, receiver: Receiver): Consumer | ConsumeRefusal;
  /**
   * Takes one ready message, or none. `done` is called once, perhaps later (its bytes may have to come from disk), with what
   * Receiver.deliver gets, or with entry undefined when the queue is empty. noAck: settled at once. Of a log: `subscription`
   * names whose; without it, it is empty.
   */
  get(
    queue: Queue,
    noAck: boolean,
    done: (lease: number, entry: Entry | undefined, isRedelivered: boolean, returns: number, failures: number) => void,
    subscription?: string,
  ): void;
  /**
   * What get() takes from now on may stay unsettled for `leaseMs`; 0, as at first: as long as it takes. `timedOut` is told
   * of one that did longer, and ends what there is to end.
   */
  limitGets(leaseMs: number, timedOut: (leaseMs: number) => void): void;
  /** True when `lease` is outstanding. */
  holds(lease: number): boolean;
  /**
   * Tells of a settlement that waits for the commit of a transaction, which does it by settle(). True when `lease` is
   * outstanding; with `multiple`, 0 stands for all and always is.
   */
  holdBack(lease: number, multiple: boolean): boolean;
  /** Of what settle() would settle by these, something was taken from a queue: it can be given back. */
  holdsOfQueue(lease: number, multiple: boolean): boolean;
  /** How many are outstanding up to and including `lease`. */
  countUpTo(lease: number): number;
  /** Highest lease number given out. */
  readonly lastLease: number;
  /**
   * Settles one lease, or with `multiple` all outstanding up to and including it (0 with multiple: all). Answers how many
   * were settled; 0: unknown lease, nothing done (for multiple with nothing outstanding, the protocol decides what that means).
   */
  settle(lease: number, multiple: boolean, settlement: Settlement): number;
  /**
   * Returns everything outstanding to its place (redelivered), in order, but for leases of which `isKept` says so; the
   * attempts count against delivery limits.
   */
  releaseAll(isKept?: (lease: number) => boolean): void;
  /** The peer takes no more for now (its socket is full) / takes again. Held deliveries wait in the queue. */
  pause(): void;
  resume(): void;
  /** Cancels consumers and returns what is unsettled; the attempts count against delivery limits. */
  close(): void;
}

export interface Exchange {
  readonly name: string;
  readonly counters: ExchangeCounters;
  readonly settings: ExchangeSettings;
  /** What the declaring protocol wants to remember (type name, arguments); JSON. */
  readonly declaration: unknown;
}

export interface ExchangeSettings {
  readonly kind: MatcherKind;
  readonly durable: boolean;
  /** Deleted when its last binding (as source) has gone (having had one). */
  readonly autoDelete: boolean;
  readonly alternate: string | undefined;
  readonly hashHeader: string | undefined;
  readonly hashProperty: string | undefined;
  // These three count for every message that comes here, published or by way of another exchange or of a death:
  /** Messages with deliverAtMs, or that ask for a delay themselves, wait here before they are routed, instead of in the queues. */
  readonly delays: boolean;
  /** The last n messages are handed to each newly bound queue; 0: none. */
  readonly historyLength: number;
  /** What was seen goes no further: neither along bindings nor to the alternate. */
  readonly dedup: DedupPolicy | undefined;
}

export interface BindingView {
  readonly source: string;
  readonly destination: { readonly queue: Queue } | { readonly exchange: string };
  readonly key: string;
  readonly args: Headers;
}

/** Where a group of readers stands in a log. */
export interface CommittedPosition {
  /** Of the entry that it reads next. */
  readonly offset: number;
  /** When it was committed, ms since 1970. */
  readonly timeMs: number;
  /** The group's own; at most 65,535 bytes. */
  readonly metadata: string;
}

/**
 * A topic read through its default subscription; with mode `offset` a log read by readers. Where a topic has several
 * partitions it is the first of them and all together: settings, subscriptions, consumers, counters, readyCount,
 * leasedCount, readyBytes and scheduledCount are those of the whole; offsets, times and positions are the first's.
 * Limits and retention hold for each partition.
 */
export interface Queue extends PartitionReading {
  readonly name: string;
  /** Itself first. */
  readonly partitions: readonly Queue[];
  /** Place among them. */
  readonly index: number;
  /** Adds empty ones, so that there are `count`, which is more than there are. Durable with the broker's ticket. */
  addPartitions(count: number): void;
  readonly namespace: Namespace;
  readonly settings: QueueSettings;
  readonly declaration: unknown;
  readonly isDeleted: boolean;
  /** Messages ready for delivery, messages leased; of a log: entries kept, 0. */
  readonly readyCount: number;
  readonly leasedCount: number;
  readonly readyBytes: number;
  readonly consumerCount: number;
  /** Messages that wait for their time. */
  readonly scheduledCount: number;
  readonly firstOffset: number;
  /** From here on there is something to read, if anything is: of what consumers settled and no history keeps, nothing is. */
  readonly earliestOffset: number;
  readonly nextOffset: number;
  readonly counters: QueueCounters;
  /**
   * When the message that would be delivered next was appended, ms since 1970; undefined: there is none. Of a log: next to a
   * consumer of one of its subscriptions. For one that is not in memory, to within some hundred messages.
   */
  readonly oldestReadyMs: number | undefined;
  /** Notes use, for expiresMs. */
  touch(): void;
  /**
   * Holds at once for what is there too: what is now too old or too many goes. Durable with the broker's ticket, if the
   * queue is. Nothing happens if the settings are what they were. A limit of unused time begins anew when it changes.
   */
  configure(settings: QueueSettings): void;
  /**
   * Drops all messages that are ready or delayed; answers how many were ready. Of a log, a named subscription's: it is given
   * them no more. Nothing happens to a log itself.
   */
  purge(subscription?: string): number;
  /**
   * Adds a subscription of its own to a log, for consumers that settle entry by entry (ConsumeOptions.subscription).
   * False: there is one of this name.
   */
  subscribe(
    name: string,
    settings: SubscriptionSettings,
    startAt: "first" | "next" | { readonly offset: number },
  ): boolean;
  /** Changes how it delivers, for what is there too, but not its mode and its priorities. It exists. Durable with the ticket. */
  configureSubscription(name: string, settings: SubscriptionSettings): void;
  /** Ends its consumers and forgets its state; false: there is none. */
  unsubscribe(name: string): boolean;
  namedSubscription(name: string): SubscriptionView | undefined;
  /** Names of the log's subscriptions. */
  subscriptionNames(): Iterable<string>;
  /** Remembers where a group of readers stands; durable with the broker's ticket. An offset may go back. */
  commitOffset(group: string, offset: number, metadata: string): void;
  committedOffset(group: string): CommittedPosition | undefined;
  /** Groups that have committed here. */
  committedOffsets(): Iterable<[string, CommittedPosition]>;
  /** Forgets the group; false: there was none. */
  forgetOffset(group: string): boolean;
  /** Offsets between the group's position, or the earliest there is if that is later, and the end: at least as many as entries. */
  lag(group: string): number;
}

/**
 * Told of each change to what there is, right after it, whoever made it: a client, a time that was up, a last consumer
 * that left. Not told of what a recovery restores.
 */
export interface CatalogObserver {
  queueCreated(queue: Queue): void;
  queueDeleted(queue: Queue): void;
  exchangeCreated(exchange: Exchange): void;
  exchangeDeleted(exchange: Exchange): void;
  bindingCreated(binding: BindingView): void;
  bindingDeleted(binding: BindingView): void;
}

export interface Namespace {
  readonly name: string;
  /** True: it is empty, what is published to it reaches nobody, nothing can be created in it; its name may be another's. */
  readonly isDeleted: boolean;
  readonly live: LiveChannels;
  observe(observer: CatalogObserver): void;
  exchange(name: string): Exchange | undefined;
  exchanges(): Iterable<Exchange>;
  createExchange(name: string, settings: ExchangeSettings, declaration: unknown): Exchange;
  deleteExchange(name: string): void;
  /** Changes what may be changed without being declared anew: `alternate`, which need not exist. As Queue.configure. */
  configureExchange(name: string, settings: ExchangeSettings): void;
  queue(name: string): Queue | undefined;
  queues(): Iterable<Queue>;
  /** `partitionCount`: 1 if not given. */
  createQueue(name: string, settings: QueueSettings, declaration: unknown, partitionCount?: number): Queue;
  /** Ends its consumers, drops its messages and bindings. */
  deleteQueue(queue: Queue): void;
  bind(
    source: string,
    destination: { queue: Queue } | { exchange: string },
    key: string,
    args: Headers,
  ): "bound" | "existed";
  unbind(
    source: string,
    destination: { queue: Queue } | { exchange: string },
    key: string,
    args: Headers,
  ): "unbound" | "absent";
  bindingsFrom(source: string): Iterable<BindingView>;
  /** Whether there are some; however many they are. */
  hasBindingsFrom(source: string): boolean;
  bindingsTo(destination: { queue: Queue } | { exchange: string }): Iterable<BindingView>;
  /** Routes and appends. Hot: allocates nothing per message. */
  publish(publication: Publication, outcome: PublishOutcome): void;
  /** The queues that it would be appended to now. */
  routesOf(publication: Publication): readonly Queue[];
  /**
   * Of a message that waits for the commit of a transaction: where it goes, decided now, and done then by publishTo().
   * Undefined: it may come to an exchange that does more than route, and publish() decides then.
   */
  holdBack(publication: Publication): readonly Queue[] | undefined;
  /** Appends to those of the queues that are still there, whatever the routes are now. */
  publishTo(queues: readonly Queue[], publication: Publication, outcome: PublishOutcome): void;
}

/** Small named JSON values that live in the same journal: users, policies, parameters. */
export interface Definitions {
  get(kind: string, name: string): unknown;
  entries(kind: string): Iterable<[string, unknown]>;
  put(kind: string, name: string, value: unknown): void;
  remove(kind: string, name: string): void;
}

/** Why producers are held back just now. */
export interface Pressure {
  readonly memory: boolean;
  readonly disk: boolean;
}

/** Told after each commit, once per block; confirms are sent from here. */
export interface CommitListener {
  /** Something is durable up to here, or there is room again for who was held back: see Broker.isCongested. */
  committed(durableTicket: number): void;
}

export interface Broker {
  readonly clock: Clock;
  /**
   * The time by which messages fall due and grow old, ms since 1970: never goes back, whatever the machine's clock does. What
   * is due so long from now is due at this and so long.
   */
  now(): number;
  readonly random: Random;
  readonly definitions: Definitions;
  /** Persistent identity of this broker, e.g. for names of a cluster. */
  readonly id: string;
  namespace(name: string): Namespace | undefined;
  namespaces(): Iterable<Namespace>;
  /** Durable with the broker's ticket. It must not exist. */
  createNamespace(name: string): Namespace;
  /**
   * Deletes all that is in it, and it. Its consumers and its observers are told of each; who publishes to one of its
   * exchanges from now on reaches nobody. It must exist. Durable with the broker's ticket.
   */
  deleteNamespace(name: string): void;
  readonly statistics: BrokerStatistics;
  registerFormat(format: MessageFormat): void;
  /** The format in which the entry is stored. */
  formatOf(entry: Entry): MessageFormat;
  createSession(): Session;
  /** Everything up to this ticket is durable. */
  readonly durableTicket: number;
  /** The ticket that covers everything done until now. */
  readonly ticket: number;
  /** Runs `run` when `ticket` is durable (at once when it is): for answers to rare requests, not for messages. */
  whenDurable(ticket: number, run: () => void): void;
  addCommitListener(listener: CommitListener): void;
  removeCommitListener(listener: CommitListener): void;
  /** All changes made by `run` become durable together or not at all. Answers the ticket. */
  atomically(run: () => void): number;
  /**
   * Moves ready messages back to the queues in which they died first, each in one atomic step. What cannot go back stays.
   * Answers how many were moved, `countMax` at most.
   */
  redrive(queue: Queue, countMax: number): Promise<number>;
  /**
   * Copies the data as it is while the broker goes on: a start on the copy finds all that was confirmed before this call.
   * Rejects with a code: EVOLATILE, nothing is on disk; ENOSPC, the disk is short; EDAMAGED, no checkpoint is whole; ECANCELED,
   * the broker stops, or the journal behind the checkpoint was not kept; and with what the sink rejects with.
   */
  backup(sink: BackupSink): Promise<BackupReport>;
  /** Producers are to be held back while any part of it is true. `changed` is called at each change. */
  readonly pressure: Pressure;
  onPressure(changed: (pressure: Pressure) => void): () => void;
  /**
   * Bytes taken in and not yet durable are past the bound: connections stop reading until the next commit. Checked by
   * connections after each chunk that they have parsed.
   */
  readonly isCongested: boolean;
}
