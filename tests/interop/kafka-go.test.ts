import { join } from "node:path";
import { cacheFolder, run, type Program } from "./client-suite.ts";
import { kafkaSuite, patternsOfDefaults } from "./kafka-patterns.ts";

const source = new URL("./kafka-go", import.meta.url);

const program = (client: string) => async (): Promise<Program> => {
  if ((await run("go", ["version"])).status !== 0) return { missing: "there is no Go on this machine" };
  const download = await run("go", ["mod", "download"], source);
  if (download.status !== 0) return { missing: `Go cannot fetch ${client}: ${download.errors}` };
  const binary = join(cacheFolder(client), "program");
  const build = await run("go", ["build", "-o", binary, `./${client}`], source);
  if (build.status !== 0) throw new Error(build.errors);
  return { command: binary, args: [] };
};

kafkaSuite("franz-go", program("franz-go"), { overTls: "SCRAM-SHA-512" });

kafkaSuite("sarama", program("sarama"), { patterns: patternsOfDefaults, overTls: "PLAIN" });
