/** Runs a client's program against a broker, and makes a test of each line that it prints. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "../may-be-missing.ts";
import { makeCertificate } from "../tls/make-certificate.ts";
import { brokerUnderTest, spawnBroker } from "./broker.ts";
import { patternNames } from "./patterns.ts";

/** How to start a client's program, or why that is not possible on this machine. */
export type Program = { readonly command: string; readonly args: readonly string[] } | { readonly missing: string };

export const programLimitMs = 180_000;

/** Of those that speak TLS, these patterns once more over it: everything above the socket is the same. */
const patternsOverTls = ["work-queue", "rpc", "confirms"] as const;

export function clientSuite(client: string, prepare: () => Promise<Program>, more: { overTls?: true } = {}): void {
  test(`${client} goes through every pattern`, { timeout: 2 * programLimitMs }, async (t) => {
    const program = await prepared(client, prepare);
    if ("missing" in program) return t.skip(program.missing);
    const broker = await brokerUnderTest();
    const ended = await run(program.command, [...program.args, broker.amqp]);
    await broker.stop();
    for (const pattern of patternNames) await t.test(pattern, () => judge(ended, pattern));
  });
  if (more.overTls !== true || process.env["ENTREPOT_AMQP"] !== undefined) return;
  test(`${client} works over TLS, with certificates on both sides`, { timeout: 2 * programLimitMs }, async (t) => {
    const program = await prepared(client, prepare);
    if ("missing" in program) return t.skip(program.missing);
    const files = certificateFolder();
    t.after(() => rmSync(files, { recursive: true }));
    const broker = await spawnBroker({
      listen: { amqps: "127.0.0.1:0" },
      set: {
        "tls.certificateFile": join(files, "broker.pem"),
        "tls.caFile": join(files, "ca.pem"),
        "tls.verify": "peer",
        "tls.failIfNoPeerCertificate": "true",
      },
    });
    const args = [...program.args, broker.addresses["amqps"]!, ...patternsOverTls];
    const ended = await run(program.command, args, undefined, { ...process.env, ENTREPOT_INTEROP_TLS: files });
    await broker.kill("SIGTERM");
    for (const pattern of patternsOverTls) await t.test(pattern, () => judge(ended, pattern, broker.log()));
  });
}

/** What was found, or why it is missing; where it must not be missing, that throws. */
export async function prepared<Found extends object>(name: string, prepare: () => Promise<Found>): Promise<Found> {
  const found = await prepare();
  if ("missing" in found) mayBeMissing(name, String(found.missing));
  return found;
}

/** Throws unless the program said that it is ok. */
export function judge({ status, output, errors }: Ended, pattern: string, log = ""): void {
  const line = output.split("\n").find((each) => / ([\w-]+)/.exec(each.replace(/^not /, ""))?.[1] === pattern);
  if (line === `ok ${pattern}`) return;
  const ended = `the program ended with ${status} and did not say; standard error:\n${errors.slice(-2000)}`;
  throw new Error(`${line ?? ended}\n${log}`);
}

/** Of a broker on this machine and a client of it: ca.pem; broker.pem, which holds its key; cert.pem and key.pem. */
export function certificateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-certificates-"));
  const ca = makeCertificate({ name: { CN: "Entrepot's tests" }, isAuthority: true });
  const broker = makeCertificate({ name: { CN: "broker" }, dns: ["localhost"], ip: ["127.0.0.1"] }, ca);
  const client = makeCertificate({ name: { CN: "client" } }, ca);
  writeFileSync(join(folder, "ca.pem"), ca.certificate);
  writeFileSync(join(folder, "broker.pem"), broker.certificate + broker.key);
  writeFileSync(join(folder, "cert.pem"), client.certificate);
  writeFileSync(join(folder, "key.pem"), client.key);
  return folder;
}

export interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a command to its end; a status of null means that it was ended for taking too long. Never throws. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: URL = new URL(".", import.meta.url),
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: fileURLToPath(cwd),
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: programLimitMs,
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ status: null, output, errors: errors + error.message }));
    child.on("close", (status) => resolve({ status, output, errors }));
  });
}

/** A folder for what a client's tools build and fetch; it outlives the run. */
export function cacheFolder(client: string): string {
  const path = fileURLToPath(new URL(`../../node_modules/.cache/interop/${client}`, import.meta.url));
  mkdirSync(path, { recursive: true });
  return path;
}
