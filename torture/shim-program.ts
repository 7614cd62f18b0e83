/** Does what its arguments say in a directory, one after the other, and says each thing that was done, or how it failed. */

import fs from "node:fs";
import { join } from "node:path";

const [directory = "", ...steps] = process.argv.slice(2);
const pageBytes = 4096;

function act(what: string, name: string, value: string): void {
  const path = join(directory, name);
  const flags: Record<string, number | string> = {
    write: "r+",
    dsync: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_DSYNC,
  };
  switch (what) {
    case "create":
      return fs.closeSync(fs.openSync(path, "w"));
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
    default:
      throw new Error(`unknown step: ${what}`);
  }
}

for (const step of steps) {
  if (step === "clock") console.log(Date.now());
  else if (step === "cut") {
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
