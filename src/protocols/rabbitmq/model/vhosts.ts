/**
 * Virtual hosts: a namespace of the core each, and what RabbitMQ remembers of it. The record is a definition, in the same
 * journal as everything else; the namespace is where exchanges and queues are.
 */

import { must } from "../../../base/assert.ts";
import type { Broker, Namespace } from "../../../broker/api.ts";
import { keptForm } from "./declaration.ts";
import { exchangeSettings, firstExchanges } from "./declare-exchange.ts";
import { eventExchange, type Events } from "./events.ts";

/** As kept. */
export interface VhostRecord {
  readonly description: string;
  readonly tags: readonly string[];
  /** Of queues declared without x-queue-type; undefined: classic. */
  readonly defaultQueueType: string | undefined;
  /** The firehose is on. */
  readonly isTracing: boolean;
  readonly isProtectedFromDeletion: boolean;
}

/** Told of virtual hosts that come and go. */
export interface VhostObserver {
  vhostCreated?(vhost: Vhost): void;
  /** It is still there with all that is in it; whatever belongs to it elsewhere is to be ended and forgotten. */
  vhostDeleting?(vhost: Vhost): void;
}

export interface Vhost {
  readonly name: string;
  readonly namespace: Namespace;
  readonly record: VhostRecord;
  readonly events: Events;
  /** It was deleted; who holds it holds nothing. */
  readonly isDeleted: boolean;
}

/** A virtual host whose parts may change. */
type KeptVhost = { -readonly [K in keyof Vhost]: Vhost[K] };

export const defaultVhost = "/";
export const plainVhost: VhostRecord = {
  description: "",
  tags: [],
  defaultQueueType: undefined,
  isTracing: false,
  isProtectedFromDeletion: false,
};

const kind = "vhost";

export class Vhosts {
  readonly #broker: Broker;
  readonly #events: Events;
  readonly #vhostByName = new Map<string, KeptVhost>();
  readonly #observers: VhostObserver[] = [];

  constructor(broker: Broker, events: Events) {
    this.#broker = broker;
    this.#events = events;
    for (const namespace of broker.namespaces()) {
      const record = broker.definitions.get(kind, namespace.name) as VhostRecord | undefined;
      this.#add(
        namespace,
        record ?? { ...plainVhost, ...(namespace.name === defaultVhost && { description: "Default virtual host" }) },
      );
    }
  }

  observe(observer: VhostObserver): void {
    this.#observers.push(observer);
  }

  all(): Iterable<Vhost> {
    return this.#vhostByName.values();
  }

  find(name: string): Vhost | undefined {
    return this.#vhostByName.get(name);
  }

  /** It must not exist. Durable with the broker's ticket. */
  create(name: string, record: VhostRecord): Vhost {
    this.#broker.atomically(() => {
      this.#broker.definitions.put(kind, name, record);
      this.#add(this.#broker.createNamespace(name), record);
    });
    const vhost = must(this.#vhostByName.get(name), "it was just added");
    this.#events.emit("vhost.created", shown(vhost));
    for (const observer of this.#observers) observer.vhostCreated?.(vhost);
    return vhost;
  }

  update(name: string, record: VhostRecord): void {
    const vhost = this.#vhostByName.get(name);
    if (vhost === undefined) return;
    vhost.record = record;
    this.#broker.definitions.put(kind, name, record);
    this.#events.emit("vhost.updated", shown(vhost));
  }

  /** With all that is in it, and all that observers keep for it: connections, permissions, policies. False: there is none. */
  delete(name: string): boolean {
    const vhost = this.#vhostByName.get(name);
    if (vhost === undefined) return false;
    this.#broker.atomically(() => {
      for (const observer of this.#observers) observer.vhostDeleting?.(vhost);
      this.#broker.deleteNamespace(name);
      this.#broker.definitions.remove(kind, name);
    });
    this.#vhostByName.delete(name);
    vhost.isDeleted = true;
    this.#events.emit("vhost.deleted", { name });
    return true;
  }

  #add(namespace: Namespace, record: VhostRecord): void {
    this.#events.observe(namespace);
    createFirstExchanges(namespace);
    const vhost = { name: namespace.name, namespace, record, events: this.#events, isDeleted: false };
    this.#vhostByName.set(namespace.name, vhost);
  }
}

function shown({ name, record }: Vhost): Record<string, unknown> {
  const { description, tags, isTracing, defaultQueueType } = record;
  return { name, description, tags, tracing: isTracing, default_queue_type: defaultQueueType };
}

function createFirstExchanges(namespace: Namespace): void {
  for (const { name, type, internal } of firstExchanges) {
    if (namespace.exchange(name) !== undefined) continue;
    // All events go to one exchange, as the plug-in has it.
    if (name === eventExchange && namespace.name !== defaultVhost) continue;
    const flags = { type, durable: true, autoDelete: false, internal };
    namespace.createExchange(name, exchangeSettings(flags, []), keptForm({ type, internal, arguments: [] }));
  }
}
