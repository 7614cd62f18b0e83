// The contestants of bench/kafka-rows.ts: Apache Kafka from Maven Central (KRaft, one node, loopback), Entrepot, and the plain
// Node process that is the ceiling. Needs a JDK of 17 or later and Maven, which fetches some 60 MB once.
//
// Kafka runs as it comes but for what follows from being one node, and two settings that follow from being stopped with SIGSTOP
// while others are measured: its controller must not think that it has died, and files of deleted topics must go soon.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** Resolves Kafka and returns the Java class path. Errors, with what to install: no Maven or JDK; Maven does not find it. */
export function resolveKafka(dir: string): string {
  const home = join(dir, "kafka-libraries");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "pom.xml"), project);
  const goal = "dependency:build-classpath";
  for (const program of ["mvn", "javac"]) {
    try {
      execFileSync(program, ["-version"], { stdio: "pipe" });
    } catch (cause) {
      throw new Error(`${program} is missing: apt-get install maven default-jdk-headless`, { cause });
    }
  }
  execFileSync("mvn", ["-q", "-B", goal, "-Dmdep.outputFile=classpath.txt"], { cwd: home, stdio: "pipe" });
  return readFileSync(join(home, "classpath.txt"), "utf8").trim();
}

/**
 * The heap and the collector's settings of Kafka's own start scripts. Its documentation shows larger heaps, for a cluster of many
 * brokers and partitions; here one would only make Entrepot's share of its memory look smaller.
 */
const jvmOptions = [
  "-Xmx1G",
  "-Xms1G",
  "-server",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
  "-Djava.awt.headless=true",
];

export interface KafkaContestant {
  readonly name: string;
  /** It is the ceiling, and no broker. */
  readonly isPlain: boolean;
  /** `uri` of what it starts is `host:port`. */
  start(dir: string, port?: number): Promise<RunningBroker>;
}

/** @param more properties beside the least that one node needs */
export function apacheKafka(name: string, classPath: string, more: readonly string[] = []): KafkaContestant {
  return { name, isPlain: false, start: (dir, port) => startKafka(classPath, dir, more, port) };
}

async function startKafka(
  classPath: string,
  dir: string,
  more: readonly string[],
  portWanted?: number,
): Promise<RunningBroker> {
  const [portFound, controllerPort] = (await freePorts(2)) as [number, number];
  const port = portWanted ?? portFound;
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
    "broker.session.timeout.ms=3600000",
    "log.segment.delete.delay.ms=1000",
    ...more,
  ];
  writeFileSync(properties, `${lines.join("\n")}\n`);
  const java = (...args: string[]): string[] => ["-cp", classPath, ...args];
  if (!existsSync(join(dir, "logs", "meta.properties"))) {
    const format = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties];
    execFileSync("java", java(...format), { stdio: "pipe" });
  }
  const startMs = performance.now();
  const child = spawn("java", [...jvmOptions, ...java("kafka.Kafka", properties)], { stdio: "ignore" });
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
    isPlain: false,
    async start(dir, port = 0) {
      const broker = await startEntrepot(mainPath, dir, ["--listen", `kafka=127.0.0.1:${port}`]);
      return { ...broker, uri: broker.addresses["kafka"]! };
    },
  };
}

/** bench/plain-log.ts. */
export const plainLog: KafkaContestant = { name: "plain Node process", isPlain: true, start: startPlainLog };

async function startPlainLog(dir: string): Promise<RunningBroker> {
  mkdirSync(dir, { recursive: true });
  const program = join(import.meta.dirname, "plain-log.ts");
  const file = join(dir, "ring");
  const startMs = performance.now();
  const child = spawn(process.execPath, [program, "--file", file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the plain Node process ended with ${code} while it started`)));
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
  });
  return running(child.pid!, line.slice("ready ".length), performance.now() - startMs, () =>
    // Gigabytes, of which each curve has its own.
    rmSync(file, { force: true }),
  );
}
