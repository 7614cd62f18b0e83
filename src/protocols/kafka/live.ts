/** Connections that are let in, for those who list and count them. */

import type { KafkaConnection } from "./connection.ts";

export interface LiveObserver {
  connectionOpened(connection: KafkaConnection): void;
  connectionClosed(connection: KafkaConnection): void;
}

export class LiveConnections {
  readonly #connections = new Set<KafkaConnection>();
  readonly #observers: LiveObserver[] = [];

  get count(): number {
    return this.#connections.size;
  }

  /** Of one user. */
  countOf(name: string): number {
    let count = 0;
    for (const { login } of this.#connections) if (login.identity?.name === name) count++;
    return count;
  }

  all(): Iterable<KafkaConnection> {
    return this.#connections;
  }

  observe(observer: LiveObserver): void {
    this.#observers.push(observer);
  }

  has(connection: KafkaConnection): boolean {
    return this.#connections.has(connection);
  }

  add(connection: KafkaConnection): void {
    if (this.#connections.has(connection)) return;
    this.#connections.add(connection);
    for (const observer of this.#observers) observer.connectionOpened(connection);
  }

  remove(connection: KafkaConnection): void {
    if (!this.#connections.delete(connection)) return;
    for (const observer of this.#observers) observer.connectionClosed(connection);
  }
}
