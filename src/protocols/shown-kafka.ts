/**
 * Kafka's connections as RabbitMQ's management lists them, among those of AMQP: who is connected, from where, and how much it
 * sent and got. So an operator sees and closes them in the one place, and they go when their user or virtual host goes.
 */

import type { PeerAddress } from "../server/protocol.ts";
import type { KafkaConnection } from "./kafka/connection.ts";
import type { KafkaServer } from "./kafka/server.ts";
import { tableOf, type FieldTable } from "./rabbitmq/model/field-table.ts";
import type { LiveChannel, LiveConnection, LiveConnections, TrafficCounters } from "./rabbitmq/model/live.ts";

class ShownKafkaConnection implements LiveConnection {
  readonly protocol = "Kafka";
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly connectedAtMs: number;
  readonly channelMax = 0;
  readonly frameMaxBytes: number;
  readonly heartbeatSeconds = 0;
  readonly channelCount = 0;
  readonly #connection: KafkaConnection;

  /** @param connection is let in. */
  constructor(connection: KafkaConnection) {
    const { address, login, server, openedAtMs } = connection;
    const { remoteAddress, remotePort, localAddress, localPort } = address;
    this.#connection = connection;
    this.name = `${remoteAddress}:${remotePort} -> ${localAddress}:${localPort}`;
    this.user = login.identity?.name ?? "";
    this.vhost = server.settings.namespace;
    this.connectedAtMs = openedAtMs;
    this.frameMaxBytes = server.settings.requestBytesMax;
  }

  get state(): LiveConnection["state"] {
    return this.#connection.isClosed ? "closed" : "running";
  }

  get address(): PeerAddress {
    return this.#connection.address;
  }

  get mechanism(): string {
    return this.#connection.login.mechanism;
  }

  get clientProperties(): FieldTable {
    const { software, clientId } = this.#connection;
    const [product = "", version = ""] = software.split(" ");
    return tableOf({ product, version, connection_name: clientId ?? "" });
  }

  get unsentBytes(): number {
    return this.#connection.peer.unsentBytes;
  }

  get traffic(): TrafficCounters {
    const { peer, receivedBytes, receivedPackets } = this.#connection;
    return { receivedBytes, receivedPackets, sentBytes: peer.output.bytesEver, sentPackets: peer.output.takes };
  }

  channels(): Iterable<LiveChannel> {
    return [];
  }

  owns(): boolean {
    return false;
  }

  close(reason: string): void {
    this.#connection.end(reason);
  }
}

/** Lists them in `live` from now on. */
export function showKafka(server: KafkaServer, live: LiveConnections): void {
  const shownByConnection = new Map<KafkaConnection, ShownKafkaConnection>();
  server.live.observe({
    connectionOpened(connection) {
      const shown = new ShownKafkaConnection(connection);
      shownByConnection.set(connection, shown);
      live.add(shown);
    },
    connectionClosed(connection) {
      const shown = shownByConnection.get(connection);
      if (shown === undefined) return;
      shownByConnection.delete(connection);
      live.remove(shown);
    },
  });
}
