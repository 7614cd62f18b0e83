/** `entrepot definitions`: what was declared, set and granted, as a file in RabbitMQ's form. */

import { readFileSync, writeFileSync } from "node:fs";
import { pathOf } from "./api-client.ts";
import { done, vhostFilter, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { UsageError } from "./usage-error.ts";

function pathFor(flags: ApiCall["flags"]): string {
  return typeof flags["vhost"] === "string" ? pathOf("definitions", flags["vhost"]) : pathOf("definitions");
}

async function exportTo({ api, args: [file], flags }: ApiCall): Promise<Shown> {
  const definitions = await api.ask(pathFor(flags));
  const text = `${JSON.stringify(definitions, null, 2)}\n`;
  if (file === undefined || file === "-") return { json: definitions, text };
  // Hashes of passwords are in it.
  writeFileSync(file, text, { mode: 0o600 });
  return done(`definitions are in ${file}`, { file });
}

async function importFrom({ api, args: [file = ""], flags }: ApiCall): Promise<Shown> {
  let definitions: unknown;
  try {
    definitions = JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file} cannot be imported: ${(error as Error).message}`);
  }
  const report = await api.ask(pathFor(flags), { method: "POST", body: definitions });
  return { json: report ?? { done: true }, text: `definitions of ${file} are imported\n${reportText(report)}` };
}

/** What the broker says of what had no effect. */
function reportText(report: unknown): string {
  if (report === undefined || report === null) return "";
  return `${JSON.stringify(report, null, 2)}\n`;
}

export const definitionCommands: readonly ApiCommand[] = [
  {
    name: "definitions export",
    about:
      "Virtual hosts, users, permissions, policies, queues, exchanges, bindings: to a file, or to standard output.",
    takes: "[FILE]",
    flags: vhostFilter,
    run: exportTo,
  },
  {
    name: "definitions import",
    about: "Make what a file defines; it may be one that RabbitMQ exported. - reads standard input.",
    takes: "<FILE>",
    flags: { "--vhost <NAME>": "into this virtual host only" },
    run: importFrom,
  },
];
