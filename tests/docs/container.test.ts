/**
 * deploy/Containerfile is gone through without a container: what it copies and runs is copied and run in a folder that stands for
 * each stage's root, on the Node that it names, and what comes of it is started as it says and used by clients of both protocols.
 *
 * That Node is of the oldest line that the package says it runs on, which nothing else is tested with.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { cacheFolder, prepared, run, type Program } from "../interop/client-suite.ts";

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

/** That Node. */
function nodeOf(major: number): Promise<Program> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = cacheFolder(`node-${major}`);
  return prepared(`node ${major}`, async () => {
    const args = ["install", "--no-audit", "--no-fund", "--prefix", folder, `${name}@${major}`];
    const { status, errors } = await run("npm", args);
    if (status !== 0) return { missing: `Node ${major} cannot be had: ${errors.slice(-300)}` };
    return { command: join(folder, "node_modules", name, "bin", "node"), args: [] };
  });
}

test(
  "what deploy/Containerfile builds starts on the Node that it names, and serves clients",
  { timeout: 2 * buildLimitMs },
  async (t) => {
    const stages = stagesIn(read("deploy/Containerfile"));
    const named = [...read("deploy/Containerfile").matchAll(/^FROM node:(\d+)-/gm)].map(([, major]) => Number(major));
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    check.deepEqual([...new Set(named)], [Number(engines.node.replace(">=", ""))]);
    const node = await nodeOf(named[0]!);
    if ("missing" in node) return t.skip(node.missing);
    // npm's own, of the project and of whoever runs this, would come before it.
    const others = process.env["PATH"]!.split(delimiter).filter((each) => !each.includes("node_modules"));
    const inherited = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("ENTREPOT_") && !name.startsWith("npm_lifecycle") && name !== "NODE_OPTIONS",
    );
    const plain = { ...Object.fromEntries(inherited), PATH: [dirname(node.command), ...others].join(delimiter) };
    const folder = mkdtempSync(join(tmpdir(), "entrepot-container-"));
    const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
    t.after(async () => {
      for (const end of ends.toReversed()) await end();
    });

    const byName = new Map<string, Stage>();
    let stage: Stage | undefined;
    for (const instructions of stages) {
      stage = new Stage(join(folder, String(byName.size)), plain);
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
    const ended = once(broker, "exit");
    ends.push(() => broker.kill("SIGKILL") && ended);
    let output = "";
    for (const stream of [broker.stdout, broker.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const readyLine = /^ready (\{.*\})$/m;
    while (!readyLine.test(output)) {
      check.ok(broker.exitCode === null && broker.signalCode === null, output);
      await Promise.race([once(broker.stdout, "data"), ended]);
    }
    const addresses = JSON.parse(readyLine.exec(output)![1]!) as Record<string, string>;
    check.deepEqual(Object.keys(addresses), ["amqp", "kafka", "http"]);

    const kafka = new Kafka({ brokers: [addresses["kafka"]!], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: "goods", messages: [{ value: "salt" }] });
    await producer.disconnect();
    const connection = await connect(`amqp://${addresses["amqp"]}`);
    connection.on("error", () => undefined);
    const channel = await connection.createChannel();
    const message = await channel.get("goods");
    check.equal(message !== false && message.content.toString(), "salt");
    await connection.close();
    const status = await fetch(`http://${addresses["http"]}/health/ready`);
    check.equal(status.status, 200);

    broker.kill("SIGTERM");
    check.deepEqual(await ended, [0, null], output);
  },
);
