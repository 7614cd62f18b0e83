/**
 * Two ends of a connection that has no socket: the broker's own protocol at one, a client of it at the other. For addresses
 * without a host, `amqp://`: this broker itself, whatever it listens on, and whether it listens at all.
 *
 * The client is the identity that is handed over, without a password, since there is nobody who could have given one.
 * Rejected: a connection to a port of this broker (it may have none, or one for TLS only, and the login would need a secret
 * that opens the broker to whoever finds it); going around the protocol, straight to the core (declarations, permissions,
 * statistics and flow control would be written twice).
 *
 * Bytes go over in turns of the event loop, as they do through a socket, and with the same bounds: an end that is not read
 * holds them, and says by `unsentBytes` that it does.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { Clock } from "../../../base/clock.ts";
import type { Connection, Peer, PeerAddress, Protocol } from "../../../server/protocol.ts";
import { ChunkPool, Output } from "../../../wire/output.ts";

const tickMs = 1000;
const pool = new ChunkPool();

class LinkEnd implements Peer {
  readonly address: PeerAddress;
  readonly identity?: Identity;
  readonly output = new Output(pool);
  connection: Connection | undefined;
  other: LinkEnd | undefined;
  readonly #clock: Clock;
  #isQueued = false;
  #isEnding = false;
  #isGone = false;
  #isPaused = false;

  constructor(address: PeerAddress, clock: Clock, identity?: Identity) {
    this.address = address;
    this.#clock = clock;
    if (identity !== undefined) this.identity = identity;
  }

  get unsentBytes(): number {
    return this.output.bytes;
  }

  flush(): void {
    if (this.#isQueued || this.#isGone) return;
    this.#isQueued = true;
    this.#clock.defer(this.#deliver);
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.other?.flush();
  }

  end(): void {
    this.#isEnding = true;
    this.#isPaused = false;
    this.other?.flush();
    this.flush();
  }

  destroy(): void {
    this.#isEnding = true;
    this.#clock.defer(() => this.#close());
  }

  /** Hands what was written to the other end, if that reads. */
  readonly #deliver = (): void => {
    this.#isQueued = false;
    const { other } = this;
    if (this.#isGone || other === undefined || other.#isGone) return;
    if (this.output.bytes > 0) {
      if (other.#isPaused) return;
      const chunks = this.output.take();
      for (const chunk of chunks) if (!other.#isEnding) other.connection?.receive(chunk);
      this.output.release(chunks);
      if (this.#isGone) return;
      if (this.output.bytes === 0 && !this.#isEnding) this.connection?.drained();
      if (this.output.bytes > 0) return this.flush();
    }
    if (this.#isEnding) this.#close();
  };

  #close(): void {
    for (const end of [this, this.other]) {
      if (end === undefined || end.#isGone) continue;
      end.#isGone = true;
      end.output.discard();
      end.connection?.closed();
    }
  }
}

let nextPort = 1;

/**
 * Joins a client with the broker's own protocol. Both are ticked once a second until it closes.
 * @param identity who it is, whatever it says; undefined: it logs in like everybody.
 */
export function openLocalLink<C extends Connection>(
  protocol: Protocol,
  identity: Identity | undefined,
  clock: Clock,
  openClient: (peer: Peer) => C,
): C {
  const here = { remoteAddress: "direct", localAddress: "direct", isLoopback: true, isTls: false };
  const port = nextPort++;
  const brokerSide = new LinkEnd(
    { ...here, remotePort: port, localPort: 0, certificateName: undefined },
    clock,
    identity,
  );
  const clientSide = new LinkEnd({ ...here, remotePort: 0, localPort: port, certificateName: undefined }, clock);
  brokerSide.other = clientSide;
  clientSide.other = brokerSide;
  const client = openClient(clientSide);
  const server = protocol.open(brokerSide);
  let isOpen = true;
  clientSide.connection = watched(client, () => (isOpen = false));
  brokerSide.connection = server;
  const tick = (): void => {
    if (!isOpen) return;
    server.tick(clock.now());
    client.tick(clock.now());
    clock.setTimer(clock.now() + tickMs, tick);
  };
  clock.setTimer(clock.now() + tickMs, tick);
  return client;
}

function watched(connection: Connection, closed: () => void): Connection {
  return {
    receive: (chunk) => connection.receive(chunk),
    drained: () => connection.drained(),
    tick: (nowMs) => connection.tick(nowMs),
    shutdown: () => connection.shutdown(),
    closed: () => {
      closed();
      connection.closed();
    },
  };
}
