/** One namespace: its exchanges, queues and bindings, each change of which is written to the journal if it is durable. */
import { assert, must } from "../../base/assert.ts";
import type {
  BindingView,
  CatalogObserver,
  Exchange,
  ExchangeSettings,
  Namespace,
  Publication,
  PublishOutcome,
  Queue,
  QueueSettings,
} from "../api.ts";
import type { Core } from "../core.ts";
import { replayHistory } from "../history.ts";
import { LiveChannelsState } from "../live-channels.ts";
import { Router } from "../router/router.ts";
import type { Headers } from "../router/values.ts";
import { headersToJson } from "./definition.ts";
import { isEqual } from "./is-equal.ts";
import { ExchangeState } from "./exchange-state.ts";
import { plainQueueSettings } from "./plain-queue.ts";
import { QueueState } from "./queue-state.ts";
import { growTopic, partitionName, queueDefinition } from "./topic-partitions.ts";

type Destination = { queue: Queue } | { exchange: string };

const defaultExchangeSettings: ExchangeSettings = {
  kind: "direct",
  durable: true,
  autoDelete: false,
  alternate: undefined,
  hashHeader: undefined,
  hashProperty: undefined,
  delays: false,
  historyLength: 0,
  dedup: undefined,
};

/** Length of an exchange's name, in UTF-16 units: each message keeps it, and 16 bits say how long it is. */
const nameMax = 20_000;
/** Earlier versions let the messages of all delaying exchanges wait in a single queue; no client can have one of this name. */
const delayedName = "\u0000delayed";
/** With the name of a delaying exchange: where its messages wait. */
const waitingPrefix = `${delayedName}:`;

export class NamespaceState implements Namespace {
  readonly name: string;
  isDeleted = false;
  readonly router: Router<QueueState>;
  readonly live: LiveChannelsState;
  readonly queueByName = new Map<string, QueueState>();
  /** Queues that the core keeps for itself, by name. */
  readonly hiddenByName = new Map<string, QueueState>();
  readonly exchangeByName = new Map<string, ExchangeState>();
  readonly #core: Core;
  readonly #observers: CatalogObserver[] = [];

  constructor(core: Core, name: string) {
    this.#core = core;
    this.name = name;
    this.live = new LiveChannelsState(() => core.random.next());
    this.router = new Router<QueueState>(() => core.random.next());
    this.exchangeByName.set("", new ExchangeState(0, "", defaultExchangeSettings, undefined, undefined));
  }

  observe(observer: CatalogObserver): void {
    this.#observers.push(observer);
  }

  exchange(name: string): ExchangeState | undefined {
    return this.exchangeByName.get(name);
  }

  exchanges(): Iterable<Exchange> {
    return this.exchangeByName.values();
  }

  createExchange(name: string, settings: ExchangeSettings, declaration: unknown): ExchangeState {
    assert(!this.isDeleted, "nothing is created in a namespace that is deleted");
    assert(name.length <= nameMax, "the name of an exchange, which each message keeps, is short");
    const exchange = this.addExchange(this.#core.nextId(), name, settings, declaration);
    if (settings.durable)
      this.#core.define({ op: "exchange", ns: this.name, name, id: exchange.id, settings, declaration });
    if (settings.historyLength > 0) this.#addHistory(exchange);
    for (const observer of this.#observers) observer.exchangeCreated(exchange);
    return exchange;
  }

  deleteExchange(name: string): void {
    must(this.exchangeByName.get(name), "the exchange exists");
    this.#deleteExchanges([name]);
  }

  /** Those that are left without a binding by it go with them, in a chain of whatever length. */
  #deleteExchanges(names: string[]): void {
    for (let name = names.pop(); name !== undefined; name = names.pop())
      for (const { source } of this.#deleteOne(name)) if (source !== name && this.#isUnused(source)) names.push(source);
  }

  /** Answers its bindings; none, if it has gone already. */
  #deleteOne(name: string): readonly BindingView[] {
    const exchange = this.exchangeByName.get(name);
    if (exchange === undefined) return [];
    this.exchangeByName.delete(name);
    const removed = this.router.removeExchange(name);
    if (exchange.settings.durable) this.#core.define({ op: "exchange-deleted", ns: this.name, name });
    if (exchange.history !== undefined) this.deleteQueue(exchange.history);
    exchange.history = undefined;
    this.#leaveWaiting(name);
    this.#tellDeleted(exchange, removed);
    return removed;
  }

  configureExchange(name: string, settings: ExchangeSettings): void {
    const exchange = must(this.exchangeByName.get(name), "the exchange exists");
    const { routing } = exchange;
    if (isEqual(settings, exchange.settings)) return;
    assert(routing !== undefined, "the default exchange has nothing to configure");
    const others = { ...settings, alternate: exchange.settings.alternate };
    assert(isEqual(others, exchange.settings), "an exchange stays what it was created as");
    exchange.settings = settings;
    routing.alternate = settings.alternate;
    if (settings.durable) this.#core.define({ op: "exchange-settings", ns: this.name, name, settings });
  }

  queue(name: string): QueueState | undefined {
    return this.queueByName.get(name);
  }

  queues(): Iterable<Queue> {
    return this.queueByName.values();
  }

  createQueue(name: string, settings: QueueSettings, declaration: unknown, partitionCount = 1): QueueState {
    assert(!this.isDeleted, "nothing is created in a namespace that is deleted");
    const queue = this.addQueue(this.#core.nextId(), name, settings, declaration, false);
    if (partitionCount === 1) this.#define(queue);
    else {
      this.#core.commit.atomically(() => {
        this.#define(queue);
        growTopic(this.#core, queue, partitionCount);
      });
    }
    for (const observer of this.#observers) observer.queueCreated(queue);
    return queue;
  }

  deleteQueue(queue: Queue): void {
    const state = queue as QueueState;
    if (state.isDeleted || this.isDeleted) return;
    if (state.isDurable) this.#core.define({ op: "queue-deleted", id: state.id });
    this.removeQueue(state);
  }

  bind(source: string, destination: Destination, key: string, args: Headers): "bound" | "existed" {
    const answer = this.addBinding(source, destination, key, args);
    if (answer === "existed") return answer;
    const exchange = must(this.exchangeByName.get(source), "the source exists");
    if (this.#isDurableBinding(exchange, destination))
      this.#core.define({ op: "bind", ...this.bindingJson(source, destination, key, args) });
    if (exchange.history !== undefined && "queue" in destination)
      replayHistory(this.#core, exchange.history, destination.queue as QueueState).catch(this.#core.fatal);
    for (const observer of this.#observers) observer.bindingCreated({ source, destination, key, args });
    return answer;
  }

  unbind(source: string, destination: Destination, key: string, args: Headers): "unbound" | "absent" {
    const exchange = this.exchangeByName.get(source);
    const answer = this.removeBinding(source, destination, key, args);
    if (answer === "absent" || exchange === undefined) return answer;
    if (this.#isDurableBinding(exchange, destination))
      this.#core.define({ op: "unbind", ...this.bindingJson(source, destination, key, args) });
    this.#tellUnbound([{ source, destination, key, args }]);
    if (this.#isUnused(source)) this.#deleteExchanges([source]);
    return answer;
  }

  bindingsFrom(source: string): Iterable<BindingView> {
    return this.router.bindingsFrom(source);
  }

  hasBindingsFrom(source: string): boolean {
    return this.router.hasBindingsFrom(source);
  }

  bindingsTo(destination: Destination): Iterable<BindingView> {
    return this.router.bindingsTo(destination as { queue: QueueState } | { exchange: string });
  }

  publish(publication: Publication, outcome: PublishOutcome): void {
    this.#core.publisher.publish(this, publication, outcome);
  }

  routesOf(publication: Publication): readonly Queue[] {
    return [...this.#core.publisher.find(this, publication.exchange as ExchangeState, publication).queues];
  }

  holdBack(publication: Publication): readonly Queue[] | undefined {
    const { routing } = publication.exchange as ExchangeState;
    const isPlain = routing === undefined || !this.router.leadsToActing(routing);
    return isPlain ? this.routesOf(publication) : undefined;
  }

  publishTo(queues: readonly Queue[], publication: Publication, outcome: PublishOutcome): void {
    const targets = (queues as readonly QueueState[]).filter((queue) => !queue.isDeleted);
    const { counters } = publication.exchange as ExchangeState;
    outcome.refused = false;
    outcome.ticket = 0;
    outcome.routed = targets.length;
    counters.publishedIn++;
    counters.routedOut += targets.length;
    if (targets.length > 0) this.#core.publisher.append(targets, publication, outcome);
  }

  // ---- without the journal: what recovery uses too

  addExchange(id: number, name: string, settings: ExchangeSettings, declaration: unknown): ExchangeState {
    const { hashHeader, hashProperty, alternate, delays, historyLength, dedup } = settings;
    const routing = this.router.addExchange(name, settings.kind, {
      ...(hashHeader === undefined ? {} : { hashHeader }),
      ...(hashProperty === undefined ? {} : { hashProperty }),
      ...(alternate === undefined ? {} : { alternate }),
      acts: delays || historyLength > 0 || dedup !== undefined,
    });
    const exchange = new ExchangeState(id, name, settings, declaration, routing);
    this.exchangeByName.set(name, exchange);
    return exchange;
  }

  addQueue(id: number, name: string, settings: QueueSettings, declaration: unknown, isHidden: boolean): QueueState {
    const partition = this.#core.createPartition(id, settings.durable);
    const queue = new QueueState(this.#core, this, id, name, settings, declaration, partition, isHidden);
    (isHidden ? this.hiddenByName : this.queueByName).set(name, queue);
    this.#core.queueAdded(queue);
    if (isHidden && name.startsWith(delayedName)) this.#departFrom(queue);
    if (isHidden && name.startsWith(historyPrefix)) {
      const exchange = this.exchangeByName.get(name.slice(historyPrefix.length));
      if (exchange !== undefined) exchange.history = queue;
    }
    return queue;
  }

  /** A further partition of a topic. */
  addPartition(id: number, topic: QueueState, index: number): QueueState {
    const name = partitionName(topic.name, index);
    const { settings } = topic;
    const partition = this.#core.createPartition(id, settings.durable);
    const queue = new QueueState(this.#core, this, id, name, settings, undefined, partition, true, topic, index);
    topic.partitionAdded(queue);
    this.hiddenByName.set(name, queue);
    this.#core.queueAdded(queue);
    return queue;
  }

  removeQueue(queue: QueueState): void {
    if (queue.isDeleted) return;
    if (queue.isHidden) this.hiddenByName.delete(queue.name);
    else this.queueByName.delete(queue.name);
    // All names go before anybody is told: what is made under them from then on is another one's.
    for (const partition of queue.partitions) if (partition !== queue) this.hiddenByName.delete(partition.name);
    const removed = this.router.removeQueue(queue);
    this.#tellUnbound(removed);
    for (const partition of queue.partitions) {
      // The first is told of its end first, and tells the consumers of all.
      partition.destroy();
      this.#core.queueRemoved(partition);
    }
    if (!queue.isHidden) for (const observer of this.#observers) observer.queueDeleted(queue);
    this.#deleteExchanges(removed.map(({ source }) => source).filter((source) => this.#isUnused(source)));
  }

  removeExchange(name: string): void {
    if (!this.exchangeByName.delete(name)) return;
    this.router.removeExchange(name);
  }

  /** Empties it for good. What else was to be written of its queues and exchanges is not: the namespace's end says it. */
  destroy(): void {
    this.isDeleted = true;
    for (const queue of [...this.queueByName.values(), ...this.hiddenByName.values()]) this.removeQueue(queue);
    for (const exchange of [...this.exchangeByName.values()]) {
      if (exchange.routing === undefined) continue;
      this.exchangeByName.delete(exchange.name);
      exchange.history = undefined;
      const removed = this.router.removeExchange(exchange.name);
      // Who holds it may ask for its routes in the namespace that comes after this one.
      exchange.routing.alternate = undefined;
      this.#tellDeleted(exchange, removed);
    }
    this.live.clear();
  }

  addBinding(source: string, destination: Destination, key: string, args: Headers): "bound" | "existed" {
    const answer = this.router.bind(source, destination as { queue: QueueState } | { exchange: string }, key, args);
    const exchange = this.exchangeByName.get(source);
    if (exchange !== undefined) exchange.hadBinding = true;
    return answer;
  }

  removeBinding(source: string, destination: Destination, key: string, args: Headers): "unbound" | "absent" {
    return this.router.unbind(source, destination as { queue: QueueState } | { exchange: string }, key, args);
  }

  bindingJson(
    source: string,
    destination: Destination,
    key: string,
    args: Headers,
  ): {
    ns: string;
    source: string;
    key: string;
    args: ReturnType<typeof headersToJson>;
    queue?: string;
    exchange?: string;
  } {
    const to = "queue" in destination ? { queue: destination.queue.name } : { exchange: destination.exchange };
    return { ns: this.name, source, ...to, key, args: headersToJson(args) };
  }

  /** Bindings that a restart keeps. */
  *durableBindings(): Iterable<BindingView> {
    for (const exchange of this.exchangeByName.values()) {
      if (exchange.routing === undefined || !exchange.settings.durable) continue;
      for (const binding of this.router.bindingsFrom(exchange.name)) {
        if (this.#isDurableBinding(exchange, binding.destination)) yield binding;
      }
    }
  }

  /** Messages that wait for their time before they are routed. */
  get delayedCount(): number {
    let count = 0;
    for (const [name, { scheduledCount }] of this.hiddenByName)
      if (name.startsWith(delayedName)) count += scheduledCount;
    return count;
  }

  /** Where messages wait at a delaying exchange. Outlives it: one of the same name routes what is still there. */
  waitingAt(exchange: ExchangeState): QueueState {
    if (exchange.waiting === undefined) {
      const name = waitingPrefix + exchange.name;
      exchange.waiting = this.hiddenByName.get(name) ?? this.#createHidden(name, plainQueueSettings);
    }
    return exchange.waiting;
  }

  #departFrom(waiting: QueueState): void {
    const { name } = waiting;
    const own = name.startsWith(waitingPrefix) ? name.slice(waitingPrefix.length) : undefined;
    waiting.subscription!.departBy((entry) => {
      const exchange = own ?? entry.exchange();
      if (this.exchangeByName.has(exchange)) this.#core.republish(this, entry, exchange);
      // Not now: its last message is on its way out.
      else this.#core.clock.defer(() => this.#leaveWaiting(exchange));
    });
  }

  /** No exchange has the name any more: where its messages waited is given up when none is left. */
  #leaveWaiting(name: string): void {
    const waiting = this.hiddenByName.get(waitingPrefix + name);
    if (waiting === undefined || this.exchangeByName.has(name)) return;
    if (waiting.subscription!.settled.floor === waiting.partition.next) this.deleteQueue(waiting);
  }

  #tellDeleted(exchange: ExchangeState, removed: readonly BindingView[]): void {
    this.#tellUnbound(removed);
    for (const observer of this.#observers) observer.exchangeDeleted(exchange);
  }

  #tellUnbound(removed: readonly BindingView[]): void {
    for (const observer of this.#observers) for (const binding of removed) observer.bindingDeleted(binding);
  }

  #addHistory(exchange: ExchangeState): void {
    const { historyLength, durable } = exchange.settings;
    exchange.history = this.#createHidden(historyPrefix + exchange.name, {
      ...plainQueueSettings,
      durable,
      maxLength: historyLength,
    });
  }

  #createHidden(name: string, settings: QueueSettings): QueueState {
    const queue = this.addQueue(this.#core.nextId(), name, settings, undefined, true);
    this.#define(queue);
    return queue;
  }

  #define(queue: QueueState): void {
    if (queue.settings.durable) this.#core.define(queueDefinition(queue));
  }

  #isDurableBinding(exchange: ExchangeState, destination: BindingView["destination"]): boolean {
    if (!exchange.settings.durable) return false;
    if ("queue" in destination) return (destination.queue as QueueState).isDurable;
    return this.exchangeByName.get(destination.exchange)?.settings.durable ?? false;
  }

  /** It goes when nothing is bound from it any more, and nothing is. */
  #isUnused(name: string): boolean {
    // The journal says what went. Bindings that are not in it may have kept the exchange.
    if (this.#core.isRecovering || this.isDeleted) return false;
    const exchange = this.exchangeByName.get(name);
    if (exchange?.routing === undefined || !exchange.settings.autoDelete || !exchange.hadBinding) return false;
    return exchange.routing.bindingCount === 0;
  }
}

const historyPrefix = "\u0000history:";
