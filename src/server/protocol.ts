/**
 * Between sockets and protocols. A protocol gives a `Connection` for each peer; it is driven by bytes and ticks, knows
 * no socket, and writes to the peer's output. So it is tested without one and runs inside the simulator.
 */

import type { Output } from "../wire/output.ts";

/** Where a peer is and what it proved by its certificate. */
export interface PeerAddress {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The peer is on this machine. */
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  /** Common name of the client's verified certificate. */
  readonly certificateName: string | undefined;
}

/** One accepted socket, as its connection sees it. */
export interface Peer {
  readonly address: PeerAddress;
  /** What is written here goes out after `flush`. */
  readonly output: Output;
  /** Bytes that were written and that the network has not taken. */
  readonly unsentBytes: number;
  /** Sends what is in `output` at the end of this turn of the event loop; may be called any number of times. */
  flush(): void;
  /** No `receive` until `resumeReading`, but perhaps for one chunk that was read already. */
  pauseReading(): void;
  resumeReading(): void;
  /** Sends what is pending, then closes. */
  end(): void;
  /** Closes now; what is pending is dropped. */
  destroy(): void;
}

/** One peer's life in one protocol. Never throws for a peer's fault. */
export interface Connection {
  /** The chunk's memory is used again as soon as the call returns. */
  receive(chunk: Buffer): void;
  /** All that was sent has been taken by the network. */
  drained(): void;
  /** Called about once a second. */
  tick(nowMs: number): void;
  /** The socket has gone. No call follows, and nothing may be written. */
  closed(): void;
  /** The broker stops: say so to the peer. The connection is closed soon after, whether or not it answers. */
  shutdown(): void;
}

export interface Protocol {
  /** As in `--listen NAME=HOST:PORT` */
  readonly name: string;
  open(peer: Peer): Connection;
}

/** A port that accepts, for those who list them. */
export interface OpenPort {
  /** As in `--listen NAME=HOST:PORT` */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** When the certificate that it shows ends, ms since 1970; undefined without TLS. */
  readonly certificateEndsAtMs: number | undefined;
  readonly connectionCount: number;
}
