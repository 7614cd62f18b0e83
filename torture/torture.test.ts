/** A short run with all kinds of faults, and what of it can be said beforehand. TORTURE_MINUTES makes it a longer one. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { optionsOf } from "./options.ts";
import { faultKinds, planRound, showFault } from "./plan.ts";
import { compileShim } from "./shim.ts";

const minutes = Number(process.env["TORTURE_MINUTES"] ?? 0.4);
const program = fileURLToPath(new URL("main.ts", import.meta.url));

test("a seed draws the same plan each time, and another seed another one", () => {
  const shown = (seed: number, round: number): string =>
    planRound(seed, round, 60_000, faultKinds).faults.map(showFault).join("\n");
  assert.equal(shown(1, 2), shown(1, 2));
  assert.notEqual(shown(1, 2), shown(2, 2));
  assert.notEqual(shown(1, 2), shown(1, 3));
  assert.ok(shown(1, 2).split("\n").length > 10);
});

test("a disk that lies about what it has synced is found out", { timeout: 240_000 }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-lies-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  if ("why" in compileShim(directory)) return t.skip("there is no shim here");
  const asked = ["--minutes", "0.1", "--round-seconds", "12", "--seed", "5", "--faults", "power", "--dir", directory];
  const { status, stdout } = spawnSync(process.execPath, [program, ...asked, "--lying-disk"], { encoding: "utf8" });
  assert.equal(status, 1, stdout);
  // Where the first cut has taken what a checkpoint stood on, the broker says so and does not start.
  assert.match(stdout, /^ {2}(lost|moved|stale|settled|unflagged|damaged|Error: the broker did not start)/m);
});

test("what cannot be asked for is refused in a sentence", () => {
  assert.throws(() => optionsOf(["--fault", "kill"], 1), /unknown: --fault/);
  assert.throws(() => optionsOf(["--faults", "kill,fire"], 1), /unknown fault: fire/);
  assert.throws(() => optionsOf(["--minutes", "some"], 1), /--minutes needs a number/);
  assert.deepEqual(optionsOf(["--faults", "none"], 1).faults, []);
});

test(
  "killed, cut off from power, network and disk, the broker keeps what it promised",
  { timeout: (minutes + 4) * 60_000 },
  (t) => {
    const words = [program, "--minutes", String(minutes), "--round-seconds", "20"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    t.diagnostic(stdout.trim().split("\n").slice(-3).join("; "));
  },
);
