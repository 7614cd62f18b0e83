/** A Python with the clients of Kafka, confluent-kafka (which is librdkafka) and kafka-python: fetched by pip when first asked for. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run } from "./client-suite.ts";

/** The path of the interpreter, or why there is none on this machine. */
export async function pythonClients(): Promise<{ readonly python: string } | { readonly missing: string }> {
  const home = cacheFolder("python-clients");
  const python = join(home, "venv", "bin", "python");
  if ((await run(python, ["-c", "import confluent_kafka, kafka"])).status !== 0) {
    const made = await run("python3", ["-m", "venv", "--clear", join(home, "venv")]);
    if (made.status !== 0 || !existsSync(python)) return { missing: `Python 3 makes no venv here: ${made.errors}` };
    const installed = await run(python, ["-m", "pip", "install", "-q", "confluent-kafka>=2.6", "kafka-python>=3"]);
    if (installed.status !== 0) return { missing: `pip cannot install Kafka's clients: ${installed.errors}` };
  }
  return { python };
}
