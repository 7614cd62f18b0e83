import { fileURLToPath } from "node:url";
import { kafkaClients } from "./kafka-clients.ts";
import { kafkaPatterns, kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "kafka-clients",
  async () => {
    const java = await kafkaClients();
    if ("missing" in java) return java;
    const program = fileURLToPath(new URL("./kafka-java/Program.java", import.meta.url));
    return { command: "java", args: ["-cp", java.classPath, program] };
  },
  { overTls: "SCRAM-SHA-512", patterns: [...kafkaPatterns, "streams-word-count"] },
);
