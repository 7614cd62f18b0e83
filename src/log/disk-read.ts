/** Calls of a DiskFile as promises, for what is done once a file and not once a block. */

import type { Disk, DiskFile } from "./log.ts";

const readBytesMax = 1 << 28;

/** Answers the bytes that were there, up to length. */
export function readAt(
  file: DiskFile,
  buffer: Buffer,
  start: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    file.read(buffer, start, length, position, (error, bytesRead) => (error ? reject(error) : resolve(bytesRead)));
  });
}

export function writeAt(
  file: DiskFile,
  buffer: Buffer,
  start: number,
  length: number,
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(buffer, start, length, position, (error) => (error ? reject(error) : resolve()));
  });
}

export function syncFile(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error ? reject(error) : resolve()));
  });
}

/** A file's whole content, or undefined when there is no such file. */
export async function readWhole(disk: Disk, name: string): Promise<Buffer | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(name, "read");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    for (let at = 0; at < bytes.length;) {
      // The system takes less than 2 GB at once.
      const wanted = Math.min(bytes.length - at, readBytesMax);
      const read = await readAt(file, bytes, at, wanted, at);
      at += read;
      if (read < wanted) return bytes.subarray(0, at);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** The system's name of an error, such as 'ENOSPC'. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}
