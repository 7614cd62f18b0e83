/**
 * Refuses a directory that a newer version of Entrepot has written, before anything in it is touched.
 *
 * To who does not know a format, a file of it looks like damage, and damage is what a start works around: it takes the
 * checkpoint before, and goes on with an empty journal. After a downgrade that would be data lost in good order. So the
 * beginnings of files have a form that stays in all versions to come: magic, version, and a CRC of the header at its place.
 * Only a header that verifies counts: a flipped bit is damage still.
 *
 * A start writes to the journal, so whatever a newer version did to the directory, a journal file or a checkpoint of it is
 * there. Of segments, which may be thousands, the newest is looked at.
 */

import { crc32 } from "../base/crc.ts";
import { checkpointVersion } from "./checkpoint.ts";
import { readAt } from "./disk-read.ts";
import { journalVersion } from "./journal-block.ts";
import type { Disk } from "./log.ts";
import { segmentVersion } from "./segment-format.ts";

interface Format {
  readonly name: RegExp;
  /** "ENTJ" and its like, the file's first four bytes. */
  readonly magic: number;
  /** Newest version that is known here. */
  readonly version: number;
  /** Where a header keeps its version, as read in its 4 bytes from byte 4 on. */
  readonly versionOf: (field: number) => number;
  /** Where the CRC of all before it stands. */
  readonly crcAt: number;
}

const whole = (field: number): number => field;
const upperHalf = (field: number): number => field >>> 16;

const formats: readonly Format[] = [
  { name: /^journal-\d{16}-\d+\.log$/, magic: 0x454e544a, version: journalVersion, versionOf: upperHalf, crcAt: 60 },
  { name: /^checkpoint-\d{16}\.ckpt$/, magic: 0x454e5443, version: checkpointVersion, versionOf: whole, crcAt: 28 },
  { name: /^segment-\d{16}\.seg$/, magic: 0x454e5453, version: segmentVersion, versionOf: whole, crcAt: 16 },
];

const headerBytesMax = 64;

/** What a start is refused with; its message is for people. */
export class NewerFormatError extends Error {
  override readonly name = "NewerFormatError";
  readonly code = "NEWER_FORMAT";
}

/** @throws NewerFormatError */
export async function refuseNewerFormats(disk: Disk): Promise<void> {
  const names = (await disk.list()).toSorted().toReversed();
  const newestSegment = names.find((name) => formats[2]!.name.test(name));
  for (const name of names) {
    const format = formats.find((each) => each.name.test(name));
    if (format === undefined || (format === formats[2] && name !== newestSegment)) continue;
    const found = await versionIn(disk, name, format);
    if (found > format.version) {
      throw new NewerFormatError(
        `${name} has format ${found}, and this version of Entrepot knows ${format.version}: a newer one has written it. ` +
          "Nothing was changed; start that version again, or restore a backup from before the upgrade",
      );
    }
  }
}

/** 0: no header that verifies. */
async function versionIn(disk: Disk, name: string, { magic, versionOf, crcAt }: Format): Promise<number> {
  const header = Buffer.alloc(headerBytesMax);
  const file = await disk.open(name, "read");
  try {
    if ((await readAt(file, header, 0, headerBytesMax, 0)) < crcAt + 4) return 0;
  } catch {
    // A place that cannot be read is reported by who needs what is there; a version is not in it.
    return 0;
  } finally {
    await file.close();
  }
  const verifies = header.readUInt32BE(0) === magic && header.readUInt32BE(crcAt) === crc32(header, 0, crcAt);
  return verifies ? versionOf(header.readUInt32BE(4)) : 0;
}
