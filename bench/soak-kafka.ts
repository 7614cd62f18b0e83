// The Kafka half of the soak's mix: an idempotent producer in batches to four partitions that keep a minute, a group that reads
// at once, and one that stops for ten seconds in thirty. Latency is from the call to the group's batch: the time of sending
// stands in each message's first eight bytes.

import { Kafka, logLevel, type Consumer, type Producer } from "kafkajs";
import { Histogram } from "./histogram.ts";
import { nowMs } from "./publisher.ts";
import type { PacedStream } from "./soak-amqp.ts";

const topic = "soak-log";
const partitions = 4;
const bodyBytes = 500;
/** So many that its share of the mix fits through the batches under way. */
const batchMessages = 500;
/** Batches under way; an idempotent producer of this client's has one request a partition. */
const batchesMax = 4;

export function kafkaClient(broker: string): Kafka {
  return new Kafka({ brokers: [broker], clientId: "soak", logLevel: logLevel.NOTHING });
}

/** Counts what a group is given: what comes again, as after a rebalance, once. */
class Received {
  count = 0;
  readonly #next = Array.from({ length: partitions }, () => 0);

  add(partition: number, offsets: readonly string[]): void {
    for (const text of offsets) {
      const offset = Number(text);
      if (offset < this.#next[partition]!) continue;
      this.#next[partition] = offset + 1;
      this.count++;
    }
  }
}

async function readingGroup(
  kafka: Kafka,
  groupId: string,
  received: Received,
  onBatch: (first: Buffer | null) => void,
): Promise<Consumer> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: partitions,
    eachBatch: async ({ batch }) => {
      received.add(
        batch.partition,
        batch.messages.map(({ offset }) => offset),
      );
      onBatch(batch.messages[0]?.value ?? null);
    },
  });
  return consumer;
}

class KafkaStream implements PacedStream {
  readonly name = "Kafka, 500 B, two groups";
  readonly share = 0.3;
  readonly latency = new Histogram();
  sent = 0;
  acknowledged = 0;
  readonly #fast = new Received();
  readonly #slow = new Received();
  #total = 0;
  #underWay = 0;
  #isStopped = false;
  #isEnding = false;
  readonly #producer: Producer;
  readonly #onFailure: (why: Error) => void;
  readonly #groups: Consumer[] = [];

  constructor(producer: Producer, onFailure: (why: Error) => void) {
    this.#producer = producer;
    this.#onFailure = onFailure;
  }

  async join(kafka: Kafka): Promise<void> {
    const fast = await readingGroup(kafka, "soak-fast", this.#fast, (first) => {
      if (first) this.latency.record(Math.max(0, nowMs() - first.readDoubleBE(0)) * 1000);
    });
    const slow = await readingGroup(kafka, "soak-slow", this.#slow, () => undefined);
    this.#groups.push(fast, slow);
  }

  /** By both groups. */
  get received(): number {
    return Math.min(this.#fast.count, this.#slow.count);
  }

  allow(total: number): void {
    this.#total = total;
    while (this.#total - this.sent >= batchMessages && this.#underWay < batchesMax && !this.#isStopped)
      void this.#send();
  }

  stop(): void {
    this.#isStopped = true;
  }

  setPaused(isPaused: boolean): void {
    const slow = this.#groups[1];
    if (isPaused) slow?.pause([{ topic }]);
    else slow?.resume([{ topic }]);
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#groups.map((group) => group.disconnect()));
    await this.#producer.disconnect();
  }

  async #send(): Promise<void> {
    const partition = (this.sent / batchMessages) % partitions;
    this.sent += batchMessages;
    this.#underWay++;
    const value = Buffer.alloc(bodyBytes, 0x2e);
    value.writeDoubleBE(nowMs(), 0);
    const messages = Array.from({ length: batchMessages }, (_, at) => ({ key: `key ${at}`, value, partition }));
    try {
      await this.#producer.send({ topic, acks: -1, messages });
      this.acknowledged += batchMessages;
    } catch (error) {
      if (!this.#isEnding) this.#onFailure(error as Error);
    } finally {
      this.#underWay--;
    }
    this.allow(this.#total);
  }
}

export async function openKafka(broker: string, onFailure: (why: Error) => void): Promise<PacedStream> {
  const kafka = kafkaClient(broker);
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: "retention.ms", value: "60000" }];
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] });
  await admin.disconnect();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: batchesMax });
  // A request that nobody answered is tried again by this client without a word: here it is told.
  producer.on(producer.events.REQUEST_TIMEOUT, ({ payload }) => {
    process.stderr.write(`no answer to ${payload.apiName} in ${payload.pendingDuration} ms\n`);
  });
  await producer.connect();
  const stream = new KafkaStream(producer, onFailure);
  await stream.join(kafka);
  return stream;
}
