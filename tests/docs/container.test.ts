/**
 * deploy/Containerfile is gone through without a container: what it copies and runs is copied and run in a folder that stands for
 * each stage's root, on the Node that it names, and what comes of it is started as it says and used by clients of both protocols.
 *
 * That Node is the oldest that the package says it runs on, which nothing else is tested with.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { cacheFolder, prepared, run } from "../interop/client-suite.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(repository, path), "utf8");
const buildLimitMs = 300_000;

interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** By stage: what stands behind each FROM, itself first. */
function stagesIn(containerfile: string): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const line of containerfile.replaceAll(/\\\n/g, " ").split("\n")) {
    const [, name = "", text = ""] = /^([A-Z]+) +(.+)$/.exec(line) ?? [];
    if (name === "FROM") stages.push([]);
    if (name !== "") stages.at(-1)!.push({ name, text: text.trim() });
  }
  return stages;
}

/** A stage's root, as a folder. */
class Stage {
  readonly root: string;
  readonly env: Record<string, string | undefined>;
  #folder = "/";

  constructor(root: string, env: Record<string, string | undefined>) {
    this.root = root;
    this.env = { ...env };
    for (const folder of ["usr/local/bin", "var/lib"]) mkdirSync(join(root, folder), { recursive: true });
  }

  /** Paths from the root on lie in the folder. */
  inRoot(text: string): string {
    return text.replaceAll(/(?<=^|[\s=])\/(?=\w)/g, `${this.root}/`);
  }

  take({ name, text }: Instruction, stages: ReadonlyMap<string, Stage>): void {
    const here = join(this.root, this.#folder);
    if (name === "WORKDIR") {
      this.#folder = resolve(this.#folder, text);
      mkdirSync(join(this.root, this.#folder), { recursive: true });
    } else if (name === "COPY") {
      const words = text.split(/\s+/);
      const from = /^--from=(.+)$/.exec(words[0]!)?.[1];
      if (from !== undefined) words.shift();
      const target = words.pop()!;
      for (const source of words) {
        const path = from === undefined ? join(repository, source) : join(stages.get(from)!.root, source);
        cpSync(path, join(here, target, target.endsWith("/") ? basename(source) : ""), {
          recursive: true,
          verbatimSymlinks: true,
        });
      }
    } else if (name === "RUN") {
      // Who owns a folder is for a machine with that user.
      const script = this.inRoot(text).replace("-o node -g node ", "");
      const { status, stdout, stderr } = spawnSync("sh", ["-ec", script], {
        cwd: here,
        env: this.env,
        encoding: "utf8",
        timeout: buildLimitMs,
      });
      check.equal(status, 0, `${script}\n${stdout}\n${stderr}`);
    } else if (name === "ENV") {
      for (const [, variable, value] of text.matchAll(/(\w+)=(\S+)/g)) this.env[variable!] = this.inRoot(value!);
    }
  }
}

/** A folder with that Node's program. */
async function nodeOf(major: number): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = cacheFolder(`node-${major}`);
  const program = await prepared(`node ${major}`, async () => {
    const { status, errors } = await run("npm", [
      "install",
      "--no-audit",
      "--no-fund",
      "--prefix",
      folder,
      `${name}@${major}`,
    ]);
    return status === 0
      ? { command: "npm", args: [] }
      : { missing: `Node ${major} cannot be had: ${errors.slice(-300)}` };
  });
  return "missing" in program ? "" : join(folder, "node_modules", name, "bin");
}

test(
  "what deploy/Containerfile builds starts on the Node that it names, and serves clients",
  { timeout: 2 * buildLimitMs },
  async (t) => {
    const stages = stagesIn(read("deploy/Containerfile"));
    const named = [...read("deploy/Containerfile").matchAll(/^FROM node:(\d+)-/gm)].map(([, major]) => Number(major));
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    check.deepEqual([...new Set(named)], [Number(engines.node.replace(">=", ""))]);
    const bin = await nodeOf(named[0]!);
    if (bin === "") return t.skip(`there is no Node ${named[0]} here`);
    const PATH = [bin, ...process.env["PATH"]!.split(delimiter).filter((each) => !each.includes("node_modules"))].join(
      delimiter,
    );
    const folder = mkdtempSync(join(tmpdir(), "entrepot-container-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));

    const byName = new Map<string, Stage>();
    let stage: Stage | undefined;
    for (const instructions of stages) {
      stage = new Stage(join(folder, String(byName.size)), { PATH, HOME: process.env["HOME"] });
      byName.set(/ AS (\w+)$/.exec(instructions[0]!.text)?.[1] ?? "", stage);
      for (const instruction of instructions) stage.take(instruction, byName);
    }

    const env = { ...stage!.env };
    for (const [name, value] of Object.entries(env))
      if (name.startsWith("ENTREPOT_LISTEN_")) env[name] = value!.replace(/^0\.0\.0\.0:\d+$/, "127.0.0.1:0");
    const of = (name: string): string[] =>
      JSON.parse(stages.at(-1)!.find((each) => each.name === name)!.text) as string[];
    const [command, ...args] = [...of("ENTRYPOINT"), ...of("CMD")];
    const broker = spawn(join(stage!.root, "usr/local/bin", command!), args, {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.after(() => broker.kill("SIGKILL"));
    let output = "";
    for (const stream of [broker.stdout, broker.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    while (!/^ready .*$/m.test(output)) {
      check.equal(broker.exitCode, null, output);
      await Promise.race([once(broker.stdout, "data"), once(broker, "exit")]);
    }
    const addresses = JSON.parse(/^ready (.*)$/m.exec(output)![1]!) as Record<string, string>;
    check.deepEqual(Object.keys(addresses), ["amqp", "kafka", "http"]);

    const kafka = new Kafka({ brokers: [addresses["kafka"]!], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: "goods", messages: [{ value: "salt" }] });
    await producer.disconnect();
    const connection = await connect(`amqp://${addresses["amqp"]}`);
    const channel = await connection.createChannel();
    const message = await channel.get("goods");
    check.equal(message !== false && message.content.toString(), "salt");
    await connection.close();
    const status = await fetch(`http://${addresses["http"]}/health/ready`);
    check.equal(status.status, 200);

    broker.kill("SIGTERM");
    check.deepEqual(await once(broker, "exit"), [0, null], output);
  },
);
