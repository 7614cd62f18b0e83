/**
 * A port on which HTTP is spoken. What is asked is answered by the handler that is mounted at the time, so that the port
 * can be opened before there is anything behind it: whoever probes a broker that reads its journal hears "starting", and
 * not a refused connection.
 *
 * Everything has a bound: connections, headers, the time that a request may take to arrive, the time that a peer may
 * neither send nor read. Bodies are bounded by who reads them. Stopping lets the requests that are under way end.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import { connectionsRefused, CountedWarning } from "./counted-warning.ts";
import { listen, type ListenAt } from "./listen.ts";
import type { SocketRoom } from "./socket-room.ts";
import type { TlsIdentity } from "./tls-identity.ts";

/**
 * Not imported: an import reads each export once, and some of these are getters that load Node's whole client of HTTP and
 * WebSocket. It cost 14 MB and 40 ms of each start.
 */
const { createServer } = process.getBuiltinModule("node:http");

/** Answers a request, sooner or later. Must not throw. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpListenerOptions {
  /** As in `--listen NAME=HOST:PORT` */
  readonly name: string;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly handler: HttpHandler;
  readonly connectionsMax: number;
  /** Shared with other listeners. */
  readonly room: SocketRoom;
  readonly tls?: TlsIdentity | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

const limits = {
  maxHeaderSize: 32_768,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
} as const;
const headersMax = 200;
/** How long a peer may neither send nor take anything. */
const silenceMs = 120_000;

export class HttpListener {
  readonly name: string;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #refusals: CountedWarning;
  readonly #unfollow: (() => void) | undefined;
  #handler: HttpHandler;
  #address: ListenAt = { host: "", port: 0 };
  #underWay = 0;
  #whenIdle: (() => void) | undefined;
  #isStopping = false;

  private constructor(options: HttpListenerOptions, server: Server) {
    const { clock, logger, room } = options;
    const connectionsMax = Math.min(options.connectionsMax, room.max);
    this.name = options.name;
    this.#clock = clock;
    this.#handler = options.handler;
    this.#server = server;
    this.#unfollow = options.tls?.follow(server as unknown as TlsServer, options.name);
    server.on("request", (request, response) => this.#answer(request, response));
    server.maxHeadersCount = headersMax;
    server.maxConnections = options.connectionsMax;
    server.timeout = silenceMs;
    this.#refusals = new CountedWarning(clock, logger, connectionsRefused);
    const refuse = (): void => this.#refusals.warn({ listener: options.name, connectionsMax });
    server.on("drop", refuse);
    server.on("connection", (socket: Socket) => {
      if (!room.take(socket, "operator")) {
        refuse();
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens, or rejects with the system's error (EADDRINUSE, EACCES). */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const settings = { ...limits, noDelay: true, keepAlive: true };
    const server: Server =
      options.tls === undefined
        ? createServer(settings)
        : process.getBuiltinModule("node:https").createServer({ ...settings, ...options.tls.serverOptions });
    const listener = new HttpListener(options, server);
    listener.#address = await listen(server, options, options.logger);
    return listener;
  }

  /** Where it listens, or listened. */
  get address(): ListenAt {
    return this.#address;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** From now on `handler` answers; what was begun by the one before is ended by it. */
  mount(handler: HttpHandler): void {
    this.#handler = handler;
  }

  /** Resolves when no request is under way, or after `deadlineMs`. More may be accepted meanwhile. */
  async quiet(deadlineMs: number): Promise<void> {
    if (this.#underWay === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    const timer = this.#clock.setTimer(this.#clock.now() + deadlineMs, resolve);
    await promise;
    this.#clock.clearTimer(timer);
    this.#whenIdle = undefined;
  }

  /** Accepts no more, lets requests end, and after `deadlineMs` cuts off those that are left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    await this.quiet(deadlineMs);
    // Not closeAllConnections: it does not know of sockets that have sent nothing, nor of handshakes under way.
    for (const socket of this.#sockets) socket.destroy();
    await promise;
    this.#unfollow?.();
    this.#refusals.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#underWay++;
    response.once("close", () => {
      this.#underWay--;
      if (this.#underWay === 0) this.#whenIdle?.();
    });
    if (this.#isStopping) response.setHeader("connection", "close");
    this.#handler(request, response);
  }
}
