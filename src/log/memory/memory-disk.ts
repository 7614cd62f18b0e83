/**
 * A disk that is memory, and that loses what a real one may lose.
 *
 * It knows what is durable and what is only there: each file has the bytes that a reader sees, the bytes that
 * are safe, and the writes in between, in order; the directory likewise has the names that are seen, the names that are
 * safe, and the steps in between. sync() and syncDirectory() move the border. crash() answers the disk as it may be
 * found after the power went: of the directory's steps a prefix has happened (a journaling file system keeps their
 * order), and of each unsynced write, and of each synced one still under way, every sector of 512 bytes has
 * or has not reached the disk, by the toss of `random`.
 *
 * What it does not do is fail: whoever wants errors, a full disk or flipped bits wraps it, or reaches into `bytesOf`.
 * Completions run through the handed-in `defer`, so that a simulator owns their order.
 */

import { assert, must } from "../../base/assert.ts";
import type { Random } from "../../base/random.ts";
import type { Disk, DiskFile, OpenMode } from "../log.ts";
import { isOfBlocks } from "./whole-blocks.ts";

const sectorBytes = 512;

interface PendingWrite {
  position: number;
  bytes: Buffer;
  /** It has arrived, and lies behind the end of the file that a crash would leave. */
  lacksLength?: boolean;
}

/** A file's content, apart from its name. */
class Content {
  /** What a reader sees: seen[0, size). */
  seen: Buffer = Buffer.alloc(0);
  size = 0;
  safe: Buffer = Buffer.alloc(0);
  safeSize = 0;
  pending: PendingWrite[] = [];

  clone(): Content {
    const copy = new Content();
    copy.seen = Buffer.from(this.seen);
    copy.size = this.size;
    copy.safe = Buffer.from(this.safe);
    copy.safeSize = this.safeSize;
    copy.pending = this.pending.map((write) => ({ ...write }));
    return copy;
  }

  writeSeen(position: number, bytes: Buffer): void {
    this.seen = withRoom(this.seen, position + bytes.length);
    bytes.copy(this.seen, position);
    this.size = Math.max(this.size, position + bytes.length);
  }

  writeSafe(position: number, bytes: Buffer): void {
    this.safe = withRoom(this.safe, position + bytes.length);
    bytes.copy(this.safe, position);
    this.safeSize = Math.max(this.safeSize, position + bytes.length);
  }

  makeSafe(write: PendingWrite): void {
    const index = this.pending.indexOf(write);
    if (index < 0) return;
    // What is older and never finished is superseded where the two overlap.
    const older = this.pending.slice(0, index).flatMap((one) => without(one, write));
    this.pending = [...older, ...this.pending.slice(index + 1)];
    this.writeSafe(write.position, write.bytes);
  }

  /** With it the length that the file has by now becomes safe. */
  makeSafeWithLength(write: PendingWrite): void {
    for (const each of this.pending.filter(({ lacksLength }) => lacksLength === true)) this.makeSafe(each);
    this.makeSafe(write);
  }

  /** What is found after a crash: the safe bytes, and some sectors of the rest. */
  crashed(random: Random): Content {
    const found = new Content();
    found.safe = Buffer.from(this.safe.subarray(0, this.safeSize));
    found.safeSize = this.safeSize;
    for (const { position, bytes } of this.pending) {
      const fate = random.next();
      for (let at = 0; at < bytes.length;) {
        const next = Math.min(bytes.length, (Math.floor((position + at) / sectorBytes) + 1) * sectorBytes - position);
        // A third of the writes is lost whole, a third arrives whole, the others are torn.
        const arrives = fate < 1 / 3 ? false : fate < 2 / 3 ? true : random.next() < 0.5;
        if (arrives) found.writeSafe(position + at, bytes.subarray(at, next));
        at = next;
      }
    }
    found.seen = Buffer.from(found.safe);
    found.size = found.safeSize;
    return found;
  }
}

/** The parts of an older write that a newer one did not cover. */
function without(older: PendingWrite, newer: PendingWrite): PendingWrite[] {
  const { position, bytes } = older;
  const start = newer.position - position;
  const end = start + newer.bytes.length;
  if (start >= bytes.length || end <= 0) return [older];
  const parts: PendingWrite[] = [];
  if (start > 0) parts.push({ ...older, bytes: bytes.subarray(0, start) });
  if (end < bytes.length) parts.push({ ...older, position: position + end, bytes: bytes.subarray(end) });
  return parts;
}

function withRoom(buffer: Buffer, length: number): Buffer {
  if (buffer.length >= length) return buffer;
  const grown = Buffer.alloc(Math.max(length, buffer.length * 2));
  buffer.copy(grown);
  return grown;
}

type Names = Map<string, Content>;
type Step =
  | { kind: "create"; name: string }
  | { kind: "rename"; from: string; to: string }
  | { kind: "remove"; name: string };

export class MemoryDisk implements Disk {
  #seen: Names = new Map();
  #safe: Names = new Map();
  #steps: { step: Step; content: Content }[] = [];
  readonly #defer: (run: () => void) => void;
  /** Room for all files together; writes beyond it fail with ENOSPC. */
  bytesMax = Number.MAX_SAFE_INTEGER;

  constructor(defer: (run: () => void) => void = queueMicrotask) {
    this.#defer = defer;
  }

  async list(): Promise<string[]> {
    return [...this.#seen.keys()];
  }

  allocate(bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }

  async open(name: string, mode: OpenMode): Promise<DiskFile> {
    let content = this.#seen.get(name);
    if (content === undefined) {
      if (mode === "read") throw diskError("ENOENT", `no file ${name}`);
      if (this.bytesUsed() >= this.bytesMax) throw diskError("ENOSPC", "the disk is full");
      content = new Content();
      this.#seen.set(name, content);
      this.#steps.push({ step: { kind: "create", name }, content });
    }
    return new MemoryFile(this, content, mode, this.#defer);
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#seen.get(from);
    if (content === undefined) throw diskError("ENOENT", `no file ${from}`);
    const step: Step = { kind: "rename", from, to };
    applyStep(this.#seen, step, content);
    this.#steps.push({ step, content });
  }

  async remove(name: string): Promise<void> {
    const content = this.#seen.get(name);
    if (content === undefined) return;
    const step: Step = { kind: "remove", name };
    applyStep(this.#seen, step, content);
    this.#steps.push({ step, content });
  }

  async syncDirectory(): Promise<void> {
    for (const { step, content } of this.#steps) applyStep(this.#safe, step, content);
    this.#steps = [];
  }

  async freeBytes(): Promise<number> {
    return Math.max(0, this.bytesMax - this.bytesUsed());
  }

  bytesUsed(): number {
    let used = 0;
    for (const content of this.#seen.values()) used += content.size;
    return used;
  }

  /** The bytes of a file as readers see them; to write into them is to rot the disk. */
  bytesOf(name: string): Buffer {
    const content = must(this.#seen.get(name), "a file that exists");
    return content.seen.subarray(0, content.size);
  }

  /** Puts a whole file there, as safe as if it always had been. */
  plant(name: string, bytes: Buffer): void {
    const content = new Content();
    content.writeSeen(0, bytes);
    content.writeSafe(0, bytes);
    this.#seen.set(name, content);
    this.#safe.set(name, content);
  }

  /** A disk of its own with the same state, what is pending included. Files open on this one stay with it. */
  clone(defer: (run: () => void) => void = this.#defer): MemoryDisk {
    const copies = new Map<Content, Content>();
    const copyOf = (content: Content): Content => {
      const copy = copies.get(content) ?? content.clone();
      copies.set(content, copy);
      return copy;
    };
    const disk = new MemoryDisk(defer);
    disk.bytesMax = this.bytesMax;
    for (const [name, content] of this.#seen) disk.#seen.set(name, copyOf(content));
    for (const [name, content] of this.#safe) disk.#safe.set(name, copyOf(content));
    disk.#steps = this.#steps.map(({ step, content }) => ({ step, content: copyOf(content) }));
    return disk;
  }

  /** The disk as it may be found after a crash now. This one is left as it is. */
  crash(random: Random, defer: (run: () => void) => void = this.#defer): MemoryDisk {
    const names: Names = new Map(this.#safe);
    const happened = Math.floor(random.next() * (this.#steps.length + 1));
    for (const { step, content } of this.#steps.slice(0, happened)) applyStep(names, step, content);
    const disk = new MemoryDisk(defer);
    disk.bytesMax = this.bytesMax;
    for (const [name, content] of names) {
      const found = content.crashed(random);
      disk.#seen.set(name, found);
      disk.#safe.set(name, found);
    }
    return disk;
  }
}

function applyStep(names: Names, step: Step, content: Content): void {
  if (step.kind === "create") names.set(step.name, content);
  else if (step.kind === "remove") names.delete(step.name);
  else {
    names.delete(step.from);
    names.set(step.to, content);
  }
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #content: Content;
  readonly #mode: OpenMode;
  readonly #defer: (run: () => void) => void;
  #isOpen = true;

  constructor(disk: MemoryDisk, content: Content, mode: OpenMode, defer: (run: () => void) => void) {
    this.#disk = disk;
    this.#content = content;
    this.#mode = mode;
    this.#defer = defer;
  }

  async size(): Promise<number> {
    return this.#content.size;
  }

  write(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined) => void,
  ): void {
    assert(this.#isOpen && this.#mode !== "read", "a write goes to an open, writable file");
    assert(start + length <= buffer.length, "a write lies in its buffer");
    assert(this.#mode !== "direct" || isOfBlocks(start, length, position), "a direct write is of whole blocks");
    const growth = Math.max(0, position + length - this.#content.size);
    if (growth > 0 && this.#disk.bytesUsed() + growth > this.#disk.bytesMax) {
      this.#defer(() => done(diskError("ENOSPC", "the disk is full")));
      return;
    }
    const write: PendingWrite = { position, bytes: Buffer.from(buffer.subarray(start, start + length)) };
    this.#content.writeSeen(position, write.bytes);
    this.#content.pending.push(write);
    this.#defer(() => {
      assert(write.bytes.equals(buffer.subarray(start, start + length)), "nobody changes what is being written");
      if (this.#mode === "direct" && growth > 0) write.lacksLength = true;
      else if (this.#mode !== "write") this.#content.makeSafeWithLength(write);
      done(undefined);
    });
  }

  read(
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
    done: (error: Error | undefined, bytesRead: number) => void,
  ): void {
    assert(this.#isOpen, "a read comes from an open file");
    assert(start + length <= buffer.length, "a read lies in its buffer");
    this.#defer(() => {
      const end = Math.min(position + length, this.#content.size);
      done(undefined, end <= position ? 0 : this.#content.seen.copy(buffer, start, position, end));
    });
  }

  sync(done: (error: Error | undefined) => void): void {
    const writes = [...this.#content.pending];
    this.#defer(() => {
      for (const write of writes) this.#content.makeSafe(write);
      done(undefined);
    });
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }
}

function diskError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
