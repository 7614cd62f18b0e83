/**
 * A network that behaves badly: connections to a port of loopback go on to another one, and on their way are cut, closed
 * on one side, held up, slowed down, delayed, and taken apart into single bytes. Order and octets are kept, as TCP does.
 *
 * Each direction of a connection is a queue of chunks that one timer serves, so that delays do not overtake each other;
 * a queue that is long stops its source, so that a slow reader is felt by who writes.
 */

import { once } from "node:events";
import net from "node:net";
import type { Chance } from "../sim/chance.ts";

export interface Weather {
  /** Each chunk is this much later. */
  delayMs: number;
  /** 0: no limit. */
  bytesPerSecond: number;
  /** Chunks are passed on in pieces of a few bytes. */
  isSplit: boolean;
  /** Nothing moves. */
  isFrozen: boolean;
}

export const fair: Readonly<Weather> = { delayMs: 0, bytesPerSecond: 0, isSplit: false, isFrozen: false };

const queueBytesMax = 256 * 1024;
const frozenLookMs = 20;
/** Of a chunk, what is taken apart; the rest goes as it is, or a large one would take minutes. */
const splitBytesMax = 64;

export class Proxy {
  readonly weather: Weather = { ...fair };
  readonly #server: net.Server;
  readonly #chance: Chance;
  readonly #links = new Set<Link>();
  readonly #target: () => { host: string; port: number } | undefined;
  port = 0;

  /** `target` says where connections go at that moment; undefined: they are refused. */
  constructor(target: () => { host: string; port: number } | undefined, chance: Chance) {
    this.#target = target;
    this.#chance = chance;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as net.AddressInfo).port;
  }

  get connections(): number {
    return this.#links.size;
  }

  #accept(client: net.Socket): void {
    const to = this.#target();
    if (to === undefined) return void client.resetAndDestroy();
    const server = net.connect({ ...to, noDelay: true, allowHalfOpen: true });
    const link = new Link(client, server, this.weather, this.#chance.fork(), () => this.#links.delete(link));
    this.#links.add(link);
  }

  /** Ends a part of the connections, some of them by a reset. Answers how many. */
  cut(share: number): number {
    return this.#some(share, (link) => link.cut(this.#chance.is(0.5)));
  }

  /** Closes one direction of a part of the connections. */
  halfClose(share: number): number {
    return this.#some(share, (link) => link.halfClose(this.#chance.is(0.5)));
  }

  #some(share: number, action: (link: Link) => void): number {
    let count = 0;
    for (const link of this.#links) {
      if (!this.#chance.is(share)) continue;
      action(link);
      count++;
    }
    return count;
  }

  clear(): void {
    Object.assign(this.weather, fair);
  }

  async close(): Promise<void> {
    this.cut(1);
    this.#server.close();
    await once(this.#server, "close");
  }
}

class Link {
  readonly #client: net.Socket;
  readonly #server: net.Socket;

  constructor(client: net.Socket, server: net.Socket, weather: Weather, chance: Chance, onEnd: () => void) {
    this.#client = client;
    this.#server = server;
    for (const [source, sink] of [
      [client, server],
      [server, client],
    ] as const)
      new Direction(source, sink, weather, chance.fork()).attach();
    for (const socket of [client, server]) {
      socket.on("error", () => undefined);
      socket.on("close", (hadError) => {
        // A reset is passed on at once; what ended in order has been passed on by its direction.
        if (hadError || socket === client) this.cut(hadError);
        if (client.destroyed && server.destroyed) onEnd();
      });
    }
  }

  cut(byReset: boolean): void {
    for (const socket of [this.#client, this.#server]) {
      if (byReset) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  halfClose(isClient: boolean): void {
    (isClient ? this.#client : this.#server).end();
  }
}

class Direction {
  readonly #source: net.Socket;
  readonly #sink: net.Socket;
  readonly #weather: Weather;
  readonly #chance: Chance;
  readonly #chunks: { readonly bytes: Buffer; readonly due: number }[] = [];
  #queued = 0;
  #hasEnded = false;
  #isServing = false;

  constructor(source: net.Socket, sink: net.Socket, weather: Weather, chance: Chance) {
    this.#source = source;
    this.#sink = sink;
    this.#weather = weather;
    this.#chance = chance;
  }

  attach(): void {
    this.#source.on("data", (bytes: Buffer) => {
      this.#queued += bytes.length;
      this.#chunks.push({ bytes, due: performance.now() + this.#weather.delayMs });
      if (this.#queued > queueBytesMax) this.#source.pause();
      this.#serve();
    });
    this.#source.on("end", () => {
      this.#hasEnded = true;
      this.#serve();
    });
  }

  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    void this.#run().finally(() => (this.#isServing = false));
  }

  async #run(): Promise<void> {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      if (this.#weather.isFrozen) await waitMs(frozenLookMs);
      else if (chunk.due > performance.now()) await waitMs(chunk.due - performance.now());
      else {
        this.#chunks.shift();
        await this.#pass(chunk.bytes);
        this.#queued -= chunk.bytes.length;
        if (this.#queued <= queueBytesMax) this.#source.resume();
      }
    }
    if (this.#hasEnded && !this.#sink.writableEnded) this.#sink.end();
  }

  async #pass(bytes: Buffer): Promise<void> {
    let at = 0;
    if (this.#weather.isSplit) {
      for (; at < bytes.length && at < splitBytesMax;) {
        const length = this.#chance.between(1, 8);
        await this.#write(bytes.subarray(at, at + length));
        at += length;
        await new Promise(setImmediate);
      }
    }
    if (at < bytes.length) await this.#write(bytes.subarray(at));
    if (this.#weather.bytesPerSecond > 0) await waitMs((bytes.length / this.#weather.bytesPerSecond) * 1000);
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#sink.destroyed || this.#sink.writableEnded || this.#sink.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#sink.off("drain", done).off("close", done);
        resolve();
      };
      this.#sink.on("drain", done).on("close", done);
    });
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
