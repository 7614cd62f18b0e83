/**
 * A disk whose files can be held while somebody copies them.
 *
 * While it is held, a file that is there stays as it is, but for what is appended to the journal's last: what would be
 * removed is removed when the last holder lets go, and a journal file that would be written anew from its beginning is
 * removed then, too, instead. Nobody else notices. A process that ends meanwhile leaves files behind that nobody names;
 * a start takes them for what they are, since a crash in the middle of removing leaves the same.
 *
 * Rejected: hard links (not every file system has them, and none keeps a recycled file's content), and open descriptors
 * (they do not outlive the thousandth segment, and a recycled file changes under them).
 */
import type { Disk, DiskFile, OpenMode } from "./log.ts";

/** Drafts and spares are nobody's: they go at once, for what takes their name must find nothing there. */
const fleeting = /\.tmp$|^journal-spare-/;

export class HeldDisk implements Disk {
  readonly #disk: Disk;
  #holders = 0;
  readonly #doomed = new Set<string>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  get isHeld(): boolean {
    return this.#holders > 0;
  }

  /** Answers how to let go. Removals that fail then are tried again by the next holder, or found by the next start. */
  hold(): () => void {
    this.#holders++;
    let isHolding = true;
    return () => {
      if (!isHolding) return;
      isHolding = false;
      if (--this.#holders === 0) for (const name of this.#doomed) void this.#removeDoomed(name);
    };
  }

  async list(): Promise<string[]> {
    const names = await this.#disk.list();
    return this.#doomed.size === 0 ? names : names.filter((name) => !this.#doomed.has(name));
  }

  open(name: string, mode: OpenMode): Promise<DiskFile> {
    return this.#disk.open(name, mode);
  }

  allocate(bytes: number): Buffer | undefined {
    return this.#disk.allocate(bytes);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to);
  }

  remove(name: string): Promise<void> {
    if (!this.isHeld || fleeting.test(name)) return this.#disk.remove(name);
    this.#doomed.add(name);
    return Promise.resolve();
  }

  syncDirectory(): Promise<void> {
    return this.#disk.syncDirectory();
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
  }

  async #removeDoomed(name: string): Promise<void> {
    try {
      await this.#disk.remove(name);
      this.#doomed.delete(name);
    } catch {
      // It stays doomed: nothing but its space is lost.
    }
  }
}
