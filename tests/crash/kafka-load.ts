/**
 * Load of Kafka's clients for the crash test. A producer repeats a batch until it is acknowledged: the client does so by
 * itself, under the same sequence numbers, however often the broker dies meanwhile. A transformer whose transaction went
 * wrong, however, starts anew from the offsets that the broker has: only these say whether a commit was done whose
 * answer was lost.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import kafkajs, { type Consumer, type EachBatchPayload, type Kafka as Client, type Producer } from "kafkajs";

const { Kafka, KafkaJSError, logLevel, Partitioners } = kafkajs;

/** Of each topic; every partition has a producer and a transformer of its own. */
export const partitions = 2;

/** Longer than a start of the broker takes. */
const patient = { retries: 100, initialRetryTime: 50, maxRetryTime: 500 };

export function openClient(address: string): Client {
  return new Kafka({
    clientId: "crash",
    brokers: [address],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    requestTimeout: 10_000,
    retry: patient,
  });
}

const repeatsMax = 200;
const idleMs = 20;

/** Does it again after errors that the client itself calls passing. */
async function repeated<T>(action: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times++) {
    try {
      return await action();
    } catch (error) {
      if (times >= repeatsMax || !(error instanceof KafkaJSError) || !error.retriable) throw error;
      await setTimeout(100);
    }
  }
}

export class IdempotentProducer {
  /** How many messages were sent; while `run` has not ended, the last batch of them may not be acknowledged. */
  sent = 0;
  /** It waits when it has sent so many, or a batch more. */
  upTo = Number.POSITIVE_INFINITY;
  readonly #client: Client;
  readonly #partition: number;
  readonly #onProgress: () => void;
  #isStopped = false;

  constructor(client: Client, partition: number, onProgress: () => void) {
    this.#client = client;
    this.#partition = partition;
    this.#onProgress = onProgress;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    const producer = this.#client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      retry: patient,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await repeated(() => producer.connect());
    while (!this.#isStopped) {
      if (this.sent >= this.upTo) {
        await setTimeout(idleMs);
        continue;
      }
      const count = 1 + (this.sent % 40);
      const messages = Array.from({ length: count }, (_, index) => ({
        partition: this.#partition,
        value: String(this.sent + index),
        headers: { padding: "x".repeat((this.sent + index) % 300) },
      }));
      this.sent += count;
      // The client gives up some errors of connections to its caller; its sequence numbers have not moved then.
      await repeated(() => producer.send({ topic: "in", acks: -1, messages }));
      this.#onProgress();
    }
    await producer.disconnect();
  }
}

/** Reads a partition of "in", and writes a line for each of its messages to the same partition of "out": `value attempt`. */
export class Transformer {
  readonly groupId: string;
  readonly partition: number;
  /** Attempts that were to be aborted, whether or not that was answered. */
  readonly aborted = new Set<string>();
  committed = 0;
  /** How often it began anew after an error. */
  restarts = 0;
  readonly #client: Client;
  readonly #onProgress: () => void;
  /** The highest offset of which it knows that it is committed. */
  #knownOffset = 0;
  #end = Number.POSITIVE_INFINITY;

  constructor(client: Client, partition: number, onProgress: () => void) {
    this.#client = client;
    this.partition = partition;
    this.groupId = `transformer-${partition}`;
    this.#onProgress = onProgress;
  }

  /** It ends when it has done so many messages. */
  stopAfter(count: number): void {
    this.#end = count;
  }

  /** The offset that the broker has for it: never behind what it was told. */
  checkOffset(offset: number): void {
    assert.ok(
      offset >= this.#knownOffset,
      `${this.groupId}: offset ${offset} after ${this.#knownOffset} was committed`,
    );
  }

  async run(): Promise<void> {
    while (this.#knownOffset < this.#end) {
      const producer = this.#client.producer({
        transactionalId: `id-${this.partition}`,
        idempotent: true,
        maxInFlightRequests: 1,
        retry: { retries: 20, initialRetryTime: 50, maxRetryTime: 500 },
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      try {
        await producer.connect();
        await this.#transform(producer);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        this.restarts++;
      }
      await producer.disconnect().catch(() => undefined);
    }
  }

  /** Until the end, or until anything goes wrong. */
  async #transform(producer: Producer): Promise<void> {
    // The first transaction settles what an earlier producer of the id has left open, so that the offset below is final.
    const settling = await producer.transaction();
    await settling.abort();
    const offset = await committedOffset(this.#client, this);
    this.checkOffset(offset);
    this.#knownOffset = offset;
    if (offset >= this.#end) return;
    const over = Promise.withResolvers<void>();
    let isOver = false;
    over.promise.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    const consumer: Consumer = this.#client.consumer({
      groupId: `reader-${randomUUID()}`,
      maxWaitTimeInMs: 100,
      retry: { retries: 0 },
      sessionTimeout: 10_000,
    });
    consumer.on("consumer.crash", ({ payload }) => over.reject(payload.error));
    await consumer.connect();
    await consumer.subscribe({ topic: "in", fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (batch.partition !== this.partition || isOver) return;
        await this.#handle(producer, batch).catch(over.reject);
        if (this.#knownOffset >= this.#end) over.resolve();
      },
    });
    for (let each = 0; each < partitions; each++)
      consumer.seek({ topic: "in", partition: each, offset: each === this.partition ? String(offset) : "9999999999" });
    const timer = setInterval(() => {
      if (this.#knownOffset >= this.#end) over.resolve();
    }, 100);
    try {
      await over.promise;
    } finally {
      clearInterval(timer);
      await consumer.disconnect().catch(() => undefined);
    }
  }

  async #handle(producer: Producer, batch: EachBatchPayload["batch"]): Promise<void> {
    const taken = batch.messages.filter((each) => Number(each.offset) >= this.#knownOffset);
    for (let at = 0; at < taken.length; at += 50) {
      const some = taken.slice(at, at + 50);
      while (Math.random() < 0.2) await this.#attempt(producer, some, "abort");
      await this.#attempt(producer, some, "commit");
    }
  }

  async #attempt(
    producer: Producer,
    messages: EachBatchPayload["batch"]["messages"],
    end: "abort" | "commit",
  ): Promise<void> {
    const attempt = randomUUID();
    if (end === "abort") this.aborted.add(attempt);
    const transaction = await producer.transaction();
    await transaction.send({
      topic: "out",
      messages: messages.map(({ value }) => ({ partition: this.partition, value: `${value!.toString()} ${attempt}` })),
    });
    const next = Number(messages.at(-1)!.offset) + 1;
    const offsets = [{ partition: this.partition, offset: String(next) }];
    await transaction.sendOffsets({ consumerGroupId: this.groupId, topics: [{ topic: "in", partitions: offsets }] });
    await transaction[end]();
    if (end === "abort") return;
    this.#knownOffset = next;
    this.committed++;
    this.#onProgress();
  }
}

/** What the broker has for a transformer's group; 0: nothing. */
export async function committedOffset(client: Client, { groupId, partition }: Transformer): Promise<number> {
  return repeated(async () => {
    const admin = client.admin({ retry: patient });
    await admin.connect();
    try {
      const [topic] = await admin.fetchOffsets({ groupId, topics: ["in"] });
      return Math.max(0, Number(topic!.partitions.find((each) => each.partition === partition)?.offset ?? 0));
    } finally {
      await admin.disconnect();
    }
  });
}

/**
 * All that a topic holds under read_committed, by partition: up to a last message that is produced here. Where transactions of
 * several producers overlap in a partition, see kafka-reader.ts.
 */
export async function readTopic(client: Client, topic: string, count = partitions): Promise<string[][]> {
  const last = randomUUID();
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const received = Array.from({ length: count }, (): string[] => []);
  await producer.send({ topic, messages: received.map((_, partition) => ({ partition, value: last })) });
  await producer.disconnect();
  const consumer = client.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const all = Promise.withResolvers<void>();
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) received[batch.partition]!.push(value!.toString());
      if (received.every((each) => each.at(-1) === last)) all.resolve();
    },
  });
  await all.promise;
  await consumer.disconnect();
  return received.map((each) => each.slice(0, -1));
}
