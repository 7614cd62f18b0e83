import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DirectWriter, Windows } from "./direct-writer.ts";
import { seededRandom } from "../base/random.ts";
import { BLOCK_ALIGN, LENT_BYTES_MIN } from "./log.ts";
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
      const writer = new DirectWriter(disk, "file", windows);
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
      await writer.finish();
      if (length > 0) assert.ok(disk.bytesOf("file").equals(numbered(0, length)));
      else assert.deepEqual(await disk.list(), []);
      // However long the pieces: where the last flush ended, where a short one stands behind a long one, and one between.
      assert.ok(made() <= 3, `${made()} windows`);
    }),
    { numRuns: 60 },
  );
});

test("windows are used again by the next writer, also those of one that failed", async () => {
  const disk = new MemoryDisk();
  const { windows, made } = countingWindows(disk);
  const piece = numbered(0, 1000);
  const large = numbered(0, MB);
  for (const end of ["finish", "abort"] as const) {
    const writer = new DirectWriter(disk, end, windows);
    writer.append(piece, 0, piece.length);
    await writer[end]();
  }
  assert.deepEqual(await disk.list(), ["finish"]);
  assert.equal(made(), 1);
  disk.bytesMax = 2000;
  for (let turn = 0; turn < 3; turn++) {
    const writer = new DirectWriter(disk, "full", windows);
    writer.append(piece, 0, piece.length);
    writer.append(large, 0, large.length);
    await assert.rejects(writer.finish(), { code: "ENOSPC" });
    await writer.abort();
    await disk.remove("full");
  }
  assert.equal(made(), 1);
});

test("what is finished is there after a crash, also where it ends with a window", async () => {
  for (const length of [MB, 2 * MB, 2 * MB + 1]) {
    const disk = new MemoryDisk();
    const writer = new DirectWriter(disk, "file", new Windows(disk));
    writer.append(numbered(0, length), 0, length);
    await writer.finish();
    await disk.syncDirectory();
    for (let seed = 0; seed < 10; seed++)
      assert.ok(disk.crash(seededRandom(seed)).bytesOf("file").equals(numbered(0, length)), `${length}`);
  }
});
