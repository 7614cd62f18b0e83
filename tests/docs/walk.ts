/**
 * Walks a page: does what it tells a reader to do, in a directory of its own, with the standard ports, which a network
 * namespace makes free on any machine. Each step is a bash of its own; variables and the working directory are handed on.
 */

import * as check from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAsShown, type Step } from "./steps.ts";

const stepLimitMs = 300_000;
const readyLimitMs = 30_000;
const prometheusIsReady = "Server is ready to receive web requests";

/** A network of this walk's own, with the loopback device and nothing else. */
export interface Namespace {
  /** Goes before a command that is to run in it. */
  readonly enter: readonly string[];
  close(): void;
}

/** Undefined where this user may not make one. */
export async function openNamespace(): Promise<Namespace | undefined> {
  for (const flags of [["-n"], ["-rn"]]) {
    if (spawnSync("unshare", [...flags, "ip", "link", "set", "lo", "up"]).status !== 0) continue;
    const holder = spawn("unshare", [...flags, "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"]);
    await once(holder.stdout, "data");
    const users = flags[0] === "-n" ? [] : ["-U", "--preserve-credentials"];
    return { enter: ["nsenter", "-t", String(holder.pid), ...users, "-n"], close: () => void holder.kill("SIGKILL") };
  }
  return undefined;
}

/** Whether the machine has the program. */
export const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined;

/** A directory with an `entrepot` that is the tree's. */
export function treesEntrepot(folder: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  writeFileSync(join(bin, "entrepot"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(join(bin, "entrepot"), 0o755);
  return bin;
}

export class Walk {
  readonly #folder: string;
  readonly #namespace: Namespace;
  readonly #env: Record<string, string | undefined>;
  readonly #terminals = new Map<string, ChildProcess>();

  /** @param path directories that go before those of PATH */
  constructor(folder: string, namespace: Namespace, path: readonly string[], env: Record<string, string> = {}) {
    this.#folder = folder;
    this.#namespace = namespace;
    mkdirSync(folder, { recursive: true });
    const inherited = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("ENTREPOT_") && name !== "NODE_OPTIONS",
    );
    this.#env = { ...Object.fromEntries(inherited), ...env, PATH: [...path, process.env["PATH"]].join(":") };
  }

  async take(step: Step): Promise<void> {
    const place = `line ${step.line}, ${step.heading}: ${step.text.split("\n")[0]}`;
    if (step.kind === "file") {
      const path = join(this.#folder, step.name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, step.text);
    } else if (step.kind === "run") {
      const { status, printed } = await this.#run(step);
      check.equal(status, step.status, `${place}\n${printed}`);
      if (step.prints !== undefined) check.ok(isAsShown(printed, step.prints), `${place}\nprinted:\n${printed}`);
    } else if (step.kind === "background") {
      await this.#end(step.name);
      const printed = await this.#begin(step);
      if (step.prints !== undefined) check.ok(isAsShown(printed, step.prints), `${place}\nprinted:\n${printed}`);
    }
  }

  /** Ends what still runs, in order. */
  async end(): Promise<void> {
    for (const name of this.#terminals.keys()) await this.#end(name);
  }

  #bash(step: Step): ChildProcess {
    const handOn = `[ -f .state ] && . ./.state; trap 'export -p > "$OLDPWD_OF_WALK/.state"' EXIT; set -e`;
    const script = `export OLDPWD_OF_WALK="$PWD"; ${step.kind === "run" ? handOn : ":"}\n${step.text}`;
    const [command = "bash", ...args] = step.isOnline ? [] : this.#namespace.enter;
    const bash = command === "bash" ? ["-c", script] : [...args, "bash", "-c", script];
    return spawn(command, bash, {
      cwd: this.#folder,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
  }

  async #run(step: Step): Promise<{ status: number | null; printed: string }> {
    const child = this.#bash(step);
    const read = readerOf(child);
    const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), stepLimitMs);
    const [status] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    return { status, printed: read() };
  }

  /** Until it says that it is ready; gives what it has printed then. */
  async #begin(step: Step): Promise<string> {
    const child = this.#bash(step);
    this.#terminals.set(step.name, child);
    const read = readerOf(child);
    const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), readyLimitMs);
    const state = { isOver: false };
    const closed = once(child, "close").then(() => (state.isOver = true));
    const isReady = (): boolean =>
      (/^ready /m.test(read()) && read().includes("startup complete")) || read().includes(prometheusIsReady);
    while (!state.isOver && !isReady()) {
      await Promise.race([once(child.stdout!, "data"), once(child.stderr!, "data"), closed]);
    }
    clearTimeout(timer);
    check.ok(!state.isOver, `line ${step.line}: it ended\n${read()}`);
    return read();
  }

  /** As Ctrl-C does: every process of the terminal is told. */
  async #end(name: string): Promise<void> {
    const child = this.#terminals.get(name);
    if (child === undefined) return;
    this.#terminals.delete(name);
    // A step has killed what ran there.
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    process.kill(-child.pid!, "SIGINT");
    await closed;
  }
}

function readerOf(child: ChildProcess): () => string {
  let printed = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (printed += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (printed += text));
  return () => printed;
}
