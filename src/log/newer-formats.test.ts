import { test } from "node:test";
import * as check from "node:assert/strict";
import { crc32 } from "../base/crc.ts";
import { seededRandom } from "../base/random.ts";
import { checkpointName } from "./checkpoint.ts";
import { openDiskLog } from "./disk-log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";
import { segmentHeader, segmentName } from "./segment-format.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES, type Log } from "./log.ts";

const open = (disk: MemoryDisk): Promise<Log> =>
  openDiskLog(disk, seededRandom(1), { aheadBytes: 65_536, stepBytes: 16_384 });

/** A disk with a journal of one block and a checkpoint, and the name of the journal's file. */
async function written(): Promise<{ disk: MemoryDisk; journal: string }> {
  const disk = new MemoryDisk((run) => setImmediate(run));
  const log = await open(disk);
  const { journal } = await log.journalOpen(1, () => {});
  await new Promise<void>((resolve, reject) => {
    const done = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
    journal.append(Buffer.alloc(BLOCK_ALIGN), BLOCK_HEADER_BYTES + 8, [], done);
  });
  await log.checkpoints.write(1, [Buffer.from("state")]);
  await journal.close();
  await log.close();
  const name = (await disk.list()).find((each) => /^journal-\d{16}/.test(each))!;
  return { disk, journal: name };
}

async function edit(disk: MemoryDisk, name: string, change: (bytes: Buffer) => void): Promise<void> {
  const file = await disk.open(name, "synced");
  const bytes = Buffer.alloc(64);
  await new Promise<void>((resolve) => file.read(bytes, 0, 64, 0, () => resolve()));
  change(bytes);
  await new Promise<void>((resolve) => file.write(bytes, 0, 64, 0, () => resolve()));
  await file.close();
}

async function namesOf(disk: MemoryDisk): Promise<string[]> {
  return (await disk.list()).toSorted();
}

test("a journal of a newer version is refused, and nothing is touched", async () => {
  const { disk, journal } = await written();
  await edit(disk, journal, (bytes) => {
    bytes.writeUInt16BE(4, 4);
    bytes.writeUInt32BE(crc32(bytes, 0, 60), 60);
  });
  const draft = await disk.open("segment-0000000000000009.seg.tmp", "write");
  await draft.close();
  const before = await namesOf(disk);
  await check.rejects(open(disk), {
    code: "NEWER_FORMAT",
    message: new RegExp(`^${journal} has format 4, and this version of Entrepot knows 3: .*Nothing was changed`),
  });
  check.deepEqual(await namesOf(disk), before);
});

test("so is a checkpoint, and the newest segment", async () => {
  const one = await written();
  await edit(one.disk, checkpointName(1), (bytes) => {
    bytes.writeUInt32BE(7, 4);
    bytes.writeUInt32BE(crc32(bytes, 0, 28), 28);
  });
  await check.rejects(open(one.disk), /^NewerFormatError: checkpoint-0000000000000001.ckpt has format 7/);
  const two = await written();
  const header = segmentHeader(4);
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(crc32(header, 0, 16), 16);
  const file = await two.disk.open(segmentName(4), "synced");
  await new Promise<void>((resolve) => file.write(header, 0, header.length, 0, () => resolve()));
  await file.close();
  await check.rejects(open(two.disk), /segment-0000000000000004.seg has format 3/);
});

test("a flipped bit in a version is damage, not a newer version", async () => {
  const { disk } = await written();
  await edit(disk, checkpointName(1), (bytes) => bytes.writeUInt32BE(3, 4));
  const log = await open(disk);
  const { damage } = await log.checkpoints.readNewest();
  check.equal(damage.length, 1);
  await log.close();
});
