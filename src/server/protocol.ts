/**
 * Between sockets and protocols. A protocol gives a `Connection` for each peer; it is driven by bytes and ticks, knows
 * no socket, and writes to the peer's output. So it is tested without one and runs inside the simulator.
 */

import type { Identity } from "../auth/identity.ts";
import type { Output } from "../wire/output.ts";

/** What a certificate says of whom it was given to. Names are in RFC 4514's form: `CN=orders,OU=Sales,O=Example`. */
export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** The first one; undefined if the subject has none. */
  readonly commonName: string | undefined;
  readonly alternativeNames: readonly AlternativeName[];
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** ms since 1970. */
  readonly beginsAtMs: number;
  readonly endsAtMs: number;
}

export interface AlternativeName {
  readonly type: "dns" | "ip" | "email" | "uri" | "other";
  readonly value: string;
}

/** How a connection is encrypted, and by what the client proved who it is. */
export interface PeerTls {
  /** `TLSv1.3` */
  readonly version: string;
  /** Of the suite: `ecdhe_rsa`, `any` for TLS 1.3. */
  readonly keyExchange: string;
  /** `aes_256_gcm` */
  readonly cipher: string;
  /** `aead`, `sha256` */
  readonly hash: string;
  /** The client's, if it sent one that was verified. */
  readonly certificate: PeerCertificate | undefined;
}

/** Where a peer is and what it proved by its certificate. */
export interface PeerAddress {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The peer is on this machine. */
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  /** The name in the client's verified certificate, see auth/certificate-name.ts. */
  readonly certificateName: string | undefined;
  /** Of a connection with TLS. */
  readonly tls?: PeerTls | undefined;
}

/** One accepted socket, as its connection sees it. */
export interface Peer {
  readonly address: PeerAddress;
  /** Who it is, where that is known without a login: a part of this broker. Never set for a socket. */
  readonly identity?: Identity;
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
