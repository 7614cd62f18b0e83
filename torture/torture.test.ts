/** A short run with as many kinds of faults as fit into it, and what of it can be said beforehand. TORTURE_MINUTES makes it a longer one. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "../tests/may-be-missing.ts";
import { optionsOf } from "./options.ts";
import { faultKinds, planRound, showFault, type FaultKind } from "./plan.ts";
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

/** The kinds of the first rounds, as they come. */
function kindsOf(seed: number, rounds: number, kinds: readonly FaultKind[]): FaultKind[] {
  const numbers = Array.from({ length: rounds }, (_, round) => round + 1);
  return numbers.flatMap((round) => planRound(seed, round, 40_000, kinds).faults.map(({ kind }) => kind));
}

test("each kind comes before any comes again, over the first rounds, and then as often as it weighs", () => {
  const firsts = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const all = kindsOf(seed, 3, faultKinds);
    firsts.add(all.slice(0, faultKinds.length).join());
    assert.deepEqual(all.slice(0, faultKinds.length).sort(), [...faultKinds].sort(), `seed ${seed}`);
    const two = kindsOf(seed, 1, ["flip", "clock"]);
    assert.deepEqual(two.slice(0, 2).sort(), ["clock", "flip"]);
  }
  assert.equal(firsts.size, 20);
  const later = kindsOf(1, 60, faultKinds).slice(faultKinds.length);
  const count = (kind: FaultKind): number => later.filter((each) => each === kind).length;
  assert.ok(count("power") > 2 * count("flip") && count("flip") > 0, `${count("power")} and ${count("flip")}`);
  assert.deepEqual(kindsOf(1, 2, []), []);
});

test(
  "a disk that lies about what it has synced is found out: what was acknowledged is lost",
  { timeout: 240_000 },
  (t) => {
    const directory = mkdtempSync(join(tmpdir(), "entrepot-lies-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    if ("why" in compileShim(directory)) return t.skip(mayBeMissing("cc", "there is no shim here"));
    const asked = ["--minutes", "0.1", "--round-seconds", "12", "--seed", "5", "--faults", "power", "--dir", directory];
    const { status, stdout } = spawnSync(process.execPath, [program, ...asked, "--lying-disk"], { encoding: "utf8" });
    assert.equal(status, 1, stdout);
    // It starts again, from what there was before the lie, and the checker misses what came after.
    assert.doesNotMatch(stdout, /did not start/);
    const lost = Number(/^ {2}in all: .*?(\d+) lost/m.exec(stdout)?.[1] ?? 0);
    assert.ok(lost > 20, stdout);
    assert.match(stdout, /^faults: power \d+ \([1-9]\d* sectors and names taken back\)$/m);
  },
);

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
    t.diagnostic(stdout.trim().split("\n").slice(-4).join("; "));
  },
);
