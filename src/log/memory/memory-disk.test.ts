import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../base/random.ts";
import { syncFile, writeAt } from "../disk-read.ts";
import { MemoryDisk } from "./memory-disk.ts";

test("what was synced survives each crash; what was not is lost, whole or torn by sectors", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("f", "write");
  await writeAt(file, Buffer.alloc(2000, 1), 0, 2000, 0);
  await syncFile(file);
  await disk.syncDirectory();
  await writeAt(file, Buffer.alloc(3000, 2), 0, 3000, 500);
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const found = disk.crash(seededRandom(seed)).bytesOf("f");
    assert.ok(found.length >= 2000);
    assert.ok(found.subarray(0, 500).every((byte) => byte === 1));
    for (let at = 0; at < found.length; at += 512) {
      const sector = found.subarray(Math.max(500, at), Math.min(3500, at + 512, found.length));
      assert.ok(sector.every((byte) => byte === sector[0]) || at + 512 > 2000, "a sector arrives whole");
    }
    seen.add(found.toString("latin1"));
  }
  assert.ok(seen.size > 10);
  assert.equal(disk.bytesOf("f")[600], 2);
});

test("names are safe after the directory was synced, and steps since then are lost from the end", async () => {
  const disk = new MemoryDisk();
  await disk.open("a", "synced");
  await disk.syncDirectory();
  await disk.open("b", "synced");
  await disk.rename("a", "c");
  await disk.remove("b");
  const seen = new Set<string>();
  for (let seed = 0; seed < 60; seed++) seen.add((await disk.crash(seededRandom(seed)).list()).sort().join());
  assert.deepEqual([...seen].sort(), ["a", "a,b", "b,c", "c"]);
});

test("the same seed finds the same disk, and a clone goes its own way", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("f", "write");
  await disk.syncDirectory();
  await writeAt(file, seededRandom(1).bytes(10_000), 0, 10_000, 0);
  const copy = disk.clone();
  assert.ok(
    disk
      .crash(seededRandom(3))
      .bytesOf("f")
      .equals(copy.crash(seededRandom(3)).bytesOf("f")),
  );
  copy.bytesOf("f").fill(0);
  assert.notEqual(disk.bytesOf("f")[0], 0);
});

test("a synced write is torn by a crash before it is done, and safe after", async () => {
  const turns: (() => void)[] = [];
  const disk = new MemoryDisk((run) => turns.push(run));
  const file = await disk.open("f", "synced");
  await disk.syncDirectory();
  let isDone = false;
  file.write(Buffer.alloc(4096, 7), 0, 4096, 0, () => (isDone = true));
  const lengths = new Set<number>();
  for (let seed = 0; seed < 50; seed++) lengths.add(disk.crash(seededRandom(seed)).bytesOf("f").length);
  assert.ok(lengths.has(0) && lengths.has(4096) && lengths.size > 2);
  turns.shift()!();
  assert.ok(isDone);
  assert.equal(disk.crash(seededRandom(1)).bytesOf("f").length, 4096);
});

test("a full disk says so and takes nothing", async () => {
  const disk = new MemoryDisk();
  disk.bytesMax = 100;
  const file = await disk.open("f", "synced");
  await writeAt(file, Buffer.alloc(100), 0, 100, 0);
  await assert.rejects(writeAt(file, Buffer.alloc(1), 0, 1, 100), { code: "ENOSPC" });
  await writeAt(file, Buffer.alloc(50), 0, 50, 50);
  await assert.rejects(disk.open("g", "write"), { code: "ENOSPC" });
  assert.equal(await disk.freeBytes(), 0);
});
