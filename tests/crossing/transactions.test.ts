// One transaction that takes from what one protocol has written and gives to what the other reads: all of it is done or nothing,
// and that is so when the broker is killed in the middle, whatever its client was told.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import kafkajs from "kafkajs";
import { Connection, type Channel } from "rabbitmq-client";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";

const { Kafka, logLevel } = kafkajs;
type Client = InstanceType<typeof Kafka>;

const listen = { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0" };
const set = { "kafka.groupInitialRebalanceDelayMs": "0" };
const count = 200;
const batchCount = 10;
const kills = 5;
const values = Array.from({ length: count }, (_, index) => String(index));

/** A broker that comes back on the same data. */
class Mortal {
  #broker: BrokerProcess | undefined;
  readonly #dataDir = mkdtempSync(join(tmpdir(), "entrepot-crossing-"));

  constructor(context: TestContext) {
    context.after(async () => {
      await this.#broker?.kill("SIGTERM");
      rmSync(this.#dataDir, { recursive: true, force: true });
    });
  }

  async start(): Promise<{ kafka: Client; amqp: string }> {
    this.#broker = await spawnBroker({ listen, set, dataDir: this.#dataDir });
    const brokers = [this.#broker.addresses["kafka"]!];
    // Who asks a broker that is dead gives up at once: its test goes on with the next one.
    const retry = { initialRetryTime: 20, retries: 3 };
    const kafka = new Kafka({ brokers, retry, requestTimeout: 5000, logLevel: logLevel.NOTHING });
    return { kafka, amqp: `amqp://guest:guest@${this.#broker.amqp}` };
  }

  async kill(): Promise<void> {
    await this.#broker!.kill("SIGKILL");
  }
}

async function withAmqp<T>(url: string, run: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = new Connection({ url, retryLow: 50, acquireTimeout: 2000, noDelay: true });
  connection.on("error", () => undefined);
  try {
    const channel = await connection.acquire();
    channel.on("error", () => undefined);
    return await run(channel);
  } finally {
    connection.unsafeDestroy();
  }
}

/** Values of the topic that a read_committed consumer is given, in order, until `wanted` have come. */
async function committed(kafka: Client, topic: string, wanted: number, groupId: string): Promise<string[]> {
  const consumer = kafka.consumer({ groupId, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const read: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      read.push(String(message.value));
      if (read.length >= wanted) resolve();
    },
  });
  await promise;
  await consumer.disconnect();
  return read;
}

async function makeTopic(kafka: Client, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
}

/** Runs `work` until it is through, and kills the broker in its midst so many times: each time a little later in a transaction. */
async function underKills(
  mortal: Mortal,
  work: (at: Awaited<ReturnType<Mortal["start"]>>, mayDie: () => void) => Promise<void>,
): Promise<Awaited<ReturnType<Mortal["start"]>>> {
  let at = await mortal.start();
  for (let round = 0; ; round++) {
    let dying: Promise<void> | undefined;
    let commits = 0;
    // Called when a commit has been sent.
    const mayDie = (): void => {
      if (round >= kills || ++commits <= round || dying !== undefined) return;
      dying = new Promise<void>((resolve) => setTimeout(resolve, round)).then(() => mortal.kill());
    };
    const isThrough = await work(at, mayDie).then(
      () => true,
      (error: unknown) => {
        if (dying === undefined) throw error;
        return false;
      },
    );
    await dying;
    if (isThrough && dying === undefined) return at;
    at = await mortal.start();
  }
}

test("an AMQP transaction takes from a queue and publishes to a Kafka topic, once each, whenever the broker is killed", async (context) => {
  const mortal = new Mortal(context);
  let isMade = false;
  const move = async ({ kafka, amqp }: Awaited<ReturnType<Mortal["start"]>>, mayDie: () => void): Promise<void> => {
    if (!isMade) await makeTopic(kafka, "out");
    await withAmqp(amqp, async (channel) => {
      await channel.queueDeclare({ queue: "in", durable: true });
      if (!isMade) {
        await channel.confirmSelect();
        for (const value of values) await channel.basicPublish({ routingKey: "in", durable: true }, value);
      }
    });
    isMade = true;
    await withAmqp(amqp, async (channel) => {
      await channel.txSelect();
      for (let isRolledBack = true; ;) {
        const tags: number[] = [];
        while (tags.length < batchCount) {
          const message = await channel.basicGet({ queue: "in" });
          if (message === undefined) break;
          tags.push(message.deliveryTag);
          await channel.basicPublish({ routingKey: "out", durable: true }, message.body);
        }
        if (tags.length === 0) return;
        for (const deliveryTag of tags) channel.basicAck({ deliveryTag });
        if (isRolledBack) {
          // What was not acknowledged after all is still this channel's, and is given back.
          await channel.txRollback();
          for (const deliveryTag of tags) channel.basicNack({ deliveryTag, requeue: true });
        }
        const committing = channel.txCommit();
        mayDie();
        await committing;
        isRolledBack = false;
      }
    });
  };
  const { kafka, amqp } = await underKills(mortal, move);
  const read = await committed(kafka, "out", count, "readers");
  assert.deepEqual(
    read.toSorted((a, b) => Number(a) - Number(b)),
    values,
  );
  const left = await withAmqp(amqp, (channel) => channel.queueDeclare({ queue: "in", passive: true }));
  assert.equal(left.messageCount, 0);
  const admin = kafka.admin();
  await admin.connect();
  const [end] = await admin.fetchTopicOffsets("out");
  await admin.disconnect();
  assert.equal(end!.high, String(count));
});

test("a Kafka transaction reads a topic and produces to an AMQP queue, once each, whenever the broker is killed", async (context) => {
  const mortal = new Mortal(context);
  let isMade = false;
  const group = "movers";
  const transform = async (
    { kafka, amqp }: Awaited<ReturnType<Mortal["start"]>>,
    mayDie: () => void,
  ): Promise<void> => {
    const admin = kafka.admin();
    await admin.connect();
    if (!isMade) {
      await makeTopic(kafka, "in");
      await withAmqp(amqp, (channel) => channel.queueDeclare({ queue: "out", durable: true }));
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic: "in", messages: values.map((value) => ({ value })) });
      await producer.disconnect();
      isMade = true;
    }
    const [place] = await admin.fetchOffsets({ groupId: group, topics: ["in"] });
    await admin.disconnect();
    const producer = kafka.producer({ transactionalId: "mover", idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    let next = Math.max(0, Number(place!.partitions[0]!.offset));
    for (let isAborted = true; next < count; isAborted = !isAborted) {
      const some = values.slice(next, next + batchCount);
      const transaction = await producer.transaction();
      await transaction.send({ topic: "out", messages: some.map((value) => ({ value })) });
      const partitions = [{ partition: 0, offset: String(next + some.length) }];
      await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic: "in", partitions }] });
      if (isAborted) {
        await transaction.abort();
        continue;
      }
      const committing = transaction.commit();
      mayDie();
      await committing;
      next += some.length;
    }
    await producer.disconnect();
  };
  const { kafka, amqp } = await underKills(mortal, transform);
  const taken = await withAmqp(amqp, async (channel) => {
    const bodies: string[] = [];
    for (;;) {
      const message = await channel.basicGet({ queue: "out", noAck: true });
      if (message === undefined) return bodies;
      bodies.push(String(message.body));
    }
  });
  assert.deepEqual(taken, values);
  const admin = kafka.admin();
  await admin.connect();
  const [place] = await admin.fetchOffsets({ groupId: group, topics: ["in"] });
  await admin.disconnect();
  assert.equal(place!.partitions[0]!.offset, String(count));
});
