import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { syncFile, writeAt } from "../disk-read.ts";
import type { DiskFile } from "../log.ts";
import { ForgetfulDisk } from "./forgetful-disk.ts";

async function contentOf(disk: ForgetfulDisk, name: string): Promise<Buffer> {
  const file = await disk.open(name, "read");
  const buffer = Buffer.alloc(await file.size());
  await new Promise<void>((resolve) => file.read(buffer, 0, buffer.length, 0, () => resolve()));
  return buffer;
}

test("a crash leaves what was synced and nothing else, whatever was written since", async () => {
  const writes = fc.array(
    fc.record({
      position: fc.nat(200_000),
      length: fc.integer({ min: 1, max: 100_000 }),
      octet: fc.integer({ min: 1, max: 255 }),
      isSynced: fc.boolean(),
    }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(writes, async (steps) => {
      const disk = new ForgetfulDisk((run) => setImmediate(run));
      const file = await disk.open("f", "write");
      await disk.syncDirectory();
      let seen: Buffer = Buffer.alloc(0);
      let synced = seen;
      for (const { position, length, octet, isSynced } of steps) {
        const grown = Buffer.alloc(Math.max(seen.length, position + length));
        seen.copy(grown);
        grown.fill(octet, position, position + length);
        seen = grown;
        await writeAt(file, Buffer.alloc(length, octet), 0, length, position);
        if (!isSynced) continue;
        await syncFile(file);
        synced = seen;
      }
      assert.ok((await contentOf(disk, "f")).equals(seen));
      disk.crash();
      assert.ok((await contentOf(disk, "f")).equals(synced));
    }),
    { numRuns: 60 },
  );
});

test("a synced write is there when it is done; one under way at a crash never was, and nobody hears of it", async () => {
  const disk = new ForgetfulDisk((run) => setImmediate(run));
  const file: DiskFile = await disk.open("f", "synced");
  await disk.syncDirectory();
  await writeAt(file, Buffer.from("done"), 0, 4, 0);
  let isHeard = false;
  file.write(Buffer.from("more"), 0, 4, 4, () => (isHeard = true));
  disk.crash();
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isHeard, false);
  assert.equal((await contentOf(disk, "f")).toString(), "done");
});

test("names are safe after the directory was synced", async () => {
  const disk = new ForgetfulDisk((run) => setImmediate(run));
  await disk.open("a", "synced");
  await disk.syncDirectory();
  await disk.open("b", "synced");
  await disk.rename("a", "c");
  assert.deepEqual((await disk.list()).sort(), ["b", "c"]);
  disk.crash();
  assert.deepEqual(await disk.list(), ["a"]);
  await assert.rejects(disk.open("b", "read"), { code: "ENOENT" });
  await disk.remove("a");
  await disk.syncDirectory();
  disk.crash();
  assert.deepEqual(await disk.list(), []);
});
