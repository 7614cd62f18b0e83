import { fileURLToPath } from "node:url";
import { pythonWithConfluentKafka } from "./confluent-kafka.ts";
import { kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "confluent-kafka",
  async () => {
    const found = await pythonWithConfluentKafka();
    if ("missing" in found) return found;
    return { command: found.python, args: [fileURLToPath(new URL("./kafka-python/program.py", import.meta.url))] };
  },
  { overTls: true },
);
