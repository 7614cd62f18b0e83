/** Compiles the shim, into the directory of the run, with the C compiler of the machine. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Its path; or why there is none. */
export function compileShim(directory: string): { readonly path: string } | { readonly why: string } {
  if (process.platform !== "linux") return { why: "the shim is for Linux" };
  const source = fileURLToPath(new URL("shim/shim.c", import.meta.url));
  const path = join(directory, "shim.so");
  const words = ["-O2", "-Wall", "-shared", "-fPIC", "-o", path, source, "-ldl", "-lpthread"];
  const done = spawnSync("cc", words, { encoding: "utf8" });
  if (done.error !== undefined) return { why: `there is no C compiler (cc): ${done.error.message}` };
  if (done.status !== 0) return { why: `cc: ${done.stderr}` };
  return { path };
}
