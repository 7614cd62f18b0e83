/**
 * A namespace as one AMQP connection publishes to it: each publish may go wrong, and is noted. All else is as it is.
 *
 * Whom a publish has reached is seen by what was appended, for a queue may have known the message already. And where chance
 * chooses, it must not be asked twice: what was asked for by the name of a queue is to happen to what goes there.
 */

import type {
  BindingView,
  Broker,
  CatalogObserver,
  Exchange,
  ExchangeSettings,
  LiveChannels,
  Namespace,
  Publication,
  PublishOutcome,
  Queue,
  QueueSettings,
} from "../broker/api.ts";
import { heldMessage } from "./held-entry.ts";
import type { NamesFor } from "./faults.ts";
import type { Party } from "./party.ts";
import { publishedMessage } from "./published.ts";
import type { Tried } from "./tried.ts";

type Destination = { queue: Queue } | { exchange: string };
type BindingArguments = BindingView["args"];

export class TriedNamespace implements Namespace {
  readonly #inner: Namespace;
  readonly #broker: Broker;
  readonly #by: Party;
  readonly #tried: Tried;

  constructor(inner: Namespace, broker: Broker, by: Party, tried: Tried) {
    this.#inner = inner;
    this.#broker = broker;
    this.#by = by;
    this.#tried = tried;
  }

  publish(publication: Publication, outcome: PublishOutcome): void {
    const isDrawn = this.#hasChance() && this.#mayDraw(publication.exchange, new Set());
    const decided = isDrawn ? this.#inner.holdBack(publication) : undefined;
    const isDecided = decided !== undefined;
    const queues = decided ?? this.#inner.routesOf(publication);
    const run = (): void => {
      if (isDecided) this.#inner.publishTo(queues, publication, outcome);
      else this.#inner.publish(publication, outcome);
    };
    // Chance chooses again, and may choose any.
    const candidates = isDrawn && !isDecided ? [...this.#inner.queues()] : queues;
    this.#publish(queues, publication, outcome, run, candidates);
  }

  /** A connection that is cut by it has committed nothing of its transaction. */
  holdBack(publication: Publication): readonly Queue[] | undefined {
    const routes = this.#inner.holdBack(publication);
    const { faults, sockets } = this.#tried;
    const { socket } = this.#by;
    const queues = routes ?? this.#inner.routesOf(publication);
    const namesFor: NamesFor = (what) => (what === "cut" ? namesOf(publication, queues) : undefined);
    if (!sockets.isCut(socket) && faults.take("publish", this.#by, namesFor) !== undefined) sockets.cut(socket);
    return routes;
  }

  #hasChance(): boolean {
    for (const { settings } of this.#inner.exchanges()) if (settings.kind === "random") return true;
    return false;
  }

  /** Whether what is published here may come to an exchange at which chance chooses. */
  #mayDraw({ name, settings }: Exchange, seen: Set<string>): boolean {
    if (settings.kind === "random") return true;
    if (name === "" || seen.has(name)) return false;
    seen.add(name);
    const next = Array.from(this.#inner.bindingsFrom(name), ({ destination }) =>
      "exchange" in destination ? destination.exchange : undefined,
    );
    return [...next, settings.alternate].some((each) => {
      const exchange = each === undefined ? undefined : this.#inner.exchange(each);
      return exchange !== undefined && this.#mayDraw(exchange, seen);
    });
  }

  /** By the commit of a transaction, which was asked about being cut when it held the message back: now it would be torn. */
  publishTo(queues: readonly Queue[], publication: Publication, outcome: PublishOutcome): void {
    const run = (): void => this.#inner.publishTo(queues, publication, outcome);
    this.#publish(queues, publication, outcome, run, queues, true);
  }

  /**
   * @param queues to which it goes.
   * @param candidates all to which it may go after all.
   * @param isCommit a connection is not cut at it.
   */
  #publish(
    queues: readonly Queue[],
    p: Publication,
    outcome: PublishOutcome,
    run: () => void,
    candidates: readonly Queue[] = queues,
    isCommit = false,
  ): void {
    const { faults, sockets } = this.#tried;
    const namesFor: NamesFor = (what) => (isCommit && what === "cut" ? undefined : namesOf(p, queues));
    const fault = sockets.isCut(this.#by.socket) ? lost : faults.take("publish", this.#by, namesFor);
    if (fault?.what === "cut" || fault?.what === "refuse") {
      if (fault.what === "cut") sockets.cut(this.#by.socket);
      outcome.routed = Math.max(1, queues.length);
      outcome.refused = true;
      outcome.ticket = 0;
      return;
    }
    if (fault?.what === "delay") sockets.hold(this.#by.socket, this.#broker.clock, fault.ms);
    const entry = heldMessage(p, this.#broker.clock.now());
    // What an exchange keeps for queues to come has no name that anybody knows.
    const visible = candidates.filter((queue) => this.#inner.queue(queue.name) === queue);
    const before = visible.map(({ counters }) => counters.published);
    run();
    const reached = visible
      .filter(({ counters }, index) => counters.published > before[index]!)
      .map(({ name }) => name);
    const { refused, ticket } = outcome;
    if (!refused) this.#broker.whenDurable(ticket, () => this.#note(entry, reached));
    if (fault?.what === "lose-confirm") this.#broker.whenDurable(ticket, () => void sockets.cut(this.#by.socket));
  }

  #note(entry: ReturnType<typeof heldMessage>, reached: readonly string[]): void {
    const seen = this.#broker.formatOf(entry).canonical!(entry);
    this.#tried.published.add(publishedMessage(seen, this.#by, reached));
  }

  // As it is

  get name(): string {
    return this.#inner.name;
  }
  get isDeleted(): boolean {
    return this.#inner.isDeleted;
  }
  get live(): LiveChannels {
    return this.#inner.live;
  }
  routesOf(publication: Publication): readonly Queue[] {
    return this.#inner.routesOf(publication);
  }
  observe(observer: CatalogObserver): void {
    this.#inner.observe(observer);
  }
  exchange(name: string): Exchange | undefined {
    return this.#inner.exchange(name);
  }
  exchanges(): Iterable<Exchange> {
    return this.#inner.exchanges();
  }
  createExchange(name: string, settings: ExchangeSettings, declaration: unknown): Exchange {
    return this.#inner.createExchange(name, settings, declaration);
  }
  deleteExchange(name: string): void {
    this.#inner.deleteExchange(name);
  }
  configureExchange(name: string, settings: ExchangeSettings): void {
    this.#inner.configureExchange(name, settings);
  }
  queue(name: string): Queue | undefined {
    return this.#inner.queue(name);
  }
  queues(): Iterable<Queue> {
    return this.#inner.queues();
  }
  createQueue(name: string, settings: QueueSettings, declaration: unknown, partitionCount?: number): Queue {
    return this.#inner.createQueue(name, settings, declaration, partitionCount);
  }
  deleteQueue(queue: Queue): void {
    this.#inner.deleteQueue(queue);
  }
  bind(source: string, destination: Destination, key: string, args: BindingArguments): "bound" | "existed" {
    return this.#inner.bind(source, destination, key, args);
  }
  unbind(source: string, destination: Destination, key: string, args: BindingArguments): "unbound" | "absent" {
    return this.#inner.unbind(source, destination, key, args);
  }
  bindingsFrom(source: string): Iterable<BindingView> {
    return this.#inner.bindingsFrom(source);
  }
  hasBindingsFrom(source: string): boolean {
    return this.#inner.hasBindingsFrom(source);
  }
  bindingsTo(destination: Destination): Iterable<BindingView> {
    return this.#inner.bindingsTo(destination);
  }
}

function namesOf({ exchange }: Publication, queues: readonly Queue[]): string[] {
  return [exchange.name, ...queues.map(({ name }) => name)];
}

/** What a connection that was cut had sent and the broker has not read, in truth. */
const lost = { what: "cut" } as const;
