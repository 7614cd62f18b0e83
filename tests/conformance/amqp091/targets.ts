/** Which servers the transcripts are compared with: Entrepot, started here unless ENTREPOT_AMQP names one, and RabbitMQ if RABBITMQ_AMQP does. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Target } from "./scenario.ts";

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));
const READY_MS = 15_000;

export function targetFrom(address: string, management?: string): Target {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)), management };
}

const listens = ["--listen", "amqp=127.0.0.1:0", "--listen", "http=127.0.0.1:0"];

export const canStartEntrepot = existsSync(MAIN);

/** Starts an Entrepot in memory on a free port; resolves when it has printed that it is ready. */
export async function startEntrepot(): Promise<{ target: Target; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [MAIN, "start", "--memory", ...listens], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stderr.on("data", (bytes: Buffer) => {
    errors = (errors + bytes.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const addresses = await new Promise<Record<string, string>>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready in ${READY_MS} ms: ${errors}`)), READY_MS);
    void exited.then(() => reject(new Error(`ended before it was ready: ${errors}`)));
    child.stdout.on("data", (bytes: Buffer) => {
      output += bytes.toString();
      const ready = /^ready (\{.*\})$/m.exec(output)?.[1];
      if (ready === undefined) return;
      clearTimeout(late);
      resolve(JSON.parse(ready) as Record<string, string>);
    });
  });
  return {
    target: targetFrom(String(addresses["amqp"]), addresses["http"]),
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
