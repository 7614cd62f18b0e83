// RabbitMQ's own load program, com.rabbitmq:perf-test from Maven Central, as a second opinion on the first row. It needs
// Java and Maven; they resolve it and what it needs into Maven's own cache. It is heavier than ours (it takes more of a
// core than the broker does), so its ratio is the lower one.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LoadResult } from "./load-options.ts";

const version = "2.22.1";
/** Of a run, its warming up included. */
export const perfTestSeconds = 10;

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

/** Persistent 100 B, confirms, one consumer with acks, for `forSeconds`. Errors: no summary, with what it said instead. */
export function runPerfTest(classPath: string, uri: string, forSeconds: number): LoadResult {
  const args = ["-cp", classPath, "com.rabbitmq.perf.PerfTest", "--uri", uri, "-x", "1", "-y", "1"];
  args.push("-u", "bench-perf-test", "--size", "100", "--flag", "persistent", "--auto-delete", "false");
  args.push("--confirm", "1000", "--qos", "1000", "--time", String(forSeconds), "--id", "bench");
  const run = spawnSync("java", args, { encoding: "utf8", timeout: (forSeconds + 60) * 1000 });
  return summaryIn(`${run.stdout}\n${run.stderr}`);
}

/** Its last lines: rates a second, latencies in µs. Errors: there are none. */
export function summaryIn(printed: string): LoadResult {
  const found = (pattern: RegExp): RegExpExecArray => {
    const match = pattern.exec(printed);
    if (match === null) throw new Error(`no ${pattern} in: ${printed.slice(-500)}`);
    return match;
  };
  const rate = (what: string): number => Number(found(new RegExp(`${what} rate avg: (\\d+) msg/s`))[1]);
  const latency = (what: string): { p50: number; p99: number } => {
    const [, values = ""] = found(new RegExp(`${what} latency min/median/75th/95th/99th ([\\d/]+) µs`));
    const [, p50 = Number.NaN, , , p99 = Number.NaN] = values.split("/").map(Number);
    return { p50, p99 };
  };
  return {
    sentRate: rate("sending"),
    receivedRate: rate("receiving"),
    latencyUs: latency("consumer"),
    confirmUs: latency("confirm"),
  };
}
