/**
 * Checkpoint files: `checkpoint-<id>.ckpt`, a header and the bytes that the core gave. Big endian:
 *
 *     0  u32  magic "ENTC"       16  u64  length of what follows the header
 *     4  u32  version, 2         24  u32  its CRC
 *     8  u64  id                 28  u32  CRC of bytes 0 to 27
 *                                32       the bytes
 *
 * A checkpoint is written under another name, synced, renamed, and the directory synced: under its own name it is whole,
 * or it rotted. So one that does not verify is damage and never absence: it is reported, and the one before it is
 * answered, which is why two are kept. (And why the journal may only be trimmed behind the older of the two.)
 *
 * The header is written last: only then is known what it says.
 */

import { crc32 } from "../base/crc.ts";
import { readWhole, writeAt } from "./disk-read.ts";
import type { CheckpointStore, Damage, Disk } from "./log.ts";
import { readU64, writeU64 } from "./u64.ts";

const magic = 0x454e5443;
/** Of what is written; what is read may be older. */
export const checkpointVersion = 2;
/** Its bytes are others, which the core knows too. */
const versionMin = 1;
const headerBytes = 32;
const namePattern = /^checkpoint-(\d{16})\.ckpt$/;

export const checkpointName = (id: number): string => `checkpoint-${String(id).padStart(16, "0")}.ckpt`;

export function openCheckpoints(disk: Disk): CheckpointStore {
  return {
    write: (id, pieces) => writeCheckpoint(disk, id, pieces),
    async readNewest() {
      const damage: Damage[] = [];
      for (const id of await checkpointIds(disk)) {
        const whole = (await readWhole(disk, checkpointName(id))) ?? Buffer.alloc(0);
        const what = faultOf(whole, id);
        if (what === undefined) return { id, bytes: whole.subarray(headerBytes), damage };
        damage.push({ file: checkpointName(id), position: 0, length: whole.length, what });
      }
      return { id: 0, damage };
    },
    async removeOthers(kept) {
      for (const id of await checkpointIds(disk)) if (!kept.includes(id)) await disk.remove(checkpointName(id));
    },
  };
}

/** What is wrong with the checkpoints that are there, be they needed or not. */
export async function verifyCheckpoints(disk: Disk): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const id of await checkpointIds(disk)) {
    const whole = (await readWhole(disk, checkpointName(id))) ?? Buffer.alloc(0);
    const what = faultOf(whole, id);
    if (what !== undefined) damage.push({ file: checkpointName(id), position: 0, length: whole.length, what });
  }
  return damage;
}

/** Newest first. */
async function checkpointIds(disk: Disk): Promise<number[]> {
  const ids: number[] = [];
  for (const name of await disk.list()) {
    const match = namePattern.exec(name);
    if (match !== null) ids.push(Number(match[1]));
  }
  return ids.sort((a, b) => b - a);
}

async function writeCheckpoint(
  disk: Disk,
  id: number,
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  const draft = `${checkpointName(id)}.tmp`;
  await disk.remove(draft);
  const file = await disk.open(draft, "synced");
  try {
    let length = 0;
    let crc = 0;
    for await (const piece of pieces) {
      crc = crc32(piece, 0, piece.length, crc);
      await writeAt(file, piece, 0, piece.length, headerBytes + length);
      length += piece.length;
    }
    await writeAt(file, headerOf(id, length, crc), 0, headerBytes, 0);
  } catch (error) {
    // On a full disk the next attempt needs this space, and has a name of its own.
    await disk.remove(draft).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  await disk.rename(draft, checkpointName(id));
  await disk.syncDirectory();
}

function headerOf(id: number, length: number, crc: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(magic, 0);
  header.writeUInt32BE(checkpointVersion, 4);
  writeU64(header, id, 8);
  writeU64(header, length, 16);
  header.writeUInt32BE(crc, 24);
  header.writeUInt32BE(crc32(header, 0, 28), 28);
  return header;
}

/** What is wrong with a checkpoint file, or undefined. */
function faultOf(whole: Buffer, id: number): string | undefined {
  if (whole.length < headerBytes || whole.readUInt32BE(28) !== crc32(whole, 0, 28)) {
    return "the checkpoint's header does not verify";
  }
  if (whole.readUInt32BE(0) !== magic || readU64(whole, 8) !== id) return "this is not the checkpoint of its name";
  const version = whole.readUInt32BE(4);
  if (version < versionMin || version > checkpointVersion)
    return "the checkpoint is of a version that is not known here";
  const length = readU64(whole, 16);
  if (whole.length !== headerBytes + length) return "the checkpoint is not as long as it says";
  if (whole.readUInt32BE(24) !== crc32(whole, headerBytes, whole.length))
    return "the checkpoint's content does not verify";
  return undefined;
}
