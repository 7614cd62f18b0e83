/** The command line: its grammar, its help, and its errors. What a command does stands in a file of its own. */

import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { ConfigurationError } from "../config/configuration-error.ts";
import { optionKeys, options, variableOf } from "../config/options.ts";
import type { StartOptions } from "../config/start-options.ts";
import { ApiError } from "./api-client.ts";
import { config, type ConfigForm } from "./config.ts";
import { addHelp } from "./help.ts";
import { start } from "./start.ts";
import { exitStatus, type Surroundings } from "./surroundings.ts";
import { UsageError } from "./usage-error.ts";

/** Runs one command and gives its exit status. Never throws. */
export async function runCommandLine(around: Surroundings): Promise<number> {
  let status: number = exitStatus.done;
  const program = new Command("entrepot")
    .description("One durable message broker, every port.")
    .version(version(), "-V, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => around.writeOut(text),
      writeErr: (text) => around.writeError(text),
      getOutHelpWidth: () => around.columns,
      getErrHelpWidth: () => around.columns,
    })
    .showHelpAfterError("(entrepot --help says more)");

  withStartFlags(program.command("start"))
    .description("Start a broker; it prints a line, ready and its addresses, when every listener accepts.")
    .addHelpText("after", optionsHelp)
    .action(async (flags: StartFlags) => {
      status = await start(around, startOptions(flags));
    });

  withStartFlags(program.command("config"))
    .description("Print the configuration that start would have with these flags, and where each value is from.")
    .option("--json", "as a JSON object")
    .option("--explain", "with what each option means and accepts")
    .action(async (flags: StartFlags & ConfigForm) => {
      status = await config(around, startOptions(flags), flags);
    });

  // A start is to be quick, and knows nothing of the others.
  if (around.args[0] !== "start") await addOtherCommands(program, around, (ended) => (status = ended));
  addHelp(program);

  try {
    await program.parseAsync(around.args, { from: "user" });
    return status;
  } catch (error) {
    return report(around, error);
  }
}

async function addOtherCommands(
  program: Command,
  around: Surroundings,
  ended: (status: number) => void,
): Promise<void> {
  const { addApiCommands } = await import("./api-commands.ts");
  addApiCommands(program, around, ended);
  program
    .command("restore <BACKUP> <DIR>")
    .description("Make a data directory of a backup, an archive or a directory, and verify every byte of it.")
    .action(async (from: string, directory: string) => {
      ended(await (await import("./backup.ts")).restore(around, from, directory));
    });
  program
    .command("check <DIR>")
    .description(
      "Verify each byte of a data directory that no broker uses, and say what is in it. Status 1 if it is damaged.",
    )
    .option("--json", "as JSON, for programs")
    .action(async (directory: string, flags: { json?: boolean }) => {
      ended(await (await import("./check.ts")).check(around, directory, flags));
    });
}

interface StartFlags {
  readonly config?: string;
  readonly data?: string;
  readonly memory?: boolean;
  readonly listen?: Readonly<Record<string, string>>;
  readonly set?: Readonly<Record<string, string>>;
}

function withStartFlags(command: Command): Command {
  return command
    .option("--config <FILE>", "read options from a YAML file")
    .option("--data <DIR>", "keep data in this directory")
    .option("--memory", "keep everything in memory, nothing on disk")
    .option(
      "--listen <PROTOCOL=HOST:PORT>",
      "listen here, and for no other protocol; once for each protocol",
      addresses,
    )
    .option("--set <KEY=VALUE>", "set an option; can be given more than once", pairs);
}

function pairs(given: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = given.indexOf("=");
  if (at < 1) {
    throw new InvalidArgumentError("It lacks a value: log.level=info, say, or amqp=127.0.0.1:5672.");
  }
  return { ...before, [given.slice(0, at)]: given.slice(at + 1) };
}

/** Each protocol has one: a second would take the first's place, and nobody would listen there. */
function addresses(given: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const one = pairs(given);
  for (const protocol of Object.keys(one))
    if (protocol in before)
      throw new InvalidArgumentError(`There is an address for ${protocol} already: each has one.`);
  return { ...before, ...one };
}

function startOptions({ config: file, data, memory, listen, set }: StartFlags): StartOptions {
  return { config: file, data, memory, listen, set };
}

function optionsHelp(): string {
  const lines = optionKeys.map((key) => `  ${key.padEnd(28)} ${options[key].default}`);
  const example = optionKeys[0]!;
  return [
    "",
    "Options for --set, with their defaults:",
    ...lines,
    "",
    `In a file they have the same names; in the environment, ${example} is ${variableOf(example)}.`,
    "entrepot config --explain says what each means.",
  ].join("\n");
}

/** What the system's words do not say: what to do about it. */
const wayOut: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "Something listens there already: a broker (entrepot status asks it), a RabbitMQ, a Kafka.\n" +
    "--listen PROTOCOL=HOST:PORT, once for each protocol that is wanted, chooses other addresses; port 0 is any free one.\n",
};

function report(around: Surroundings, error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version end this way too, with status 0; what there was to say was said.
    return error.exitCode === 0 ? exitStatus.done : exitStatus.misused;
  }
  if (error instanceof UsageError || error instanceof ApiError) {
    around.writeError(`entrepot: ${error.message}\n`);
    return error instanceof ApiError ? error.exitStatus : exitStatus.misused;
  }
  if (error instanceof ConfigurationError) {
    for (const problem of error.problems) around.writeError(`entrepot: ${problem}\n`);
    return exitStatus.misused;
  }
  // The system's refusals (a port in use, a directory that is not ours) speak for themselves; anything else is a fault
  // of ours, and its stack says where.
  const { code, message, stack } = error as NodeJS.ErrnoException;
  around.writeError(`entrepot: ${code === undefined ? (stack ?? String(error)) : message}\n`);
  if (code !== undefined) around.writeError(wayOut[code] ?? "");
  return exitStatus.failed;
}

function version(): string {
  const source = readFileSync(new URL(import.meta.resolve("entrepot/package.json")), "utf8");
  return (JSON.parse(source) as { version: string }).version;
}
