/**
 * Connections that the broker opens itself, to others. What drives them is a `Connection`, as for those that were accepted:
 * bytes in, ticks, an output with backpressure. So a client of a protocol needs no socket for its tests either.
 */

import { readFileSync, statSync } from "node:fs";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { ChunkPool } from "../wire/output.ts";
import type { Connection, Peer } from "./protocol.ts";
import { FlushQueue, SocketPeer } from "./socket-peer.ts";

/** How to do TLS with a server. Paths are of PEM files, read at each attempt, so that renewed ones are taken. */
export interface DialTls {
  readonly caFile: string | undefined;
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly keyPassword: string | undefined;
  /** The server's certificate must be signed by the CA (the system's without a `caFile`), and be for its host. */
  readonly verify: boolean;
  /** Name that is asked for and checked; the host unless given. */
  readonly serverName: string | undefined;
}

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: DialTls | undefined;
  /** How long connecting may take, TLS included, ms. */
  readonly timeoutMs: number;
}

/**
 * Connects, and calls `opened` when that is done: with a socket, and TLS, but before anything was said. Otherwise `failed`,
 * once, with the system's error. What it answers gives up; it has no effect once `opened` was called.
 */
export type Dial = (
  target: DialTarget,
  opened: (peer: Peer) => Connection,
  failed: (error: Error) => void,
) => () => void;

const tickMs = 1000;
/** More than all the authorities of a system together. */
const pemBytesMax = 4 << 20;

/** Connects by real sockets. Each of its connections is ticked once a second until it closes. */
export function socketDial(clock: Clock): Dial {
  const pool = new ChunkPool();
  const queue = new FlushQueue(clock);
  return (target, opened, failed) => {
    let isOver = false;
    const fail = (error: Error): void => {
      if (isOver) return;
      isOver = true;
      clock.clearTimer(timer);
      socket?.destroy();
      failed(error);
    };
    const timer = clock.setTimer(clock.now() + target.timeoutMs, () =>
      fail(Object.assign(new Error("connecting took too long"), { code: "ETIMEDOUT" })),
    );
    let socket: Socket | undefined;
    try {
      socket = openSocket(target);
    } catch (error) {
      // A file that cannot be read, a key that is none: said in its turn, like all other failures.
      clock.defer(() => fail(error as Error));
      return () => fail(new Error("given up"));
    }
    const opening = socket;
    // Not read before it has its reader: see shared-reading.ts.
    if (target.tls === undefined) opening.pause();
    opening.once("error", fail);
    opening.once("close", () => fail(new Error("the peer closed the connection")));
    opening.once(target.tls === undefined ? "connect" : "secureConnect", () => {
      if (isOver) return;
      isOver = true;
      clock.clearTimer(timer);
      opening.setNoDelay(true);
      opening.setKeepAlive(true);
      run(new SocketPeer(opening, pool, queue, clock), opened, clock);
    });
    return () => fail(new Error("given up"));
  };
}

function openSocket({ host, port, tls }: DialTarget): Socket {
  if (tls === undefined) return connectPlain({ host, port });
  const options: ConnectionOptions = { host, port, rejectUnauthorized: tls.verify };
  const serverName = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  if (serverName !== undefined) options.servername = serverName;
  if (tls.caFile !== undefined) options.ca = readPem(tls.caFile);
  if (tls.certificateFile !== undefined) options.cert = readPem(tls.certificateFile);
  if (tls.keyFile !== undefined) options.key = readPem(tls.keyFile);
  if (tls.keyPassword !== undefined) options.passphrase = tls.keyPassword;
  return connectTls(options);
}

/** A pipe or a device would be waited for, or read without an end, and everybody with it. */
function readPem(path: string): Buffer {
  const found = statSync(path);
  if (!found.isFile() || found.size > pemBytesMax) throw new Error(`${path} is no file of certificates or keys`);
  return readFileSync(path);
}

function run(peer: SocketPeer, opened: (peer: Peer) => Connection, clock: Clock): void {
  const tick = (): void => {
    peer.connection?.tick(clock.now());
    timer = clock.setTimer(clock.now() + tickMs, tick);
  };
  let timer = clock.setTimer(clock.now() + tickMs, tick);
  peer.attach({ name: "client", open: opened }, () => clock.clearTimer(timer));
}
