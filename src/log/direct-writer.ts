/**
 * Writes a new file from start to end in windows of 1 MB, past the system's cache where the disk has such a way.
 *
 * What is appended is copied into the window of the file that it will stand in, whose memory lies as the disk wants it.
 * Large pieces are lent, and copied when their window is written, so that a piece of any length takes a window at a time. A
 * window is written when it is full; what is left at the end, less than a window, goes through the cache, where a file
 * may end at any byte.
 *
 * Past the cache, since what is read soon is in the broker's memory, and a new page of the cache costs more than all else that is
 * done for its bytes (docs/decisions/57-files-go-past-the-systems-cache.md).
 *
 * Each write is synced: 96 MB in writes of 1 MB through the cache took 141 ms so, and 405 ms with one fdatasync at the end, and
 * appends to the journal that ran beside it had a p99 of 1.5 ms instead of 12.
 */

import { syncFile, writeAt } from "./disk-read.ts";
import { LENT_BYTES_MIN } from "./log.ts";
import type { Disk, DiskFile } from "./log.ts";

const windowBytes = 1024 * 1024;
/** As many as one writer has at a time: what was left by a flush, what is full, and what stands behind it. */
const spareWindowsMax = 3;

/** Memory of windows, for the next writer. */
export class Windows {
  readonly #disk: Pick<Disk, "allocate">;
  readonly #spares: Buffer[] = [];

  constructor(disk: Pick<Disk, "allocate">) {
    this.#disk = disk;
  }

  take(): Buffer {
    return this.#spares.pop() ?? this.#disk.allocate(windowBytes) ?? Buffer.allocUnsafeSlow(windowBytes);
  }

  giveBack(window: Buffer): void {
    if (this.#spares.length < spareWindowsMax) this.#spares.push(window);
  }
}

interface Lent {
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
  /** In the file. */
  readonly position: number;
}

export class DirectWriter {
  /** Appended since the last flush(). */
  bytesBuffered = 0;
  readonly #disk: Disk;
  readonly #name: string;
  readonly #memory: Windows;
  /** From the first window on. */
  #file: DiskFile | undefined;
  /** From `#written` on; a hole is a window that holds parts of what is lent, and nothing else. */
  readonly #windows: (Buffer | undefined)[] = [];
  #lent: Lent[] = [];
  /** Up to here the file is written; a multiple of windowBytes. */
  #written = 0;
  #end = 0;

  /** There must be no file of this name. It is made when the first window is full, or at the end. */
  constructor(disk: Disk, name: string, memory: Windows) {
    this.#disk = disk;
    this.#name = name;
    this.#memory = memory;
  }

  /** From LENT_BYTES_MIN on the bytes are to stay as they are until the next flush() or finish() is over. */
  append(source: Buffer, start: number, end: number): void {
    const position = this.#end;
    this.#end += end - start;
    this.bytesBuffered += end - start;
    if (end - start < LENT_BYTES_MIN) this.#copy(source, start, end, position);
    else this.#lent.push({ source, start, end, position });
  }

  /** Writes the windows that are full, and copies what is lent. Nothing may be appended meanwhile. */
  async flush(): Promise<void> {
    this.bytesBuffered = 0;
    while (this.#end - this.#written >= windowBytes) {
      this.#file ??= await this.#disk.open(this.#name, "direct");
      await this.#writeWindow(this.#file, windowBytes);
    }
    this.#fill(this.#end);
    this.#lent = [];
  }

  /** Writes what is left, and closes the file. */
  async finish(): Promise<void> {
    await this.flush();
    const left = this.#end - this.#written;
    // What else is written makes the length durable as well.
    if (left === 0 && this.#file !== undefined) await syncFile(this.#file);
    await this.#file?.close();
    if (left === 0) return;
    this.#file = await this.#disk.open(this.#name, "synced");
    await this.#writeWindow(this.#file, left);
    await this.#file.close();
  }

  /** Once whatever was called before has ended. */
  async abort(): Promise<void> {
    this.#lent = [];
    for (const window of this.#windows.splice(0)) if (window !== undefined) this.#memory.giveBack(window);
    // It may be closed already, if finish() failed late.
    await this.#file?.close().catch(() => undefined);
  }

  async #writeWindow(file: DiskFile, length: number): Promise<void> {
    const position = this.#written;
    this.#fill(position + length);
    const window = this.#windows.shift()!;
    this.#written += length;
    try {
      await writeAt(file, window, 0, length, position);
    } finally {
      this.#memory.giveBack(window);
    }
  }

  /** Copies what is lent into its windows, up to this position of the file. */
  #fill(end: number): void {
    for (const { source, start, end: sourceEnd, position } of this.#lent) {
      const from = Math.max(position, this.#written);
      const to = Math.min(position + sourceEnd - start, end);
      if (from < to) this.#copy(source, start + from - position, start + to - position, from);
    }
  }

  #copy(source: Buffer, start: number, end: number, position: number): void {
    for (let from = start, at = position; from < end;) {
      const index = Math.floor((at - this.#written) / windowBytes);
      const inWindow = at % windowBytes;
      const length = Math.min(end - from, windowBytes - inWindow);
      const window = (this.#windows[index] ??= this.#memory.take());
      source.copy(window, inWindow, from, from + length);
      from += length;
      at += length;
    }
  }
}
