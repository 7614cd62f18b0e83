/** The producer of kafka-pipeliner.java in a process of its own, and the books of what it was told. */

import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Ledger } from "./ledger.ts";

const program = fileURLToPath(new URL("kafka-pipeliner.java", import.meta.url));
const paddingMax = 300;
const faultsMax = 5;
const name = "pipeliner";

/** In the ledger, each partition is a queue. */
const queueOf = (partition: number): string => `partition ${partition}`;

export class Pipeliner {
  /** What it was told that cannot be right; the first ones only. */
  readonly faults: string[] = [];
  /** Called at each acknowledgement. */
  onAcknowledged: () => void = () => undefined;
  /** Resolves when it has ended as it was asked to; rejects when it ended otherwise. */
  readonly ended: Promise<void>;
  /** Most requests that were under way at once, and records that were sent more than once: known when it has ended. */
  inFlightMax = 0;
  repeated = 0;
  readonly #child: ChildProcess;
  readonly #ledger: Ledger;

  /** @param classPath of Kafka's clients */
  constructor(classPath: string, address: string, topic: string, partitions: number, ledger: Ledger) {
    this.#ledger = ledger;
    const args = ["-Xmx256M", "-cp", classPath, program, address, topic, String(partitions)];
    const child = spawn("java", args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-3000)));
    createInterface({ input: child.stdout }).on("line", (line) => this.#hear(line));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`the producer ended with ${String(status ?? signal)}: ${errors}`));
    });
    // Looked at by the test when it comes to it.
    promise.catch(() => undefined);
    this.ended = promise;
  }

  /** It sends no more, and ends when all is acknowledged. */
  stop(): void {
    this.#child.stdin!.end();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** What a partition holds, from its beginning to its end. */
  found(partition: number, values: readonly string[]): void {
    const queue = queueOf(partition);
    for (const value of values) {
      const sequence = Number(value.slice(0, value.indexOf(" ")));
      const isIntact = value === `${sequence} ${"x".repeat(sequence % paddingMax)}`;
      this.#ledger.delivered(
        queue,
        { publisher: name, sequence, isIntact, isRedelivered: false },
        `reader of ${queue}`,
      );
      this.#ledger.acknowledged(queue, name, sequence);
    }
  }

  #hear(line: string): void {
    const [what, ...words] = line.split(" ");
    if (what === "acked") this.#acknowledged(...(words.map(Number) as [number, number, number]));
    else if (what === "ended") [this.inFlightMax, this.repeated] = words.map(Number) as [number, number];
    else this.#fault(line);
  }

  /** Nobody else writes to the partition, so what is there once and in order stands at the offset that is its sequence. */
  #acknowledged(partition: number, sequence: number, offset: number): void {
    const queue = queueOf(partition);
    this.#ledger.sent([queue], name, sequence);
    this.#ledger.confirmed([queue], name, sequence);
    if (offset !== sequence) this.#fault(`${sequence} of ${queue} was said to be at offset ${offset}`);
    this.onAcknowledged();
  }

  #fault(text: string): void {
    if (this.faults.length < faultsMax) this.faults.push(`${text} (after ${this.#ledger.counts.crashes} crashes)`);
  }
}
