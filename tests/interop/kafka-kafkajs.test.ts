import { fileURLToPath } from "node:url";
import { kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "kafkajs",
  async () => ({
    command: process.execPath,
    args: [fileURLToPath(new URL("./kafkajs-program.ts", import.meta.url))],
  }),
  { overTls: "SCRAM-SHA-256" },
);
