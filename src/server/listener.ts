/**
 * A port on which one protocol is spoken. It accepts up to a number of connections, and refuses those past it at once:
 * a full house is noticed by the newcomer and not by those inside. One timer ticks for all connections.
 */

import { createServer, type Server, type Socket } from "node:net";
import type { Server as TlsServer, TLSSocket } from "node:tls";
import type { CertificateLoginFrom } from "../auth/certificate-name.ts";
import type { Clock, TimerHandle } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import { ChunkPool } from "../wire/output.ts";
import { connectionsRefused, CountedWarning } from "./counted-warning.ts";
import { listen, type ListenAt } from "./listen.ts";
import type { Protocol } from "./protocol.ts";
import { FlushQueue, SocketPeer } from "./socket-peer.ts";
import type { SocketRoom } from "./socket-room.ts";
import type { TlsIdentity } from "./tls-identity.ts";

export interface ListenerOptions {
  /** As in `--listen NAME=HOST:PORT` */
  readonly name: string;
  readonly protocol: Protocol;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly connectionsMax: number;
  /** Shared with other listeners. */
  readonly room: SocketRoom;
  readonly tls?: TlsIdentity | undefined;
  /** What of a client's certificate is its name; the whole subject, unless given. */
  readonly certificateLogin?: CertificateLoginFrom | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

const tickMs = 1000;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #pool = new ChunkPool();
  readonly #queue: FlushQueue;
  readonly #peers = new Set<SocketPeer>();
  readonly #refusals: CountedWarning;
  /** Raw sockets on which a handshake is under way, or was made. */
  readonly #unsecured = new Set<Socket>();
  readonly #unfollow: (() => void) | undefined;
  #address: ListenAt = { host: "", port: 0 };
  #timer: TimerHandle | undefined;
  #whenEmpty: (() => void) | undefined;

  private constructor(options: ListenerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#queue = new FlushQueue(options.clock);
    this.#refusals = new CountedWarning(options.clock, options.logger, connectionsRefused);
    if (options.tls === undefined) {
      server.on("connection", (socket) => {
        if (this.#hasRoom(socket)) this.#accept(socket);
      });
      return;
    }
    this.#unfollow = options.tls.follow(server as TlsServer, options.name);
    // Those whose handshake is under way count as well: nothing that strangers can open is without a bound.
    server.maxConnections = options.connectionsMax;
    server.on("drop", () => this.#refuse());
    server.on("connection", (socket) => {
      if (!this.#hasRoom(socket)) return;
      this.#unsecured.add(socket);
      socket.once("close", () => this.#unsecured.delete(socket));
    });
    server.on("secureConnection", (socket: TLSSocket) => this.#accept(socket));
  }

  /** Listens, or rejects with the system's error (EADDRINUSE, EACCES). */
  static async open(options: ListenerOptions): Promise<Listener> {
    const settings = { noDelay: true, keepAlive: true, pauseOnConnect: true };
    const server =
      options.tls === undefined
        ? createServer(settings)
        : (await import("node:tls")).createServer({ ...settings, ...options.tls.serverOptions });
    const listener = new Listener(options, server);
    listener.#address = await listen(server, options, options.logger);
    listener.#setTimer();
    return listener;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Where it listens, or listened. */
  get address(): ListenAt {
    return this.#address;
  }

  get connectionCount(): number {
    return this.#peers.size;
  }

  /** Accepts no more, tells every peer, and waits for them to go; after `deadlineMs` those that are left are cut off. */
  async stop(deadlineMs: number): Promise<void> {
    this.#server.close();
    const { clock } = this.#options;
    if (this.#peers.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#whenEmpty = resolve;
      const timer = clock.setTimer(clock.now() + deadlineMs, () => {
        for (const peer of this.#peers) peer.destroy();
      });
      for (const peer of this.#peers) peer.connection?.shutdown();
      await promise;
      clock.clearTimer(timer);
    }
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    for (const socket of this.#unsecured) socket.destroy();
    this.#unfollow?.();
    this.#refusals.close();
  }

  /** False: the socket is closed. */
  #hasRoom(socket: Socket): boolean {
    if (this.#options.room.take(socket, "client")) return true;
    this.#refuse();
    socket.destroy();
    return false;
  }

  #accept(socket: Socket): void {
    if (socket.destroyed) return;
    if (this.#peers.size >= this.#options.connectionsMax) {
      this.#refuse();
      socket.destroy();
      return;
    }
    const peer = new SocketPeer(socket, this.#pool, this.#queue, this.#options.clock, this.#options.certificateLogin);
    this.#peers.add(peer);
    peer.attach(this.#options.protocol, (gone) => {
      this.#peers.delete(gone);
      if (this.#peers.size === 0) this.#whenEmpty?.();
    });
  }

  #refuse(): void {
    const { name, connectionsMax, room } = this.#options;
    this.#refusals.warn({ listener: name, connectionsMax: Math.min(connectionsMax, room.clientsMax) });
  }

  #setTimer(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimer(clock.now() + tickMs, () => {
      const now = clock.now();
      for (const peer of this.#peers) peer.connection?.tick(now);
      this.#setTimer();
    });
  }
}
