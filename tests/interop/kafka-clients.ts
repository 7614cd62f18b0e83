/** Java with org.apache.kafka:kafka-clients and kafka-streams: fetched by Maven when they are first asked for. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, run } from "./client-suite.ts";

const source = new URL("./kafka-java/", import.meta.url);

/** What `java -cp` is to be told, or why there is nothing on this machine. */
export async function kafkaClients(): Promise<{ readonly classPath: string } | { readonly missing: string }> {
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
  return { classPath: join(jars, "*") };
}
