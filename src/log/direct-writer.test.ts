import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DirectWriter, Windows } from "./direct-writer.ts";
import { BLOCK_ALIGN, LENT_BYTES_MIN } from "./log.ts";
import type { DiskFile } from "./log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";

const MB = 1024 * 1024;

/** Bytes that say where in the file they are to be. */
function numbered(from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; at++) bytes[at] = ((from + at) * 2_654_435_761) >>> 24;
  return bytes;
}

/** Counts the windows that are made. */
function countingWindows(disk: MemoryDisk): { windows: Windows; made: () => number } {
  let made = 0;
  const allocate = (bytes: number): Buffer => {
    made++;
    return disk.allocate(bytes);
  };
  return { windows: new Windows({ allocate }), made: () => made };
}

test("pieces of any length, lent and copied, stand one behind the other, in writes of whole blocks", async () => {
  const step = fc.oneof(
    fc.nat({ max: 3 * BLOCK_ALIGN }),
    fc.integer({ min: LENT_BYTES_MIN - 1, max: LENT_BYTES_MIN + 1 }),
    fc.integer({ min: MB - 1, max: 4 * MB }),
    fc.constant("flush" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const disk = new MemoryDisk();
      const { windows, made } = countingWindows(disk);
      const writer = new DirectWriter(await disk.open("file", "direct"), windows);
      let length = 0;
      let lent: Buffer[] = [];
      const append = (bytes: number): void => {
        const piece = numbered(length, bytes);
        writer.append(piece, 0, bytes);
        length += bytes;
        if (bytes >= LENT_BYTES_MIN) lent.push(piece);
        else piece.fill(0xee);
      };
      for (const one of steps) {
        if (one !== "flush") append(one);
        if (one === "flush" || writer.bytesBuffered > MB) {
          await writer.flush();
          assert.equal(writer.bytesBuffered, 0);
          // What was lent is its owner's again.
          for (const piece of lent) piece.fill(0xee);
          lent = [];
        }
      }
      append((BLOCK_ALIGN - (length % BLOCK_ALIGN)) % BLOCK_ALIGN);
      await writer.finish();
      assert.ok(disk.bytesOf("file").equals(numbered(0, length)));
      // However long the pieces: where the last flush ended, where a short one stands behind a long one, and one between.
      assert.ok(made() <= 3, `${made()} windows`);
    }),
    { numRuns: 60 },
  );
});

test("windows are used again by the next writer, but not one of which a write failed", async () => {
  const disk = new MemoryDisk();
  const { windows, made } = countingWindows(disk);
  const block = numbered(0, BLOCK_ALIGN);
  for (const name of ["a", "b"]) {
    const writer = new DirectWriter(await disk.open(name, "direct"), windows);
    writer.append(block, 0, block.length);
    await (name === "a" ? writer.finish() : writer.abort());
  }
  assert.equal(made(), 1);
  const file = await disk.open("c", "direct");
  const failing = Object.create(file, {
    write: { value: ((...args) => queueMicrotask(() => args[4](new Error("EIO")))) as DiskFile["write"] },
    close: { value: () => file.close() },
  }) as DiskFile;
  const writer = new DirectWriter(failing, windows);
  writer.append(block, 0, block.length);
  await assert.rejects(writer.finish(), /EIO/);
  await writer.abort();
  const next = new DirectWriter(await disk.open("d", "direct"), windows);
  next.append(block, 0, block.length);
  await next.finish();
  assert.equal(made(), 2);
});
