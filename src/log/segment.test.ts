import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../base/crc.ts";
import { DamageError } from "./log.ts";
import type { Disk, RunMeta, SegmentBuilder } from "./log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";
import {
  entryCheck,
  FOOTER_BYTES,
  INDEX_ENTRY_BYTES,
  PAGE_HEADER_BYTES,
  pageCountOf,
  pageCrc,
  pageEntriesOf,
  pageLength,
  segmentHeader,
} from "./segment-format.ts";
import { openSegments } from "./segment.ts";
import { entriesOf, entryOf, readSpan } from "./test-blocks.ts";

/** Puts an entry made of the offset as its seed, with the offset times ten as its time. */
function putEntry(builder: SegmentBuilder, offset: number, length = 30): number {
  const entry = entryOf(offset, offset * 10, length);
  return builder.put(offset, offset * 10, entry, 0, entry.length);
}

const expectedEntry = (offset: number, length = 30): { offset: number; payload: string } => ({
  offset,
  payload: entryOf(offset, offset * 10, length).toString("hex"),
});

/** Partition 1 has `count` entries at offsets 3, 6, 9 ...; partition 2 shares each fifth of them. */
async function twoRuns(disk: MemoryDisk, id: number, count: number): Promise<RunMeta[]> {
  const builder = await openSegments(disk).create(id);
  const positions: number[] = [];
  builder.beginRun(1);
  for (let index = 0; index < count; index++) positions.push(putEntry(builder, (index + 1) * 3));
  builder.endRun();
  builder.beginRun(2);
  for (let index = 0; index < count; index += 5) builder.share(index, index, positions[index]!, 30);
  builder.endRun();
  return await builder.finish();
}

/** The same disk; `reads` of its files are counted, and those that are `failing` fail. `open` counts files that are open. */
function countReads(under: MemoryDisk): { disk: Disk; reads: () => number; open: () => number; failing: Set<number> } {
  let reads = 0;
  let open = 0;
  const failing = new Set<number>();
  const disk: Disk = {
    list: () => under.list(),
    rename: (from, to) => under.rename(from, to),
    remove: (name) => under.remove(name),
    syncDirectory: () => under.syncDirectory(),
    freeBytes: () => under.freeBytes(),
    allocate: (bytes) => under.allocate(bytes),
    async open(name, mode) {
      const file = await under.open(name, mode);
      open++;
      return {
        size: () => file.size(),
        write: (...args) => file.write(...args),
        sync: (done) => file.sync(done),
        close() {
          open--;
          return file.close();
        },
        read(...args) {
          if (failing.has(++reads)) queueMicrotask(() => args[4](new Error("EIO"), 0));
          else file.read(...args);
        },
      };
    },
  };
  return { disk, reads: () => reads, open: () => open, failing };
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("runs come back from the directory as they were answered", async () => {
  const disk = new MemoryDisk();
  const runs = await twoRuns(disk, 7, 1300);
  assert.deepEqual(
    runs.map(({ segment, partition, firstOffset, lastOffset, count, bytes }) => [
      segment,
      partition,
      firstOffset,
      lastOffset,
      count,
      bytes,
    ]),
    [
      [7, 1, 3, 3900, 1300, 39_000],
      [7, 2, 0, 1295, 260, 7800],
    ],
  );
  const opened = await openSegments(disk).open(7);
  assert.deepEqual(opened.runs, runs);
  assert.deepEqual(opened.damage, []);
  assert.deepEqual(await openSegments(disk).list(), [7]);
});

test("a read begins at an offset, or at what covers it, and ends at either bound or the run's end", async () => {
  const disk = new MemoryDisk();
  const [run, shared] = (await twoRuns(disk, 1, 1300)) as [RunMeta, RunMeta];
  const segments = openSegments(disk);
  const offsets = async (...args: Parameters<typeof readSpan> extends [unknown, ...infer Rest] ? Rest : never) => {
    const span = await readSpan(segments, ...args);
    assert.deepEqual(span.damage, []);
    return [...span.offsets.subarray(0, span.count), "then", span.nextOffset, span.nextIndex];
  };
  assert.deepEqual(await offsets(run, 0, { entriesMax: 2 }), [3, 6, "then", 9, 2]);
  assert.deepEqual(await offsets(run, 7, { entriesMax: 2 }), [9, 12, "then", 15, 4]);
  assert.deepEqual(await offsets(run, 7, { entriesMax: 2, covering: true }), [6, 9, "then", 12, 3]);
  assert.deepEqual(await offsets(run, 6, { entriesMax: 1, covering: true }), [6, "then", 9, 2]);
  assert.deepEqual(await offsets(run, 1, { entriesMax: 1, covering: true }), [3, "then", 6, 1]);
  assert.deepEqual(await offsets(run, 1537, { entriesMax: 1, covering: true }), [1536, "then", 1539, 512]);
  assert.deepEqual(await offsets(run, 1536, { entriesMax: 2 }), [1536, 1539, "then", 1542, 513]);
  assert.deepEqual(await offsets(run, 9, { bytesMax: 60 }), [9, 12, "then", 15, 4]);
  assert.deepEqual(await offsets(run, 9, { bytesMax: 0 }), [9, "then", 12, 3]);
  assert.deepEqual(await offsets(run, 3898), [3900, "then", 3901, 1300]);
  assert.deepEqual(await offsets(run, 3901), ["then", 3901, 1300]);
  assert.deepEqual(await offsets(run, 9999, { covering: true }), [3900, "then", 3901, 1300]);

  const all = await readSpan(segments, run, 0);
  assert.deepEqual(
    entriesOf(all),
    Array.from({ length: 1300 }, (_, index) => expectedEntry((index + 1) * 3)),
  );
  const allShared = await readSpan(segments, shared, 0);
  assert.deepEqual(
    entriesOf(allShared).map((entry) => entry.payload),
    Array.from({ length: 260 }, (_, index) => expectedEntry((index * 5 + 1) * 3).payload),
  );
});

test("payloads that lie far apart are not read with all that is between them", async () => {
  const disk = new MemoryDisk();
  const segments = openSegments(disk);
  const builder = await segments.create(1);
  const positions: number[] = [];
  builder.beginRun(1);
  for (let offset = 0; offset < 20; offset++) positions.push(putEntry(builder, offset, 100_000));
  builder.endRun();
  builder.beginRun(2);
  for (const offset of [0, 7, 8, 19]) builder.share(offset, 0, positions[offset]!, 100_000);
  builder.endRun();
  const runs = await builder.finish();
  const span = await readSpan(segments, runs[1]!, 0);
  assert.deepEqual(
    entriesOf(span),
    [0, 7, 8, 19].map((offset) => expectedEntry(offset, 100_000)),
  );
  assert.equal(span.buffer.length, 400_000);
});

for (const length of [30, 5000]) {
  test(`the first offset at or after a time is found, although clocks go back: entries of ${length} octets`, async () => {
    await findTimes(length);
  });
}

async function findTimes(length: number): Promise<void> {
  const disk = new MemoryDisk();
  const segments = openSegments(disk);
  const times = Array.from({ length: 2000 }, (_, index) => (index === 700 ? 50_000 : index * 10));
  const builder = await segments.create(1);
  builder.beginRun(1);
  for (const [offset, time] of times.entries()) {
    builder.put(offset, time, Buffer.concat([entryOf(offset, time), Buffer.alloc(length - 30)]), 0, length);
  }
  builder.endRun();
  const [run] = (await builder.finish()) as [RunMeta];
  for (const ms of [0, 1, 10, 5115, 5120, 5121, 6990, 7000, 7001, 49_999, 50_000, 50_001]) {
    const expected = times.findIndex((time) => time >= ms);
    assert.equal(await segments.offsetAtTime(run, ms), expected < 0 ? 2000 : expected, `at ${ms}`);
    const later = times.findIndex((time, offset) => offset >= 701 && time >= ms);
    assert.equal(await segments.offsetAtTime(run, ms, 701), later < 0 ? 2000 : later, `from 701 at ${ms}`);
  }
}

test("a draft is not a segment until it is finished, and none after it was given up", async () => {
  const disk = new MemoryDisk();
  const segments = openSegments(disk);
  const builder = await segments.create(3);
  builder.beginRun(1);
  putEntry(builder, 1);
  await builder.flush();
  assert.deepEqual(await segments.list(), []);
  await builder.abort();
  assert.deepEqual(await disk.list(), []);
  await assert.rejects(segments.open(3), DamageError);
});

test("offsets that spread over more than 32 bits make another run", async () => {
  const disk = new MemoryDisk();
  const segments = openSegments(disk);
  const builder = await segments.create(1);
  const offsets = [5, 6, 2 ** 32 + 4, 2 ** 33, 2 ** 50, 2 ** 50 + 2 ** 32 - 1];
  builder.beginRun(4);
  for (const offset of offsets) builder.put(offset, 0, entryOf(1, 0), 0, 30);
  builder.endRun();
  const runs = await builder.finish();
  const found: number[] = [];
  for (const run of runs) {
    const span = await readSpan(segments, run, 0);
    found.push(...span.offsets.subarray(0, span.count));
    assert.deepEqual(span.damage, []);
  }
  assert.deepEqual(found, offsets);
});

test("a segment without entries is none", async () => {
  const disk = new MemoryDisk();
  const segments = openSegments(disk);
  const builder = await segments.create(1);
  builder.beginRun(1);
  builder.endRun();
  assert.deepEqual(await builder.finish(), []);
  assert.deepEqual(await disk.list(), []);
});

for (const [what, entries, step] of [
  ["any byte", 24, 1],
  ["a byte here and there in a segment of several pages", 540, 101],
] as const) {
  test(`${what} flipped: no entry is wrong, at most one is lost, and damage is reported`, async () => {
    const disk = new MemoryDisk();
    const runs = await twoRuns(disk, 1, entries);
    const bytes = disk.bytesOf("segment-0000000000000001.seg");
    const truth = await Promise.all(runs.map(async (run) => entriesOf(await readSpan(openSegments(disk), run, 0))));
    for (let at = 0; at < bytes.length; at += step) {
      const before = bytes[at]!;
      bytes[at] = before ^ (1 << (at % 8));
      const segments = openSegments(disk);
      const opened = await segments.open(1);
      const damage = [...opened.damage];
      assert.deepEqual(opened.runs, runs);
      for (const [index, run] of opened.runs.entries()) {
        const span = await readSpan(segments, run, 0);
        damage.push(...span.damage);
        const found = entriesOf(span);
        const known = new Map(truth[index]!.map((entry) => [entry.offset, entry.payload]));
        for (const entry of found) assert.equal(entry.payload, known.get(entry.offset), `byte ${at}`);
        assert.ok(found.length >= truth[index]!.length - 1, `byte ${at}`);
      }
      assert.ok(damage.length > 0, `byte ${at}`);
      await segments.close();
      bytes[at] = before;
    }
  });
}

/** As version 1 wrote it: entries are guarded by CRC-32. */
function inVersion1(segment: Buffer, runs: readonly RunMeta[]): Buffer {
  const bytes = Buffer.from(segment);
  segmentHeader(1, 1).copy(bytes);
  for (const { count, indexPosition } of runs) {
    for (let page = 0, at = indexPosition; page < pageCountOf(count); page++) {
      const entries = pageEntriesOf(count, page);
      for (let entry = at + PAGE_HEADER_BYTES; entry < at + pageLength(entries); entry += INDEX_ENTRY_BYTES) {
        const start = bytes.readUInt32BE(entry + 4);
        const crc = crc32(bytes, start, start + bytes.readUInt32BE(entry + 8));
        bytes.writeUInt32BE(entryCheck(crc, bytes.readUInt32BE(entry)), entry + 12);
      }
      bytes.writeUInt32BE(pageCrc(bytes, at, entries), at + 28);
      at += pageLength(entries);
    }
  }
  for (const at of [bytes.length - 2 * FOOTER_BYTES, bytes.length - FOOTER_BYTES]) {
    bytes.writeUInt32BE(1, at + 4);
    bytes.writeUInt32BE(crc32(bytes, at, at + 60), at + 60);
  }
  return bytes;
}

test("segments of version 1 are read, salvaged, and known by their version alone", async () => {
  const name = "segment-0000000000000001.seg";
  const disk = new MemoryDisk();
  const runs = await twoRuns(disk, 1, 540);
  const read = async (bytes: Buffer): Promise<readonly [number[], number]> => {
    const planted = new MemoryDisk();
    planted.plant(name, bytes);
    const segments = openSegments(planted);
    const opened = await segments.open(1);
    const spans = await Promise.all(opened.runs.map((run) => readSpan(segments, run, 0)));
    const damage = [...opened.damage, ...spans.flatMap((span) => span.damage)];
    return [spans.map(({ count }) => count), damage.length];
  };
  const newer = disk.bytesOf(name);
  const older = inVersion1(newer, runs);
  assert.deepEqual(await read(older), [[540, 108], 0]);
  older[runs[0]!.indexPosition + PAGE_HEADER_BYTES + 5 * INDEX_ENTRY_BYTES + 5]! ^= 1;
  assert.deepEqual(await read(older), [[539, 108], 2]);
  const mistaken = inVersion1(newer, []);
  assert.deepEqual((await read(mistaken))[0], [0, 0]);
});

test("a segment that is cut off, or is another one's file, is damage as a whole", async () => {
  const disk = new MemoryDisk();
  await twoRuns(disk, 1, 30);
  const name = "segment-0000000000000001.seg";
  const bytes = Buffer.from(disk.bytesOf(name));
  for (const length of [0, 1, 100, bytes.length - 64, bytes.length - 1]) {
    disk.plant(name, Buffer.from(bytes.subarray(0, length)));
    await assert.rejects(openSegments(disk).open(1), DamageError, `cut at ${length}`);
  }
  disk.plant("segment-0000000000000002.seg", bytes);
  await assert.rejects(openSegments(disk).open(2), DamageError);
});

test("a run of lost entries is left out, named by offset, and what follows is read", async () => {
  const disk = new MemoryDisk();
  const [run] = (await twoRuns(disk, 1, 100)) as [RunMeta];
  disk.bytesOf("segment-0000000000000001.seg").fill(0, 32 + 10 * 30, 32 + 20 * 30);
  const span = await readSpan(openSegments(disk), run, 0, { entriesMax: 30 });
  assert.equal(span.count, 20);
  assert.deepEqual(
    span.damage.map((one) => one.offset),
    Array.from({ length: 10 }, (_, index) => (index + 11) * 3),
  );
  assert.equal(span.nextOffset, 93);
});

test("of a run that is read on, the disk is asked for what comes next before the reader asks", async () => {
  const disk = new MemoryDisk();
  const [run] = (await twoRuns(disk, 1, 1300)) as [RunMeta];
  const counted = countReads(disk);
  const segments = openSegments(counted.disk);
  const first = await readSpan(segments, run, 0, { entriesMax: 100 });
  await settled();
  const readsBefore = counted.reads();
  // As one asks who reads batches: from where the last entry ended, not from where the next one stands.
  const second = await readSpan(segments, run, first.offsets[99]! + 1, { entriesMax: 100 });
  assert.deepEqual(
    entriesOf(second),
    Array.from({ length: 100 }, (_, index) => expectedEntry((101 + index) * 3)),
  );
  await settled();
  // One for the third span; the second had been read.
  assert.equal(counted.reads() - readsBefore, 1);
  const third = second.offsets[99]! + 1;
  const readsWhenDone = await new Promise<number>((resolve) => {
    segments.read(run, third, 1 << 20, 100, () => resolve(counted.reads()));
  });
  assert.equal(readsWhenDone - readsBefore, 2, "the disk is asked for the fourth before the third is handed over");
  await readSpan(segments, run, 3000, { entriesMax: 100 });
  const readsAfterJump = counted.reads();
  await settled();
  assert.equal(counted.reads(), readsAfterJump, "one who jumps is not read ahead for");
});

test("a read that covers an offset between two entries is not answered with what was read ahead behind it", async () => {
  const disk = new MemoryDisk();
  const [run] = (await twoRuns(disk, 1, 1300)) as [RunMeta];
  const segments = openSegments(disk);
  const first = await readSpan(segments, run, 0, { entriesMax: 100 });
  const last = first.offsets[99]!;
  const covering = await readSpan(segments, run, last + 1, { entriesMax: 100, covering: true });
  assert.equal(covering.offsets[0], last);
});

test("what failed when it was read ahead is read anew for who comes for it", async () => {
  const disk = new MemoryDisk();
  const [run] = (await twoRuns(disk, 1, 1300)) as [RunMeta];
  const counted = countReads(disk);
  const segments = openSegments(counted.disk);
  // The index, the first span, the second.
  counted.failing.add(3);
  const first = await readSpan(segments, run, 0, { entriesMax: 100 });
  await settled();
  assert.equal(counted.reads(), 3);
  const second = await readSpan(segments, run, first.nextOffset, { entriesMax: 100 });
  assert.deepEqual([second.count, second.offsets[0]], [100, first.nextOffset]);
});

test("an entry of many megabytes does not wait in memory for one who may not come", async () => {
  const disk = new MemoryDisk();
  const builder = await openSegments(disk).create(1);
  builder.beginRun(1);
  const large = Buffer.alloc(5 << 20);
  for (const [offset, entry] of [entryOf(1, 1), large, entryOf(3, 1)].entries())
    builder.put(offset, 1, entry, 0, entry.length);
  builder.endRun();
  const [run] = (await builder.finish()) as [RunMeta];
  const counted = countReads(disk);
  const segments = openSegments(counted.disk);
  await readSpan(segments, run, 0);
  await settled();
  assert.equal(counted.reads(), 2, "the index and the first");
  const second = await readSpan(segments, run, 1);
  assert.deepEqual([second.count, second.lengths[0]], [1, large.length]);
});

test("a read that ends after its segment was removed, or the store closed, opens nothing again", async () => {
  for (const end of ["remove", "close"]) {
    const disk = new MemoryDisk((run) => setImmediate(run));
    const [run] = (await twoRuns(disk, 1, 1300)) as [RunMeta];
    const counted = countReads(disk);
    // As when the removal waits for a backup, or has not come to the file yet.
    const segments = openSegments({ ...counted.disk, remove: async () => undefined });
    const reading = readSpan(segments, run, 0, { entriesMax: 100 });
    await (end === "remove" ? segments.remove(1) : segments.close());
    assert.equal((await reading).count, 100);
    for (let turn = 0; turn < 5; turn++) await settled();
    assert.equal(counted.open(), 0, end);
  }
});

test("a removed segment is gone, although it was being read", async () => {
  const disk = new MemoryDisk((run) => setImmediate(run));
  const [run] = (await twoRuns(disk, 1, 100)) as [RunMeta];
  const segments = openSegments(disk);
  const reading = readSpan(segments, run, 0);
  await segments.remove(1);
  assert.equal((await reading).count, 100);
  assert.deepEqual(await segments.list(), []);
});

test("more segments than files may be open are read side by side", async () => {
  const disk = new MemoryDisk((run) => setImmediate(run));
  const segments = openSegments(disk);
  const runs: RunMeta[] = [];
  for (let id = 1; id <= 100; id++) runs.push(...(await twoRuns(disk, id, 10)));
  const spans = await Promise.all(runs.map((run) => readSpan(segments, run, 0)));
  assert.ok(spans.every((span, index) => span.count === runs[index]!.count && span.damage.length === 0));
});

test("whatever runs are written, reading in any steps gives them back", async () => {
  const runArbitrary = fc.record({
    gaps: fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 1500, size: "max" }),
    length: fc.integer({ min: 10, max: 300 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(runArbitrary, { maxLength: 4 }),
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 0, max: 50_000 }),
      async (specs, entriesMax, bytesMax) => {
        const disk = new MemoryDisk();
        const segments = openSegments(disk);
        const builder = await segments.create(1);
        const truth: { offset: number; payload: string }[][] = [];
        for (const [partition, { gaps, length }] of specs.entries()) {
          builder.beginRun(partition);
          let offset = -1;
          const entries: { offset: number; payload: string }[] = [];
          for (const gap of gaps) {
            offset += gap;
            putEntry(builder, offset, length);
            entries.push(expectedEntry(offset, length));
          }
          builder.endRun();
          if (entries.length > 0) truth.push(entries);
          if (builder.bytesBuffered > 20_000) await builder.flush();
        }
        await builder.finish();
        const { runs, damage } = truth.length === 0 ? { runs: [], damage: [] } : await segments.open(1);
        assert.deepEqual(damage, []);
        assert.equal(runs.length, truth.length);
        for (const [index, run] of runs.entries()) {
          const found: { offset: number; payload: string }[] = [];
          for (let from = 0; from <= run.lastOffset;) {
            const span = await readSpan(segments, run, from, { entriesMax, bytesMax });
            assert.ok(span.count <= entriesMax);
            assert.deepEqual(span.damage, []);
            found.push(...entriesOf(span));
            from = span.nextOffset;
          }
          assert.deepEqual(found, truth[index]);
        }
      },
    ),
    { numRuns: 15 },
  );
});
