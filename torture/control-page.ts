/** The page of memory that is shared with the shim (shim/shim.c, struct control), as a file that both have open. */

import { closeSync, openSync, readSync, writeSync } from "node:fs";

const pageBytes = 4096;

/** Field to where it stands and how wide it is. */
const fields = {
  cutAfterOps: [0, 4],
  cutNow: [4, 4],
  eioWriteAfter: [8, 4],
  eioReadPer64k: [12, 4],
  slowWriteUs: [16, 4],
  slowReadUs: [20, 4],
  clockOffsetMs: [24, 8],
  roomBytes: [32, 8],
  seed: [40, 4],
  lies: [44, 4],
  writes: [48, 8],
  refused: [56, 8],
  failedWrites: [64, 8],
  failedReads: [72, 8],
  revertedSectors: [80, 8],
  revertedNames: [88, 8],
  syncs: [96, 8],
  slowed: [104, 8],
  clockReadings: [112, 8],
  roomAnswers: [120, 8],
} as const;

type Field = keyof typeof fields;
/** What the shim says that it has done, in all lives of the program before which it stands. */
export type Counter = Extract<
  Field,
  | "refused"
  | "failedWrites"
  | "failedReads"
  | "revertedSectors"
  | "revertedNames"
  | "slowed"
  | "clockReadings"
  | "roomAnswers"
>;

export class ControlPage {
  readonly path: string;
  /** How often the clock was set to another time. */
  clockSets = 0;
  /** What the clock is set to is counted from here. */
  #clockBaseMs = 0;
  readonly #fd: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "w+");
    writeSync(this.#fd, Buffer.alloc(pageBytes), 0, pageBytes, 0);
    this.set("roomBytes", -1);
  }

  set(field: Field, value: number): void {
    const isClock = field === "clockOffsetMs";
    const written = isClock ? this.#clockBaseMs + value : value;
    if (isClock && written !== this.get(field)) this.clockSets++;
    const [at, width] = fields[field];
    const bytes = Buffer.alloc(width);
    if (width === 4) bytes.writeInt32LE(written);
    else bytes.writeBigInt64LE(BigInt(written));
    writeSync(this.#fd, bytes, 0, width, at);
  }

  get(field: Field): number {
    const [at, width] = fields[field];
    const bytes = Buffer.alloc(width);
    readSync(this.#fd, bytes, 0, width, at);
    return width === 4 ? bytes.readInt32LE() : Number(bytes.readBigInt64LE());
  }

  /** Time goes on by so much, and the clock is set to that. */
  passTime(byMs: number): void {
    this.#clockBaseMs += byMs;
    this.set("clockOffsetMs", 0);
  }

  /** The disk and the clock are well again. */
  heal(): void {
    for (const field of [
      "cutAfterOps",
      "cutNow",
      "eioWriteAfter",
      "eioReadPer64k",
      "slowWriteUs",
      "slowReadUs",
    ] as const)
      this.set(field, 0);
    this.set("roomBytes", -1);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
