/** Kafka's own classes, asked through java/Messages.java: what a message is, and which bytes it has. */

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, prepared, run } from "../../interop/client-suite.ts";

const source = new URL("./java/", import.meta.url);

/** Answers questions, a line each. */
export type Ask = (questions: readonly string[]) => Promise<string[]>;

/** Fails where everything must be tested; else says why Kafka's classes cannot be asked. */
export function kafkaClasses(): Promise<Ask | { readonly missing: string }> {
  return prepared("kafka-messages", prepare);
}

async function prepare(): Promise<Ask | { readonly missing: string }> {
  if ((await run("javac", ["-version"])).status !== 0) return { missing: "there is no JDK on this machine" };
  const jars = cacheFolder("kafka-messages");
  const pom = fileURLToPath(new URL("pom.xml", source));
  const jar = join(jars, "kafka-clients.jar");
  if (!existsSync(jar) || statSync(jar).mtimeMs < statSync(pom).mtimeMs) {
    const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${jars}`, "-Dmdep.stripVersion=true"];
    const fetched = await run("mvn", ["-q", "-B", "-f", pom, ...copy, "-Dmdep.overWriteReleases=true"], source);
    if (fetched.status !== 0)
      return { missing: `Maven cannot fetch kafka-clients: ${fetched.output}${fetched.errors}` };
  }
  return (questions) => ask(["-cp", join(jars, "*"), fileURLToPath(new URL("Messages.java", source))], questions);
}

async function ask(args: readonly string[], questions: readonly string[]): Promise<string[]> {
  const child = spawn("java", args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(questions.map((each) => `${each}\n`).join(""));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const status = await new Promise((resolve) => child.on("close", resolve));
  const answers = output.split("\n").slice(0, -1);
  if (answers.length !== questions.length) throw new Error(`${answers.length} answers, status ${String(status)}`);
  return answers;
}
