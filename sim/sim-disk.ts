/**
 * The memory disk, made to misbehave under the control of a seed.
 *
 * Nothing completes by itself: each call leaves a completion on `pending`, and the world draws which of them happens
 * next. So reads overtake writes, a rename waits while a journal block goes by, and a crash finds any subset of them
 * undone. What a crash takes (unsynced writes by sectors, unsynced names) is the memory disk's business.
 *
 * Faults: a write, a sync or a read fails with EIO with a given probability, the write before or after its bytes went
 * to the disk; room is bounded by `bytesMax` of the memory disk, which gives ENOSPC. A dead disk answers nothing: a
 * broker that was crashed hangs in the middle of whatever it did, as a process that is gone would.
 */
import { MemoryDisk } from "../src/log/memory/memory-disk.ts";
import type { Disk, DiskFile, OpenMode } from "../src/log/log.ts";
import type { Chance } from "./chance.ts";

export interface Pending {
  readonly what: string;
  readonly run: () => void;
}

export interface FaultRates {
  write: number;
  sync: number;
  read: number;
}

export class SimDisk implements Disk {
  readonly pending: Pending[] = [];
  inner: MemoryDisk;
  faults: FaultRates = { write: 0, sync: 0, read: 0 };
  isDead = false;
  /** Calls that were answered with an error on purpose, other than for lack of room. */
  faultsDone = 0;
  readonly chance: Chance;
  #label = "";

  constructor(inner: MemoryDisk | undefined, chance: Chance) {
    this.chance = chance;
    this.inner = inner ?? new MemoryDisk(this.defer);
  }

  /** For the memory disk below: its completions wait here too. */
  readonly defer = (run: () => void): void => {
    this.pending.push({ what: this.#label, run });
  };

  /** What is found when the power goes now. */
  crashed(chance: Chance): SimDisk {
    this.#die();
    const disk = new SimDisk(undefined, chance);
    disk.inner = this.inner.crash(chance, disk.defer);
    return disk;
  }

  /** What is found when the process is killed and the machine goes on. */
  killed(chance: Chance): SimDisk {
    this.#die();
    const disk = new SimDisk(undefined, chance);
    disk.inner = this.inner.clone(disk.defer);
    return disk;
  }

  #die(): void {
    this.isDead = true;
    this.pending.length = 0;
  }

  /** Completes one pending call, drawn from the seed. */
  completeOne(): Pending | undefined {
    if (this.pending.length === 0) return undefined;
    const [one] = this.pending.splice(this.chance.between(0, this.pending.length), 1);
    one!.run();
    return one;
  }

  async list(): Promise<string[]> {
    return (await this.inner.list()).sort();
  }

  allocate(bytes: number): Buffer | undefined {
    return this.inner.allocate(bytes);
  }

  async open(name: string, mode: OpenMode): Promise<DiskFile> {
    await this.turn(`open ${name}`);
    return new SimFile(this, name, await this.inner.open(name, mode));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.turn(`rename ${from} ${to}`);
    await this.inner.rename(from, to);
  }

  async remove(name: string): Promise<void> {
    await this.turn(`remove ${name}`);
    await this.inner.remove(name);
  }

  async syncDirectory(): Promise<void> {
    await this.turn("sync directory");
    if (this.chance.is(this.faults.sync)) throw this.fault();
    await this.inner.syncDirectory();
  }

  freeBytes(): Promise<number> {
    return this.inner.freeBytes();
  }

  /** Waits until the world lets it go on. */
  turn(what: string): Promise<void> {
    return new Promise((resolve) => {
      if (!this.isDead) this.pending.push({ what, run: resolve });
    });
  }

  labelled(label: string, run: () => void): void {
    this.#label = label;
    run();
  }

  fault(): Error {
    this.faultsDone++;
    return Object.assign(new Error("EIO: an error that the simulator drew"), { code: "EIO" });
  }
}

class SimFile implements DiskFile {
  readonly #disk: SimDisk;
  readonly #name: string;
  readonly #file: DiskFile;

  constructor(disk: SimDisk, name: string, file: DiskFile) {
    this.#disk = disk;
    this.#name = name;
    this.#file = file;
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  write(buffer: Buffer, start: number, length: number, position: number, done: (error?: Error) => void): void {
    const disk = this.#disk;
    if (disk.isDead) return;
    const label = `write ${this.#name} ${position}+${length}`;
    const isFailing = disk.chance.is(disk.faults.write);
    if (isFailing && disk.chance.is(0.5)) {
      disk.pending.push({ what: `${label} fails`, run: () => done(disk.fault()) });
      return;
    }
    disk.labelled(isFailing ? `${label} fails late` : label, () => {
      this.#file.write(buffer, start, length, position, isFailing ? (): void => done(disk.fault()) : done);
    });
  }

  read(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined, bytesRead: number) => void,
  ): void {
    const disk = this.#disk;
    if (disk.isDead) return;
    const label = `read ${this.#name} ${position}+${length}`;
    const isFailing = disk.chance.is(disk.faults.read);
    if (isFailing) disk.pending.push({ what: `${label} fails`, run: () => done(disk.fault(), 0) });
    else disk.labelled(label, () => this.#file.read(buffer, start, length, position, done));
  }

  sync(done: (error: Error | undefined) => void): void {
    const disk = this.#disk;
    if (disk.isDead) return;
    if (disk.chance.is(disk.faults.sync)) {
      disk.pending.push({ what: `sync ${this.#name} fails`, run: () => done(disk.fault()) });
      return;
    }
    disk.labelled(`sync ${this.#name}`, () => this.#file.sync(done));
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
