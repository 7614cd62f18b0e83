/** What the shim does to a program that writes: shim-program.ts, which says each step that it has done. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
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
    t.skip(shim.why);
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

test("a disk has room for so much, and no more until something is removed", async (t) => {
  const scene = sceneOf(t);
  if (scene === undefined) return;
  scene.control.set("roomBytes", 6000);
  const { said } = await scene.run("dsync a x", "dsync b y", "dsync a z", "remove a", "dsync c x");
  assert.deepEqual(said, ["dsync a x", "dsync b y: ENOSPC", "dsync a z", "remove a", "dsync c x"]);
  assert.ok(scene.control.get("refused") > 0);
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
  scene.control.set("clockOffsetMs", -hour);
  const { said } = await scene.run("clock");
  assert.ok(Math.abs(Number(said[0]) - (Date.now() - hour)) < 60_000, String(said[0]));
});
