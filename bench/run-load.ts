// Runs the load program as a process of its own against one broker, and reads its line.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { LoadResult } from "./load-options.ts";
import type { RunningBroker } from "./brokers.ts";

/** The longest that a load may take, in ms: one that waits for an answer for ever must not stop the benchmark. */
const loadMsMax = 1_200_000;

const loads = new Set<ChildProcess>();

/** Ends all loads that run: for an interrupted benchmark. */
export function killLoads(): void {
  for (const load of loads) load.kill("SIGKILL");
}

/** Errors: the load failed, with what it wrote to standard error, or took longer than `msMax`. */
export async function runLoad(
  broker: RunningBroker,
  scenario: string,
  args: readonly string[],
  msMax = loadMsMax,
): Promise<LoadResult> {
  const program = join(import.meta.dirname, "load.ts");
  const child = spawn(
    process.execPath,
    [program, scenario, "--uri", broker.uri, "--pid", String(broker.pid), ...args],
    { stdio: ["ignore", "pipe", "pipe"], timeout: msMax, killSignal: "SIGKILL" },
  );
  loads.add(child);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  loads.delete(child);
  if (code !== 0) {
    const why = code === null ? "took too long" : `exit ${code}`;
    throw new Error(`${scenario}: ${errors.trim().slice(0, 500) || why}`);
  }
  return JSON.parse(output) as LoadResult;
}

/** A number of a result, or 0 where it is absent. */
export function numberOf(result: LoadResult | undefined, name: string, part?: string): number {
  const value = result?.[name];
  if (typeof value === "number") return value;
  if (typeof value === "object" && part !== undefined) return value[part] ?? 0;
  return 0;
}
