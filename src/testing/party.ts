/** Who does something that a test suite wants to know of, or to go wrong. */

import type { PeerAddress } from "../server/protocol.ts";

export interface Party {
  readonly protocol: "amqp" | "kafka";
  /** `127.0.0.1:40000 -> 127.0.0.1:5672`, by which its socket is found. */
  readonly socket: string;
  /** What the client calls itself: AMQP's connection_name, Kafka's client.id; empty: nothing. */
  readonly client: string;
  readonly user: string;
  readonly namespace: string;
}

export function socketName({ remoteAddress, remotePort, localAddress, localPort }: PeerAddress): string {
  return `${remoteAddress}:${remotePort} -> ${localAddress}:${localPort}`;
}
