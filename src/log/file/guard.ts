/**
 * A socket in a directory, by which others see whether its holder lives: the kernel refuses connections to it from the moment in
 * which the process that listened is gone. That holds across containers of one machine, where a pid says nothing: each counts its
 * own.
 *
 * A favour where there is one: a file system without sockets has none, and then pids have to do.
 */

import fs from "node:fs";
import { connect, createServer, type Server } from "node:net";
import path from "node:path";
import { systemRandom } from "../../base/random.ts";

export const guardName = /^lock-[0-9a-f]{16}\.sock$/;
/** What a socket's path has room for, on all systems. */
const pathBytesMax = 100;

export interface Guard {
  /** In its directory. */
  readonly name: string;
  close(): Promise<void>;
}

/** Undefined: there can be none here. */
export async function openGuard(directory: string): Promise<Guard | undefined> {
  const name = `lock-${systemRandom().bytes(8).toString("hex")}.sock`;
  const server = createServer((socket) => socket.destroy());
  const isOpen = await atShortPath(directory, name, (at) => listening(server, at));
  if (!isOpen) return undefined;
  server.unref();
  return {
    name,
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await fs.promises.rm(path.join(directory, name), { force: true });
    },
  };
}

/** Whether who opened it lives; undefined: there is no telling. */
export function isGuarded(directory: string, name: string): Promise<boolean | undefined> {
  return atShortPath(directory, name, connected);
}

function listening(server: Server, at: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Also later, where it cannot accept: whoever asked has been told by the kernel that somebody listens.
    server.on("error", () => resolve(false));
    server.listen({ path: at, exclusive: true }, () => resolve(true));
  });
}

function connected(at: string): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const socket = connect(at);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED" ? false : undefined));
  });
}

/** Where the path is too long for a socket, by the directory's descriptor, which Linux has a path for. */
async function atShortPath<T>(directory: string, name: string, use: (at: string) => Promise<T>): Promise<T> {
  const whole = path.join(directory, name);
  if (Buffer.byteLength(whole) <= pathBytesMax || process.platform !== "linux") return use(whole);
  const handle = await fs.promises.open(directory, "r");
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
