/**
 * Open segment files, as few as needed, and a gate before their reads.
 *
 * At most 64 files stay open, the least recently used goes first, and none while a read is under way in it. And at most
 * two reads are at the disk at a time: file calls share four threads by default, and the journal must never wait for
 * one because readers who catch up on old data hold them all.
 */

import { codeOf, readAt } from "./disk-read.ts";
import { DamageError } from "./log.ts";
import type { Disk, DiskFile } from "./log.ts";
import { segmentName } from "./segment-format.ts";

const openMax = 64;
const readsMax = 2;

export interface OpenSegment {
  readonly name: string;
  readonly file: DiskFile;
}

interface Slot {
  readonly opened: Promise<OpenSegment>;
  users: number;
  /** Closed by its last user. */
  isDoomed: boolean;
}

export class SegmentFiles {
  /** Reads that were asked for, ever. */
  asked = 0;
  readonly #disk: Disk;
  /** Least recently used first. */
  readonly #slotById = new Map<number, Slot>();
  #reads = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Runs `use` with the open file, which stays open until it has settled. */
  async with<T>(id: number, use: (segment: OpenSegment) => Promise<T>): Promise<T> {
    const slot = this.#slotById.get(id) ?? { opened: this.#open(id), users: 0, isDoomed: false };
    this.#slotById.delete(id);
    this.#slotById.set(id, slot);
    slot.users++;
    try {
      return await use(await slot.opened);
    } finally {
      slot.users--;
      if (slot.users === 0 && slot.isDoomed) await closeSlot(slot);
      await this.#closeSurplus();
    }
  }

  async read(file: DiskFile, buffer: Buffer, start: number, length: number, position: number): Promise<number> {
    this.asked++;
    if (this.#reads === readsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reads++;
    try {
      return await readAt(file, buffer, start, length, position);
    } finally {
      // The place is handed on as it is, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#reads--;
      else next();
    }
  }

  /** Closes the file as soon as nobody reads it. */
  async forget(id: number): Promise<void> {
    const slot = this.#slotById.get(id);
    if (slot === undefined) return;
    this.#slotById.delete(id);
    if (slot.users === 0) await closeSlot(slot);
    else slot.isDoomed = true;
  }

  async close(): Promise<void> {
    for (const id of this.#slotById.keys()) await this.forget(id);
  }

  async #open(id: number): Promise<OpenSegment> {
    const name = segmentName(id);
    try {
      return { name, file: await this.#disk.open(name, "read") };
    } catch (error) {
      this.#slotById.delete(id);
      if (codeOf(error) !== "ENOENT") throw error;
      throw new DamageError([{ file: name, position: 0, length: 0, what: "the segment is missing" }]);
    }
  }

  async #closeSurplus(): Promise<void> {
    for (const [id, slot] of this.#slotById) {
      if (this.#slotById.size <= openMax) return;
      if (slot.users === 0) await this.forget(id);
    }
  }
}

async function closeSlot(slot: Slot): Promise<void> {
  const opened = await slot.opened.catch(() => undefined);
  await opened?.file.close();
}
