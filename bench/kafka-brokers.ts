// Apache Kafka from Maven Central (KRaft, one node, loopback), and its own load tools, for bench/kafka.ts. Needs Java 17 and
// Maven, which fetches some 60 MB once.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accepts, freePorts, running, type RunningBroker, startEntrepot } from "./brokers.ts";
import { seconds } from "./load-options.ts";

export const kafkaVersion = "4.1.1";

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId><artifactId>bench-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** Resolves Kafka and returns the Java class path. Errors: no Maven, or it does not find it. */
export function resolveKafka(dir: string): string {
  const home = join(dir, "kafka-libraries");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "pom.xml"), project);
  const goal = "dependency:build-classpath";
  execFileSync("mvn", ["-q", "-B", goal, "-Dmdep.outputFile=classpath.txt"], { cwd: home, stdio: "pipe" });
  return readFileSync(join(home, "classpath.txt"), "utf8").trim();
}

export interface KafkaContestant {
  readonly name: string;
  /** `uri` of what it starts is `host:port`. */
  start(dir: string): Promise<RunningBroker>;
}

/** @param more properties beside the least that one node needs */
export function apacheKafka(name: string, classPath: string, more: readonly string[] = []): KafkaContestant {
  return { name, start: (dir) => startKafka(classPath, dir, more) };
}

async function startKafka(classPath: string, dir: string, more: readonly string[]): Promise<RunningBroker> {
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  mkdirSync(dir, { recursive: true });
  const properties = join(dir, "server.properties");
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names=CONTROLLER",
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    `log.dirs=${join(dir, "logs")}`,
    "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    ...more,
  ];
  writeFileSync(properties, `${lines.join("\n")}\n`);
  const java = (...args: string[]): string[] => ["-cp", classPath, ...args];
  if (!existsSync(join(dir, "logs", "meta.properties"))) {
    const format = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties];
    execFileSync("java", java(...format), { stdio: "pipe" });
  }
  const startMs = performance.now();
  // The heap and the collector of its own start script.
  const heap = ["-Xmx1G", "-Xms1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
  const child = spawn("java", [...heap, ...java("kafka.Kafka", properties)], { stdio: "ignore" });
  let hasEnded = false;
  child.once("exit", () => (hasEnded = true));
  while (!(await accepts(port))) {
    if (hasEnded) throw new Error("Kafka ended while it started");
    await seconds(0.01);
  }
  return running(child.pid!, `127.0.0.1:${port}`, performance.now() - startMs);
}

export function entrepotForKafka(mainPath: string): KafkaContestant {
  return {
    name: "Entrepot",
    async start(dir) {
      const broker = await startEntrepot(mainPath, dir, ["--listen", "kafka=127.0.0.1:0"]);
      return { ...broker, uri: broker.addresses["kafka"]! };
    },
  };
}

/** Runs one of Kafka's tools to its end and gives its lines. Errors: it failed, or took longer than `msMax`. */
export function runTool(classPath: string, tool: string, args: readonly string[], msMax: number): string[] {
  const ended = spawnSync("java", ["-Xmx512M", "-cp", classPath, `org.apache.kafka.tools.${tool}`, ...args], {
    encoding: "utf8",
    timeout: msMax,
  });
  if (ended.status !== 0) throw new Error(`${tool}: ${ended.stdout.slice(-500)}${ended.stderr.slice(-1500)}`);
  return ended.stdout.split("\n").filter((line) => line !== "");
}
