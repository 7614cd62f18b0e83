/** The commands that docs/operating.md shows are run, in their order, against a broker: each must end with status 0. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkData } from "../../src/check-data.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { startBroker } from "../../src/start-broker.ts";

const page = new URL("../../docs/operating.md", import.meta.url);

/** Words of a line of shell, with single quotes and nothing else that is special. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
}

test("the commands of docs/operating.md do what they should", async (context) => {
  const blocks = [...readFileSync(page, "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm)];
  const lines = blocks.flatMap(([, block]) => block!.trim().split("\n"));
  check.ok(lines.length > 15);
  const folder = mkdtempSync(join(tmpdir(), "entrepot-commands-"));
  const before = process.cwd();
  process.chdir(folder);
  const broker = await startBroker({ data: join(folder, "data"), listen: { http: 0 } });
  context.after(async () => {
    await broker.stop();
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  for (const line of lines) {
    const [program, ...args] = wordsOf(line);
    check.equal(program, "entrepot");
    let error = "";
    const status = await runCommandLine({
      args,
      env: { ENTREPOT_URL: `http://127.0.0.1:${broker.ports["http"]}` },
      columns: 100,
      writeOut: () => undefined,
      writeError: (text) => void (error += text),
      onStopSignal: () => undefined,
      onReloadSignal: () => undefined,
      startBroker: () => check.fail("nothing is to be started"),
      checkData,
    });
    check.deepEqual({ line, status, error }, { line, status: 0, error: "" });
  }
});
