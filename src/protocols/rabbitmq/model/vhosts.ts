/**
 * Virtual hosts: a namespace of the core each, and what RabbitMQ remembers of it. The record is a definition, in the same
 * journal as everything else; the namespace is where exchanges and queues are.
 */

import { must } from "../../../base/assert.ts";
import type { Broker, Namespace } from "../../../broker/api.ts";
import { keptForm } from "./declaration.ts";
import { exchangeSettings, firstExchanges } from "./declare-exchange.ts";
import { Events } from "./events.ts";

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

export interface Vhost {
  readonly name: string;
  readonly namespace: Namespace;
  readonly record: VhostRecord;
  readonly events: Events;
}

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
  readonly #vhostByName = new Map<
    string,
    { name: string; namespace: Namespace; record: VhostRecord; events: Events }
  >();

  constructor(broker: Broker) {
    this.#broker = broker;
    for (const namespace of broker.namespaces()) {
      const record = broker.definitions.get(kind, namespace.name) as VhostRecord | undefined;
      this.#add(
        namespace,
        record ?? { ...plainVhost, ...(namespace.name === defaultVhost && { description: "Default virtual host" }) },
      );
    }
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
    return must(this.#vhostByName.get(name), "it was just added");
  }

  update(name: string, record: VhostRecord): void {
    const vhost = this.#vhostByName.get(name);
    if (vhost === undefined) return;
    vhost.record = record;
    this.#broker.definitions.put(kind, name, record);
  }

  /** With all that is in it. Connections, permissions and policies are the caller's to end first. */
  delete(name: string): void {
    if (!this.#vhostByName.delete(name)) return;
    this.#broker.atomically(() => {
      this.#broker.deleteNamespace(name);
      this.#broker.definitions.remove(kind, name);
    });
  }

  #add(namespace: Namespace, record: VhostRecord): void {
    createFirstExchanges(namespace);
    const vhost = { name: namespace.name, namespace, record, events: new Events(this.#broker, namespace.name) };
    this.#vhostByName.set(namespace.name, vhost);
  }
}

function createFirstExchanges(namespace: Namespace): void {
  for (const { name, type, internal } of firstExchanges) {
    if (namespace.exchange(name) !== undefined) continue;
    const flags = { type, durable: true, autoDelete: false, internal };
    namespace.createExchange(name, exchangeSettings(flags, []), keptForm({ type, internal, arguments: [] }));
  }
}
