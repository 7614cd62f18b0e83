import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { openCheckpoints } from "./checkpoint.ts";
import { openDiskLog } from "./disk-log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";

const chunks = (text: string): Buffer[] => [Buffer.from(text), Buffer.alloc(0), Buffer.from("!")];

async function newest(disk: MemoryDisk): Promise<{ id: number; text: string; faults: string[] }> {
  const found = await openCheckpoints(disk).readNewest();
  const text = "bytes" in found ? found.bytes.toString() : "";
  return { id: found.id, text, faults: found.damage.map((one) => one.what) };
}

test("the newest checkpoint comes back whole", async () => {
  const disk = new MemoryDisk();
  assert.deepEqual(await newest(disk), { id: 0, text: "", faults: [] });
  await openCheckpoints(disk).write(1, chunks("first"));
  await openCheckpoints(disk).write(2, chunks("second"));
  assert.deepEqual(await newest(disk), { id: 2, text: "second!", faults: [] });
  await openCheckpoints(disk).write(3, []);
  assert.deepEqual(await newest(disk), { id: 3, text: "", faults: [] });
});

test("any byte flipped, or any cut: the one before is answered and the damage reported", async () => {
  const disk = new MemoryDisk();
  await openCheckpoints(disk).write(1, chunks("first"));
  await openCheckpoints(disk).write(2, chunks("second"));
  const name = "checkpoint-0000000000000002.ckpt";
  const bytes = Buffer.from(disk.bytesOf(name));
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1 << (at % 8);
    for (const damaged of [flipped, Buffer.from(bytes.subarray(0, at))]) {
      disk.plant(name, damaged);
      const found = await newest(disk);
      assert.deepEqual([found.id, found.text, found.faults.length], [1, "first!", 1], `byte ${at}`);
    }
  }
  disk.plant("checkpoint-0000000000000001.ckpt", Buffer.alloc(40));
  const none = await newest(disk);
  assert.deepEqual([none.id, none.faults.length], [0, 2]);
});

test("a checkpoint under another one's name is damage", async () => {
  const disk = new MemoryDisk();
  await openCheckpoints(disk).write(1, chunks("first"));
  disk.plant("checkpoint-0000000000000005.ckpt", Buffer.from(disk.bytesOf("checkpoint-0000000000000001.ckpt")));
  const found = await newest(disk);
  assert.deepEqual([found.id, found.faults.length], [1, 1]);
});

test("all checkpoints go but those that are to stay, newer ones too", async () => {
  const disk = new MemoryDisk();
  const store = openCheckpoints(disk);
  for (let id = 1; id <= 5; id++) await store.write(id, chunks(`${id}`));
  await store.removeOthers([2, 4, 9]);
  assert.deepEqual((await disk.list()).toSorted(), [
    "checkpoint-0000000000000002.ckpt",
    "checkpoint-0000000000000004.ckpt",
  ]);
  await store.removeOthers([2]);
  assert.deepEqual(await newest(disk), { id: 2, text: "2!", faults: [] });
});

test("a crash while a checkpoint is written leaves the one before, and no draft after the next start", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const turns: (() => void)[] = [];
    const disk = new MemoryDisk((run) => turns.push(run));
    const run = async (steps: number): Promise<void> => {
      for (let step = 0; step < steps; step++) {
        await new Promise((resolve) => setImmediate(resolve));
        turns.shift()?.();
      }
    };
    const first = openCheckpoints(disk).write(1, chunks("first"));
    await run(6);
    await first;
    const second = openCheckpoints(disk).write(2, chunks("second"));
    await run(seed % 7);
    const crashed = disk.crash(random, queueMicrotask);
    await run(7);
    await second;
    const found = await newest(crashed);
    assert.deepEqual(found.faults, []);
    assert.ok(found.text === "first!" || found.text === "second!", `seed ${seed}: ${found.text}`);
    await openDiskLog(crashed, random);
    assert.ok(!(await crashed.list()).some((name) => name.endsWith(".tmp")));
  }
});
