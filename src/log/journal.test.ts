import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../base/crc.ts";
import { crc32c } from "../base/crc32c.ts";
import { seededRandom } from "../base/random.ts";
import { BLOCK_HEADER_BYTES } from "./log.ts";
import type { Disk, DiskFile } from "./log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";
import { appendBlock, bareFiles, payloadOf, readBack, seqsOf } from "./test-blocks.ts";

/** A disk with these blocks, of the given lengths; a new file begins with each sequence in `rotations`. */
async function diskWith(lengths: number[], rotations: number[] = []): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { journal } = await readBack(disk);
  for (const [index, length] of lengths.entries()) {
    if (rotations.includes(index + 1)) journal.rotate();
    await appendBlock(journal, payloadOf(index + 1, length));
  }
  await journal.close();
  return disk;
}

const journalNames = async (disk: Disk): Promise<string[]> =>
  (await disk.list()).filter((name) => /^journal-\d/.test(name)).sort();

function withBytes(disk: MemoryDisk, name: string, bytes: Buffer): MemoryDisk {
  const copy = disk.clone();
  copy.plant(name, bytes);
  return copy;
}

test("what was appended comes back, in order, and the sequence goes on", async () => {
  const disk = await diskWith([0, 1, 5000, 4032, 4033, 100_000]);
  const found = await readBack(disk);
  assert.deepEqual(found.damage, []);
  assert.deepEqual(seqsOf(found), [1, 2, 3, 4, 5, 6]);
  for (const [index, length] of [0, 1, 5000, 4032, 4033, 100_000].entries()) {
    assert.ok(found.blocks[index]!.payload.equals(payloadOf(index + 1, length)));
  }
  assert.equal(found.journal.nextSeq, 7);
});

test("each start appends to a new file and continues the chain", async () => {
  const disk = new MemoryDisk();
  for (let start = 0; start < 4; start++) {
    const { journal, damage, blocks } = await readBack(disk);
    assert.deepEqual(damage, []);
    assert.equal(blocks.length, start * 2);
    await appendBlock(journal, payloadOf(1));
    await appendBlock(journal, payloadOf(2));
    await journal.close();
  }
  assert.equal((await journalNames(disk)).length, 4);
});

test("a file ends before the block that would make it too long, and a longer block gets one to itself", async () => {
  const disk = new MemoryDisk();
  const options = { fileBytesMax: 16_384, aheadBytes: 8192, stepBytes: 4096 };
  const { journal } = await readBack(disk, { options });
  for (let seq = 1; seq <= 10; seq++) await appendBlock(journal, payloadOf(seq));
  await appendBlock(journal, payloadOf(11, 50_000));
  await appendBlock(journal, payloadOf(12));
  await journal.close();
  const names = await journalNames(disk);
  assert.deepEqual(
    names.map((name) => Number(name.slice(8, 24))),
    [1, 5, 9, 11, 12],
  );
  const found = await readBack(disk, { options });
  assert.deepEqual(found.damage, []);
  assert.equal(found.blocks.length, 12);
  assert.ok(found.blocks[10]!.payload.equals(payloadOf(11, 50_000)));
});

test("zeros are written ahead of the tail and never over a block", async () => {
  const disk = new MemoryDisk((run) => setImmediate(run));
  const options = { fileBytesMax: 256 * 1024, aheadBytes: 32 * 1024, stepBytes: 16 * 1024 };
  const { journal } = await readBack(disk, { options });
  const random = seededRandom(5);
  const lengths: number[] = [];
  for (let seq = 1; seq <= 100; seq++) {
    lengths.push(Math.floor(random.next() * 30_000));
    await appendBlock(journal, payloadOf(seq, lengths.at(-1)));
  }
  await journal.close();
  const found = await readBack(disk, { options });
  assert.deepEqual(found.damage, []);
  assert.equal(found.blocks.length, 100);
  for (const { seq, payload } of found.blocks) assert.ok(payload.equals(payloadOf(seq, lengths[seq - 1])));
});

test("blocks before fromSeq are not handed over, and their files not needed", async () => {
  const disk = await diskWith([10, 20, 30, 40, 50], [3, 5]);
  const from4 = await readBack(disk, { fromSeq: 4 });
  assert.deepEqual(seqsOf(from4), [4, 5]);
  assert.deepEqual(from4.damage, []);
  await disk.remove((await journalNames(disk))[0]!);
  const without = await readBack(disk, { fromSeq: 3 });
  assert.deepEqual(seqsOf(without), [3, 4, 5]);
  assert.deepEqual(without.damage, []);
});

test("trimmed files are recycled, two at most, and the newest block's file stays", async () => {
  const disk = await diskWith([10, 20, 30, 40, 50], [2, 3, 4, 5]);
  const { journal } = await readBack(disk);
  await journal.trim(journal.rotate());
  const names = await disk.list();
  assert.equal(names.filter((name) => name.includes("spare")).length, 2);
  assert.equal((await journalNames(disk)).length, 1);
  assert.ok(journal.bytesSinceTrim <= 4096);
  await journal.close();

  // What the recycled files held before is not mistaken for blocks, or for damage.
  const { journal: next } = await readBack(disk, { fromSeq: 6 });
  for (let seq = 6; seq <= 9; seq++) {
    next.rotate();
    await appendBlock(next, payloadOf(seq));
  }
  await next.close();
  const found = await readBack(disk, { fromSeq: 6 });
  assert.deepEqual(seqsOf(found), [6, 7, 8, 9]);
  assert.deepEqual(found.damage, []);
});

test("a recycled file that held many blocks shows none of them behind its new ones", async () => {
  const disk = await diskWith(
    Array.from({ length: 20 }, () => 100),
    [11],
  );
  const { journal } = await readBack(disk, { fromSeq: 21 });
  await appendBlock(journal, payloadOf(21));
  await journal.trim(21);
  journal.rotate();
  await appendBlock(journal, payloadOf(22));
  await journal.close();
  const found = await readBack(disk, { fromSeq: 21 });
  assert.deepEqual(seqsOf(found), [21, 22]);
  assert.deepEqual(found.damage, []);
});

test("cut at any byte of its last three blocks, the journal has the whole blocks before, and no damage", async () => {
  const lengths = [100, 200, 50, 5000, 70];
  const disk = await diskWith(lengths);
  const name = (await journalNames(disk))[0]!;
  const bytes = Buffer.from(disk.bytesOf(name));
  const ends = [4096, 8192, 12_288, 20_480, 24_576];
  assert.equal(bytes.length, ends.at(-1));
  for (let cut = ends[1]!; cut < bytes.length; cut++) {
    // The file is that short, or holds zeros, or what was there before it was recycled.
    const kind = cut % 3;
    const rest = kind === 0 ? Buffer.alloc(0) : Buffer.alloc(bytes.length - cut, kind === 1 ? 0 : 0xa5);
    const left = Buffer.concat([bytes.subarray(0, cut), rest]);
    // A cut within the padding, whose zeros are there again, cuts nothing.
    const whole = ends.filter((end) => end <= cut || left.subarray(cut, end).equals(bytes.subarray(cut, end))).length;
    const torn = withBytes(disk, name, left);
    const found = await readBack(torn);
    assert.equal(found.blocks.length, whole, `cut at ${cut}`);
    assert.deepEqual(found.damage, [], `cut at ${cut}`);
    assert.equal(found.journal.nextSeq, whole + 1);
  }
});

test("after a torn tail the same sequence is written to another file, and nothing is damage", async () => {
  for (const rotations of [[], [3]]) {
    const disk = await diskWith([100, 200, 300], rotations);
    const name = (await journalNames(disk)).at(-1)!;
    const bytes = Buffer.from(disk.bytesOf(name));
    bytes.fill(0, bytes.length - 4000);
    const torn = withBytes(disk, name, bytes);
    const { journal, damage, blocks } = await readBack(torn);
    assert.deepEqual([damage, blocks.length], [[], 2]);
    await appendBlock(journal, payloadOf(33));
    await appendBlock(journal, payloadOf(4));
    await journal.close();
    assert.ok(torn.bytesOf(name).equals(bytes), "the torn file stays as it was");
    const found = await readBack(torn);
    assert.deepEqual(found.damage, []);
    assert.deepEqual(seqsOf(found), [1, 2, 3, 4]);
    assert.ok(found.blocks[2]!.payload.equals(payloadOf(33)));
  }
});

test("any byte flipped: no block is wrong, all others come back, and only the last may go in silence", async () => {
  const disk = await diskWith([100, 5000, 30, 60], [3]);
  const names = await journalNames(disk);
  for (const name of names) {
    const bytes = disk.bytesOf(name);
    for (let at = 0; at < bytes.length; at++) {
      const hit = name === names[0] ? (at < 4096 ? 1 : 2) : at < 4096 ? 3 : 4;
      const before = bytes[at]!;
      bytes[at] = before ^ (1 << (at % 8));
      const found = await readBack(disk.clone());
      bytes[at] = before;
      const expected = [1, 2, 3, 4].filter((seq) => seq !== hit);
      assert.deepEqual(seqsOf(found), expected, `byte ${at} of ${name}`);
      for (const { seq, payload } of found.blocks) {
        assert.ok(payload.equals(payloadOf(seq, [100, 5000, 30, 60][seq - 1])));
      }
      assert.equal(found.damage.length, hit === 4 ? 0 : 1, `byte ${at} of ${name}`);
    }
  }
});

test("damage says where it is and what is missing", async () => {
  const disk = await diskWith([100, 200, 300, 400]);
  const name = (await journalNames(disk))[0]!;
  disk.bytesOf(name).fill(0, 4096 + 10, 8192 + 20);
  const found = await readBack(disk);
  assert.deepEqual(seqsOf(found), [1, 4]);
  assert.deepEqual(found.damage, [
    { file: name, position: 4096, length: 8192, what: "blocks 2 to 3 are missing or not readable" },
  ]);
});

test("a missing file is damage: first, middle or last", async () => {
  const disk = await diskWith([10, 20, 30, 40, 50, 60], [3, 5]);
  const names = await journalNames(disk);
  const expected = [
    [3, 4, 5, 6],
    [1, 2, 5, 6],
    [1, 2, 3, 4],
  ];
  for (const [index, name] of names.entries()) {
    const copy = disk.clone();
    await copy.remove(name);
    // Only a checkpoint knows that there was more.
    const fromSeq = index === 2 ? 7 : 1;
    const found = await readBack(copy, { fromSeq });
    assert.equal(found.damage.length, 1);
    assert.match(found.damage[0]!.what, /missing/);
    if (index < 2) assert.deepEqual(seqsOf(found), expected[index]);
    assert.equal(found.journal.nextSeq, 7);
  }
});

test("the last block of a file that another one follows is damage when it is bad", async () => {
  const disk = await diskWith([10, 20, 30], [3]);
  const name = (await journalNames(disk))[0]!;
  disk.bytesOf(name)[4096 + 100]! ^= 1;
  const found = await readBack(disk);
  assert.deepEqual(seqsOf(found), [1, 3]);
  assert.deepEqual(
    found.damage.map(({ position, what }) => [position, what]),
    [[4096, "block 2 is missing or not readable"]],
  );
});

test("blocks that changed places are damage, and so is a file of another journal", async () => {
  const disk = await diskWith([100, 100, 100, 100]);
  const name = (await journalNames(disk))[0]!;
  const bytes = Buffer.from(disk.bytesOf(name));
  const swapped = Buffer.from(bytes);
  bytes.copy(swapped, 4096, 8192, 12_288);
  bytes.copy(swapped, 8192, 4096, 8192);
  const found = await readBack(withBytes(disk, name, swapped));
  assert.deepEqual(seqsOf(found), [1, 3, 4]);
  assert.equal(found.damage.length, 2);

  const other = new MemoryDisk();
  const { journal } = await readBack(other, { seed: 99 });
  for (let seq = 1; seq <= 6; seq++) await appendBlock(journal, payloadOf(seq + 50));
  await journal.close();
  const foreign = Buffer.concat([bytes.subarray(0, 12_288), other.bytesOf(name).subarray(12_288)]);
  const mixed = await readBack(withBytes(disk, name, foreign));
  assert.deepEqual(seqsOf(mixed), [1, 2, 3]);
});

test("what the caller has summed is not summed again, and the block is the same", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.nat(100_000), { maxLength: 8 }),
      async (length, marks) => {
        const payload = payloadOf(1, length);
        const cuts = [...new Set(marks.map((mark) => mark % (length + 1)))].sort((a, b) => a - b);
        const known: number[] = [];
        for (let i = 0; i + 1 < cuts.length; i += 2) {
          const [start, end] = [cuts[i]!, cuts[i + 1]!];
          known.push(BLOCK_HEADER_BYTES + start, BLOCK_HEADER_BYTES + end, crc32c(payload, start, end));
        }
        const disks = [new MemoryDisk(), new MemoryDisk()];
        for (const [index, disk] of disks.entries()) {
          const { journal } = await readBack(disk);
          await appendBlock(journal, payload, index === 0 ? [] : known);
          await journal.close();
        }
        const [name] = await journalNames(disks[0]!);
        assert.ok(disks[0]!.bytesOf(name!).equals(disks[1]!.bytesOf(name!)));
        assert.deepEqual(seqsOf(await readBack(disks[1]!)), [1]);
      },
    ),
    { numRuns: 50 },
  );
});

test("blocks of versions that summed their payload by CRC-32 are read, and continued", async () => {
  const disk = await diskWith([100, 9000]);
  const name = (await journalNames(disk))[0]!;
  const bytes = Buffer.from(disk.bytesOf(name));
  let before = 0;
  for (const [at, end, version] of [
    [0, 4096, 1],
    [4096, 16_384, 2],
  ] as const) {
    bytes.writeUInt16BE(version, at + 4);
    bytes.writeUInt32BE(crc32(bytes, at + BLOCK_HEADER_BYTES, end), at + 20);
    bytes.writeUInt32BE(before, at + 24);
    before = crc32(bytes, at, at + 60);
    bytes.writeUInt32BE(before, at + 60);
  }
  const old = withBytes(disk, name, bytes);
  const found = await readBack(old);
  assert.deepEqual([seqsOf(found), found.damage], [[1, 2], []]);
  await appendBlock(found.journal, payloadOf(3));
  await found.journal.close();
  const again = await readBack(old);
  assert.deepEqual([seqsOf(again), again.damage], [[1, 2, 3], []]);
  bytes.writeUInt16BE(3, 4);
  bytes.writeUInt32BE(crc32(bytes, 0, 60), 60);
  assert.deepEqual(seqsOf(await readBack(withBytes(disk, name, bytes))), [2], "by its version, and by that alone");
});

test("a block of an older version of the journal breaks the chain", async () => {
  // Two journals of one identity that differ from block 2 on: as if one sector run had gone back in time.
  const one = await diskWith([100, 100, 100]);
  const two = await diskWith([100, 101, 100]);
  const name = (await journalNames(one))[0]!;
  const bytes = Buffer.from(one.bytesOf(name));
  two.bytesOf(name).copy(bytes, 4096, 4096, 8192);
  const found = await readBack(withBytes(one, name, bytes));
  assert.deepEqual(seqsOf(found), [1, 2, 3]);
  assert.deepEqual(
    found.damage.map(({ what }) => what),
    ["block 3 does not continue the block before it"],
  );
});

test("a payload that holds a copy of the journal is a payload", async () => {
  const disk = await diskWith([100, 100]);
  const copyOf = Buffer.from(disk.bytesOf((await journalNames(disk))[0]!));
  const { journal } = await readBack(disk);
  // So that the copies lie at multiples of 4096 in the file.
  const payload = Buffer.concat([Buffer.alloc(4032), copyOf]);
  await appendBlock(journal, payload);
  await appendBlock(journal, payloadOf(4));
  await journal.close();
  const name = (await journalNames(disk)).at(-1)!;
  disk.bytesOf(name)[100]! ^= 1;
  const found = await readBack(disk);
  assert.deepEqual(seqsOf(found), [1, 2, 4]);
  assert.equal(found.damage.length, 1);
});

/** A disk whose synced writes go through `judge` first: an error there is the write's. */
function judged(disk: Disk, judge: (length: number, position: number) => Error | undefined): Disk {
  return {
    list: () => disk.list(),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    syncDirectory: () => disk.syncDirectory(),
    freeBytes: () => disk.freeBytes(),
    allocate: (bytes) => disk.allocate(bytes),
    async open(name, mode) {
      const file = await disk.open(name, mode);
      const wrapped: DiskFile = {
        size: () => file.size(),
        read: (buffer, start, length, position, done) => file.read(buffer, start, length, position, done),
        sync: (done) => file.sync(done),
        close: () => file.close(),
        write(buffer, start, length, position, done) {
          const error = judge(length, position);
          if (error === undefined) file.write(buffer, start, length, position, done);
          else queueMicrotask(() => done(error));
        },
      };
      return wrapped;
    },
  };
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

test("a full disk refuses an append and leaves the journal as it was; the same append can be tried again", async () => {
  const disk = new MemoryDisk();
  const { journal } = await readBack(disk);
  await appendBlock(journal, payloadOf(1));
  disk.bytesMax = disk.bytesUsed();
  for (let attempt = 0; attempt < 3; attempt++) {
    await assert.rejects(appendBlock(journal, payloadOf(2, 9000)), { code: "ENOSPC" });
    assert.equal(journal.nextSeq, 2);
  }
  journal.rotate();
  await assert.rejects(appendBlock(journal, payloadOf(2, 9000)), { code: "ENOSPC" });
  disk.bytesMax += 100_000;
  await appendBlock(journal, payloadOf(2, 9000));
  await appendBlock(journal, payloadOf(3));
  await journal.close();
  const found = await readBack(disk);
  assert.deepEqual([seqsOf(found), found.damage], [[1, 2, 3], []]);
});

test("a block that is longer than a file is tried again in the file that it was refused in", async () => {
  const inner = new MemoryDisk();
  let writes = 0;
  const disk = judged(inner, () => (++writes < 4 ? failure("ENOSPC") : undefined));
  const { journal } = await readBack(disk);
  const length = bareFiles.fileBytesMax + 5000;
  for (let attempt = 1; attempt < 4; attempt++) {
    await assert.rejects(appendBlock(journal, payloadOf(1, length)), { code: "ENOSPC" });
  }
  await appendBlock(journal, payloadOf(1, length));
  await appendBlock(journal, payloadOf(2));
  await journal.close();
  assert.equal((await journalNames(inner)).length, 2);
  const found = await readBack(inner);
  assert.deepEqual([seqsOf(found), found.damage], [[1, 2], []]);
});

test("a new file that found no room for its name is the one that is tried again, and no spare is lost on the way", async () => {
  for (const failing of ["rename", "syncDirectory"] as const) {
    const inner = new MemoryDisk();
    let isFull = false;
    let isFullForNames = false;
    const disk: Disk = {
      ...judged(inner, () => (isFull ? failure("ENOSPC") : undefined)),
      async rename(from, to) {
        if (isFullForNames && failing === "rename") throw failure("ENOSPC");
        await inner.rename(from, to);
      },
      async syncDirectory() {
        if (isFullForNames && failing === "syncDirectory") throw failure("ENOSPC");
        await inner.syncDirectory();
      },
    };
    const { journal } = await readBack(disk);
    // More than half of a file: a spare for the next is made.
    await appendBlock(journal, payloadOf(1, 600_000));
    await new Promise(setImmediate);
    assert.equal((await inner.list()).filter((name) => name.includes("spare")).length, 1);
    isFull = true;
    await assert.rejects(appendBlock(journal, payloadOf(2)), { code: "ENOSPC" });
    isFull = false;
    isFullForNames = true;
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(appendBlock(journal, payloadOf(2)), { code: "ENOSPC" });
    isFullForNames = false;
    for (let seq = 2; seq <= 4; seq++) await appendBlock(journal, payloadOf(seq));
    await journal.close();
    assert.equal((await inner.list()).filter((name) => name.includes("spare")).length, 0, failing);
    const found = await readBack(inner.crash(seededRandom(1)));
    assert.deepEqual([seqsOf(found), found.damage], [[1, 2, 3, 4], []], failing);
  }
});

test("space that could not be prepared costs nothing but its speed", async () => {
  const inner = new MemoryDisk();
  let refused = 0;
  // Zeros come in steps of 12 KB here; only they are refused.
  const options = { fileBytesMax: 200_000, aheadBytes: 40_000, stepBytes: 12_288 };
  const disk = judged(inner, (length) => (length === 12_288 && ++refused > 0 ? failure("ENOSPC") : undefined));
  const { journal } = await readBack(disk, { options });
  for (let seq = 1; seq <= 30; seq++) await appendBlock(journal, payloadOf(seq));
  await journal.close();
  assert.ok(refused > 0);
  const found = await readBack(inner);
  assert.deepEqual([found.blocks.length, found.damage], [30, []]);
});

test("after any other error the journal refuses everything", async () => {
  const inner = new MemoryDisk();
  let isBroken = false;
  const disk = judged(inner, () => (isBroken ? failure("EIO") : undefined));
  const { journal } = await readBack(disk);
  await appendBlock(journal, payloadOf(1));
  isBroken = true;
  await assert.rejects(appendBlock(journal, payloadOf(2)), { code: "EIO" });
  isBroken = false;
  await assert.rejects(appendBlock(journal, payloadOf(2)), { code: "EIO" });
  const found = await readBack(inner);
  assert.deepEqual([seqsOf(found), found.damage], [[1], []]);
});

test("whatever is appended, rotated, trimmed, and crashed: durable blocks come back, others only whole and next", async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("append" as const), length: fc.nat(9000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("rotate" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("trim" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("crash" as const), length: fc.nat(20_000) }) },
  );
  const options = { fileBytesMax: 40_000, aheadBytes: 16_384, stepBytes: 8192 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, seed) => {
      const random = seededRandom(seed);
      let disk = new MemoryDisk((run) => setImmediate(run));
      let fromSeq = 1;
      const lengths: number[] = [];
      let { journal } = await readBack(disk, { options, seed });
      const verify = async (): Promise<void> => {
        const found = await readBack(disk, { fromSeq, options, seed });
        assert.deepEqual(found.damage, []);
        const next = found.journal.nextSeq;
        assert.ok(next === lengths.length + 1, `next is ${next}, durable were ${lengths.length}`);
        assert.equal(found.blocks.length, next - fromSeq);
        for (const { seq, payload } of found.blocks) assert.ok(payload.equals(payloadOf(seq, lengths[seq - 1])));
        journal = found.journal;
      };
      for (const one of steps) {
        if (one.do === "append") {
          await appendBlock(journal, payloadOf(lengths.length + 1, one.length));
          lengths.push(one.length);
        } else if (one.do === "rotate") journal.rotate();
        else if (one.do === "trim") {
          fromSeq = journal.rotate();
          await journal.trim(fromSeq);
        } else if (one.do === "restart") {
          await journal.close();
          await verify();
        } else {
          const underWay = appendBlock(journal, payloadOf(lengths.length + 1, one.length));
          const crashed = disk.crash(random);
          await underWay;
          await journal.close();
          disk = crashed;
          // A write that was under way arrived whole or not at all: both are right.
          const probe = await readBack(disk.clone(), { fromSeq, options, seed });
          if (probe.journal.nextSeq === lengths.length + 2) lengths.push(one.length);
          await probe.journal.close();
          await verify();
        }
      }
      await journal.close();
    }),
    { numRuns: 300 },
  );
});

test("bytes since trim and rotation follow what is kept", async () => {
  const { journal } = await readBack(new MemoryDisk(), { options: bareFiles });
  await appendBlock(journal, payloadOf(1));
  await appendBlock(journal, payloadOf(2, 5000));
  assert.deepEqual([journal.bytesSinceTrim, journal.bytesSinceRotate], [12_288, 12_288]);
  const seq = journal.rotate();
  assert.equal(seq, 3);
  await appendBlock(journal, payloadOf(3));
  assert.deepEqual([journal.bytesSinceTrim, journal.bytesSinceRotate], [16_384, 4096]);
  await journal.trim(seq);
  assert.equal(journal.bytesSinceTrim, 4096);
  await journal.close();
});
