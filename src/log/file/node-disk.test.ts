import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestContext } from "node:test";
import { readAt, writeAt } from "../disk-read.ts";
import { openNodeDisk, openNodeDiskToRead } from "./node-disk.ts";

function newDirectory(context: TestContext): string {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), "entrepot-disk-"));
  context.after(() => fs.rmSync(parent, { recursive: true }));
  return path.join(parent, "not", "there", "yet");
}

test("a directory is made, held, refused to a second owner by name, and given back", async (context) => {
  const directory = newDirectory(context);
  const disk = await openNodeDisk(directory);
  await assert.rejects(openNodeDisk(directory), { message: new RegExp(`in use by process ${process.pid} `) });
  assert.deepEqual(await disk.list(), []);
  await disk.unlock();
  await (await openNodeDisk(directory)).unlock();
});

/** A process that holds the directory until it is killed; `enter`: what goes before its command. Answers its pid, as it sees it. */
async function holderOf(directory: string, enter: readonly string[] = []) {
  const module = new URL("./node-disk.ts", import.meta.url).href;
  const script = `
    const { openNodeDisk } = await import(${JSON.stringify(module)});
    await openNodeDisk(${JSON.stringify(directory)});
    console.log("held");
    setInterval(() => undefined, 1000);
  `;
  const [command, ...args] = [...enter, process.execPath, "--input-type=module", "-e", script];
  const holder = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  return holder;
}

test("another process's lock holds while it lives and is taken over when it was killed", async (context) => {
  const directory = newDirectory(context);
  const holder = await holderOf(directory);
  await assert.rejects(openNodeDisk(directory), { message: new RegExp(`in use by process ${holder.pid} `) });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await (await openNodeDisk(directory)).unlock();
});

const enterContainer = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const isContained = spawnSync("unshare", [...enterContainer.slice(1), "true"]).status === 0;

test(
  "a process of another container, which is pid 1 as others are, holds its directory",
  { skip: !isContained },
  async (context) => {
    for (const name of ["near", `far-${"away-".repeat(30)}`]) {
      const directory = path.join(newDirectory(context), name);
      const holder = await holderOf(directory, enterContainer);
      await assert.rejects(openNodeDisk(directory), { message: /in use by process 1 / });
      await assert.rejects(openNodeDiskToRead(directory), { message: /in use by process 1 / });
      holder.kill("SIGKILL");
      // What is in the container ends a little after the container.
      let disk: Awaited<ReturnType<typeof openNodeDisk>> | undefined;
      for (let tries = 0; disk === undefined; tries++) {
        assert.ok(tries < 500);
        await sleep(10);
        disk = await openNodeDisk(directory).catch(() => undefined);
      }
      await disk.unlock();
      assert.deepEqual(fs.readdirSync(directory), []);
    }
  },
);

test("the lock of a pid that came again is no lock", { skip: process.platform !== "linux" }, async (context) => {
  const directory = newDirectory(context);
  fs.mkdirSync(directory, { recursive: true });
  for (const stale of [`${process.pid} some-other-boot/123\n`, "", "nonsense\n", "999999999 x\n"]) {
    fs.writeFileSync(path.join(directory, "lock"), stale);
    await (await openNodeDisk(directory)).unlock();
  }
});

test("of many who want a dead one's directory at once, one gets it", async (context) => {
  const directory = newDirectory(context);
  fs.mkdirSync(directory, { recursive: true });
  const dead = spawnSync(process.execPath, ["-e", "console.log(process.pid)"], { encoding: "utf8" }).stdout.trim();
  fs.writeFileSync(path.join(directory, "lock"), `${dead} unknown\n`);
  const module = new URL("./node-disk.ts", import.meta.url).href;
  const script = `
    const { openNodeDisk } = await import(${JSON.stringify(module)});
    const told = await openNodeDisk(${JSON.stringify(directory)}).then(() => "held", () => "refused");
    console.log(told);
    process.stdin.resume();
    process.stdin.once("end", () => process.exit());
  `;
  const contenders = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const answers = await Promise.all(contenders.map(async (one) => String((await once(one.stdout, "data"))[0]).trim()));
  for (const one of contenders) one.stdin.end();
  await Promise.all(contenders.map((one) => once(one, "exit")));
  assert.deepEqual(answers.toSorted(), ["held", "refused", "refused", "refused"]);
});

test("what is written is read, up to the end", async (context) => {
  const disk = await openNodeDisk(newDirectory(context));
  await assert.rejects(disk.open("a", "read"), { code: "ENOENT" });
  for (const mode of ["synced", "write"] as const) {
    const file = await disk.open(`file-${mode}`, mode);
    const sent = Buffer.from("..hello..");
    await new Promise<void>((resolve, reject) => {
      file.write(sent, 2, 5, 3, (error) => (error === undefined ? resolve() : reject(error)));
    });
    await new Promise<void>((resolve, reject) => {
      file.sync((error) => (error === undefined ? resolve() : reject(error)));
    });
    const got = Buffer.alloc(20, "-");
    const bytesRead = await new Promise((resolve) => file.read(got, 1, 19, 2, (_, count) => resolve(count)));
    assert.equal(bytesRead, 6);
    assert.equal(got.toString("latin1", 0, 8), "-\0hello-");
    assert.equal(await file.size(), 8);
    await file.close();
  }
  await disk.rename("file-write", "b");
  await disk.remove("file-synced");
  await disk.remove("file-synced");
  await disk.syncDirectory();
  assert.deepEqual(await disk.list(), ["b"]);
  assert.ok((await disk.freeBytes()) > 0);
  await disk.unlock();
});

test("a file that is closed twice does not close another one that got its number", async (context) => {
  const disk = await openNodeDisk(newDirectory(context));
  const first = await disk.open("first", "synced");
  await first.close();
  const second = await disk.open("second", "synced");
  await first.close();
  assert.equal(await second.size(), 0);
  await second.close();
  await disk.unlock();
});

/** Of this machine's folder for what is temporary. */
const takesDirect = ((): boolean => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "entrepot-direct-"));
  try {
    fs.closeSync(
      fs.openSync(path.join(directory, "file"), fs.constants.O_CREAT | fs.constants.O_RDWR | fs.constants.O_DIRECT),
    );
    return true;
  } catch {
    return false;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
})();

/** @param refusal of openings past the cache; undefined: there is none */
function mockOpen(
  context: TestContext,
  { refusal, onOpened }: { refusal: () => Error | undefined; onOpened: (fd: number, isDirect: boolean) => void },
): void {
  const { open } = fs;
  type Opening = [name: string, flags: number, mode: number, done: (error: Error | null, fd: number) => void];
  context.mock.method(fs, "open", (...args: Parameters<typeof fs.open>) => {
    const [name, flags, mode, done] = args as unknown as Opening;
    const isDirect = (flags & fs.constants.O_DIRECT) !== 0;
    const error = isDirect ? refusal() : undefined;
    if (error !== undefined) return done(error, -1);
    open(name, flags, mode, (error, fd) => {
      if (error === null) onOpened(fd, isDirect);
      done(error, fd);
    });
  });
}

for (const [refusal, refuses] of [
  ["takes them", () => false],
  ["opens no file so", (what: string) => what === "open"],
  ["refuses them only when they come", (what: string) => what === "write"],
] as const) {
  test(`direct writes go to a disk that ${refusal}`, { skip: process.platform !== "linux" }, async (context) => {
    const directFds = new Set<number>();
    const written = { direct: 0, synced: 0, refused: 0 };
    const invalid = Object.assign(new Error("EINVAL"), { code: "EINVAL" });
    const { write, writeSync } = fs;
    const isRefused = (fd: number): boolean => {
      const how = directFds.has(fd) ? (refuses("write") ? "refused" : "direct") : "synced";
      written[how]++;
      return how === "refused";
    };
    mockOpen(context, {
      refusal: () => (refuses("open") ? invalid : undefined),
      onOpened: (fd, isDirect) => void (isDirect && directFds.add(fd)),
    });
    context.mock.method(fs, "write", (...args: Parameters<typeof fs.write>) => {
      if (isRefused(args[0])) (args.at(-1) as unknown as (error: Error) => void)(invalid);
      else write(...args);
    });
    context.mock.method(fs, "writeSync", (...args: Parameters<typeof fs.writeSync>) => {
      if (isRefused(args[0])) throw invalid;
      return writeSync(...args);
    });
    const disk = await openNodeDisk(newDirectory(context));
    const file = await disk.open("file", "direct");
    const memory = disk.allocate(4 * 4096)!;
    for (let at = 0; at < memory.length; at++) memory[at] = at >>> 4;
    await writeAt(file, memory, 0, 2 * 4096, 0);
    await writeAt(file, memory.subarray(4096), 4096, 4096, 2 * 4096);
    const now = file.writeNow?.(memory, 3 * 4096, 4096, 3 * 4096);
    assert.equal(now, true);
    // Memory that lies as it happens to.
    const elsewhere = Buffer.allocUnsafeSlow(memory.length);
    memory.copy(elsewhere);
    await writeAt(file, elsewhere, 4096, 4096, 4096);
    assert.equal(await file.size(), memory.length);
    await file.close();
    const reader = await disk.open("file", "read");
    const found = Buffer.alloc(5 * 4096);
    assert.equal(await readAt(reader, found, 0, found.length, 0), memory.length);
    assert.ok(found.subarray(0, memory.length).equals(memory));
    await reader.close();
    // The machine's own file system may take none.
    const takes = refusal === "takes them" && takesDirect;
    if (refusal !== "takes them" || takesDirect) {
      const refused = refusal === "refuses them only when they come" && takesDirect ? 1 : 0;
      assert.deepEqual(written, takes ? { direct: 3, synced: 1, refused } : { direct: 0, synced: 4, refused });
    }
    await disk.unlock();
  });
}

test(
  "a file that is open twice is closed twice; one that cannot be is open once",
  { skip: !takesDirect },
  async (context) => {
    const disk = await openNodeDisk(newDirectory(context));
    const { close } = fs;
    const held = new Set<number>();
    let isOutOfDescriptors = false;
    mockOpen(context, {
      refusal: () => (isOutOfDescriptors ? Object.assign(new Error("EMFILE"), { code: "EMFILE" }) : undefined),
      onOpened: (fd) => held.add(fd),
    });
    context.mock.method(fs, "close", (...args: Parameters<typeof fs.close>) => {
      held.delete(args[0]);
      close(...args);
    });
    const file = await disk.open("file", "direct");
    assert.equal(held.size, 2);
    await file.close();
    assert.deepEqual([...held], []);
    isOutOfDescriptors = true;
    const once = await disk.open("file", "direct");
    assert.equal(held.size, 1);
    await writeAt(once, disk.allocate(4096)!.fill(7), 0, 4096, 0);
    assert.equal(await once.size(), 4096);
    await once.close();
    assert.deepEqual([...held], []);
    await disk.unlock();
  },
);

test(
  "a direct write that the disk refuses at once goes the other way at once",
  { skip: !takesDirect },
  async (context) => {
    const { writeSync } = fs;
    const seen: number[] = [];
    context.mock.method(fs, "writeSync", (...args: Parameters<typeof fs.writeSync>) => {
      seen.push(args[0]);
      if (args[0] === seen[0]) throw Object.assign(new Error("EINVAL"), { code: "EINVAL" });
      return writeSync(...args);
    });
    const disk = await openNodeDisk(newDirectory(context));
    const file = await disk.open("file", "direct");
    const memory = disk.allocate(4096)!.fill(7);
    assert.equal(file.writeNow?.(memory, 0, 4096, 0), true);
    assert.equal(file.writeNow?.(memory, 0, 4096, 4096), true);
    assert.equal(await file.size(), 8192);
    // Once by the way that is refused, and never again.
    assert.deepEqual(seen, [seen[0], seen[1], seen[1]]);
    await file.close();
    await disk.unlock();
  },
);
