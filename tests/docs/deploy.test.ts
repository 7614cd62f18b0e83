/**
 * What stands in deploy/ fits what it starts: the configuration is accepted, the unit's commands are commands, files that the
 * container copies are there, and every variable is an option.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { optionKeys, variableOf } from "../../src/config/options.ts";
import { settingsFor } from "../../src/config/settings.ts";
import { mayBeMissing } from "../may-be-missing.ts";
import { runShown } from "./run-shown.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const has = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;
const unit = read("deploy/entrepot.service");
const variables = new Set(optionKeys.map(variableOf));

/** Values of a key of the unit. */
function valuesOf(key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.+)$`, "gm"))].map(([, value]) => value!);
}

test("deploy/entrepot.yaml is a configuration, and so it is with its commented lines", async (context) => {
  const { values, warnings } = await settingsFor({ config: join(root, "deploy/entrepot.yaml"), env: {} });
  check.deepEqual(warnings, []);
  check.equal(values["data.directory"], "/var/lib/entrepot");
  const folder = mkdtempSync(join(tmpdir(), "entrepot-deploy-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "all.yaml");
  writeFileSync(path, read("deploy/entrepot.yaml").replace(/^#(?=[a-z ]+[\w.]*:)/gm, ""));
  const all = await settingsFor({ config: path, env: {} });
  check.equal(all.values["kafka.requireSasl"], true);
  check.equal(all.values["listen.amqps"]?.port, 5671);
  check.deepEqual(all.values["tls.certificateFile"], "/etc/entrepot/tls.crt");
});

test("the unit's start is a command that works", async () => {
  const [start = ""] = valuesOf("ExecStart");
  const started = await runShown(start, undefined);
  check.deepEqual(started, { line: start, status: 1, error: "entrepot: settings are right\n" });
});

test("the unit is one that systemd accepts, and as locked as it says", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-unit-"));
  context.after(() => rmSync(folder, { recursive: true }));
  if (!has("systemd-analyze")) return context.skip(mayBeMissing("systemd-analyze", "there is no systemd-analyze"));
  // verify wants the program to be there.
  const path = join(folder, "entrepot.service");
  writeFileSync(path, unit.replaceAll(/^(ExecStart=)entrepot\b/gm, `$1${process.execPath}`));
  const verified = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
  check.deepEqual([verified.status, verified.stderr], [0, ""]);
  const security = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=15", path], {
    encoding: "utf8",
  });
  check.equal(security.status, 0, security.stdout);
});

test("what docs/operating.md has installed for systemd is there then, and its user is made", (context) => {
  if (!has("systemd-sysusers")) return context.skip(mayBeMissing("systemd-sysusers", "there is no systemd-sysusers"));
  if (process.getuid?.() !== 0) return context.skip("as the page says, by root");
  const machine = mkdtempSync(join(tmpdir(), "entrepot-machine-"));
  context.after(() => rmSync(machine, { recursive: true }));
  const [, section = ""] = /^## Under systemd\n([^]*?)^## /m.exec(read("docs/operating.md")) ?? [];
  const lines = [...section.matchAll(/^ {4}(\S.+)$/gm)].map(([, line]) => line!);
  const isOfFiles = (line: string): boolean => /^(install|systemd-sysusers)\b/.test(line);
  // As they stand, but on a machine that is a folder. What is left speaks to a systemd that runs.
  for (const folder of ["etc/systemd/system", "usr/lib/sysusers.d"])
    mkdirSync(join(machine, folder), { recursive: true });
  const script = lines
    .filter(isOfFiles)
    .map((line) => line.replace(/ (\/\S+)$/, ` ${machine}$1`).replace(/^systemd-sysusers$/, `$& --root=${machine}`))
    .join("\n");
  const ran = spawnSync("sh", ["-ec", script], { cwd: root, encoding: "utf8" });
  check.equal(ran.status, 0, `${script}\n${ran.stderr}`);
  const user = /^User=(.+)$/m.exec(unit)?.[1] ?? "";
  check.match(readFileSync(join(machine, "etc/passwd"), "utf8"), new RegExp(`^${user}:`, "m"));
  const [, config = ""] = /--config (\S+)/.exec(unit) ?? [];
  check.ok(existsSync(join(machine, config)), config);
  check.ok(existsSync(join(machine, "etc/systemd/system/entrepot.service")));
  const rest = lines.filter((line) => !isOfFiles(line));
  check.deepEqual(rest, [
    "systemctl daemon-reload",
    "systemctl enable --now entrepot",
    "journalctl --unit entrepot --follow",
  ]);
});

test("the container's files are there, and its variables are options", () => {
  const containerfile = read("deploy/Containerfile");
  for (const [, sources] of containerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const source of sources!.split(" ")) check.ok(existsSync(join(root, source)), source);
  }
  const { environment } = (
    parse(read("deploy/compose.yaml")) as { services: { entrepot: { environment: Record<string, string> } } }
  ).services.entrepot;
  const named = [...containerfile.matchAll(/\b(ENTREPOT_\w+)=/g)].map(([, name]) => name!);
  check.ok(named.length > 3);
  const documented = [...read("docs/operating.md").matchAll(/\b(ENTREPOT_[A-Z_]+[A-Z])(?==)/g)].map(
    ([, name]) => name!,
  );
  const ofCommands = new Set(["ENTREPOT_USER", "ENTREPOT_PASSWORD", "ENTREPOT_URL"]);
  for (const name of [...named, ...Object.keys(environment), ...documented]) {
    check.ok(variables.has(name) || ofCommands.has(name), name);
  }
});
