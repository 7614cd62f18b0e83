/**
 * What is connected now, as the management of a RabbitMQ sees it: connections, their channels, their consumers. Each protocol of the family
 * puts its connections in here; who lists them reads what is there at that moment, and nothing is kept up for readers.
 * Counters only rise; rates are the business of whoever samples them.
 */

import type { Queue } from "../../../broker/api.ts";
import type { PeerAddress } from "../../../server/protocol.ts";
import type { FieldTable } from "./field-table.ts";

/** Of a connection's socket. A packet is what one read gave or one write took, as in RabbitMQ's `recv_cnt` and `send_cnt`. */
export interface TrafficCounters {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
}

/** Of a channel, under the names that RabbitMQ's statistics use. Plain fields: they are raised once a message. */
export class ChannelCounters {
  publish = 0;
  confirm = 0;
  returnUnroutable = 0;
  dropUnroutable = 0;
  deliver = 0;
  deliverNoAck = 0;
  get = 0;
  getNoAck = 0;
  getEmpty = 0;
  redeliver = 0;
  ack = 0;
}

export interface LiveConsumer {
  readonly tag: string;
  readonly queue: Queue;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  /** Unsettled deliveries at most; 0: no limit. */
  readonly prefetchCount: number;
  readonly arguments: FieldTable;
  readonly isActive: boolean;
  /** Whether it is the one that a single active consumer's queue serves, or waits. */
  readonly activityStatus: "up" | "single_active" | "waiting" | "suspected_down";
}

export interface LiveChannel {
  readonly number: number;
  readonly state: "starting" | "running" | "closing";
  readonly prefetchCount: number;
  readonly globalPrefetchCount: number;
  readonly isConfirming: boolean;
  readonly isTransactional: boolean;
  readonly unacknowledgedCount: number;
  readonly unconfirmedCount: number;
  readonly uncommittedCount: number;
  readonly uncommittedAckCount: number;
  readonly consumerCount: number;
  /** ms since 1970 since which it neither sent nor got anything. */
  readonly idleSinceMs: number;
  readonly counters: ChannelCounters;
  consumers(): Iterable<LiveConsumer>;
}

export interface LiveConnection {
  /** `127.0.0.1:40022 -> 127.0.0.1:5672`, unique. */
  readonly name: string;
  /** `AMQP 0-9-1`, as RabbitMQ shows it. */
  readonly protocol: string;
  readonly state:
    | "starting"
    | "tuning"
    | "opening"
    | "running"
    | "flow"
    | "blocking"
    | "blocked"
    | "closing"
    | "closed";
  readonly user: string;
  readonly vhost: string;
  readonly address: PeerAddress;
  readonly mechanism: string;
  readonly clientProperties: FieldTable;
  readonly channelMax: number;
  readonly frameMaxBytes: number;
  readonly heartbeatSeconds: number;
  readonly connectedAtMs: number;
  readonly unsentBytes: number;
  readonly channelCount: number;
  readonly traffic: TrafficCounters;
  channels(): Iterable<LiveChannel>;
  /** The exclusive queue is its own. */
  owns(queue: Queue): boolean;
  /** Ends it with CONNECTION_FORCED and this reason, as an operator would. */
  close(reason: string): void;
}

/** Told of comings and goings, after the fact. */
export interface LiveObserver {
  connectionOpened(connection: LiveConnection): void;
  connectionClosed(connection: LiveConnection): void;
  channelOpened(connection: LiveConnection, channel: LiveChannel): void;
  channelClosed(connection: LiveConnection, channel: LiveChannel): void;
}

/**
 * All connections of the family's protocols that were let into a virtual host, in order of their coming. Those whose
 * handshake is under way are not here, as RabbitMQ's management does not show them.
 */
export class LiveConnections {
  readonly #connections = new Set<LiveConnection>();
  readonly #byName = new Map<string, LiveConnection>();
  readonly #countByVhost = new Map<string, number>();
  readonly #countByUser = new Map<string, number>();
  readonly #channelCountByUser = new Map<string, number>();
  readonly #observers: LiveObserver[] = [];

  observe(observer: LiveObserver): void {
    this.#observers.push(observer);
  }

  add(connection: LiveConnection): void {
    this.#connections.add(connection);
    this.#byName.set(connection.name, connection);
    count(this.#countByVhost, connection.vhost, 1);
    count(this.#countByUser, connection.user, 1);
    for (const observer of this.#observers) observer.connectionOpened(connection);
  }

  remove(connection: LiveConnection): void {
    if (!this.#connections.delete(connection)) return;
    if (this.#byName.get(connection.name) === connection) this.#byName.delete(connection.name);
    count(this.#countByVhost, connection.vhost, -1);
    count(this.#countByUser, connection.user, -1);
    for (const observer of this.#observers) observer.connectionClosed(connection);
  }

  channelOpened(connection: LiveConnection, channel: LiveChannel): void {
    count(this.#channelCountByUser, connection.user, 1);
    for (const observer of this.#observers) observer.channelOpened(connection, channel);
  }

  channelClosed(connection: LiveConnection, channel: LiveChannel): void {
    count(this.#channelCountByUser, connection.user, -1);
    for (const observer of this.#observers) observer.channelClosed(connection, channel);
  }

  get count(): number {
    return this.#connections.size;
  }

  countInVhost(vhost: string): number {
    return this.#countByVhost.get(vhost) ?? 0;
  }

  countOfUser(user: string): number {
    return this.#countByUser.get(user) ?? 0;
  }

  /** Over all connections of the user. */
  channelCountOfUser(user: string): number {
    return this.#channelCountByUser.get(user) ?? 0;
  }

  find(name: string): LiveConnection | undefined {
    return this.#byName.get(name);
  }

  all(): Iterable<LiveConnection> {
    return this.#connections;
  }

  /** Ends those for which `isMeant` is true, as an operator would. */
  closeWhere(isMeant: (connection: LiveConnection) => boolean, reason: string): void {
    for (const connection of [...this.#connections]) if (isMeant(connection)) connection.close(reason);
  }
}

function count(byKey: Map<string, number>, key: string, change: number): void {
  const counted = (byKey.get(key) ?? 0) + change;
  if (counted === 0) byKey.delete(key);
  else byKey.set(key, counted);
}
