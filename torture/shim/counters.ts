/** What the shim says that it has done, in all lives of the program before which it stands: from the page that it shares (shim.c, struct control). */

import { closeSync, openSync, readSync } from "node:fs";

/** Where each stands; 8 octets. */
const places = {
  refused: 56,
  failedWrites: 64,
  failedReads: 72,
  revertedSectors: 80,
  revertedNames: 88,
  slowed: 104,
  clockReadings: 112,
  roomAnswers: 120,
} as const;

const endsAt = 128;

export type Counter = keyof typeof places;

export function readCounters(controlPath: string): Readonly<Record<Counter, number>> {
  const page = Buffer.alloc(endsAt);
  const fd = openSync(controlPath, "r");
  try {
    if (readSync(fd, page, 0, endsAt, 0) < endsAt) throw new Error(`${controlPath} is no control page`);
  } finally {
    closeSync(fd);
  }
  const counters = {} as Record<Counter, number>;
  for (const [name, place] of Object.entries(places)) counters[name as Counter] = Number(page.readBigInt64LE(place));
  return counters;
}
