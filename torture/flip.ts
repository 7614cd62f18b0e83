/** A bit that turned, in a segment: a file that is complete, and that nobody writes any more. */

import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Chance } from "../sim/chance.ts";
import type { History } from "./history.ts";

/** Whether there was anything to turn. */
export function flipInSegment(dataDir: string, chance: Chance, history: Pick<History, "tell">): boolean {
  const names = readdirSync(dataDir).filter((name) => /^segment-\d+\.seg$/.test(name));
  if (names.length === 0) return false;
  const name = chance.pick(names.sort());
  const path = join(dataDir, name);
  try {
    const position = chance.between(0, statSync(path).size);
    const bit = 1 << chance.between(0, 8);
    const fd = openSync(path, "r+");
    try {
      const byte = Buffer.alloc(1);
      if (readSync(fd, byte, 0, 1, position) === 0) return false;
      byte[0]! ^= bit;
      writeSync(fd, byte, 0, 1, position);
    } finally {
      closeSync(fd);
    }
    history.tell({ kind: "fault", what: `a bit of ${name} at ${position}` });
    return true;
  } catch (error) {
    // The broker had no use for it any more, and has removed it.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
