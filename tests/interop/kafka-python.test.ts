import { fileURLToPath } from "node:url";
import type { Program } from "./client-suite.ts";
import { kafkaSuite, patternsOfDefaults } from "./kafka-patterns.ts";
import { pythonClients } from "./python-clients.ts";

const program = (file: string) => async (): Promise<Program> => {
  const found = await pythonClients();
  if ("missing" in found) return found;
  // -B: nothing is written beside the sources.
  return { command: found.python, args: ["-B", fileURLToPath(new URL(`./kafka-python/${file}`, import.meta.url))] };
};

kafkaSuite("confluent-kafka", program("confluent_kafka_program.py"), { overTls: "SCRAM-SHA-256" });

kafkaSuite("kafka-python", program("kafka_python_program.py"), {
  patterns: patternsOfDefaults,
  overTls: "SCRAM-SHA-512",
});
