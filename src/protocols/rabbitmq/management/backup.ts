/**
 * A copy of the broker's data while it works, as a tar archive (POSIX ustar) that is made while it is sent: no more of it is
 * in memory than a piece. A copy that fails half way is broken off, and lacks the archive's end.
 */

import type { Broker } from "../../../broker/api.ts";
import { refused, type Reply } from "./reply.ts";
import type { Call, Route } from "./route.ts";

const blockBytes = 512;

/** How long a copy that has begun waits for whom it is for. */
const patienceMs = 10_000;

/** Begins the copy before it answers, so that a refusal has a status of its own. */
async function backup({ server: { broker, clock }, method }: Call): Promise<Reply> {
  const headers = {
    "content-type": "application/x-tar",
    "content-disposition": 'attachment; filename="entrepot-backup.tar"',
  };
  if (method === "HEAD") return { status: 200, headers };
  const began = Promise.withResolvers<void>();
  const reader = Promise.withResolvers<Write>();
  const ended = writeTar(broker, Math.floor(clock.now() / 1000), async () => {
    began.resolve();
    return reader.promise;
  });
  try {
    await Promise.race([began.promise, ended]);
  } catch (error) {
    const { code = "failed", message } = error as NodeJS.ErrnoException;
    return refused(code === "ENOSPC" ? 503 : 409, code.toLowerCase(), message);
  }
  // Whoever asked may be gone by now, and nobody takes the answer then.
  const timer = clock.setTimer(clock.now() + patienceMs, () => reader.reject(new Error("nobody takes the backup")));
  ended.catch(() => undefined);
  return {
    status: 200,
    headers,
    stream: async (write) => {
      clock.clearTimer(timer);
      reader.resolve(write);
      await ended;
    },
  };
}

type Write = (piece: Buffer) => Promise<void>;

async function writeTar(broker: Broker, seconds: number, open: () => Promise<Write>): Promise<void> {
  let write: Write | undefined;
  let padding = 0;
  await broker.backup({
    async file(name, bytes) {
      write ??= await open();
      if (padding > 0) await write(Buffer.alloc(padding));
      padding = (blockBytes - (bytes % blockBytes)) % blockBytes;
      await write(header(name, bytes, seconds));
    },
    // Copied: the broker reads the next piece into the same buffer while the socket may still hold this one.
    write: async (piece) => write?.(Buffer.from(piece)),
  });
  write ??= await open();
  await write(Buffer.alloc(padding + 2 * blockBytes));
}

/** See POSIX, pax, ustar interchange format. */
function header(name: string, bytes: number, seconds: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  block.write(name, 0);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(bytes, 11), 124);
  block.write(octal(seconds, 11), 136);
  block.write("        0", 148);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

export const backupRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/entrepot/backup",
    access: "administrator",
    about: "The broker's data as it is at this moment, as a tar archive: the files of a data directory.",
    handle: backup,
  },
];
