/**
 * docs/getting-started.md is gone through as a newcomer does: in a fresh clone, with nothing of this project installed. What is not
 * said to fetch anything installs without a network, and without what npm has kept of earlier days.
 */

import { test } from "node:test";
import { execFileSync } from "node:child_process";
import * as check from "node:assert/strict";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stepsOf } from "./steps.ts";
import { has, openNamespace, Walk } from "./walk.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** As its walk has it: this Node comes first. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` };

/** What the page calls the new version: this one, under a higher number. Answers that. */
function makeNewVersion(clone: string, folder: string): string {
  const npm = (...args: string[]): string => execFileSync("npm", args, { cwd: clone, encoding: "utf8", env });
  const version = npm("version", "minor", "--no-git-tag-version").trim().replace(/^v/, "");
  npm("pack", "--pack-destination", folder);
  renameSync(join(folder, `entrepot-${version}.tgz`), join(folder, "entrepot-NEW.tgz"));
  return version;
}

test("docs/getting-started.md can be followed from the clone to the upgrade", { timeout: 600_000 }, async (context) => {
  if (!existsSync(join(root, ".git"))) return context.skip("this is no clone");
  const namespace = await openNamespace();
  if (namespace === undefined) return context.skip("no network namespace can be made here (unshare -n)");
  const folder = mkdtempSync(join(tmpdir(), "entrepot-newcomer-"));
  const prefix = join(folder, "prefix");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${root}`, join(folder, "clone")]);
  const path = [dirname(process.execPath), join(prefix, "bin")];
  const inClone = new Walk(join(folder, "clone"), namespace, path, { npm_config_prefix: prefix });
  const elsewhere = new Walk(join(folder, "work"), namespace, path, { npm_config_prefix: prefix });
  context.after(async () => {
    await elsewhere.end();
    namespace.close();
    rmSync(folder, { recursive: true });
  });
  const hasPrometheus = has("prometheus", "--version") && has("promtool", "--version");
  if (!hasPrometheus) context.diagnostic("there is no Prometheus: the steps to watch the broker were left out");
  let newVersion: string | undefined;
  for (const step of stepsOf("docs/getting-started.md")) {
    if (step.heading === "Upgrade") newVersion ??= makeNewVersion(join(folder, "clone"), join(folder, "work"));
    if (step.heading === "Watch it" && !hasPrometheus) continue;
    if (step.heading !== "Install") await elsewhere.take(step);
    else if (step.isOnline || step.kind !== "run") await inClone.take(step);
    else await inClone.take({ ...step, text: `export npm_config_cache='${join(folder, "empty")}'\n${step.text}` });
  }
  const installed = execFileSync(join(prefix, "bin", "entrepot"), ["--version"], { encoding: "utf8", env });
  check.equal(installed.trim(), newVersion);
});
