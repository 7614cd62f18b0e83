// What comes and goes beside the streams of the soak: each second a connection that declares a queue, leaves messages in it and
// deletes it, one in three without a good-bye; each five seconds a topic; each twenty a member that joins a group for a while.

import { setTimeout as sleep } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import { seconds } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { kafkaClient } from "./soak-kafka.ts";
import { consume, declareQueue, deleteQueue, selectConfirms } from "./topology.ts";

const messages = 50;

export interface ChurnCounts {
  connections: number;
  queues: number;
  topics: number;
  members: number;
}

async function oneQueue(uri: string, round: number): Promise<void> {
  const name = `soak-churn-${round}`;
  const kinds = [{}, { "x-queue-type": "quorum" }, { "x-max-priority": 3 }, { "x-queue-type": "stream" }];
  const kind = kinds[round % kinds.length]!;
  const peer = await Peer.open(uri, 2);
  await declareQueue(peer, name, { durable: true, arguments: kind });
  await selectConfirms(peer, 1);
  const shape = { channel: 1, exchange: "", routingKeys: [name], persistent: true, bodyBytes: 300, window: messages };
  const publisher = new Publisher(peer, { ...shape, limit: 0 });
  const counted = { received: 0 };
  await new Promise<void>((resolve, reject) => {
    peer.onFailure = reject;
    const look = (): void => {
      if (publisher.confirmed === messages && counted.received >= messages / 2) resolve();
    };
    peer.receiver = {
      deliver: (channel, tag) => {
        counted.received++;
        if (counted.received <= messages / 2) peer.ack(channel, tag, false);
      },
      confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
      pause: () => {
        peer.flushAcks();
        publisher.pump();
        look();
      },
    };
    // A stream is read from where it ends when its reader comes: first the consumer, then the messages.
    consume(peer, 2, name, messages).then(() => publisher.allow(messages), reject);
  });
  if (round % 3 !== 0) {
    await deleteQueue(peer, name);
    await peer.close();
    return;
  }
  // Gone without a word, with messages unacknowledged: the next one clears up.
  peer.destroy();
  const next = await Peer.open(uri);
  await deleteQueue(next, name);
  await next.close();
}

async function oneTopic(kafka: Kafka, round: number): Promise<void> {
  const topic = `soak-churn-topic-${round}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  const producer = kafka.producer();
  await producer.connect();
  const value = Buffer.alloc(300, 0x2e);
  await producer.send({ topic, messages: Array.from({ length: messages }, (_, key) => ({ key: String(key), value })) });
  await producer.disconnect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

async function oneMember(kafka: Kafka): Promise<void> {
  const consumer = kafka.consumer({ groupId: "soak-visitors" });
  await consumer.connect();
  await consumer.subscribe({ topics: ["soak-log"], fromBeginning: false });
  await consumer.run({ eachBatch: async () => undefined });
  await seconds(8);
  await consumer.disconnect();
}

const roundSecondsMax = 60;

/** Errors: what is quick as a rule takes a minute. */
async function inTime(round: Promise<void>): Promise<void> {
  const late = new AbortController();
  const limit = sleep(roundSecondsMax * 1000, undefined, { signal: late.signal }).then(() => {
    throw new Error(`what comes and goes takes more than ${roundSecondsMax} s`);
  });
  try {
    await Promise.race([round, limit]);
  } finally {
    limit.catch(() => undefined);
    late.abort();
  }
}

/** Begins it; ended() ends it after what is under way. */
export function startChurn(
  amqpUri: string,
  kafkaBroker: string,
  onFailure: (why: Error) => void,
): { readonly counts: ChurnCounts; ended(): Promise<void> } {
  const kafka = kafkaClient(kafkaBroker);
  const counts: ChurnCounts = { connections: 0, queues: 0, topics: 0, members: 0 };
  const state = { isEnding: false };
  const repeat = async (everySeconds: number, run: (round: number) => Promise<void>): Promise<void> => {
    for (let round = 0; !state.isEnding; round++) {
      await inTime(run(round)).catch(onFailure);
      for (let waited = 0; waited < everySeconds && !state.isEnding; waited += 0.25) await seconds(0.25);
    }
  };
  const loops = [
    repeat(1, async (round) => {
      await oneQueue(amqpUri, round);
      counts.queues++;
      counts.connections += round % 3 === 0 ? 2 : 1;
    }),
    repeat(5, async (round) => {
      await oneTopic(kafka, round);
      counts.topics++;
    }),
    repeat(20, async () => {
      await oneMember(kafka);
      counts.members++;
    }),
  ];
  return {
    counts,
    async ended() {
      state.isEnding = true;
      await Promise.all(loops);
    },
  };
}
