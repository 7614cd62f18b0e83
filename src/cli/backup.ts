/**
 * `entrepot backup` of a running broker, and `entrepot restore`. A backup is a tar archive, or a directory with the same
 * files; either is the data of a broker as it was at one moment. A copy that was cut off is never left behind under the
 * name of a whole one.
 */

import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ApiError } from "./api-client.ts";
import { done, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { exitStatus, type Surroundings } from "./surroundings.ts";
import { readTar, type TarSink } from "./tar.ts";
import { UsageError } from "./usage-error.ts";

async function backup({ api, args: [path = ""] }: ApiCall): Promise<Shown> {
  const isArchive = path.endsWith(".tar");
  if (isArchive ? await exists(path) : !(await isEmptyOrMissing(path))) {
    throw new UsageError(`${path} is there already: a backup is never written over anything`);
  }
  const response = await api.open("/api/entrepot/backup");
  if (response.statusCode !== 200) {
    let text = "";
    for await (const chunk of response) text += String(chunk);
    throw new ApiError(`the broker gives no backup: ${response.statusCode} ${text}`, response.statusCode ?? 500);
  }
  const part = `${path}.part`;
  await rm(part, { recursive: true, force: true });
  try {
    if (isArchive) await pipeline(response, createWriteStream(part, { mode: 0o600, flush: true }));
    else await extract(response as AsyncIterable<Buffer>, part);
    // The archive is read once more: what is not whole must not look like a backup.
    const total = isArchive ? await readTar(createReadStream(part), nowhere) : await sizeOf(part);
    if (!isArchive) await rm(path, { recursive: true, force: true });
    await rename(part, path);
    return done(`${path} holds ${total.files} files, ${total.bytes} bytes`, { path, ...total });
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw new ApiError(`the backup was not finished, and is gone again: ${(error as Error).message}`, 500);
  }
}

/** Fills a data directory that is empty, or not there yet, from a backup. */
export async function restore(around: Surroundings, from: string, directory: string): Promise<number> {
  if (!(await isEmptyOrMissing(directory))) {
    throw new UsageError(`${directory} is not empty: a backup is restored into a directory of its own`);
  }
  const found = await stat(from).catch((error: Error) => {
    throw new UsageError(`${from} cannot be read: ${error.message}`);
  });
  const part = `${directory}.part`;
  await rm(part, { recursive: true, force: true });
  const sink = await directorySink(part);
  try {
    const total = found.isDirectory() ? await copyFiles(from, sink) : await readTar(createReadStream(from), sink);
    await rm(directory, { recursive: true, force: true });
    await rename(part, directory);
    around.writeOut(
      `${directory} holds ${total.files} files, ${total.bytes} bytes; entrepot start --data ${directory} goes on from there\n`,
    );
    return exitStatus.done;
  } catch (error) {
    await sink.abandon();
    await rm(part, { recursive: true, force: true });
    around.writeError(`entrepot: ${from} cannot be restored: ${(error as Error).message}\n`);
    return exitStatus.failed;
  }
}

/** `abandon`: closes the file that was begun and not ended. */
async function directorySink(directory: string): Promise<TarSink & { abandon(): Promise<void> }> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let file: FileHandle | undefined;
  return {
    async file(name) {
      file = await open(join(directory, name), "wx", 0o600);
    },
    async write(piece) {
      await file?.writeFile(piece);
    },
    async end() {
      await file?.sync();
      await file?.close();
      file = undefined;
    },
    async abandon() {
      await file?.close();
    },
  };
}

async function extract(archive: AsyncIterable<Buffer>, directory: string): Promise<void> {
  const sink = await directorySink(directory);
  try {
    await readTar(archive, sink);
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

const nowhere: TarSink = { file: async () => undefined, write: async () => undefined, end: async () => undefined };

async function copyFiles(from: string, sink: TarSink): Promise<{ files: number; bytes: number }> {
  const total = { files: 0, bytes: 0 };
  for (const name of await readdir(from)) {
    const { size } = await stat(join(from, name));
    await sink.file(name, size);
    for await (const piece of createReadStream(join(from, name))) await sink.write(piece as Buffer);
    await sink.end();
    total.files++;
    total.bytes += size;
  }
  if (total.files === 0) throw new Error("it is empty");
  return total;
}

async function sizeOf(directory: string): Promise<{ files: number; bytes: number }> {
  const sizes = await Promise.all((await readdir(directory)).map((name) => stat(join(directory, name))));
  return { files: sizes.length, bytes: sizes.reduce((sum, { size }) => sum + size, 0) };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isEmptyOrMissing(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

export const backupCommands: readonly ApiCommand[] = [
  {
    name: "backup",
    about:
      "Copy the data of a running broker, as it is at this moment, to a directory, or to an archive whose name ends in .tar.",
    takes: "<PATH>",
    run: backup,
  },
];
