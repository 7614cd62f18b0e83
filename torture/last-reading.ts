/**
 * When all is well again and nobody writes any more: everything that is there is read, and the groups come to their ends. A last
 * message in each partition shows where that is; who reads what is committed gets it when everything before it is decided.
 */

import { setTimeout as wait } from "node:timers/promises";
import type { Broker } from "./broker.ts";
import { AmqpSession } from "./clients/amqp-session.ts";
import { delayMsMax } from "./clients/delays.ts";
import { ended, openKafka } from "./clients/kafka-client.ts";
import { kafkajs } from "./clients/kafkajs-mended.ts";
import { askPosition } from "./clients/kafka-observer.ts";
import { within } from "./clients/site.ts";
import type { History, View } from "./history.ts";
import { bodyOf, identityOf } from "./message.ts";
import { stocksOf, type Places, type Stock } from "./places.ts";

const { Partitioners } = kafkajs;

export interface Reading {
  readonly history: History;
  readonly ports: { readonly amqp: number; readonly kafka: number };
  readonly nameFor: (kind: string) => string;
}

const readWithinMs = 90_000;
const catchUpWithinMs = 90_000;
const drainWithinMs = 60_000;
const aloneWithinMs = 5000;
/** More than a fault sets the clock ahead. */
const allDueAfterMs = 4 * 3600_000;

/** Writes the last message of each partition; answers their offsets. */
export async function markEnd(reading: Reading, place: string, partitions: number): Promise<number[]> {
  const { history, nameFor } = reading;
  const { kafka, sockets } = openKafka(reading.ports.kafka);
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await within(readWithinMs, producer.connect(), "connecting to mark the end");
  const offsets: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const writer = nameFor("end");
    history.tell({ kind: "send", place, writer, seq: 0, partition });
    const messages = [{ partition, key: writer, value: bodyOf(writer, 0) }];
    const sending = producer.send({ topic: place, acks: -1, messages });
    const [answer] = await within(readWithinMs, sending, `marking the end of ${place}`);
    const offset = Number(answer!.baseOffset);
    history.tell({ kind: "sent", writer, seqs: [0, 0], outcome: "ok", place, partition, offset });
    offsets[partition] = offset;
  }
  await ended(producer, sockets);
  return offsets;
}

/** Reads all up to the ends that were marked. */
export async function readAll(
  reading: Reading,
  place: string,
  ends: readonly number[],
  view: Exclude<View, "queue">,
): Promise<void> {
  const { history, nameFor } = reading;
  const { kafka, sockets } = openKafka(reading.ports.kafka);
  const reader = nameFor("last");
  const consumer = kafka.consumer({ groupId: reader, readUncommitted: view === "all", maxWaitTimeInMs: 100 });
  const missing = new Set(ends.keys());
  const over = Promise.withResolvers<void>();
  consumer.on("consumer.crash", ({ payload }) => {
    if (!payload.restart) over.reject(payload.error);
  });
  await within(readWithinMs, consumer.connect(), "connecting to read all");
  await within(readWithinMs, consumer.subscribe({ topic: place, fromBeginning: true }), "subscribing to read all");
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { offset, value } of batch.messages) {
        const where = { place, view, partition: batch.partition, offset: Number(offset) };
        history.tell({ kind: "got", reader, ...identityOf(value!), ...where });
        if (Number(offset) >= ends[batch.partition]!) missing.delete(batch.partition);
      }
      if (missing.size === 0) over.resolve();
    },
  });
  try {
    await within(
      readWithinMs,
      over.promise,
      `reading ${place}, ${view}, to its ends (missing: ${[...missing].join(", ")})`,
    );
    history.tell({ kind: "emptied", place, view, reader });
  } finally {
    await ended(consumer, sockets);
  }
}

/** Waits until the group has come to the ends. */
export async function catchUp(reading: Reading, group: string, place: string, ends: readonly number[]): Promise<void> {
  const { kafka, sockets } = openKafka(reading.ports.kafka);
  const admin = kafka.admin();
  await within(readWithinMs, admin.connect(), "connecting to ask for positions");
  const deadline = performance.now() + catchUpWithinMs;
  try {
    for (;;) {
      const positions = await askPosition(admin, reading, group, place);
      if (ends.every((end, partition) => (positions[partition] ?? 0) > end)) break;
      if (performance.now() > deadline)
        throw new Error(`${group} is stuck in ${place}: it stands at ${positions.join(", ")}, of ${ends.join(", ")}`);
      await wait(200);
    }
  } finally {
    await ended(admin, sockets);
  }
}

/**
 * Takes and accepts all that is in the queues. What waits for a time to which the clock was set before has its time come: the clock is
 * set on, and the broker started anew, since its timers would look at the clock within an hour only. Nobody but us is there any more.
 */
export async function emptyQueues(reading: Reading, places: Places, broker: Broker): Promise<void> {
  const { delays, reminders } = places;
  delays.close(reading);
  if (delays.isUpset(broker.clockSets)) {
    broker.control.passTime(allDueAfterMs);
    await broker.end("SIGKILL", 0);
  }
  const last = await sendLast(reading, delays.exchange, reminders);
  const stocks = stocksOf(places);
  const drainPlace = async (place: string): Promise<void> => {
    for (const stock of stocks)
      if (stock.place === place) await drain(reading, stock, place === reminders ? last : undefined);
  };
  await Promise.all([...new Set(stocks.map(({ place }) => place))].map(drainPlace));
}

/** Sends what comes behind all that waits; answers as whom. */
async function sendLast({ history, nameFor, ports }: Reading, exchange: string, place: string): Promise<string> {
  const writer = nameFor("end");
  const session = await AmqpSession.open(ports.amqp);
  history.tell({ kind: "send", place, writer, seq: 0 });
  const headers = { "x-delay": delayMsMax };
  session.channel.publish(exchange, place, bodyOf(writer, 0), { persistent: true, headers });
  await within(readWithinMs, session.channel.waitForConfirms(), `marking the end of ${place}`);
  history.tell({ kind: "sent", writer, seqs: [0, 0], outcome: "ok" });
  await session.close();
  return writer;
}

/** Whether those that were here are gone for the broker as well, or soon are: so nobody holds any of its messages. */
async function hasNoConsumers({ channel }: AmqpSession, queue: string): Promise<boolean> {
  const deadline = performance.now() + aloneWithinMs;
  for (;;) {
    const { consumerCount } = await channel.checkQueue(queue);
    if (consumerCount === 0) return true;
    if (performance.now() > deadline) return false;
    await wait(20);
  }
}

/** Takes and accepts all that is in the queue; `last`: who has sent a message that has to come yet. */
async function drain(reading: Reading, { place, queue = place, isFirstHand }: Stock, last?: string): Promise<void> {
  const { history, nameFor } = reading;
  let awaited = last;
  const deadline = performance.now() + drainWithinMs;
  const observer = await AmqpSession.open(reading.ports.amqp);
  const alone: { readonly isAlone?: true } =
    isFirstHand && (await hasNoConsumers(observer, queue)) ? { isAlone: true } : {};
  const session = await AmqpSession.open(reading.ports.amqp);
  const reader = nameFor("last");
  history.tell({ kind: "reading", reader });
  await session.channel.prefetch(200);
  await session.channel.consume(queue, (message) => {
    if (message === null) return;
    const identity = identityOf(message.content);
    const isFlagged = message.fields.redelivered;
    const said: { readonly isFlagged?: boolean } = isFlagged || isFirstHand ? { isFlagged } : {};
    history.tell({ kind: "got", reader, place, view: "queue", ...identity, ...said, ...alone });
    history.tell({ kind: "settle", reader, place, writer: identity.writer, seq: identity.seq, how: "accept" });
    session.channel.ack(message);
    if (identity.writer === awaited) awaited = undefined;
  });
  // What is given and not settled is not counted: what is empty has to stay so.
  for (let times = 0; times < 5;) {
    const { messageCount } = await observer.channel.checkQueue(queue);
    times = messageCount === 0 && awaited === undefined ? times + 1 : 0;
    if (session.isGone || observer.isGone) throw new Error(`draining ${queue}: the connection is gone`);
    if (performance.now() > deadline)
      throw new Error(
        `draining ${queue}: ${messageCount} messages do not come${awaited ? `, nor does ${awaited}` : ""}`,
      );
    await wait(50);
  }
  // Whoever answers this has read all acknowledgements before.
  const since = history.now();
  await session.channel.checkQueue(queue);
  history.tell({ kind: "settled", reader, since });
  await session.close();
  await observer.close();
  history.tell({ kind: "emptied", place, view: "queue" });
}
