/**
 * The commands that docs/operating.md shows are run, in their order, against a broker, and so are the examples of the help
 * texts: each must end with status 0.
 */

import { test, type TestContext } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { examples } from "../../src/cli/help.ts";
import { startBroker, type RunningBroker } from "../../src/start-broker.ts";
import { runShown } from "./run-shown.ts";

const page = new URL("../../docs/operating.md", import.meta.url);

/** A broker, and a working directory that is empty but for its data. */
async function brokerInFolder(context: TestContext): Promise<RunningBroker> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-commands-"));
  const before = process.cwd();
  process.chdir(folder);
  const broker = await startBroker({ data: join(folder, "data"), listen: { http: 0 } });
  context.after(async () => {
    await broker.stop();
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  return broker;
}

test("the commands of docs/operating.md do what they should", async (context) => {
  const blocks = [...readFileSync(page, "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm)];
  const lines = blocks.flatMap(([, block]) => block!.trim().split("\n"));
  check.ok(lines.length > 15);
  const broker = await brokerInFolder(context);
  for (const line of lines) {
    check.deepEqual(await runShown(line, broker.ports["http"]), { line, status: 0, error: "" });
  }
});

test("the examples of the help texts do what they should", async (context) => {
  const broker = await brokerInFolder(context);
  for (const [name, lines] of Object.entries(examples)) {
    for (const line of lines) {
      check.ok(line.startsWith(`entrepot ${name.replace(/ list$/, "")}`), line);
      const shown = await runShown(line, broker.ports["http"]);
      // What start would start with was accepted, and a connection of that name is not there; all else is done.
      if (name === "start") check.deepEqual(shown, { line, status: 1, error: "entrepot: settings are right\n" });
      else if (name === "connections close") check.match(shown.error, /^entrepot: there is no such thing: connections/);
      else check.deepEqual(shown, { line, status: 0, error: "" });
    }
  }
});
