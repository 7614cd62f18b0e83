/** What the shim does to a program that writes: shim-program.ts, which says each step that it has done. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "../tests/may-be-missing.ts";
import { ControlPage } from "./control-page.ts";
import { compileShim } from "./shim.ts";

interface Scene {
  readonly data: string;
  readonly control: ControlPage;
  /** Runs the steps; gives what the program said, and how it ended. */
  run(...steps: string[]): Promise<{ readonly said: string[]; readonly signal: NodeJS.Signals | null }>;
}

/** Undefined, and the test skipped, where there is no compiler. */
function sceneOf(t: TestContext): Scene | undefined {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-shim-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const shim = compileShim(directory);
  if ("why" in shim) {
    t.skip(mayBeMissing("cc", shim.why));
    return undefined;
  }
  const [data, grave] = [join(directory, "data"), join(directory, "grave")];
  mkdirSync(data);
  mkdirSync(grave);
  const control = new ControlPage(join(directory, "control"));
  const run: Scene["run"] = async (...steps) => {
    const program = fileURLToPath(new URL("shim-program.ts", import.meta.url));
    const child = spawn(process.execPath, [program, data, ...steps], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        LD_PRELOAD: shim.path,
        TORTURE_CONTROL: control.path,
        TORTURE_DATA: data,
        TORTURE_GRAVE: grave,
      },
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const [, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return { said: output.trim().split("\n"), signal };
  };
  return { data, control, run };
}

const seeds = Array.from({ length: 5 }, (_, seed) => seed + 1);

test("what was synced, data and names, outlives every cut of the power", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  for (const seed of seeds) {
    scene.control.set("seed", seed);
    const { signal } = await scene.run("create a", "write a x", "sync a", "sync .", "dsync b y", "sync .", "cut");
    assert.equal(signal, "SIGKILL");
    assert.equal(readFileSync(join(scene.data, "a"), "utf8"), "x".repeat(4096));
    assert.equal(readFileSync(join(scene.data, "b"), "utf8"), "y".repeat(4096));
    rmSync(join(scene.data, "a"));
    rmSync(join(scene.data, "b"));
  }
});

test("what was not synced is taken back by sectors, in some cuts all of it, in some a part", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const left = new Set<number>();
  for (const seed of seeds) {
    scene.control.set("seed", seed);
    await scene.run("create a", "write a x", "sync a", "sync .", "write a z", "cut");
    const text = readFileSync(join(scene.data, "a"), "utf8");
    for (let at = 0; at < text.length; at += 512) assert.match(text.slice(at, at + 512), /^(x{512}|z{512})$/);
    left.add(text.split("z").length - 1);
    rmSync(join(scene.data, "a"));
  }
  assert.ok(left.has(0), "a cut that took all of it");
  assert.ok(
    [...left].some((count) => count > 0 && count < 4096),
    `a cut that took a part: ${[...left].join(", ")}`,
  );
});

test("of synced writes of several threads any sectors are there when the power goes, and all of what has returned", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const path = join(scene.data, "a");
  const { control, run } = scene;
  const [placeCount, placeBytes] = [4, 65_536];
  let tornAtOnce = 0;
  for (let seed = 1; seed <= 60 && tornAtOnce < 2; seed++) {
    control.set("seed", seed);
    control.set("cutAfterOps", 30 + seed);
    const ended = await run("create a", "sync .", `race a ${placeCount}`);
    assert.equal(ended.signal, "SIGKILL");
    const bytes = readFileSync(path);
    tornAtOnce = 0;
    for (let place = 0; place < placeCount; place++) {
      const found = new Set(bytes.subarray(place * placeBytes, (place + 1) * placeBytes));
      const [first = 0, second] = [...found].toSorted((one, other) => one - other);
      // The turn before, all of which had returned, and the one under way; of a first one there are zeros.
      const isNext = second === undefined || first === 0 || second - first === 1 || second - first === 25;
      assert.ok(found.size <= 2 && isNext, [...found].join());
      if (found.size === 2) tornAtOnce++;
    }
    rmSync(path);
  }
  assert.ok(tornAtOnce >= 2, "two writes under way were never torn by the same cut");
});

test("names that were not synced are taken back: made, renamed, removed", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const seen = new Set<string>();
  for (const seed of [...seeds, ...seeds.map((each) => each * 1000)]) {
    scene.control.set("seed", seed);
    await scene.run("create a", "create b", "sync .", "rename a c", "remove b", "create d", "cut");
    seen.add(readdirSync(scene.data).sort().join(" "));
    for (const name of readdirSync(scene.data)) rmSync(join(scene.data, name));
  }
  // As many of the steps as a journal of the file system would have had, and never a later one without those before.
  for (const each of seen) assert.ok(["a b", "b c", "c", "c d"].includes(each), each);
  assert.ok(seen.has("a b") && seen.size > 1, [...seen].join("; "));
});

test("a disk that lies loses all that it was given since then, synced or not, and nothing else", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  for (const seed of seeds) {
    scene.control.set("seed", seed);
    scene.control.set("lies", 0);
    await scene.run("create a", "dsync a x", "create b", "sync .");
    scene.control.set("lies", 1);
    const later = ["dsync a y", "sync a", "create c", "write c z", "sync c", "rename b d", "remove a", "sync ."];
    const { said, signal } = await scene.run(...later, "cut");
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(said, later);
    assert.deepEqual(readdirSync(scene.data).sort(), ["a", "b"]);
    assert.equal(readFileSync(join(scene.data, "a"), "utf8"), "x".repeat(4096));
    for (const name of ["a", "b"]) rmSync(join(scene.data, name));
  }
});

test("a disk has room for so much, and no more until something is removed", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  scene.control.set("roomBytes", 6000);
  const { said } = await scene.run("dsync a x", "dsync b y", "dsync a z", "remove a", "dsync c x");
  assert.deepEqual(said, ["dsync a x", "dsync b y: ENOSPC", "dsync a z", "remove a", "dsync c x"]);
  assert.ok(scene.control.get("refused") > 0);
});

test("a file of a few bytes has a block of the disk, which another has when it goes", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  scene.control.set("roomBytes", 5000);
  const { said } = await scene.run("note a x", "create b", "note b y", "remove a", "note b y");
  assert.deepEqual(said, ["note a x", "create b", "note b y: ENOSPC", "remove a", "note b y"]);
});

test("a write past the system's cache meets the disk's end at a block, and a cut at a sector", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const { control, data, run } = scene;
  control.set("roomBytes", 10_000);
  const { said: first } = await run("direct a x");
  if (first[0] === "direct a x: EINVAL") return t.skip("the file system of the temporary folder has no direct writes");
  assert.deepEqual(first, ["direct a x: ENOSPC"]);
  assert.equal(readFileSync(join(data, "a"), "utf8"), "x".repeat(8192));
  control.heal();
  assert.deepEqual((await run("direct a y", "sync .")).said, ["direct a y", "sync ."]);
  let torn = 0;
  for (const seed of seeds) {
    await run("direct a y");
    control.set("seed", seed);
    control.set("cutAfterOps", 2);
    const { said, signal } = await run("direct a z");
    assert.deepEqual([said, signal], [[""], "SIGKILL"]);
    const text = readFileSync(join(data, "a"), "utf8");
    assert.equal(text.length, 16_384);
    for (let at = 0; at < text.length; at += 512) assert.match(text.slice(at, at + 512), /^(y{512}|z{512})$/);
    if (text.includes("y") && text.includes("z")) torn++;
  }
  assert.ok(torn > 0, "no write was torn");
});

test("who asks how much room there is hears it", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const before = Number((await scene.run("room")).said[0]);
  assert.equal(scene.control.get("roomAnswers"), 0);
  scene.control.set("roomBytes", 1_000_000);
  const { said } = await scene.run("room");
  assert.ok(Number(said[0]) <= 1_000_000 && Number(said[0]) > 0 && before > 1_000_000, `${before}, then ${said[0]}`);
  assert.equal(scene.control.get("roomAnswers"), 1);
});

test("so many reads fail as was set, and none of a disk that is healed", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const { control, run } = scene;
  const reads = Array.from({ length: 64 }, () => "read a");
  const failedOf = async (): Promise<number> =>
    (await run(...reads)).said.filter((line) => line === "read a: EIO").length;
  await run("create a", "write a x");
  assert.equal(await failedOf(), 0);
  control.set("eioReadPer64k", 65_536);
  assert.equal(await failedOf(), 64);
  control.set("eioReadPer64k", 16_384);
  const some = await failedOf();
  assert.ok(some >= 8 && some <= 32, `${some} of 64, where a quarter was meant`);
  assert.equal(control.get("failedReads"), 64 + some);
  control.heal();
  assert.equal(await failedOf(), 0);
});

test("writes and syncs of files take as long as was set, and are counted", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const { control, run } = scene;
  const steps = ["dsync a x", "dsync a y", "sync a", "elapsed"];
  await run(...steps);
  assert.equal(control.get("slowed"), 0);
  control.set("slowWriteUs", 300_000);
  assert.ok(Number((await run(...steps)).said.at(-1)) >= 3 * 300);
  assert.equal(control.get("slowed"), 3);
  control.heal();
  await run(...steps);
  assert.equal(control.get("slowed"), 3);
});

test("a disk that fails fails for good, until it is healed", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  scene.control.set("eioWriteAfter", 2);
  const { said } = await scene.run("dsync a x", "dsync b y", "sync .");
  assert.deepEqual(said, ["dsync a x", "dsync b y: EIO", "sync .: EIO"]);
  scene.control.heal();
  assert.deepEqual((await scene.run("dsync b y")).said, ["dsync b y"]);
});

test("the clock is where it was set", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  const hour = 3_600_000;
  await scene.run("clock");
  assert.equal(scene.control.get("clockReadings"), 0);
  scene.control.set("clockOffsetMs", -hour);
  const { said } = await scene.run("clock");
  assert.ok(scene.control.get("clockReadings") > 0);
  assert.ok(Math.abs(Number(said[0]) - (Date.now() - hour)) < 60_000, String(said[0]));
});
