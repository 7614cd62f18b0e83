import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { socketDial, type DialTls } from "./dial.ts";

const noFiles: DialTls = {
  caFile: undefined,
  certificateFile: undefined,
  keyFile: undefined,
  keyPassword: undefined,
  verify: true,
  serverName: undefined,
};

test("what is no file of certificates is neither waited for nor read to its end, but said to be none", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-dial-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = (name: string): string => join(directory, name);
  // Nobody writes into it.
  execFileSync("mkfifo", [path("pipe")]);
  writeFileSync(path("large"), Buffer.alloc((4 << 20) + 1));
  const dial = socketDial(systemClock());
  for (const file of [path("pipe"), path("large"), directory, "/dev/zero"]) {
    for (const which of ["caFile", "certificateFile", "keyFile"] as const) {
      const target = { host: "127.0.0.1", port: 1, tls: { ...noFiles, [which]: file }, timeoutMs: 5000 };
      const error = await new Promise<Error>((resolve) => dial(target, () => assert.fail("it connected"), resolve));
      assert.equal(error.message, `${file} is no file of certificates or keys`);
    }
  }
});
