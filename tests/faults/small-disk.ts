/**
 * A file system of a few megabytes, mounted for one test: the only honest way to a full disk, since what a write to a
 * full one does (a part of it, an error at the sync, an error at the next open) is the file system's to say. An image
 * with ext4 behind a loop device where that can be had, since there O_DSYNC and allocation are real; else a tmpfs; else
 * the test is skipped with the system's reason. Both need root.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const mebibyte = 1024 * 1024;

export class SmallDisk {
  /** A directory on it, for the broker. */
  readonly dataDir: string;
  /** An error can be brought about, and repaired. */
  readonly canFail: boolean;
  readonly #mountPoint: string;
  readonly #image: string;
  readonly #ballast: string;

  private constructor(mountPoint: string, image: string, canFail: boolean) {
    this.#mountPoint = mountPoint;
    this.#image = image;
    this.canFail = canFail;
    this.dataDir = join(mountPoint, "broker");
    this.#ballast = join(mountPoint, "ballast");
    mkdirSync(this.dataDir);
  }

  /** Gives a disk that is gone when the test ends, or skips the test; `stop` is to end who uses it. */
  static mount(t: TestContext, mebibytes: number, stop: () => Promise<unknown>): SmallDisk | undefined {
    const base = mkdtempSync(join(tmpdir(), "entrepot-disk-"));
    const mountPoint = join(base, "mounted");
    mkdirSync(mountPoint);
    const image = join(base, "image");
    const kind = mountAt(mountPoint, image, mebibytes);
    t.after(async () => {
      await stop();
      if (kind === "ext4" || kind === "tmpfs") execFileSync("umount", [mountPoint]);
      rmSync(base, { recursive: true, force: true });
    });
    if (kind === "ext4" || kind === "tmpfs") return new SmallDisk(mountPoint, image, kind === "ext4");
    t.skip(`a small file system cannot be mounted here: ${kind.reason}`);
    return undefined;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#mountPoint);
    return bavail * bsize;
  }

  /** Takes what is free, as another program would, but for `leftBytes`. */
  fill(leftBytes = 0): void {
    const fd = openSync(this.#ballast, "a");
    try {
      let step = mebibyte;
      while (step >= 1) {
        const bytes = Math.min(step, this.freeBytes - leftBytes);
        // The last block of all is for bytes that fit nowhere else.
        if (bytes <= 0) break;
        try {
          writeSync(fd, Buffer.alloc(bytes, "ballast"));
        } catch {
          step = Math.floor(step / 2);
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Gives back what `fill` took. */
  relieve(): void {
    truncateSync(this.#ballast, 0);
  }

  /** What happens when ext4 finds an error in itself: from now on every write fails. */
  abort(): void {
    execFileSync("mount", ["-o", "remount,abort", this.#mountPoint]);
  }

  /** What an operator does then. Nobody may use the disk. */
  repair(): void {
    execFileSync("umount", [this.#mountPoint]);
    // Its status says that there was something to repair.
    spawnSync("e2fsck", ["-p", this.#image]);
    execFileSync("mount", ["-o", "loop", this.#image, this.#mountPoint]);
  }
}

function mountAt(mountPoint: string, image: string, mebibytes: number): "ext4" | "tmpfs" | { reason: string } {
  try {
    closeSync(openSync(image, "w"));
    truncateSync(image, mebibytes * mebibyte);
    // Without blocks set aside for root, who runs this: full is to mean full.
    quietly("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
    quietly("mount", ["-o", "loop,errors=remount-ro", image, mountPoint]);
    return "ext4";
  } catch {
    try {
      quietly("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", mountPoint]);
      return "tmpfs";
    } catch (error) {
      return { reason: (error as Error).message.trim().split("\n").at(-1)! };
    }
  }
}

function quietly(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}
