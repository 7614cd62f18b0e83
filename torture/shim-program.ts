/** Does what its arguments say in a directory, one after the other, and says each thing that was done, or how it failed. */

import fs from "node:fs";
import { join } from "node:path";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { allocateAligned } from "../src/log/file/aligned-memory.ts";

const [directory = "", ...steps] = process.argv.slice(2);
const pageBytes = 4096;
const beganAt = performance.now();
const placeBytes = 65_536;
const directBytes = 16_384;

/** Until the power goes: the places of a file are written anew by a thread each, the next letter each time. */
function race(path: string, places: number): void {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_DSYNC);
  const failed = (error: unknown): never => {
    throw error;
  };
  for (let place = 0; place < places; place++)
    new Worker(import.meta.filename, { workerData: { fd, place } }).once("error", failed);
}

function writeForEver({ fd, place }: { readonly fd: number; readonly place: number }): never {
  for (let turn = 0; ; turn++) {
    const letters = Buffer.alloc(placeBytes, 97 + (turn % 26));
    fs.writeSync(fd, letters, 0, placeBytes, place * placeBytes);
  }
}

function act(what: string, name: string, value: string): void {
  const path = join(directory, name);
  const flags: Record<string, number | string> = {
    write: "r+",
    dsync: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_DSYNC,
  };
  switch (what) {
    case "create":
      return fs.closeSync(fs.openSync(path, "w"));
    case "note":
      return fs.writeFileSync(path, value);
    case "write":
    case "dsync": {
      const fd = fs.openSync(path, flags[what]!);
      try {
        for (let at = 0; at < pageBytes;)
          at += fs.writeSync(fd, Buffer.alloc(pageBytes - at, value), 0, pageBytes - at, at);
      } finally {
        fs.closeSync(fd);
      }
      return;
    }
    case "direct": {
      const { O_RDWR, O_CREAT, O_DSYNC, O_DIRECT } = fs.constants;
      const fd = fs.openSync(path, O_RDWR | O_CREAT | O_DSYNC | O_DIRECT);
      const memory = allocateAligned(directBytes)!.fill(value);
      try {
        for (let at = 0; at < directBytes;) at += fs.writeSync(fd, memory, at, directBytes - at, at);
      } finally {
        fs.closeSync(fd);
      }
      return;
    }
    case "read": {
      const fd = fs.openSync(path, "r");
      try {
        fs.readSync(fd, Buffer.alloc(pageBytes), 0, pageBytes, 0);
      } finally {
        fs.closeSync(fd);
      }
      return;
    }
    case "sync": {
      const fd = fs.openSync(path, "r");
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      return;
    }
    case "rename":
      return fs.renameSync(path, join(directory, value));
    case "remove":
      return fs.unlinkSync(path);
    case "race":
      return race(path, Number(value));
    default:
      throw new Error(`unknown step: ${what}`);
  }
}

if (!isMainThread) writeForEver(workerData as { fd: number; place: number });
for (const step of steps) {
  if (step === "clock") console.log(Date.now());
  else if (step === "elapsed") console.log(performance.now() - beganAt);
  else if (step === "room") {
    const { bavail, bsize } = fs.statfsSync(directory);
    console.log(bavail * bsize);
  } else if (step === "cut") {
    const fd = fs.openSync(process.env["TORTURE_CONTROL"]!, "r+");
    fs.writeSync(fd, Buffer.from([1, 0, 0, 0]), 0, 4, 4);
    // The shim looks now and then.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  } else {
    const [what = "", name = "", value = ""] = step.split(" ");
    try {
      act(what, name, value);
      console.log(step);
    } catch (error) {
      console.log(`${step}: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
}
