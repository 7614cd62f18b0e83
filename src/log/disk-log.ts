/** A log over one directory: journal, checkpoints and segments side by side. docs/DATA_DIR.md lists the files. */

import type { Random } from "../base/random.ts";
import { openCheckpoints } from "./checkpoint.ts";
import { journalDefaults, openJournal } from "./journal.ts";
import type { SpaceOptions } from "./journal-space.ts";
import type { Disk, Log } from "./log.ts";
import { openSegments } from "./segment.ts";

/** Drafts are what a crash interrupted: nobody was told of them. */
const draftSuffix = ".tmp";

/**
 * Opens what is there and begins what is not. `random` makes the identity of a new journal; `options` are of the
 * journal's files. Closing the log closes the segments' files; the journal has a close() of its own.
 */
export async function openDiskLog(disk: Disk, random: Random, options: Partial<SpaceOptions> = {}): Promise<Log> {
  for (const name of await disk.list()) if (name.endsWith(draftSuffix)) await disk.remove(name);
  const segments = openSegments(disk);
  return {
    journalOpen: (fromSeq, onBlock) => openJournal(disk, random, { ...journalDefaults, ...options }, fromSeq, onBlock),
    checkpoints: openCheckpoints(disk),
    segments,
    freeBytes: () => disk.freeBytes(),
    close: () => segments.close(),
    isVolatile: false,
  };
}
