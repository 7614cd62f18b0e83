/** A Python with confluent-kafka, which is librdkafka: fetched by pip when it is first asked for. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run } from "./client-suite.ts";

/** The path of the interpreter, or why there is none on this machine. */
export async function pythonWithConfluentKafka(): Promise<{ readonly python: string } | { readonly missing: string }> {
  const home = cacheFolder("confluent-kafka");
  const python = join(home, "venv", "bin", "python");
  if ((await run(python, ["-c", "import confluent_kafka"])).status !== 0) {
    const made = await run("python3", ["-m", "venv", "--clear", join(home, "venv")]);
    if (made.status !== 0 || !existsSync(python)) return { missing: `Python 3 makes no venv here: ${made.errors}` };
    const installed = await run(python, ["-m", "pip", "install", "-q", "confluent-kafka>=2.6"]);
    if (installed.status !== 0) return { missing: `pip cannot install confluent-kafka: ${installed.errors}` };
  }
  return { python };
}
