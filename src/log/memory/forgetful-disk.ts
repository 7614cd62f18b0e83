/**
 * A disk that is memory, for the broker of a test suite: at a crash it forgets all that was not synced, always, and nothing
 * else. So a test that crashes its broker finds the same at each run.
 *
 * It keeps each byte once, in chunks that are made as files grow. A write comes to be when it is done, so one that is under way
 * at a crash never was; what was written and not synced is known by what it replaced. Whoever has files open from before a
 * crash is dead: nothing is done for them any more, and they hear of nothing.
 *
 * Rejected: memory-disk.ts, of the simulator. It has all the ways in which a real disk may tear what was not synced, keeps two
 * copies and more for that, and took two thirds of a test's time.
 */

import { assert } from "../../base/assert.ts";
import type { Disk, DiskFile, OpenMode } from "../log.ts";
import { isOfBlocks } from "./whole-blocks.ts";

const chunkBytes = 65_536;

/** What a write that is not synced has replaced. */
interface Undo {
  readonly position: number;
  readonly bytes: Buffer;
}

/** A file's bytes, apart from its name. */
class Content {
  size = 0;
  /** Up to here it is as it was synced, but for what is in `undo`. */
  syncedSize = 0;
  undo: Undo[] = [];
  readonly #chunks: Buffer[] = [];

  write(buffer: Buffer, start: number, length: number, position: number): void {
    while (this.#chunks.length * chunkBytes < position + length) this.#chunks.push(Buffer.alloc(chunkBytes));
    this.#each(position, length, (chunk, at, from, count) =>
      buffer.copy(chunk, at, start + from, start + from + count),
    );
    this.size = Math.max(this.size, position + length);
  }

  /** Answers how many bytes there are. */
  read(buffer: Buffer, start: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.size - position));
    this.#each(position, count, (chunk, at, from, bytes) => chunk.copy(buffer, start + from, at, at + bytes));
    return count;
  }

  /** To be undone, unless it is synced. */
  willReplace(position: number, length: number): void {
    const replaced = Math.min(position + length, this.syncedSize) - position;
    if (replaced <= 0) return;
    const bytes = Buffer.alloc(replaced);
    this.read(bytes, 0, replaced, position);
    this.undo.push({ position, bytes });
  }

  crash(): void {
    for (const { position, bytes } of this.undo.toReversed()) this.write(bytes, 0, bytes.length, position);
    this.undo = [];
    // What a later write leaves out reads as zeros, as if it had never been there.
    const tail = Buffer.alloc(Math.max(0, this.size - this.syncedSize));
    this.write(tail, 0, tail.length, this.syncedSize);
    this.size = this.syncedSize;
  }

  #each(
    position: number,
    length: number,
    visit: (chunk: Buffer, at: number, from: number, count: number) => void,
  ): void {
    for (let from = 0; from < length;) {
      const at = (position + from) % chunkBytes;
      const count = Math.min(length - from, chunkBytes - at);
      visit(this.#chunks[Math.floor((position + from) / chunkBytes)]!, at, from, count);
      from += count;
    }
  }
}

export class ForgetfulDisk implements Disk {
  #names = new Map<string, Content>();
  #syncedNames = new Map<string, Content>();
  #lives = 0;
  readonly #defer: (run: () => void) => void;

  /** @param defer runs what it is given in a later turn, in order. */
  constructor(defer: (run: () => void) => void) {
    this.#defer = defer;
  }

  /** The power goes. */
  crash(): void {
    this.#lives++;
    this.#names = new Map(this.#syncedNames);
    for (const content of this.#names.values()) content.crash();
  }

  async list(): Promise<string[]> {
    return [...this.#names.keys()];
  }

  allocate(): undefined {
    return undefined;
  }

  async open(name: string, mode: OpenMode): Promise<DiskFile> {
    let content = this.#names.get(name);
    if (content === undefined) {
      if (mode === "read") throw Object.assign(new Error(`ENOENT: no file ${name}`), { code: "ENOENT" });
      content = new Content();
      this.#names.set(name, content);
    }
    const life = this.#lives;
    return new ForgetfulFile(content, mode, (run) => this.#defer(() => (this.#lives === life ? run() : undefined)));
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#names.get(from);
    if (content === undefined) throw Object.assign(new Error(`ENOENT: no file ${from}`), { code: "ENOENT" });
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async remove(name: string): Promise<void> {
    this.#names.delete(name);
  }

  async syncDirectory(): Promise<void> {
    this.#syncedNames = new Map(this.#names);
  }

  /** It has no end. */
  async freeBytes(): Promise<number> {
    return Infinity;
  }
}

class ForgetfulFile implements DiskFile {
  readonly #content: Content;
  readonly #mode: OpenMode;
  /** Nothing comes of it after a crash. */
  readonly #later: (run: () => void) => void;

  constructor(content: Content, mode: OpenMode, later: (run: () => void) => void) {
    this.#content = content;
    this.#mode = mode;
    this.#later = later;
  }

  async size(): Promise<number> {
    return this.#content.size;
  }

  write(buffer: Buffer, start: number, length: number, position: number, done: (error: undefined) => void): void {
    assert(this.#mode !== "read", "a write goes to a writable file");
    assert(start + length <= buffer.length, "a write lies in its buffer");
    assert(this.#mode !== "direct" || isOfBlocks(start, length, position), "a direct write is of whole blocks");
    const content = this.#content;
    this.#later(() => {
      if (this.#mode === "write") content.willReplace(position, length);
      content.write(buffer, start, length, position);
      if (this.#mode !== "write") content.syncedSize = Math.max(content.syncedSize, position + length);
      done(undefined);
    });
  }

  read(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: undefined, bytesRead: number) => void,
  ): void {
    assert(start + length <= buffer.length, "a read lies in its buffer");
    this.#later(() => done(undefined, this.#content.read(buffer, start, length, position)));
  }

  sync(done: (error: undefined) => void): void {
    this.#later(() => {
      this.#content.undo = [];
      this.#content.syncedSize = this.#content.size;
      done(undefined);
    });
  }

  /** A disk that is memory has nothing to close. */
  async close(): Promise<void> {}
}
