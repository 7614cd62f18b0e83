/**
 * The sockets of a broker that is tried: each can be cut off at any moment, as a network or a process that dies does it, and
 * what goes out through it can be held for a time. What was held goes out in its order when the time is over. Until then it lies
 * in an output of its own: the socket sends whatever is in its, for reasons of its own.
 *
 * A connection that was cut may still be in the middle of a chunk that it had read; what it does to the broker from then on
 * has never reached it: see tried-namespace.ts and tried-session.ts.
 */

import type { Clock } from "../base/clock.ts";
import { ChunkPool, Output } from "../wire/output.ts";
import type { Connection, Peer, PeerAddress, Protocol } from "../server/protocol.ts";
import { socketName } from "./party.ts";

const pool = new ChunkPool();

class TriedPeer implements Peer {
  readonly address: PeerAddress;
  readonly output = new Output(pool);
  isCut = false;
  /** Of members of groups that have spoken over it. */
  readonly members = new Set<string>();
  readonly #peer: Peer;
  readonly #defer: Clock["defer"];
  #holds = 0;
  #isEndWanted = false;
  #isDeferred = false;

  constructor(peer: Peer, defer: Clock["defer"]) {
    this.#peer = peer;
    this.#defer = defer;
    this.address = peer.address;
  }

  get unsentBytes(): number {
    return this.output.bytes + this.#peer.unsentBytes;
  }

  flush(): void {
    this.#move();
    if (this.#isDeferred) return;
    // Who has asked for it once goes on writing in this turn.
    this.#isDeferred = true;
    this.#defer(() => {
      this.#isDeferred = false;
      this.#move();
    });
  }

  /** To the socket. */
  #move(): void {
    if (this.#holds > 0 || this.output.bytes === 0) return;
    const chunks = this.output.take();
    for (const chunk of chunks) this.#peer.output.copy(chunk, 0, chunk.length);
    this.output.release(chunks);
    this.#peer.flush();
  }

  pauseReading(): void {
    this.#peer.pauseReading();
  }

  resumeReading(): void {
    this.#peer.resumeReading();
  }

  end(): void {
    this.#isEndWanted = true;
    this.#goOn();
  }

  destroy(): void {
    this.#peer.destroy();
  }

  cut(): void {
    this.isCut = true;
    this.#peer.destroy();
  }

  hold(clock: Clock, ms: number): void {
    this.#holds++;
    clock.setTimer(clock.now() + ms, () => {
      // They may have been let go before.
      if (this.#holds === 0 || --this.#holds > 0) return;
      this.#goOn();
    });
  }

  letGo(): void {
    if (this.#holds === 0) return;
    this.#holds = 0;
    this.#goOn();
  }

  #goOn(): void {
    if (this.isCut || this.#holds > 0) return;
    this.#move();
    if (this.#isEndWanted) this.#peer.end();
  }
}

export class TriedSockets {
  /** Chunks that came, and connections that came and went: while it changes, clients are talking. */
  events = 0;
  readonly #bySocket = new Map<string, TriedPeer>();
  readonly #defer: Clock["defer"];

  /** @param clock of the machine, like the sockets'. */
  constructor(clock: Clock) {
    this.#defer = (run) => clock.defer(run);
  }

  through(protocol: Protocol): Protocol {
    return { name: protocol.name, open: (peer) => this.#open(protocol, peer) };
  }

  /** What comes by it from now on was never read. */
  isCut(socket: string): boolean {
    return this.#bySocket.get(socket)?.isCut === true;
  }

  memberSpoke(memberId: string, socket: string): void {
    this.#bySocket.get(socket)?.members.add(memberId);
  }

  /** Whether a socket is open over which it has spoken. */
  hasMember(memberId: string): boolean {
    for (const { isCut, members } of this.#bySocket.values()) if (!isCut && members.has(memberId)) return true;
    return false;
  }

  /** False: it has gone already. */
  cut(socket: string): boolean {
    const peer = this.#bySocket.get(socket);
    peer?.cut();
    return peer !== undefined;
  }

  cutAll(): void {
    for (const peer of this.#bySocket.values()) peer.cut();
  }

  /** What the broker says to it waits for so long. */
  hold(socket: string, clock: Clock, ms: number): void {
    this.#bySocket.get(socket)?.hold(clock, ms);
  }

  /** Nothing waits any more. */
  letAllGo(): void {
    for (const peer of this.#bySocket.values()) peer.letGo();
  }

  #open(protocol: Protocol, under: Peer): Connection {
    const peer = new TriedPeer(under, this.#defer);
    const name = socketName(peer.address);
    this.#bySocket.set(name, peer);
    this.events++;
    const connection = protocol.open(peer);
    return {
      receive: (chunk) => {
        this.events++;
        connection.receive(chunk);
      },
      drained: () => connection.drained(),
      tick: (nowMs) => connection.tick(nowMs),
      shutdown: () => connection.shutdown(),
      closed: () => {
        this.events++;
        if (this.#bySocket.get(name) === peer) this.#bySocket.delete(name);
        connection.closed();
        peer.output.discard();
      },
    };
  }
}
