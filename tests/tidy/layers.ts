/**
 * The plan of the house: which folder stands on which. An import leads to a lower rank, or stays in its folder. So a
 * layer can be read, tested and replaced with nothing but what is below it in mind.
 */

/** Folders of src from the ground up; those of one rank do not see each other. */
const rankByFolder: Readonly<Record<string, number>> = {
  base: 0,
  observe: 1,
  wire: 2,
  log: 2,
  broker: 3,
  auth: 3,
  alerts: 4,
  server: 4,
  protocols: 5,
  admin: 5,
  config: 5,
  cli: 6,
  testing: 6,
};

/** Files directly in src: they join the parts, and see everything. */
export const mainFiles: readonly string[] = [
  "src/main.ts",
  "src/assembly.ts",
  "src/start-broker.ts",
  "src/start-test-broker.ts",
  "src/broker-ports.ts",
  "src/check-data.ts",
];

export const mainRank = 7;

/** Folders of which the outside sees one file only. */
export const doors: Readonly<Record<string, string>> = {
  "src/broker/": "src/broker/api.ts",
  "src/log/": "src/log/log.ts",
};

/** `broker` for `src/broker/topic/x.ts`, `protocols/amqp091` for a protocol's, undefined outside src and directly in it. */
export function folderOf(path: string): string | undefined {
  const [top, folder, inner, rest] = path.split("/");
  if (top !== "src" || inner === undefined) return undefined;
  return folder === "protocols" && rest !== undefined ? `protocols/${inner}` : folder;
}

/** Undefined if the plan has no such folder. */
export function rankOf(path: string): number | undefined {
  if (mainFiles.includes(path)) return mainRank;
  const folder = folderOf(path)?.split("/")[0];
  return folder === undefined || !Object.hasOwn(rankByFolder, folder) ? undefined : rankByFolder[folder];
}

interface Allowance {
  readonly name: string;
  /** Prefixes of paths that may import it. */
  readonly where: readonly string[];
  readonly reason: string;
}

/** Every package that may be imported, by whom, and why it is worth its weight. */
export const packages: readonly Allowance[] = [
  { name: "commander", where: ["src/cli/"], reason: "grammar and help of the command line" },
  {
    name: "yaml",
    where: ["src/config/", "src/cli/command-line.test.ts", "tests/docs/"],
    reason: "configuration files, with line numbers; tests of the docs read those in deploy/",
  },
  {
    name: "jose",
    where: ["src/auth/oauth2/"],
    reason: "signatures of tokens: the part of OAuth 2 that nobody should write again",
  },
  { name: "fast-check", where: ["test"], reason: "property tests" },
  { name: "oxc-parser", where: ["tests/tidy/"], reason: "reads the tree for the rules" },
  { name: "amqplib", where: ["tests/", "bench/", "torture/"], reason: "a client of RabbitMQ, unmodified" },
  { name: "rabbitmq-client", where: ["tests/", "bench/", "torture/"], reason: "a client of RabbitMQ, unmodified" },
  { name: "kafkajs", where: ["tests/", "bench/", "torture/"], reason: "a client of Kafka, unmodified" },
  { name: "@platformatic/kafka", where: ["tests/", "bench/", "torture/"], reason: "a client of Kafka, unmodified" },
];

/** What of Node is kept in few places, so that all else runs on simulated time, chance, disk and network. */
export const builtins: readonly Allowance[] = [
  {
    name: "node:fs",
    where: ["src/log/file/", "src/config/", "src/server/", "src/cli/"],
    reason: "storage is reached through the interface of log/, so that the simulator can stand in for the disk",
  },
  {
    name: "node:fs/promises",
    where: ["src/log/file/", "src/config/", "src/server/", "src/cli/"],
    reason: "as node:fs",
  },
  ...["node:net", "node:tls", "node:dgram", "node:http", "node:https", "node:http2"].map((name) => ({
    name,
    // A directory's holder is known by a socket in it.
    where: ["src/server/", "src/cli/", ...(name === "node:net" ? ["src/log/file/guard.ts"] : [])],
    reason:
      "connections are driven by bytes and ticks, so that they run in tests and in the simulator without a socket",
  })),
  ...["node:timers", "node:timers/promises", "node:perf_hooks"].map((name) => ({
    name,
    where: ["src/base/", "src/config/"],
    reason: "time is handed in as a Clock, so that a run can be repeated",
  })),
];

/** Names that reach for the clock, for chance or for the environment, and what to use instead. */
export const ambient: Readonly<Record<string, string>> = {
  "Date.now": "a Clock",
  "performance.now": "a Clock",
  "process.hrtime": "a Clock",
  "process.hrtime.bigint": "a Clock",
  setTimeout: "Clock.setTimer",
  setInterval: "Clock.setTimer",
  setImmediate: "Clock.defer",
  "Math.random": "a Random",
  randomBytes: "a Random",
  randomInt: "a Random",
  randomUUID: "a Random",
  "crypto.randomBytes": "a Random",
  "crypto.randomInt": "a Random",
  "crypto.randomUUID": "a Random",
  "crypto.getRandomValues": "a Random",
  "process.env": "an option of config/",
};

export const ambientFolders: readonly string[] = ["base", "config"];
