import { fileURLToPath } from "node:url";
import { kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "platformatic-kafka",
  async () => ({
    command: process.execPath,
    args: [fileURLToPath(new URL("./platformatic-kafka-program.ts", import.meta.url))],
  }),
  { overTls: "PLAIN" },
);
