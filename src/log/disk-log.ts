/** A log over one directory: journal, checkpoints and segments side by side. docs/DATA_DIR.md lists the files. */

import type { Random } from "../base/random.ts";
import { checkpointName, openCheckpoints } from "./checkpoint.ts";
import { codeOf, readAt } from "./disk-read.ts";
import { HeldDisk } from "./held-disk.ts";
import { journalDefaults, openJournal } from "./journal.ts";
import type { SpaceOptions } from "./journal-space.ts";
import type { Disk, Log, LogCopying } from "./log.ts";
import { refuseNewerFormats } from "./newer-formats.ts";
import { segmentName } from "./segment-format.ts";
import { openSegments } from "./segment.ts";

/** Drafts are what a crash interrupted: nobody was told of them. */
const draftSuffix = ".tmp";

/**
 * Opens what is there on the disk `under` it, and begins what is not. `random` makes the identity of a new journal; `options` are of the
 * journal's files. Rejects with `NewerFormatError` for a directory of a newer version. Closing the log closes the segments' files; the journal has a close() of its own.
 */
export async function openDiskLog(under: Disk, random: Random, options: Partial<SpaceOptions> = {}): Promise<Log> {
  const disk = new HeldDisk(under);
  await refuseNewerFormats(disk);
  for (const name of await disk.list()) if (name.endsWith(draftSuffix)) await disk.remove(name);
  const segments = openSegments(disk);
  return {
    journalOpen: (fromSeq, onBlock) => openJournal(disk, random, { ...journalDefaults, ...options }, fromSeq, onBlock),
    checkpoints: openCheckpoints(disk),
    segments,
    allocate: (bytes) => disk.allocate(bytes),
    copying: copyingOf(disk),
    freeBytes: () => disk.freeBytes(),
    close: () => segments.close(),
    isVolatile: false,
  };
}

function copyingOf(disk: HeldDisk): LogCopying {
  return {
    hold: () => disk.hold(),
    checkpointName,
    segmentName,
    async size(name) {
      const file = await disk.open(name, "read").catch(ignoreMissing);
      try {
        return await file?.size();
      } finally {
        await file?.close();
      }
    },
    async read(name, length, buffer, take) {
      const file = await disk.open(name, "read");
      try {
        for (let at = 0; at < length;) {
          const wanted = Math.min(buffer.length, length - at);
          const bytesRead = await readAt(file, buffer, 0, wanted, at);
          if (bytesRead < wanted) throw new Error(`${name} ends at ${at + bytesRead}, before ${length}`);
          await take(buffer.subarray(0, wanted));
          at += wanted;
        }
      } finally {
        await file.close();
      }
    },
  };
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}
