import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, run } from "./client-suite.ts";
import { kafkaClients } from "./kafka-clients.ts";
import { kafkaPatterns, kafkaSuite } from "./kafka-patterns.ts";

kafkaSuite(
  "kafka-clients",
  async () => {
    const java = await kafkaClients();
    if ("missing" in java) return java;
    const classes = cacheFolder("kafka-java");
    const sources = ["Program", "Features"].map((name) =>
      fileURLToPath(new URL(`./kafka-java/${name}.java`, import.meta.url)),
    );
    const { status, errors } = await run("javac", ["-d", classes, "-cp", java.classPath, ...sources]);
    if (status !== 0) throw new Error(errors);
    return { command: "java", args: ["-cp", [classes, java.classPath].join(delimiter), "interop.Program"] };
  },
  {
    patterns: [
      ...kafkaPatterns,
      "streams-word-count",
      "static-membership",
      "delete-offsets",
      "compaction",
      "append-time",
      "list-offsets",
    ],
    overTls: "SCRAM-SHA-512",
    patternsOfLogin: ["logins", "permissions"],
  },
);
