/**
 * The broker as the Kafka protocol of one namespace sees it: that namespace alone, and definitions of its own. So groups and
 * transactional ids of two tests that are called the same are two, and neither ends the other's transactions.
 */

import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
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
  Queue,
  Session,
} from "../broker/api.ts";

/** Definitions that another namespace does not see. */
class OwnDefinitions implements Definitions {
  readonly #inner: Definitions;
  readonly #suffix: string;
  readonly #kinds = new Set<string>();

  constructor(inner: Definitions, namespace: string) {
    this.#inner = inner;
    this.#suffix = `@${namespace}`;
  }

  get(kind: string, name: string): unknown {
    return this.#inner.get(this.#own(kind), name);
  }

  entries(kind: string): Iterable<[string, unknown]> {
    return this.#inner.entries(this.#own(kind));
  }

  put(kind: string, name: string, value: unknown): void {
    this.#inner.put(this.#own(kind), name, value);
  }

  remove(kind: string, name: string): void {
    this.#inner.remove(this.#own(kind), name);
  }

  /** Of the kinds that were asked for, which are all that there are. */
  removeAll(): void {
    for (const kind of this.#kinds) for (const [name] of [...this.#inner.entries(kind)]) this.#inner.remove(kind, name);
  }

  #own(kind: string): string {
    const own = kind + this.#suffix;
    this.#kinds.add(own);
    return own;
  }
}

export class BrokerView implements Broker {
  readonly definitions: Definitions;
  readonly #inner: Broker;
  readonly #namespace: string;
  readonly #own: OwnDefinitions | undefined;

  /** @param isMain the broker's own definitions are its own. */
  constructor(inner: Broker, namespace: string, isMain: boolean) {
    this.#inner = inner;
    this.#namespace = namespace;
    this.#own = isMain ? undefined : new OwnDefinitions(inner.definitions, namespace);
    this.definitions = this.#own ?? inner.definitions;
  }

  namespace(name: string): Namespace | undefined {
    return name === this.#namespace ? this.#inner.namespace(name) : undefined;
  }

  namespaces(): Iterable<Namespace> {
    const one = this.#inner.namespace(this.#namespace);
    return one === undefined ? [] : [one];
  }

  /** The namespace is gone. */
  forgetDefinitions(): void {
    this.#own?.removeAll();
  }

  // As it is

  get clock(): Clock {
    return this.#inner.clock;
  }
  now(): number {
    return this.#inner.now();
  }
  get random(): Random {
    return this.#inner.random;
  }
  get id(): string {
    return this.#inner.id;
  }
  get statistics(): BrokerStatistics {
    return this.#inner.statistics;
  }
  get durableTicket(): number {
    return this.#inner.durableTicket;
  }
  get ticket(): number {
    return this.#inner.ticket;
  }
  get pressure(): Pressure {
    return this.#inner.pressure;
  }
  get isCongested(): boolean {
    return this.#inner.isCongested;
  }
  createNamespace(name: string): Namespace {
    return this.#inner.createNamespace(name);
  }
  deleteNamespace(name: string): void {
    this.#inner.deleteNamespace(name);
  }
  registerFormat(format: MessageFormat): void {
    this.#inner.registerFormat(format);
  }
  formatOf(entry: Entry): MessageFormat {
    return this.#inner.formatOf(entry);
  }
  createSession(): Session {
    return this.#inner.createSession();
  }
  whenDurable(ticket: number, run: () => void): void {
    this.#inner.whenDurable(ticket, run);
  }
  addCommitListener(listener: CommitListener): void {
    this.#inner.addCommitListener(listener);
  }
  removeCommitListener(listener: CommitListener): void {
    this.#inner.removeCommitListener(listener);
  }
  atomically(run: () => void): number {
    return this.#inner.atomically(run);
  }
  redrive(queue: Queue, countMax: number): Promise<number> {
    return this.#inner.redrive(queue, countMax);
  }
  backup(sink: BackupSink): Promise<BackupReport> {
    return this.#inner.backup(sink);
  }
  onPressure(changed: (pressure: Pressure) => void): () => void {
    return this.#inner.onPressure(changed);
  }
}
