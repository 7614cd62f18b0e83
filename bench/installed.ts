// What of the originals is here, and how to get what is not. RabbitMQ comes from the distribution; its PerfTest, and Kafka, come
// through Maven, which needs Java.

import { execFileSync, spawnSync } from "node:child_process";
import { entrepot, rabbit } from "./brokers.ts";

const packagesByProgram = { rabbitmq: "rabbitmq-server", java: "default-jre-headless", mvn: "maven" } as const;

export function hasProgram(name: "java" | "mvn"): boolean {
  return spawnSync(name, ["-version"], { stdio: "ignore" }).status === 0;
}

/** Debian's packages for what is missing here. */
export function missingPackages(): string[] {
  const missing: string[] = [];
  if (rabbit.version() === undefined) missing.push(packagesByProgram.rabbitmq);
  for (const name of ["java", "mvn"] as const) if (!hasProgram(name)) missing.push(packagesByProgram[name]);
  return missing;
}

/** Installs what is missing with apt-get. Errors: not root, or apt-get failed. */
export function installMissing(say: (line: string) => void): void {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new Error(`--install needs root. ${howToInstall(missing)}`);
  say(`apt-get install ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["install", "-y", "--no-install-recommends", ...missing], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (missing.includes(packagesByProgram.rabbitmq)) {
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
