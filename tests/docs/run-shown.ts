/** Runs a command as a page or a help text shows it, in this process, against a broker. `start` ends with "settings are right" if they are. */

import * as check from "node:assert/strict";
import { checkData } from "../../src/check-data.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { systemClock } from "../../src/base/clock.ts";
import { settingsFor } from "../../src/config/settings.ts";

export interface Shown {
  readonly line: string;
  readonly status: number;
  readonly error: string;
}

/** Words of a line of shell, with single quotes and nothing else that is special. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
}

/** @param httpPort of the broker that the command is to speak to. */
export async function runShown(line: string, httpPort: number | undefined): Promise<Shown> {
  const [program, ...args] = wordsOf(line);
  check.equal(program, "entrepot");
  let error = "";
  const status = await runCommandLine({
    args,
    env: { ENTREPOT_URL: `http://127.0.0.1:${httpPort}` },
    columns: 100,
    clock: systemClock(),
    writeOut: () => undefined,
    writeError: (text) => void (error += text),
    onStopSignal: () => undefined,
    onReloadSignal: () => undefined,
    startBroker: async (options) => {
      await settingsFor({ ...options, config: undefined });
      throw Object.assign(new Error("settings are right"), { code: "NOT_STARTED" });
    },
    checkData,
  });
  return { line, status, error };
}
