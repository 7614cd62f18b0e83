// What of the originals is here, and how to get what is not. RabbitMQ comes from the distribution; its PerfTest, and Kafka, come
// through Maven. Loads of Kafka's clients are compiled: that needs a JDK, not only a JRE, and for librdkafka's rows a C compiler.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { entrepot, rabbit } from "./brokers.ts";

const packagesByNeed = {
  rabbitmq: ["rabbitmq-server"],
  javac: ["default-jdk-headless"],
  mvn: ["maven"],
  cc: ["gcc", "libc6-dev"],
  librdkafka: ["librdkafka-dev"],
} as const;

type Need = keyof typeof packagesByNeed;

export function hasProgram(name: "javac" | "mvn" | "cc"): boolean {
  return spawnSync(name, [name === "cc" ? "--version" : "-version"], { stdio: "ignore" }).status === 0;
}

function isHere(need: Need): boolean {
  if (need === "rabbitmq") return rabbit.version() !== undefined;
  if (need === "librdkafka") return existsSync("/usr/include/librdkafka/rdkafka.h");
  return hasProgram(need);
}

/** Debian's packages for what is missing here. */
export function missingPackages(has: (need: Need) => boolean = isHere): string[] {
  return (Object.keys(packagesByNeed) as Need[]).flatMap((need) => (has(need) ? [] : packagesByNeed[need]));
}

/** Installs what is missing with apt-get. Errors: not root, or apt-get failed. */
export function installMissing(say: (line: string) => void): void {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new Error(`--install needs root. ${howToInstall(missing)}`);
  say(`apt-get install ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Where that fails, the lists that are there may do.
  spawnSync("apt-get", ["update", "-qq"], { env, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("apt-get", ["install", "-y", "--no-install-recommends", ...missing], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (missing.includes("rabbitmq-server")) {
    say(
      "the package may have started a RabbitMQ of its own, which takes processor time: systemctl stop rabbitmq-server",
    );
  }
}

export function howToInstall(packages: readonly string[]): string {
  return `On Debian or Ubuntu: apt-get install ${packages.join(" ")} (or, as root, npm run bench -- --install)`;
}

/** Errors: Entrepot is not built. */
export function builtEntrepot(mainPath: string): ReturnType<typeof entrepot> {
  const kind = entrepot(mainPath);
  if (kind.version() === undefined) throw new Error("Entrepot is not built: npm run build");
  return kind;
}
