import { fileURLToPath } from "node:url";
import { clientSuite, run } from "./client-suite.ts";

clientSuite(
  "pika",
  async () => {
    // The distribution's own Python has the distribution's pika, and is not always the first on the path.
    for (const python of ["python3", "/usr/bin/python3"]) {
      if ((await run(python, ["-c", "import pika"])).status !== 0) continue;
      return { command: python, args: [fileURLToPath(new URL("./python/program.py", import.meta.url))] };
    }
    return {
      missing: "there is no Python 3 with pika on this machine (apt-get install python3-pika, or pip install pika)",
    };
  },
  { overTls: true },
);
