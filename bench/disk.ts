// What the disk itself can do, as the yardstick for everything that is called durable: one synced write of 4 KB (what
// one confirm costs at least), and the rate of sequential synced writes of 64 KB and 1 MB (what a stream of them costs).
//
//     node bench/disk.ts [--dir DIR]
//
// "O_DSYNC" writes into a file that exists at full length (as a journal that recycles its files does); "append" grows
// the file and calls fdatasync, which must also write the new length.

import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Histogram } from "./histogram.ts";

/** "woken" differs from "dsync" by the name of its file. */
export type SyncMode = "dsync" | "woken" | "append";

/** A file to which synced writes are timed. Removed by `close`. */
export class SyncProbe {
  readonly latency = new Histogram();
  readonly #path: string;
  readonly #fd: number;
  readonly #block: Buffer;
  readonly #mode: SyncMode;
  readonly #fileBytes: number;
  #at = 0;

  constructor(dir: string, mode: SyncMode, blockBytes: number, fileBytes = 64 << 20) {
    this.#path = join(dir, `sync-probe-${process.pid}-${mode}.tmp`);
    this.#mode = mode;
    this.#block = Buffer.alloc(blockBytes, 0x2e);
    this.#fileBytes = fileBytes;
    if (mode !== "append") preallocate(this.#path, fileBytes);
    const flags = mode !== "append" ? constants.O_RDWR | constants.O_DSYNC : constants.O_RDWR | constants.O_CREAT;
    this.#fd = openSync(this.#path, flags, 0o600);
  }

  /** Writes `count` blocks, one after the other has reached the disk. */
  write(count: number): void {
    for (let written = 0; written < count; written++) {
      const startMs = performance.now();
      writeSync(this.#fd, this.#block, 0, this.#block.length, this.#at);
      if (this.#mode === "append") fdatasyncSync(this.#fd);
      this.latency.record((performance.now() - startMs) * 1000);
      this.#at += this.#block.length;
      if (this.#mode !== "append" && this.#at + this.#block.length > this.#fileBytes) this.#at = 0;
    }
  }

  /** The same with a pause of a millisecond before each, in which the thread sleeps: as any server's does between requests. */
  async writeWoken(count: number): Promise<void> {
    for (let written = 0; written < count; written++) {
      await setTimeout(1);
      this.write(1);
    }
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#path);
  }
}

function preallocate(path: string, bytes: number): void {
  const chunk = Buffer.alloc(1 << 20);
  const fd = openSync(path, "w", 0o600);
  for (let at = 0; at < bytes; at += chunk.length) writeSync(fd, chunk);
  fsyncSync(fd);
  closeSync(fd);
}

/** Of tmpfs and of ramfs. */
const memoryFileSystems: readonly number[] = [0x01021994, 0x858458f6];

/** Errors: the folder is in memory, where what is called durable would be measured without a disk. */
export function requireDisk(dir: string): void {
  if (memoryFileSystems.includes(statfsSync(dir).type))
    throw new Error(`${dir} is in memory, where nothing is durable: choose a folder on a disk with --dir`);
}

export interface SequentialRate {
  readonly blockBytes: number;
  readonly megabytesPerSecond: number;
  readonly writeUs: ReturnType<Histogram["summary"]>;
}

/** Sequential synced writes into a preallocated file, for about `forSeconds`. */
export function sequentialRate(dir: string, blockBytes: number, forSeconds: number): SequentialRate {
  const probe = new SyncProbe(dir, "dsync", blockBytes, 256 << 20);
  probe.write(8);
  probe.latency.clear();
  const startMs = performance.now();
  let blocks = 0;
  while (performance.now() - startMs < forSeconds * 1000) {
    probe.write(4);
    blocks += 4;
  }
  const elapsed = (performance.now() - startMs) / 1000;
  const writeUs = probe.latency.summary();
  probe.close();
  return {
    blockBytes,
    megabytesPerSecond: Math.round((blocks * blockBytes) / elapsed / 1e6),
    writeUs,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { dir: { type: "string", default: "." } } });
  for (const mode of ["dsync", "append"] as const) {
    const probe = new SyncProbe(values.dir, mode, mode === "dsync" ? 4096 : 100);
    probe.write(2000);
    const bytes = mode === "dsync" ? 4096 : 100;
    console.log(JSON.stringify({ mode, blockBytes: bytes, writeUs: probe.latency.summary() }));
    probe.close();
  }
  for (const bytes of [64 << 10, 1 << 20]) {
    console.log(JSON.stringify({ mode: "dsync", ...sequentialRate(values.dir, bytes, 3) }));
  }
}
