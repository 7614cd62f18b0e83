/** Runs a client's program against a broker, and makes a test of each line that it prints. */

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brokerUnderTest } from "./broker.ts";
import { patternNames } from "./patterns.ts";

/** How to start a client's program, or why that is not possible on this machine. */
export type Program = { readonly command: string; readonly args: readonly string[] } | { readonly missing: string };

const programLimitMs = 120_000;

export function clientSuite(client: string, prepare: () => Promise<Program>): void {
  test(`${client} goes through every pattern`, { timeout: 2 * programLimitMs }, async (t) => {
    const program = await prepare();
    if ("missing" in program) {
      const optional = (process.env["ENTREPOT_INTEROP_WITHOUT"] ?? "").split(",");
      if (process.env["CI"] !== "true" || optional.includes(client)) return t.skip(program.missing);
      throw new Error(program.missing);
    }
    const broker = await brokerUnderTest();
    const { status, output, errors } = await run(program.command, [...program.args, broker.amqp]);
    await broker.stop();
    for (const pattern of patternNames) {
      await t.test(pattern, () => {
        const line = output.split("\n").find((each) => / ([\w-]+)/.exec(each.replace(/^not /, ""))?.[1] === pattern);
        if (line === `ok ${pattern}`) return;
        const ended = `the program ended with ${status} and did not say; standard error:\n${errors.slice(-2000)}`;
        throw new Error(line ?? ended);
      });
    }
  });
}

/** Runs a command to its end; a status of null means that it was ended for taking too long. Never throws. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: URL = new URL(".", import.meta.url),
): Promise<{ status: number | null; output: string; errors: string }> {
  const child = spawn(command, args, {
    cwd: fileURLToPath(cwd),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: programLimitMs,
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ status: null, output, errors: errors + error.message }));
    child.on("close", (status) => resolve({ status, output, errors }));
  });
}

/** A folder for what a client's tools build and fetch; it outlives the run. */
export function cacheFolder(client: string): string {
  const path = fileURLToPath(new URL(`../../node_modules/.cache/interop/${client}`, import.meta.url));
  mkdirSync(path, { recursive: true });
  return path;
}
