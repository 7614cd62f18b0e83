/** A connection as those see it who list what is connected: read from it at that moment, nothing is kept for them. */

import type { Queue } from "../../../broker/api.ts";
import type { PeerAddress } from "../../../server/protocol.ts";
import type { FieldTable } from "../model/field-table.ts";
import type { LiveChannel, LiveConnection, TrafficCounters } from "../model/live.ts";
import type { AmqpConnection } from "./connection.ts";

export class ShownConnection implements LiveConnection {
  readonly protocol = "AMQP 0-9-1";
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly connectedAtMs: number;
  readonly #connection: AmqpConnection;

  /** @param connection is logged in and has been let into its virtual host. */
  constructor(connection: AmqpConnection) {
    this.#connection = connection;
    this.name = connectionName(connection.address);
    this.user = connection.user.name;
    this.vhost = connection.vhost;
    this.connectedAtMs = connection.hub.clock.now();
  }

  get state(): LiveConnection["state"] {
    const { state } = this.#connection;
    if (state === "running") return this.#connection.flow;
    return state === "header" || state === "securing" ? "starting" : state;
  }

  get address(): PeerAddress {
    return this.#connection.address;
  }

  get mechanism(): string {
    return this.#connection.mechanism;
  }

  get clientProperties(): FieldTable {
    return this.#connection.clientProperties;
  }

  get channelMax(): number {
    return this.#connection.channelMax;
  }

  get frameMaxBytes(): number {
    return this.#connection.frameMaxBytes;
  }

  get heartbeatSeconds(): number {
    return this.#connection.heartbeatMs / 1000;
  }

  get unsentBytes(): number {
    return this.#connection.peer.unsentBytes;
  }

  get channelCount(): number {
    return this.#connection.channels.size;
  }

  get traffic(): TrafficCounters {
    const { output, receivedBytes, receivedPackets } = this.#connection;
    return { receivedBytes, receivedPackets, sentBytes: output.bytesEver, sentPackets: output.takes };
  }

  channels(): Iterable<LiveChannel> {
    return this.#connection.channels.all();
  }

  owns(queue: Queue): boolean {
    return this.#connection.exclusiveQueues.has(queue);
  }

  close(reason: string): void {
    this.#connection.force(reason);
  }
}

/** `127.0.0.1:40000 -> 127.0.0.1:5672` */
export function connectionName({ remoteAddress, remotePort, localAddress, localPort }: PeerAddress): string {
  return `${remoteAddress}:${remotePort} -> ${localAddress}:${localPort}`;
}
