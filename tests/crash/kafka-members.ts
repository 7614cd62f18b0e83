/** Members of one group, each a process of its own, so that each can be killed, or stopped and woken, by itself. */

import { spawn, type ChildProcess } from "node:child_process";
import assert from "node:assert/strict";
import { once } from "node:events";
import { delimiter } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { run } from "../interop/client-suite.ts";

const pythonProgram = fileURLToPath(new URL("kafka-member.py", import.meta.url));
const javaProgram = fileURLToPath(new URL("kafka-member.java", import.meta.url));

/** How a member is started, but for the broker's address and its name. */
export interface MemberProgram {
  readonly command: string;
  readonly args: readonly string[];
}

/** By librdkafka. `python`: one that has confluent-kafka. */
export function pythonMember(python: string): MemberProgram {
  return { command: python, args: [pythonProgram] };
}

/** By Java's client. Compiled once, into a folder that is there; members come and go. @param classPath of Kafka's clients */
export async function javaMember(classPath: string, folder: string): Promise<MemberProgram> {
  const { status, errors } = await run("javac", ["-d", folder, "-cp", classPath, javaProgram]);
  assert.equal(status, 0, errors);
  return { command: "java", args: ["-Xmx128M", "-cp", `${folder}${delimiter}${classPath}`, "Member"] };
}

export class Members {
  /** Attempts of which a member said that they were aborted, or that it could not end them. */
  readonly aborted = new Set<string>();
  /** How often which reason ended an attempt. */
  readonly reasons = new Map<string, number>();
  /** Transactions that were said to be committed. */
  committed = 0;
  /** Told of each. */
  onProgress: () => void = () => undefined;
  /** Members that ended without being asked to. */
  readonly failures: string[] = [];
  readonly #program: MemberProgram;
  readonly #address: string;
  readonly #running: ChildProcess[] = [];
  #started = 0;
  #isOver = false;

  constructor(program: MemberProgram, address: string) {
    this.#program = program;
    this.#address = address;
  }

  start(): void {
    const name = `member-${++this.#started}`;
    const { command, args } = this.#program;
    const child = spawn(command, [...args, this.#address, name], { stdio: ["ignore", "pipe", "pipe"] });
    this.#running.push(child);
    createInterface({ input: child.stdout }).on("line", (line) => this.#hear(line));
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2000)));
    child.on("error", (error) => this.failures.push(`${name}: ${error.message}`));
    child.on("exit", (status, signal) => {
      const at = this.#running.indexOf(child);
      if (at >= 0) this.#running.splice(at, 1);
      if (this.#isOver) return;
      // 3: its producer was fenced, and said so.
      if (status !== 3 && signal !== "SIGKILL") this.failures.push(`${name} ended with ${status}: ${errors}`);
      this.start();
    });
  }

  /** Kills one; another takes its place. */
  killOne(): void {
    this.#any().kill("SIGKILL");
  }

  /** Stops one for so long: it knows nothing of what happens meanwhile, and goes on where it was. */
  async stopOne(forMs: number): Promise<void> {
    const child = this.#any();
    child.kill("SIGSTOP");
    await setTimeout(forMs);
    child.kill("SIGCONT");
  }

  /** Lets all end in good order. */
  async end(): Promise<void> {
    this.#isOver = true;
    const ends = this.#running.map((child) => once(child, "exit"));
    for (const child of this.#running) child.kill("SIGTERM");
    await Promise.all(ends);
  }

  kill(): void {
    this.#isOver = true;
    for (const child of this.#running) child.kill("SIGKILL");
  }

  #any(): ChildProcess {
    return this.#running[Math.floor(Math.random() * this.#running.length)]!;
  }

  #hear(line: string): void {
    const [what, attempt = "", reason = ""] = line.split(" ");
    if (what === "committed") {
      this.committed++;
      this.onProgress();
    } else if (what === "aborted" || what === "fenced") {
      // One that was fenced may have had its commit done before: only what was aborted is known not to be there.
      if (what === "aborted") this.aborted.add(attempt);
      this.reasons.set(`${what} ${reason}`, (this.reasons.get(`${what} ${reason}`) ?? 0) + 1);
    }
  }
}
