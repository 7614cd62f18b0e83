/**
 * A directory of the machine as a Disk.
 *
 * Synced files are opened O_DSYNC where the system's O_DSYNC reaches the platter (Linux): one call writes and syncs,
 * which measured 107 µs for 4 KB into allocated space, against two calls for write and fdatasync. Elsewhere a write is
 * followed by fdatasync, which Node turns into F_FULLFSYNC on macOS. Direct files are open twice, a second time O_DIRECT: what lies
 * in memory as disks want it goes past the system's cache, all else through it. Where the file system or the disk takes no such
 * writes, they are synced files.
 *
 * A directory belongs to one process. A lock file says which: its pid, and, since pids come again (in a container the
 * broker is the same pid after each restart), the time at which that process started, where the system tells; and the socket
 * at which it listens for as long as it lives (guard.ts), which is what counts, since pids of another container are not ours. A
 * lock whose owner is gone is taken over: moved aside in one step, looked at again, and only then replaced, so
 * that of two who try at once one wins. flock would be simpler, but Node has none.
 */

import fs from "node:fs";
import path from "node:path";
import { elapsedMs } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { codeOf } from "../disk-read.ts";
import { BLOCK_ALIGN } from "../log.ts";
import type { Disk, DiskFile } from "../log.ts";
import { allocateAligned, isAligned } from "./aligned-memory.ts";
import { guardName, isGuarded, openGuard } from "./guard.ts";

const lockName = "lock";
/** In a lock, where there can be no guard. */
const noGuard = "-";
const hasReliableDsync = process.platform === "linux";

export interface NodeDisk extends Disk {
  /** Gives the directory back. */
  unlock(): Promise<void>;
}

/** Creates the directory if need be and locks it. Throws if another process, or this one, holds it. */
export async function openNodeDisk(directory: string): Promise<NodeDisk> {
  await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 });
  return { ...diskOf(directory), unlock: await lock(directory) };
}

/**
 * For who only looks: nothing is created and nothing locked. Throws if somebody holds the directory, which
 * `refuseIfHeld` asks again: what is read while somebody writes may look damaged.
 */
export async function openNodeDiskToRead(
  directory: string,
): Promise<{ readonly disk: Disk; refuseIfHeld(): Promise<void> }> {
  await fs.promises.access(directory);
  const refuseIfHeld = async (): Promise<void> => {
    const held = await readIfThere(path.join(directory, lockName));
    if (held !== undefined && (await isAlive(directory, held))) throw inUse(directory, held);
  };
  await refuseIfHeld();
  return { disk: diskOf(directory), refuseIfHeld };
}

function diskOf(directory: string): Disk {
  const at = (name: string): string => path.join(directory, name);
  return {
    async list() {
      const found = await fs.promises.readdir(directory, { withFileTypes: true });
      return found.filter((one) => one.isFile() && !one.name.startsWith(lockName)).map((one) => one.name);
    },
    async open(name, mode) {
      const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
      if (mode === "read") return new NodeFile(await openFile(at(name), O_RDONLY));
      if (mode === "write") return new NodeFile(await openFile(at(name), O_RDWR | O_CREAT));
      const fd = await openFile(at(name), syncedFlags | O_CREAT);
      const direct = mode === "direct" && hasReliableDsync ? await openDirect(at(name)) : undefined;
      return new NodeFile(fd, !hasReliableDsync, direct);
    },
    allocate: hasReliableDsync ? allocateAligned : () => undefined,
    rename: (from, to) => fs.promises.rename(at(from), at(to)),
    remove: (name) => fs.promises.rm(at(name), { force: true }),
    syncDirectory: () => syncDirectory(directory),
    async freeBytes() {
      const found = await fs.promises.statfs(directory);
      return found.bavail * found.bsize;
    },
  };
}

const syncedFlags = fs.constants.O_RDWR | (hasReliableDsync ? fs.constants.O_DSYNC : 0);

function openFile(name: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(name, flags, 0o600, (error, fd) => (error ? reject(inOurWords(error)) : resolve(fd)));
  });
}

/** The file past the system's cache. Undefined where it cannot be opened so, whatever the reason: it is open the other way. */
async function openDirect(name: string): Promise<NodeFile | undefined> {
  try {
    return new NodeFile(await openFile(name, syncedFlags | fs.constants.O_DIRECT));
  } catch {
    return undefined;
  }
}

/** That files are not written past the cache here, or not from this memory: Linux says EINVAL, other servers of files what they like. */
function isNoDirect(error: unknown): boolean {
  return ["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(codeOf(error) ?? "");
}

/** A disk whose synced writes take longer than this on average is not waited for on the thread that serves everybody. */
const heldUpMsMax = 1;
/** Writes that go the long way after such a finding, before the disk is tried again. */
const declinedWrites = 1000;

class NodeFile implements DiskFile {
  readonly #fd: number;
  readonly #syncsEachWrite: boolean;
  readonly #direct: NodeFile | undefined;
  #isDirectRefused = false;
  #isClosed = false;
  /** How long writeNow() takes, ms, smoothed. */
  #heldUpMs = 0;
  #declined = 0;

  /**
   * `direct`: the same, open past the system's cache, for what lies in memory as disks want it. Where the file system, or the
   * disk under it, takes no such writes after all, everything goes through the cache from then on.
   */
  constructor(fd: number, syncsEachWrite = false, direct?: NodeFile) {
    this.#fd = fd;
    this.#syncsEachWrite = syncsEachWrite;
    this.#direct = direct;
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error ? reject(error) : resolve(stats.size)));
    });
  }

  write(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined) => void,
  ): void {
    const direct = this.#directFor(buffer, start);
    if (direct !== undefined) {
      direct.write(buffer, start, length, position, (error) => {
        // Once it is closed the number may be another file's.
        if (!isNoDirect(error) || this.#isClosed) return done(error);
        this.#isDirectRefused = true;
        this.write(buffer, start, length, position, done);
      });
      return;
    }
    fs.write(this.#fd, buffer, start, length, position, (error, written) => {
      if (error) done(inOurWords(error));
      // A disk that is nearly full takes a part and refuses the next call, which is where the error then comes from.
      else if (written < length) this.write(buffer, start + written, length - written, position + written, done);
      else if (this.#syncsEachWrite) this.sync(done);
      else done(undefined);
    });
  }

  #directFor(buffer: Buffer, start: number): NodeFile | undefined {
    if (this.#direct === undefined || this.#isDirectRefused) return undefined;
    return isAligned(buffer, start, BLOCK_ALIGN) ? this.#direct : undefined;
  }

  writeNow(buffer: Buffer, start: number, length: number, position: number): true | Error | undefined {
    const direct = this.#directFor(buffer, start);
    if (direct !== undefined) {
      const written = direct.writeNow(buffer, start, length, position);
      if (!isNoDirect(written)) return written;
      this.#isDirectRefused = true;
    }
    if (this.#declined > 0) {
      this.#declined--;
      return undefined;
    }
    const fromMs = elapsedMs();
    try {
      for (let done = 0; done < length;)
        done += fs.writeSync(this.#fd, buffer, start + done, length - done, position + done);
      if (this.#syncsEachWrite) fs.fdatasyncSync(this.#fd);
    } catch (error) {
      return inOurWords(error as NodeJS.ErrnoException);
    }
    this.#heldUpMs += (elapsedMs() - fromMs - this.#heldUpMs) / 16;
    if (this.#heldUpMs > heldUpMsMax) {
      this.#declined = declinedWrites;
      this.#heldUpMs = 0;
    }
    return true;
  }

  read(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined, bytesRead: number) => void,
  ): void {
    this.#readOn(buffer, start, length, position, 0, done);
  }

  #readOn(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    before: number,
    done: (error: Error | undefined, bytesRead: number) => void,
  ): void {
    fs.read(this.#fd, buffer, start, length, position, (error, bytesRead) => {
      if (error) done(error, before);
      else if (bytesRead === 0 || bytesRead === length) done(undefined, before + bytesRead);
      else this.#readOn(buffer, start + bytesRead, length - bytesRead, position + bytesRead, before + bytesRead, done);
    });
  }

  sync(done: (error: Error | undefined) => void): void {
    fs.fdatasync(this.#fd, (error) => done(error ?? undefined));
  }

  async close(): Promise<void> {
    // By then the number may be another file's: closing it again would take the journal's from under it.
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closed = new Promise<void>((resolve, reject) => {
      fs.close(this.#fd, (error) => (error ? reject(error) : resolve()));
    });
    await Promise.all([closed, this.#direct?.close()]);
  }
}

/** A quota that is used up is no room, as a full disk is, and may be enlarged. */
function inOurWords(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  if (error.code === "EDQUOT") error.code = "ENOSPC";
  return error;
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // No such call there: names are durable by the file system's own journal.
  const handle = await fs.promises.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Answers how it is given back. */
async function lock(directory: string): Promise<() => Promise<void>> {
  const guard = await openGuard(directory);
  const name = path.join(directory, lockName);
  try {
    await lockAs(directory, `${process.pid} ${await startOf(process.pid)} ${guard?.name ?? noGuard}\n`);
  } catch (error) {
    await guard?.close();
    throw error;
  }
  return async () => {
    await fs.promises.rm(name, { force: true });
    await guard?.close();
  };
}

async function lockAs(directory: string, own: string): Promise<void> {
  const name = path.join(directory, lockName);
  for (;;) {
    if (await createWith(name, own)) return;
    const held = await readIfThere(name);
    if (held === undefined) continue;
    if (await isAlive(directory, held)) throw inUse(directory, held);
    const guard = guardOf(held);
    if (guard !== undefined) await fs.promises.rm(path.join(directory, guard), { force: true });
    const aside = `${name}-${tag()}`;
    await fs.promises.rename(name, aside).catch(ignoreMissing);
    const moved = await readIfThere(aside);
    // Someone else was quicker and this is their new lock: give it back, and find it alive next time round.
    if (moved !== undefined && moved !== held) await fs.promises.link(aside, name).catch(() => undefined);
    await fs.promises.rm(aside, { force: true });
  }
}

/** That no other process takes, in whatever container it counts its pid. */
function tag(): string {
  return systemRandom().bytes(8).toString("hex");
}

function inUse(directory: string, held: string): Error {
  const name = path.join(directory, lockName);
  const text = `The data directory ${directory} is in use by process ${held.split(" ")[0]} (see ${name}).`;
  return Object.assign(new Error(text), { code: "EBUSY" });
}

async function createWith(name: string, content: string): Promise<boolean> {
  // Written aside and linked, so that nobody ever sees a lock without its owner.
  const draft = `${name}-draft-${tag()}`;
  try {
    await fs.promises.writeFile(draft, content, { mode: 0o600 });
    await fs.promises.link(draft, name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    // A full disk: where a dead one's lock goes, there is room for ours.
    if (code === "ENOSPC" && (await readIfThere(name)) !== undefined) return false;
    throw error;
  } finally {
    await fs.promises.rm(draft, { force: true });
  }
}

function guardOf(held: string): string | undefined {
  const name = held.trim().split(" ")[2];
  return name !== undefined && guardName.test(name) ? name : undefined;
}

async function isAlive(directory: string, held: string): Promise<boolean> {
  const guard = guardOf(held);
  const isHeld = guard === undefined ? undefined : await isGuarded(directory, guard);
  if (isHeld !== undefined) return isHeld;
  const [pidText, start] = held.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return start === (await startOf(pid));
}

/** When a process started: boot and clock ticks since then on Linux, a constant elsewhere. */
async function startOf(pid: number): Promise<string> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  const boot = await readIfThere("/proc/sys/kernel/random/boot_id");
  if (stat === undefined || boot === undefined) return "unknown";
  // Field 22, counted behind the command's name, which is in brackets and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return `${boot.trim()}/${fields[19]}`;
}

async function readIfThere(name: string): Promise<string | undefined> {
  try {
    return await fs.promises.readFile(name, "utf8");
  } catch (error) {
    ignoreMissing(error);
    return undefined;
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
