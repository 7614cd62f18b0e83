/**
 * The `console` blocks of README.md are typed as they stand, in a directory that looks like a clone: behind `$` a command, under
 * it what it prints. `npm start` runs on in a terminal of its own, and is started anew where it is killed. dist/ is what
 * `npm run build` has made. The block with a broker for tests is run as a program.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "../may-be-missing.ts";
import type { Step } from "./steps.ts";
import { has, openNamespace, Walk } from "./walk.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const daemon = "npm start";

function stepsOf(block: string): Step[] {
  const typed = [...block.matchAll(/^\$ (.+?)(?: +#.*)?\n((?:(?!\$ ).*\n)*)/gm)];
  return typed.map(([, text = "", shown = ""]): Step => {
    const isDaemon = text === daemon;
    // How long it took is another each time, and npm and the log say more than is shown.
    const prints = shown.trim().replaceAll(/\d+ ms/g, "… ms");
    return {
      heading: "README.md",
      line: readme.slice(0, readme.indexOf(`$ ${text}`)).split("\n").length,
      kind: isDaemon ? "background" : "run",
      text,
      name: "broker",
      isOnline: false,
      status: 0,
      prints: isDaemon ? `…${prints}…` : prints,
    };
  });
}

test("README.md: what it shows on the console is what comes of it", { timeout: 120_000 }, async (context) => {
  if (!existsSync(join(root, "dist/main.js"))) return context.skip(mayBeMissing("dist", "npm run build"));
  const [crossing = "", killing = "", ...more] = [...readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(
    ([, block]) => block!,
  );
  check.equal(more.length, 0);
  const namespace = await openNamespace();
  if (namespace === undefined) return context.skip("no network namespace can be made here (unshare -n)");
  const folder = mkdtempSync(join(tmpdir(), "entrepot-readme-"));
  for (const name of ["dist", "docs", "node_modules", "package.json"])
    symlinkSync(join(root, name), join(folder, name));
  const walk = new Walk(folder, namespace, [dirname(process.execPath)]);
  context.after(async () => {
    await walk.end();
    namespace.close();
    rmSync(folder, { recursive: true });
  });
  const killSteps = stepsOf(killing);
  check.equal(killSteps.filter(({ text }) => text === daemon).length, 2);
  check.equal(killSteps.length, 5);
  for (const step of killSteps) await walk.take(step);
  if (!has("kcat", "-V") || !has("rabbitmqadmin", "--version")) {
    const why = "there is no kcat, or no rabbitmqadmin: the second block was left out";
    return context.diagnostic(mayBeMissing("docs-README", why));
  }
  const crossingSteps = stepsOf(crossing);
  check.equal(crossingSteps.length, 2);
  for (const step of crossingSteps) await walk.take(step);
});

test("README.md: a broker in a test does what the block says, and prints what stands behind its arrows", () => {
  const block = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)]
    .map(([, text]) => text!)
    .find((text) => text.includes("entrepot/testing"));
  check.ok(block);
  const loader = new URL("from-source.mjs", import.meta.url).href;
  const args = ["--import", loader, "--input-type=module", "--eval", block];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  check.equal(status, 0, stderr);
  check.deepEqual(
    stdout.trim().split("\n"),
    [...block.matchAll(/\/\/ → (.+)$/gm)].map(([, text]) => text),
  );
});
