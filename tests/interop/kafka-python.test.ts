import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, run } from "./client-suite.ts";
import { kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "confluent-kafka",
  async () => {
    const home = cacheFolder("confluent-kafka");
    const python = join(home, "venv", "bin", "python");
    if ((await run(python, ["-c", "import confluent_kafka"])).status !== 0) {
      const made = await run("python3", ["-m", "venv", "--clear", join(home, "venv")]);
      if (made.status !== 0 || !existsSync(python)) return { missing: `Python 3 makes no venv here: ${made.errors}` };
      const installed = await run(python, ["-m", "pip", "install", "-q", "confluent-kafka>=2.6"]);
      if (installed.status !== 0) return { missing: `pip cannot install confluent-kafka: ${installed.errors}` };
    }
    return { command: python, args: [fileURLToPath(new URL("./kafka-python/program.py", import.meta.url))] };
  },
  { overTls: true },
);
