/** The queues and topics of a round, who works on them, and their making and end. */

import type { ConfirmChannel } from "amqplib";
import { AmqpConsumer, isFirstHand, type ConsumerOptions } from "./clients/amqp-consumer.ts";
import { AmqpMover } from "./clients/amqp-mover.ts";
import { AmqpPublisher } from "./clients/amqp-publisher.ts";
import { AmqpSession } from "./clients/amqp-session.ts";
import { AmqpTransactor } from "./clients/amqp-transactor.ts";
import { AmqpVandal } from "./clients/amqp-vandal.ts";
import { Delays } from "./clients/delays.ts";
import { ended, openKafka } from "./clients/kafka-client.ts";
import { KafkaGroupMember } from "./clients/kafka-group.ts";
import { KafkaObserver } from "./clients/kafka-observer.ts";
import { KafkaProducer } from "./clients/kafka-producer.ts";
import { KafkaTransactor } from "./clients/kafka-transactor.ts";
import { KafkaTransformer } from "./clients/kafka-transformer.ts";
import { KafkaVandal } from "./clients/kafka-vandal.ts";
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
  /** A queue whose messages live for a short time, and the one to which they go when they die. Together they are one place. */
  readonly fading: string;
  readonly faded: string;
  /** A queue, and the one to which its messages are moved. Together they are one place. */
  readonly parcels: string;
  readonly arrivals: string;
  /** To this queue goes what comes later. */
  readonly reminders: string;
  readonly delays: Delays;
  /** Here somebody takes everything and reads nothing. */
  readonly mire: string;
  /** Nobody reads it. */
  readonly barrier: string;
  readonly readers: string;
  readonly transformers: string;
  /** They never come to an assignment. */
  readonly lurkers: string;
}

export const eventPartitions = 3;
export const inputPartitions = 2;
const fadesAfterMs = 1500;

export function placesOf(round: number): Places {
  const named = (name: string): string => `${name}.${round}`;
  return {
    orders: named("orders"),
    tasks: named("tasks"),
    ledger: named("ledger"),
    events: named("events"),
    input: named("input"),
    output: named("output"),
    fading: named("fading"),
    faded: named("faded"),
    parcels: named("parcels"),
    arrivals: named("arrivals"),
    reminders: named("reminders"),
    delays: new Delays(named("delays")),
    mire: named("mire"),
    barrier: named("barrier"),
    readers: named("readers"),
    transformers: named("transformers"),
    lurkers: named("lurkers"),
  };
}

export async function makePlaces(places: Places, ports: { amqp: number; kafka: number }): Promise<void> {
  const session = await AmqpSession.open(ports.amqp);
  const { channel } = session;
  await channel.assertQueue(places.orders, { durable: true });
  await channel.assertQueue(places.tasks, { durable: true, arguments: { "x-queue-type": "quorum" } });
  // However far the clock is set ahead, and however many rounds there were before.
  await channel.assertQueue(places.ledger, { durable: true, arguments: { "x-history-max-age": "10Y" } });
  await channel.assertQueue(places.barrier, { durable: true, arguments: { "x-max-length": 1 } });
  await makeLaterPlaces(channel, places);
  const { kafka, sockets } = openKafka(ports.kafka);
  const configEntries = [{ name: "retention.ms", value: "-1" }];
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: places.events, numPartitions: eventPartitions, configEntries },
      { topic: places.input, numPartitions: inputPartitions, configEntries },
      { topic: places.output, numPartitions: inputPartitions, configEntries },
    ],
  });
  await ended(admin, sockets);
  // Its work queue begins to exist, and so has all that is written from now on.
  await channel.assertQueue(places.events, { durable: true });
  await session.close();
}

async function makeLaterPlaces(channel: ConfirmChannel, places: Places): Promise<void> {
  const { fading, faded, parcels, arrivals, reminders, delays, mire } = places;
  const toFaded = { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": faded };
  await channel.assertQueue(faded, { durable: true });
  await channel.assertQueue(fading, { durable: true, arguments: { "x-message-ttl": fadesAfterMs, ...toFaded } });
  await channel.assertQueue(parcels, { durable: true, arguments: { "x-queue-type": "quorum" } });
  await channel.assertQueue(arrivals, { durable: true });
  await channel.assertQueue(mire, { durable: true });
  await channel.assertQueue(reminders, { durable: true });
  const asDirect = { durable: true, arguments: { "x-delayed-type": "direct" } };
  await channel.assertExchange(delays.exchange, "x-delayed-message", asDirect);
  await channel.bindQueue(reminders, delays.exchange, reminders);
}

export async function removePlaces(places: Places, ports: { amqp: number; kafka: number }): Promise<void> {
  const session = await AmqpSession.open(ports.amqp);
  const { input, output, barrier, delays } = places;
  const queues = stocksOf(places).map(({ place, queue = place }) => queue);
  for (const name of [...queues, input, output, barrier]) await session.channel.deleteQueue(name);
  await session.channel.deleteExchange(delays.exchange);
  await session.close();
}

/** A queue from which all is taken in the end, as a part of a place. */
export interface Stock extends ConsumerOptions {
  readonly place: string;
  readonly isFirstHand: boolean;
}

/** What one queue hands on to another stands before that. */
export function stocksOf(places: Places): Stock[] {
  const { orders, tasks, ledger, events, fading, faded, parcels, arrivals, reminders, delays, mire } = places;
  const stock = (place: string, options: ConsumerOptions = {}): Stock => ({
    place,
    ...options,
    isFirstHand: isFirstHand(place, options),
  });
  return [
    ...[orders, tasks, ledger, events, mire].map((place) => stock(place)),
    stock(fading),
    stock(fading, { queue: faded }),
    stock(parcels),
    stock(parcels, { queue: arrivals }),
    stock(reminders, { delays }),
  ];
}

/** Which entry the broker says that it has lost, as its log has it. */
export function lossIn(
  text: string,
  { fading, faded, parcels, arrivals, reminders }: Places,
): { readonly place?: string; readonly partition?: number; readonly offset?: number } {
  const said = / offset=(\d+)(?: queue="?([^" ]+)"?(?: partition=(\d+))?)?/.exec(text);
  if (said === null) return {};
  const [offset, queue = "", partition] = [Number(said[1]), said[2], Number(said[3] ?? 0)];
  // Second queues of a place, and what else holds messages of it, count as partitions of it that it does not have.
  if (queue === faded) return { place: fading, partition: 1, offset };
  if (queue === arrivals) return { place: parcels, partition: 1, offset };
  if (queue.endsWith("delayed")) return { place: reminders, partition: 1, offset };
  if (text.includes("due times")) return { place: reminders, partition: 2, offset };
  return queue === "" ? {} : { place: queue, partition, offset };
}

export function writersOf(places: Places): Client[] {
  const { orders, tasks, ledger, events, input, fading, parcels, reminders, delays, mire, lurkers } = places;
  return [
    new AmqpPublisher(orders),
    new AmqpPublisher(tasks),
    new AmqpPublisher(ledger),
    new AmqpPublisher(events, { hasKey: true }),
    new AmqpPublisher(fading, { burstMax: 6, restMsMax: 60 }),
    new AmqpPublisher(parcels, { burstMax: 8, restMsMax: 80 }),
    new AmqpPublisher(reminders, { burstMax: 4, restMsMax: 80, delays }),
    new AmqpPublisher(mire, { isLarge: true, burstMax: 2, restMsMax: 200 }),
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
    new KafkaVandal({ topic: events, partitions: eventPartitions, group: lurkers }),
  ];
}

export function readersOf(places: Places): Client[] {
  const { orders, tasks, ledger, events, input, output, barrier, readers, transformers } = places;
  const { fading, faded, parcels, arrivals, reminders, delays, mire } = places;
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
    new AmqpConsumer(fading, barrier, { prefetch: 2, releases: 0.05, lagMs: 80, lifeMs: 6000 }),
    new AmqpConsumer(fading, barrier, { ...calm, lifeMs: 8000 }, { queue: faded }),
    new AmqpMover(parcels, arrivals),
    new AmqpMover(parcels, arrivals),
    new AmqpConsumer(parcels, barrier, { ...calm, lifeMs: 8000 }, { queue: arrivals }),
    new AmqpConsumer(reminders, barrier, { prefetch: 20, releases: 0.05, lagMs: 20, lifeMs: 8000 }, { delays }),
    new AmqpConsumer(mire, barrier, { prefetch: 1, releases: 0, lagMs: 300, lifeMs: 8000 }),
    new AmqpVandal({ hoards: [orders, tasks, events], mire, begins: [orders, events, mire] }),
    new Vandal(),
  ];
}
