/** Makes a command line of the tables of commands that speak to a running broker, and says what they answer. */

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { ConfigurationError } from "../config/configuration-error.ts";
import { showAddress } from "../config/kinds.ts";
import { settingsFor } from "../config/settings.ts";
import { Api, type ApiTarget } from "./api-client.ts";
import type { ApiCommand, Flags } from "./api-command.ts";
import { backupCommands } from "./backup.ts";
import { connectionCommands } from "./connections.ts";
import { definitionCommands } from "./definitions.ts";
import { policyCommands } from "./policies.ts";
import { queueCommands } from "./queues.ts";
import { readyCommands } from "./ready.ts";
import { statusCommands } from "./status.ts";
import { exitStatus, type Surroundings } from "./surroundings.ts";
import { tenantCommands } from "./tenants.ts";

const commands: readonly ApiCommand[] = [
  ...statusCommands,
  ...readyCommands,
  ...queueCommands,
  ...connectionCommands,
  ...definitionCommands,
  ...policyCommands,
  ...tenantCommands,
  ...backupCommands,
];

const aboutGroup: Readonly<Record<string, string>> = {
  queues: "List, show, declare, purge, delete queues of a running broker, and move dead-lettered messages back.",
  connections: "List and close connections of a running broker.",
  definitions: "Export and import what was declared, set and granted.",
  policies: "List, set and clear policies.",
  users: "List, set and delete users.",
  vhosts: "List, add and delete virtual hosts.",
  permissions: "List, set and clear what users may do.",
};

/** @param ended is told the exit status of a command that was run. */
export function addApiCommands(program: Command, around: Surroundings, ended: (status: number) => void): void {
  const groups = new Map<string, Command>();
  for (const each of commands) {
    const [first = "", second] = each.name.split(" ");
    let parent = program;
    if (second !== undefined) {
      parent = groups.get(first) ?? program.command(first).description(aboutGroup[first] ?? "");
      groups.set(first, parent);
    }
    const takes = each.takes === undefined ? "" : ` ${each.takes}`;
    const command = parent
      .command(`${second ?? first}${takes}`, { isDefault: second === "list" })
      .description(each.about)
      .option(
        "--url <URL>",
        "where the broker's HTTP API is; ENTREPOT_URL, or what the configuration says, if left out",
      )
      .option("--user <NAME>", "who asks; ENTREPOT_USER, or the configuration's default user, if left out")
      .option("--password <TEXT>", "the password; ENTREPOT_PASSWORD, or the default user's, if left out")
      .option("--ca <FILE>", "with https: who issued the broker's certificate, a PEM file")
      .option("--cert <FILE>", "with https: the certificate to show to a broker that asks for one, a PEM file")
      .option("--key <FILE>", "the private key of --cert, if it is not in the same file")
      .option("--config <FILE>", "the broker's configuration file, to see where it listens")
      .option("--json", "as JSON, for programs");
    for (const [flag, about] of Object.entries(each.flags ?? {})) command.option(flag, about);
    command.action(async (...given: unknown[]) => {
      const flags = given.at(-2) as Flags;
      ended(await run(around, each, given.slice(0, -2) as (string | undefined)[], flags));
    });
  }
}

async function run(
  around: Surroundings,
  command: ApiCommand,
  args: readonly (string | undefined)[],
  flags: Flags,
): Promise<number> {
  const api = new Api(await targetOf(around, flags));
  const vhost = typeof flags["vhost"] === "string" ? flags["vhost"] : "/";
  const { json, text, isFailure } = await command.run({ api, clock: around.clock, args, flags, vhost });
  around.writeOut(flags["json"] === true ? `${JSON.stringify(json, null, 2)}\n` : text);
  return isFailure === true ? exitStatus.failed : exitStatus.done;
}

/** @throws ConfigurationError */
async function targetOf({ env }: Surroundings, flags: Flags): Promise<ApiTarget> {
  const config = flags["config"] as string | undefined;
  const { values } = await settingsFor({ config, env });
  let url: URL;
  const given = (flags["url"] as string | undefined) ?? (env["ENTREPOT_URL"] || undefined);
  if (given !== undefined) {
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
      throw new ConfigurationError([`--url is ${given}, which is no URL such as http://127.0.0.1:15672`]);
    }
    url = new URL(given);
  } else {
    const [scheme, address] =
      values["listen.http"] === null
        ? (["https", values["listen.https"]] as const)
        : (["http", values["listen.http"]] as const);
    if (address === null) {
      throw new ConfigurationError(["by this configuration the broker has no HTTP port; --url says where one is"]);
    }
    // What listens everywhere listens here as well.
    const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
    url = new URL(`${scheme}://${showAddress({ host, port: address.port })}`);
  }
  const user = (flags["user"] as string | undefined) ?? (decodeURIComponent(url.username) || env["ENTREPOT_USER"]);
  const password =
    (flags["password"] as string | undefined) ?? (decodeURIComponent(url.password) || env["ENTREPOT_PASSWORD"]);
  url.username = "";
  url.password = "";
  return {
    url: url.href,
    user: user ?? values["auth.defaultUser"],
    password: password ?? values["auth.defaultPassword"] ?? "",
    ca: fileOf(flags, "ca"),
    cert: fileOf(flags, "cert"),
    key: fileOf(flags, "key") ?? fileOf(flags, "cert"),
  };
}

function fileOf(flags: Flags, name: string): string | undefined {
  const path = flags[name];
  if (typeof path !== "string") return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigurationError([`--${name} ${path}: cannot be read: ${(error as Error).message}`]);
  }
}
