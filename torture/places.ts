/** The queues and topics of a round, who works on them, and their making and end. */

import { AmqpConsumer } from "./clients/amqp-consumer.ts";
import { AmqpPublisher } from "./clients/amqp-publisher.ts";
import { AmqpSession } from "./clients/amqp-session.ts";
import { AmqpTransactor } from "./clients/amqp-transactor.ts";
import { ended, openKafka } from "./clients/kafka-client.ts";
import { KafkaGroupMember } from "./clients/kafka-group.ts";
import { KafkaObserver } from "./clients/kafka-observer.ts";
import { KafkaProducer } from "./clients/kafka-producer.ts";
import { KafkaTransactor } from "./clients/kafka-transactor.ts";
import { KafkaTransformer } from "./clients/kafka-transformer.ts";
import { PlatformaticProducer } from "./clients/platformatic-producer.ts";
import type { Client } from "./clients/site.ts";
import { Vandal } from "./clients/vandal.ts";

export interface Places {
  /** A classic queue, written over both protocols. */
  readonly orders: string;
  /** A quorum queue, whose consumers hand back some of what they get. */
  readonly tasks: string;
  /** A queue that keeps what was settled, so that Kafka's clients can read all of it. */
  readonly ledger: string;
  /** A topic that both protocols write and read, as a log and as a work queue. */
  readonly events: string;
  /** What goes into the transformation, and what comes out. */
  readonly input: string;
  readonly output: string;
  /** Nobody reads it. */
  readonly barrier: string;
  readonly readers: string;
  readonly transformers: string;
}

export const eventPartitions = 3;
export const inputPartitions = 2;

export function placesOf(round: number): Places {
  const named = (name: string): string => `${name}.${round}`;
  return {
    orders: named("orders"),
    tasks: named("tasks"),
    ledger: named("ledger"),
    events: named("events"),
    input: named("input"),
    output: named("output"),
    barrier: named("barrier"),
    readers: named("readers"),
    transformers: named("transformers"),
  };
}

export async function makePlaces(places: Places, ports: { amqp: number; kafka: number }): Promise<void> {
  const session = await AmqpSession.open(ports.amqp);
  const { channel } = session;
  await channel.assertQueue(places.orders, { durable: true });
  await channel.assertQueue(places.tasks, { durable: true, arguments: { "x-queue-type": "quorum" } });
  await channel.assertQueue(places.ledger, { durable: true, arguments: { "x-history-max-age": "7D" } });
  await channel.assertQueue(places.barrier, { durable: true, arguments: { "x-max-length": 1 } });
  const { kafka, sockets } = openKafka(ports.kafka);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: places.events, numPartitions: eventPartitions },
      { topic: places.input, numPartitions: inputPartitions },
      { topic: places.output, numPartitions: inputPartitions },
    ],
  });
  await ended(admin, sockets);
  // Its work queue begins to exist, and so has all that is written from now on.
  await channel.assertQueue(places.events, { durable: true });
  await session.close();
}

export async function removePlaces(places: Places, ports: { amqp: number; kafka: number }): Promise<void> {
  const session = await AmqpSession.open(ports.amqp);
  const { orders, tasks, ledger, events, input, output, barrier } = places;
  for (const name of [orders, tasks, ledger, events, input, output, barrier]) await session.channel.deleteQueue(name);
  await session.close();
}

export function writersOf(places: Places): Client[] {
  const { orders, tasks, ledger, events, input } = places;
  return [
    new AmqpPublisher(orders, false),
    new AmqpPublisher(tasks, false),
    new AmqpPublisher(ledger, false),
    new AmqpPublisher(events, true),
    new AmqpTransactor([orders, events, ledger]),
    new KafkaProducer(orders, 1),
    new KafkaProducer(events, eventPartitions),
    new KafkaProducer(events, eventPartitions),
    new KafkaProducer(input, inputPartitions),
    new PlatformaticProducer(input, inputPartitions),
    new PlatformaticProducer(orders, 1),
    new KafkaTransactor(
      [
        { name: events, partitions: eventPartitions },
        { name: ledger, partitions: 1 },
      ],
      0.02,
    ),
    new KafkaTransactor(
      [
        { name: orders, partitions: 1 },
        { name: input, partitions: inputPartitions },
      ],
      0.05,
    ),
  ];
}

export function readersOf(places: Places): Client[] {
  const { orders, tasks, ledger, events, input, output, barrier, readers, transformers } = places;
  const calm = { prefetch: 100, releases: 0, lagMs: 0, lifeMs: 20_000 };
  return [
    new AmqpConsumer(orders, barrier, calm),
    new AmqpConsumer(orders, barrier, { ...calm, prefetch: 20, lagMs: 40, lifeMs: 6000 }),
    new AmqpConsumer(tasks, barrier, { prefetch: 30, releases: 0.15, lagMs: 10, lifeMs: 10_000 }),
    new AmqpConsumer(tasks, barrier, { prefetch: 5, releases: 0.05, lagMs: 100, lifeMs: 5000 }),
    new AmqpConsumer(ledger, barrier, calm),
    new AmqpConsumer(events, barrier, { ...calm, lifeMs: 8000 }),
    new AmqpConsumer(events, barrier, { prefetch: 40, releases: 0.05, lagMs: 30, lifeMs: 8000 }),
    new KafkaGroupMember({ group: readers, place: events, view: "committed", lifeMs: 15_000, lagMs: 100 }),
    new KafkaGroupMember({ group: readers, place: events, view: "committed", lifeMs: 25_000, lagMs: 0 }),
    new KafkaGroupMember({ group: `${readers}.all`, place: events, view: "all", lifeMs: 15_000, lagMs: 0 }),
    ...Array.from({ length: inputPartitions }, (_, partition) => {
      const where = { from: input, to: output, partition, partitions: inputPartitions };
      return new KafkaTransformer({ ...where, group: transformers });
    }),
    new KafkaObserver(
      [
        { group: readers, place: events },
        { group: transformers, place: input },
      ],
      [
        { name: events, partitions: eventPartitions },
        { name: input, partitions: inputPartitions },
        { name: orders, partitions: 1 },
      ],
    ),
    new Vandal(),
  ];
}
