// RabbitMQ's own load program, com.rabbitmq:perf-test from Maven Central, as a second opinion on the first row. It needs
// Java and Maven; they resolve it and what it needs into Maven's own cache. It is heavier than ours (it takes more of a
// core than the broker does), so its ratio is the lower one.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const version = "2.22.1";

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId><artifactId>bench</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>com.rabbitmq</groupId><artifactId>perf-test</artifactId><version>${version}</version>
  </dependency></dependencies>
</project>
`;

/** Resolves PerfTest and returns the Java class path. Errors: no Maven, or it does not find it. */
export function resolvePerfTest(dir: string): string {
  const home = join(dir, "perf-test");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "pom.xml"), project);
  const goal = "dependency:build-classpath";
  execFileSync("mvn", ["-q", "-B", goal, "-Dmdep.outputFile=classpath.txt"], { cwd: home, stdio: "pipe" });
  return readFileSync(join(home, "classpath.txt"), "utf8").trim();
}

/** Persistent 100 B, confirms, one consumer with acks, for `forSeconds`; its summary lines. */
export function runPerfTest(classPath: string, uri: string, forSeconds: number): string[] {
  const args = ["-cp", classPath, "com.rabbitmq.perf.PerfTest", "--uri", uri, "-x", "1", "-y", "1"];
  args.push("-u", "bench-perf-test", "--size", "100", "--flag", "persistent", "--auto-delete", "false");
  args.push("--confirm", "1000", "--qos", "1000", "--time", String(forSeconds), "--id", "bench");
  const run = spawnSync("java", args, { encoding: "utf8", timeout: (forSeconds + 60) * 1000 });
  const lines = `${run.stdout}\n${run.stderr}`.split("\n");
  return lines.filter((line) => /rate avg|latency min|rror|xception/.test(line)).slice(-6);
}
