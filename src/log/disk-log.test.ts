import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { seededRandom } from "../base/random.ts";
import { openDiskLog } from "./disk-log.ts";
import { openNodeDisk } from "./file/node-disk.ts";
import { testLog } from "./log-conformance.ts";
import { ForgetfulDisk } from "./memory/forgetful-disk.ts";
import { createMemoryLog } from "./memory/memory-log.ts";
import { MemoryDisk } from "./memory/memory-disk.ts";

testLog("memory log", async () => {
  const log = createMemoryLog((run) => setImmediate(run));
  return { log, reopen: undefined, dispose: () => log.close() };
});

testLog("disk log over memory", async () => {
  const disk = new MemoryDisk((run) => setImmediate(run));
  const open = () => openDiskLog(disk, seededRandom(1), { aheadBytes: 65_536, stepBytes: 16_384 });
  return { log: await open(), reopen: open, dispose: async () => undefined };
});

testLog("disk log over a forgetful disk", async () => {
  const disk = new ForgetfulDisk((run) => setImmediate(run));
  const open = () => openDiskLog(disk, seededRandom(1), { aheadBytes: 65_536, stepBytes: 16_384 });
  return { log: await open(), reopen: open, dispose: async () => undefined };
});

testLog("disk log over files", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "entrepot-log-"));
  let disk = await openNodeDisk(directory);
  let log = await openDiskLog(disk, seededRandom(1));
  return {
    log,
    async reopen() {
      await log.close();
      await disk.unlock();
      disk = await openNodeDisk(directory);
      log = await openDiskLog(disk, seededRandom(2));
      return log;
    },
    async dispose() {
      await log.close();
      await disk.unlock();
      fs.rmSync(directory, { recursive: true });
    },
  };
});
