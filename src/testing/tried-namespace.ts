/** A namespace as one AMQP connection publishes to it: each publish may go wrong, and is noted. All else is as it is. */

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
    const { delays, kind, dedup, historyLength } = publication.exchange.settings;
    const queues = delays ? [] : this.#inner.routesOf(publication);
    // Asked again, chance would choose another queue than the one that is noted.
    const isDrawn = kind === "random" && !delays && dedup === undefined && historyLength === 0;
    if (isDrawn) return this.publishTo(queues, publication, outcome);
    this.#publish(queues, publication, outcome, () => this.#inner.publish(publication, outcome));
  }

  publishTo(queues: readonly Queue[], publication: Publication, outcome: PublishOutcome): void {
    this.#publish(queues, publication, outcome, () => this.#inner.publishTo(queues, publication, outcome));
  }

  #publish(queues: readonly Queue[], p: Publication, outcome: PublishOutcome, run: () => void): void {
    const { faults, sockets } = this.#tried;
    // Queues of all namespaces may be called the same, and be given in a list that is used again.
    const reached = queues.map(({ name }) => name);
    const fault = sockets.isCut(this.#by.socket)
      ? lost
      : faults.take("publish", this.#by, [p.exchange.name, ...reached]);
    if (fault?.what === "cut" || fault?.what === "refuse") {
      if (fault.what === "cut") sockets.cut(this.#by.socket);
      outcome.routed = Math.max(1, queues.length);
      outcome.refused = true;
      outcome.ticket = 0;
      return;
    }
    if (fault?.what === "delay") sockets.hold(this.#by.socket, this.#broker.clock, fault.ms);
    const entry = heldMessage(p, this.#broker.clock.now());
    run();
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
  bindingsTo(destination: Destination): Iterable<BindingView> {
    return this.#inner.bindingsTo(destination);
  }
  routesOf(publication: Publication): readonly Queue[] {
    return this.#inner.routesOf(publication);
  }
}

/** What a connection that was cut had sent and the broker has not read, in truth. */
const lost = { what: "cut" } as const;
