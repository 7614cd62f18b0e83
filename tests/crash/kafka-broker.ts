/**
 * What the crash tests with Kafka's clients have in common: a durable broker that is killed and comes again, and the wait
 * for something to happen before it is.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Kafka } from "kafkajs";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { openClient } from "./kafka-load.ts";

/** How often something is broken. */
export const rounds = Number(process.env["CRASH_ROUNDS"] ?? 5);
export const roundLimitMs = 120_000;
export const standstillMs = 60_000;
const logTailMax = 3000;

export interface CrashOptions {
  readonly topics: readonly string[];
  /** Of each topic. */
  readonly partitions: number;
  readonly set?: Readonly<Record<string, string>>;
}

/** Its files are small, so that a test comes by the ends of several. It and its data are gone when the test is over. */
export class CrashingBroker {
  /** HOST:PORT. Clients know the broker by it, so every life of it has the same. */
  readonly address: string;
  readonly client: Kafka;
  #process: BrokerProcess;
  readonly #start: () => Promise<BrokerProcess>;

  private constructor(first: BrokerProcess, start: (address: string) => Promise<BrokerProcess>) {
    this.address = first.addresses["kafka"]!;
    this.client = openClient(this.address);
    this.#process = first;
    this.#start = () => start(this.address);
  }

  static async open(t: TestContext, { topics, partitions, set }: CrashOptions): Promise<CrashingBroker> {
    const dataDir = mkdtempSync(join(tmpdir(), "entrepot-kafka-crash-"));
    const files = { "journal.fileBytes": "2MiB", "journal.checkpointBytes": "4MiB" };
    const start = (kafka: string) => spawnBroker({ dataDir, set: { ...files, ...set }, listen: { kafka } });
    let broker: CrashingBroker | undefined;
    t.after(async () => {
      if (broker !== undefined) await broker.#process.kill("SIGKILL");
      rmSync(dataDir, { recursive: true, force: true });
    });
    broker = new CrashingBroker(await start("127.0.0.1:0"), start);
    const admin = broker.client.admin();
    await admin.connect();
    for (const topic of topics) await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] });
    await admin.disconnect();
    return broker;
  }

  /** SIGKILL, and a new life on what is on disk. */
  async crash(): Promise<void> {
    await this.#process.kill("SIGKILL");
    this.#process = await this.#start();
  }

  /** Stops it in order, which has to succeed. */
  async stop(): Promise<void> {
    assert.equal(await this.#process.kill("SIGTERM"), 0, this.#process.log());
  }

  /** The end of what it wrote in this life. */
  log(): string {
    return this.#process.log().slice(-logTailMax);
  }
}

export interface Steps {
  /** To be called at each. */
  readonly onStep: () => void;
  /** Resolves when that was done so many times; rejects with the story when it was not for a long time. */
  readonly done: Promise<void>;
}

export function stepsToCome(count: number, story: () => string): Steps {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (): void => reject(new Error(`nothing for ${standstillMs} ms: ${story()}`));
  const timer = setTimeout(fail, standstillMs);
  let left = count;
  const onStep = (): void => {
    timer.refresh();
    if (--left === 0) resolve();
  };
  return { onStep, done: promise.finally(() => clearTimeout(timer)) };
}

/** What the promise gives; rejects, and says what was waited for, when it takes too long. */
export async function inTime<T>(what: string, promise: Promise<T>, story: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: not within ${roundLimitMs} ms: ${story()}`)),
    roundLimitMs,
  );
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
