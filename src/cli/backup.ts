/**
 * `entrepot backup` of a running broker, and `entrepot restore`. A backup is a tar archive, or a directory with the same
 * files; either is the data of a broker as it was at one moment. A copy that was cut off is never left behind under the
 * name of a whole one.
 */

import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat, type FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { ApiError } from "./api-client.ts";
import { done, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { holdsData } from "./check.ts";
import { exitStatus, type CheckedData, type Surroundings } from "./surroundings.ts";
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
  try {
    const total = isArchive
      ? await filled(path, async (part) => {
          await pipeline(response, createWriteStream(part, { mode: 0o600, flush: true }));
          // The archive is read once more: what is not whole must not look like a backup.
          return readTar(createReadStream(part), nowhere);
        })
      : await filled(path, (part) => extract(response as AsyncIterable<Buffer>, part));
    return done(`${path} holds ${total.files} files, ${total.bytes} bytes`, { path, ...total });
  } catch (error) {
    throw new ApiError(`the backup was not finished, and is gone again: ${(error as Error).message}`, 500);
  }
}

/**
 * Fills a data directory that is empty, or not there yet, from a backup. Every byte is verified: what is damaged is restored
 * as far as it goes, and said to be damaged.
 */
export async function restore(around: Surroundings, from: string, directory: string): Promise<number> {
  if (!(await isEmptyOrMissing(directory))) {
    throw new UsageError(`${directory} is not empty: a backup is restored into a directory of its own`);
  }
  const found = await stat(from).catch((error: Error) => {
    throw new UsageError(`${from} cannot be read: ${error.message}`);
  });
  let isSound = false;
  try {
    const total = await filled(directory, async (part) => {
      // That of a broker at work is refused here: it would be copied while it changes.
      const copied = found.isDirectory() ? await copyFiles(from, await around.checkData(from), part) : undefined;
      const taken = copied ?? (await extract(createReadStream(from), part));
      const report = await around.checkData(part);
      if (!holdsData(report)) throw new Error("it holds no data of a broker");
      ({ isSound } = report);
      return taken;
    });
    around.writeOut(
      `${directory} holds ${total.files} files, ${total.bytes} bytes; entrepot start --data ${directory} goes on from there\n`,
    );
  } catch (error) {
    around.writeError(`entrepot: ${from} cannot be restored: ${(error as Error).message}\n`);
    return exitStatus.failed;
  }
  if (isSound) return exitStatus.done;
  around.writeError(`entrepot: the backup is damaged: entrepot check ${directory} says where\n`);
  return exitStatus.failed;
}

interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/** In a directory that is there already. */
const partName = ".part";

/**
 * Lets a file or a directory be made under another name beside it, and gives it its own when it is whole. A directory that is
 * there already stays, with what it is (somebody's mount, with its owner and mode): its files are made in one inside.
 */
async function filled(path: string, fill: (part: string) => Promise<Copied>): Promise<Copied> {
  const place = resolve(path);
  const isInside = await exists(place);
  const part = isInside ? join(place, partName) : `${place}${partName}`;
  await rm(part, { recursive: true, force: true });
  try {
    const copied = await fill(part);
    if ((await stat(part)).isDirectory()) await syncNames(part);
    if (!isInside) await rename(part, place);
    else {
      // Backwards, so that the checkpoint, without which the rest is nothing, comes last.
      for (const name of (await readdir(part)).toSorted().toReversed())
        await rename(join(part, name), join(place, name));
      await rmdir(part);
    }
    // Whoever is told that it is there finds it there, whatever happens to the power.
    await syncNames(isInside ? place : dirname(place));
    return copied;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}

/** What is in the directory is there under its names. */
async function syncNames(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
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

async function extract(archive: AsyncIterable<Buffer>, directory: string): Promise<Copied> {
  const sink = await directorySink(directory);
  try {
    return await readTar(archive, sink);
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

const nowhere: TarSink = { file: async () => undefined, write: async () => undefined, end: async () => undefined };

/** The files that the report names: what else is there, such as the lock of a broker that was killed, stays behind. */
async function copyFiles(from: string, { files, bytes }: CheckedData, directory: string): Promise<Copied> {
  const sink = await directorySink(directory);
  try {
    for (const file of files) {
      await sink.file(file.name, file.bytes);
      for await (const piece of createReadStream(join(from, file.name))) await sink.write(piece as Buffer);
      await sink.end();
    }
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  return { files: files.length, bytes };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isEmptyOrMissing(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).every((name) => name === partName);
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
