/** Counts what comes and goes, of all virtual hosts, and what those who went had counted. */

import type { CatalogObserver, Namespace, Queue } from "../../../../broker/api.ts";
import type { LiveChannel, LiveConnection, LiveObserver } from "../../model/live.ts";
import { churnMeasures } from "./measures.ts";
import type { Departed } from "./totals.ts";

const nothing = (): void => undefined;

export class Churn implements LiveObserver {
  /** As in `churnMeasures`. */
  readonly counts = new Float64Array(churnMeasures.columns);
  readonly #departed: Departed;
  readonly #observed = new WeakSet<Namespace>();

  constructor(departed: Departed) {
    this.#departed = departed;
  }

  /** To be told of every namespace, as often as is convenient. */
  watch(namespace: Namespace): void {
    if (this.#observed.has(namespace)) return;
    this.#observed.add(namespace);
    const observer: CatalogObserver = {
      queueCreated: () => {
        // RabbitMQ counts declarations of what exists already, too; nobody tells us of those.
        this.counts[4]!++;
        this.counts[5]!++;
      },
      queueDeleted: (queue: Queue) => {
        this.counts[6]!++;
        this.#departed.queueDeleted(queue);
      },
      exchangeCreated: nothing,
      exchangeDeleted: nothing,
      bindingCreated: nothing,
      bindingDeleted: nothing,
    };
    namespace.observe(observer);
  }

  connectionOpened(): void {
    this.counts[0]!++;
  }

  connectionClosed(connection: LiveConnection): void {
    this.counts[1]!++;
    this.#departed.connectionClosed(connection);
  }

  channelOpened(): void {
    this.counts[2]!++;
  }

  channelClosed(connection: LiveConnection, channel: LiveChannel): void {
    this.counts[3]!++;
    this.#departed.channelClosed(connection.vhost, channel);
  }
}
