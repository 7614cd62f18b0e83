/**
 * A socket with backpressure. At most one write is under way; what is written meanwhile waits in the output and goes
 * with the next one, as one writev. All peers that have something to send are flushed together at the end of a turn of
 * the event loop, so that a turn costs a socket one system call, however many frames it made.
 *
 * The buffers of a write go back to the pool when the kernel has them. Rejected: the stream's own buffering (it would
 * hold chunks without a bound, and its drain event says nothing about how much is left).
 */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { nameOfCertificate, type CertificateLoginFrom } from "../auth/certificate-name.ts";
import type { Clock } from "../base/clock.ts";
import { Output, type ChunkPool } from "../wire/output.ts";
import type { Connection, Peer, PeerAddress, Protocol } from "./protocol.ts";
import { readShared } from "./shared-reading.ts";
import { peerTls } from "./tls-peer.ts";

/** Peers with something to send, flushed once a turn. */
export class FlushQueue {
  #peers: SocketPeer[] = [];
  #isDeferred = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(peer: SocketPeer): void {
    this.#peers.push(peer);
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#clock.defer(this.#run);
  }

  readonly #run = (): void => {
    this.#isDeferred = false;
    const peers = this.#peers;
    this.#peers = [];
    for (const peer of peers) peer.flushNow();
  };
}

/** How long a peer may take to close its side after we have closed ours. */
const lingerMs = 2000;

export class SocketPeer implements Peer {
  readonly address: PeerAddress;
  readonly output: Output;
  connection: Connection | undefined;
  #socket: Socket;
  readonly #queue: FlushQueue;
  readonly #clock: Clock;
  #isQueued = false;
  #sendingBytes = 0;
  #sending: Buffer[] | undefined;
  #isEnding = false;
  #isGone = false;

  /** @param certificateLogin what of the client's certificate is its name. */
  constructor(
    socket: Socket,
    pool: ChunkPool,
    queue: FlushQueue,
    clock: Clock,
    certificateLogin: CertificateLoginFrom = { from: "distinguished_name" },
  ) {
    this.#socket = socket;
    this.#queue = queue;
    this.#clock = clock;
    this.output = new Output(pool);
    this.address = addressOf(socket, certificateLogin);
  }

  /** Joins socket and protocol. `gone` is called once, when the socket has closed. */
  attach(protocol: Protocol, gone: (peer: SocketPeer) => void): void {
    const connection = protocol.open(this);
    this.connection = connection;
    this.#socket = readShared(this.#socket, (chunk) => {
      if (!this.#isEnding) connection.receive(chunk);
    });
    // A reset is an ordinary end; "close" follows.
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.#isGone = true;
      connection.closed();
      this.output.discard();
      gone(this);
    });
  }

  get unsentBytes(): number {
    return this.output.bytes + this.#sendingBytes;
  }

  flush(): void {
    if (this.#isQueued || this.#isGone) return;
    this.#isQueued = true;
    this.#queue.add(this);
  }

  flushNow(): void {
    this.#isQueued = false;
    if (this.#isGone || this.#sending !== undefined) return;
    const bytes = this.output.bytes;
    if (bytes === 0) {
      if (this.#isEnding) this.#close();
      return;
    }
    const chunks = this.output.take();
    this.#sending = chunks;
    this.#sendingBytes = bytes;
    const socket = this.#socket;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i]!);
    socket.write(chunks[last]!, this.#sent);
    if (last > 0) socket.uncork();
  }

  readonly #sent = (): void => {
    if (this.#sending === undefined) return;
    this.output.release(this.#sending);
    this.#sending = undefined;
    this.#sendingBytes = 0;
    if (this.#isGone) return;
    if (this.output.bytes > 0) this.flush();
    else if (this.#isEnding) this.#close();
    else this.connection?.drained();
  };

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    if (!this.#isGone) this.#socket.resume();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    // Read on and drop it: closing with unread bytes makes the kernel send a reset, which may overtake our last words.
    this.#socket.resume();
    this.flush();
  }

  destroy(): void {
    this.#isEnding = true;
    this.#socket.destroy();
  }

  #close(): void {
    this.#socket.end();
    const timer = this.#clock.setTimer(this.#clock.now() + lingerMs, () => this.#socket.destroy());
    this.#socket.once("close", () => this.#clock.clearTimer(timer));
  }
}

function addressOf(socket: Socket, certificateLogin: CertificateLoginFrom): PeerAddress {
  const remoteAddress = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  // Not `instanceof`: that would load TLS for brokers that have none.
  const tls = "encrypted" in socket ? peerTls(socket as TLSSocket) : undefined;
  return {
    remoteAddress,
    remotePort: socket.remotePort ?? 0,
    localAddress: (socket.localAddress ?? "").replace(/^::ffff:/, ""),
    localPort: socket.localPort ?? 0,
    isLoopback: remoteAddress === "::1" || remoteAddress.startsWith("127."),
    isTls: tls !== undefined,
    certificateName: tls && certificateName(socket as TLSSocket, certificateLogin),
    tls,
  };
}

/** Undefined without a certificate that was verified, or if it has no such name. */
function certificateName(socket: TLSSocket, certificateLogin: CertificateLoginFrom): string | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate && nameOfCertificate(certificate.raw, certificateLogin);
}
