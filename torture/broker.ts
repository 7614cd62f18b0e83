/**
 * The broker under torture: a process of its own, on the same ports in each life, with the shim before its C library
 * where there is one. It is started again whenever it has ended, and an end that nobody asked for is a finding.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ControlPage } from "./control-page.ts";

const repository = join(import.meta.dirname, "..");
/** What is tortured. */
export const programPath = resolve(repository, process.env["ENTREPOT_MAIN"] ?? "src/main.ts");

/** How a life may end, as it was asked to. */
export type Ending = "SIGKILL" | "SIGTERM" | "power" | "disk";

/** As the command line documents them. */
const status = { stopped: 0, failed: 70 };

const readyWithinMs = 60_000;
/** Longer than the broker waits for clients and a checkpoint, with a machine that is busy. */
const stoppedWithinMs = 60_000;
const cutWithinMs = 1500;
const restartsMax = 20;

export interface BrokerOptions {
  /** Where its data, its log and the shim's things live. */
  readonly directory: string;
  readonly shim: string | undefined;
  /** Ports that its Kafka clients are told. */
  readonly kafkaAdvertised: () => string;
  readonly onFinding: (what: string) => void;
  readonly onLine: (line: string) => void;
}

export class Broker {
  readonly control: ControlPage;
  readonly dataDir: string;
  readonly logFile: string;
  ports = { amqp: 0, kafka: 0 };
  lives = 0;
  /** Its disk gives errors: it may end, with the status for that. */
  mayFail = false;
  /** How often it was held up, or went on. */
  stops = 0;
  readonly #options: BrokerOptions;
  readonly #grave: string;
  #child: ChildProcess | undefined;
  #isStopped = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.dataDir = join(options.directory, "data");
    this.#grave = join(options.directory, "grave");
    this.logFile = join(options.directory, "broker.log");
    mkdirSync(this.dataDir, { recursive: true });
    mkdirSync(this.#grave, { recursive: true });
    this.control = new ControlPage(join(options.directory, "control"));
  }

  async begin(): Promise<void> {
    this.ports = { amqp: await freePort(), kafka: await freePort() };
    await this.#start();
  }

  get clockSets(): number {
    return this.control.clockSets;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async #start(): Promise<void> {
    for (const name of readdirSync(this.#grave)) rmSync(join(this.#grave, name));
    const child = spawn(process.execPath, this.#arguments(), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.#environment() },
    });
    this.#child = child;
    this.lives++;
    const note = (text: string): void => {
      appendFileSync(this.logFile, text);
      for (const line of text.split("\n")) if (line !== "") this.#options.onLine(line);
    };
    note(`--- life ${this.lives}, process ${child.pid}\n`);
    child.stderr.setEncoding("utf8").on("data", note);
    let output = "";
    const ready = Promise.withResolvers<boolean>();
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (/^ready \{/m.test(output)) ready.resolve(true);
    });
    child.once("exit", () => ready.resolve(false));
    const timer = setTimeout(
      () => ready.reject(new LateStart("the broker is not ready after a minute")),
      readyWithinMs,
    );
    const isReady = await ready.promise.finally(() => clearTimeout(timer));
    if (isReady || this.#isStopped) return;
    throw new Error(`the broker did not start: ${String(child.exitCode ?? child.signalCode)}`);
  }

  #arguments(): string[] {
    const set = {
      "journal.fileBytes": "2MiB",
      "journal.checkpointBytes": "4MiB",
      "disk.freeBytesMin": "1MiB",
      "cache.bytes": "4MiB",
      "kafka.groupInitialRebalanceDelayMs": "0",
      "kafka.advertised": this.#options.kafkaAdvertised(),
    };
    const listen = { amqp: this.ports.amqp, kafka: this.ports.kafka };
    return [
      programPath,
      ...["start", "--data", this.dataDir],
      ...Object.entries(listen).flatMap(([protocol, port]) => ["--listen", `${protocol}=127.0.0.1:${port}`]),
      ...Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`]),
    ];
  }

  #environment(): Record<string, string> {
    if (this.#options.shim === undefined) return {};
    return {
      LD_PRELOAD: this.#options.shim,
      TORTURE_CONTROL: this.control.path,
      TORTURE_DATA: this.dataDir,
      TORTURE_GRAVE: this.#grave,
    };
  }

  /** Ends it, looks at how it ended, and starts it again after `downMs`. */
  async end(how: Ending, downMs: number, afterOps = 0): Promise<void> {
    const child = this.#child!;
    const ended = exitOf(child);
    if (how === "SIGKILL" || how === "SIGTERM") child.kill(how);
    else if (how === "power") {
      this.control.set("cutAfterOps", Math.max(1, afterOps));
      await Promise.race([ended, wait(cutWithinMs)]);
      if (child.exitCode === null && child.signalCode === null) this.control.set("cutNow", 1);
    }
    const isOver = await Promise.race([ended.then(() => true), wait(stoppedWithinMs).then(() => false)]);
    if (!isOver) {
      this.#options.onFinding(`the broker does not end, a minute after ${how}`);
      child.kill("SIGKILL");
      await ended;
    }
    const { exitCode, signalCode } = child;
    const isAsAsked =
      how === "SIGTERM"
        ? exitCode === status.stopped
        : how === "disk"
          ? exitCode === status.failed
          : signalCode !== null;
    if (isOver && !isAsAsked) this.#options.onFinding(`${how} ended the broker with ${String(exitCode ?? signalCode)}`);
    if (how === "disk" || how === "power") this.control.heal();
    await wait(downMs);
    await this.#startAgain();
  }

  /** The power goes in the midst of a start, which then finds what an unfinished start has left. */
  async cutWhileStarting(afterOps: number): Promise<void> {
    this.#child!.kill("SIGKILL");
    await exitOf(this.#child!);
    this.control.set("cutAfterOps", afterOps);
    await this.#start().catch((error: Error) => {
      if (error instanceof LateStart) this.#options.onFinding(error.message);
    });
    // It may have come through with fewer steps.
    this.control.set("cutNow", 1);
    const child = this.#child!;
    await exitOf(child);
    if (child.signalCode === null) this.#options.onFinding(`a start ended with ${child.exitCode} when the power went`);
    this.control.heal();
    await this.#startAgain();
  }

  async #startAgain(): Promise<void> {
    for (let times = 1; ; times++) {
      try {
        return await this.#start();
      } catch (error) {
        this.#options.onFinding(String(error));
        if (times >= restartsMax) throw error;
        this.#child?.kill("SIGKILL");
        await wait(1000);
      }
    }
  }

  /** Whether it runs; if it has ended by itself that is a finding, and it is started again. */
  async look(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode === null && child.signalCode === null) return;
    if (!this.mayFail || child.exitCode !== status.failed)
      this.#options.onFinding(`the broker ended by itself with ${String(child.exitCode ?? child.signalCode)}`);
    await this.#startAgain();
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.stops++;
    this.#child?.kill(name);
  }

  /** For good, whatever it does. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    this.#isStopped = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), stoppedWithinMs);
    await ended.finally(() => clearTimeout(timer));
    return child.exitCode;
  }
}

class LateStart extends Error {}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
