/**
 * A port on which one protocol is spoken. It accepts up to a number of connections, and refuses those past it at once:
 * a full house is noticed by the newcomer and not by those inside. One timer ticks for all connections.
 */

import { createServer as createPlainServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import type { Clock, TimerHandle } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import { ChunkPool } from "../wire/output.ts";
import { connectionsRefused, CountedWarning } from "./counted-warning.ts";
import type { Protocol } from "./protocol.ts";
import { FlushQueue, SocketPeer } from "./socket-peer.ts";

export interface ListenerOptions {
  /** As in `--listen NAME=HOST:PORT` */
  readonly name: string;
  readonly protocol: Protocol;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly connectionsMax: number;
  readonly tls?: TlsOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

const tickMs = 1000;
const backlog = 4096;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #pool = new ChunkPool();
  readonly #queue: FlushQueue;
  readonly #peers = new Set<SocketPeer>();
  readonly #refusals: CountedWarning;
  #address = { host: "", port: 0 };
  #timer: TimerHandle | undefined;
  #whenEmpty: (() => void) | undefined;

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#refusals = new CountedWarning(options.clock, options.logger, connectionsRefused);
    this.#queue = new FlushQueue(options.clock);
    const settings = { noDelay: true, keepAlive: true, pauseOnConnect: true };
    this.#server =
      options.tls === undefined
        ? createPlainServer(settings, (socket) => this.#accept(socket))
        : createTlsServer({ ...settings, ...options.tls }, (socket) => this.#accept(socket));
  }

  /** Listens, or rejects with the system's error (EADDRINUSE, EACCES). */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.#server.once("error", reject);
    listener.#server.listen({ host: options.host, port: options.port, backlog }, resolve);
    await promise;
    const { address, port } = listener.#server.address() as AddressInfo;
    listener.#address = { host: address, port };
    listener.#server.on("error", (error) => options.logger.error("a listener failed", { error }));
    listener.#setTimer();
    return listener;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Where it listens, or listened. */
  get address(): { readonly host: string; readonly port: number } {
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
    this.#refusals.close();
  }

  #accept(socket: Socket): void {
    if (this.#peers.size >= this.#options.connectionsMax) {
      this.#refusals.warn({ listener: this.#options.name, connectionsMax: this.#options.connectionsMax });
      socket.destroy();
      return;
    }
    const peer = new SocketPeer(socket, this.#pool, this.#queue, this.#options.clock);
    this.#peers.add(peer);
    peer.attach(this.#options.protocol, (gone) => {
      this.#peers.delete(gone);
      if (this.#peers.size === 0) this.#whenEmpty?.();
    });
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
