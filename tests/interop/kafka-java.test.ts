import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, run } from "./client-suite.ts";
import { kafkaPatterns, kafkaSuite } from "./kafka-patterns.ts";

const source = new URL("./kafka-java/", import.meta.url);

kafkaSuite(
  "kafka-clients",
  async () => {
    // The launcher compiles a single source file by itself, which a JRE cannot.
    if ((await run("javac", ["-version"])).status !== 0) return { missing: "there is no JDK on this machine" };
    const jars = cacheFolder("kafka-clients");
    const pom = fileURLToPath(new URL("pom.xml", source));
    const client = statSync(join(jars, "kafka-streams.jar"), { throwIfNoEntry: false });
    if (client === undefined || client.mtimeMs < statSync(pom).mtimeMs) {
      const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${jars}`, "-Dmdep.stripVersion=true"];
      const fetched = await run("mvn", ["-q", "-B", "-f", pom, ...copy, "-Dmdep.overWriteReleases=true"], source);
      if (fetched.status !== 0)
        return { missing: `Maven cannot fetch kafka-clients: ${fetched.output}${fetched.errors}` };
    }
    return { command: "java", args: ["-cp", join(jars, "*"), fileURLToPath(new URL("Program.java", source))] };
  },
  { overTls: true, patterns: [...kafkaPatterns, "streams-word-count"] },
);
