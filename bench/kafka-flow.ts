// The load of the curves under Kafka's protocol: a topic, its producers, and its readers at the tail; measured as AMQP's lanes are
// (bench/flow.ts). Its clients are sockets and hand-made requests of the oldest versions that Kafka 4 serves, since one of Kafka's
// own has threads and megabytes: ten thousand do not fit into a machine, nor is a client's cost what a curve is about. So the same
// program runs against Kafka, Entrepot, and bench/plain-log.ts, which only moves the bytes. The rows of bench/kafka-work.ts are
// where the real clients are measured.
//
// Of all messages at most 10,000, or 16 MB, are under way: sent and not yet acknowledged and read by all (times the readers, where
// there are several). What a producer may have of them, kafka-producers.ts says.

import { fatal, type FlowShape, type Latencies, type MeasuredLane, measureFlow } from "./flow.ts";
import { Histogram } from "./histogram.ts";
import { KafkaPeer } from "./kafka-peer.ts";
import { BatchPattern, Producers, type ProduceShape, produceShape } from "./kafka-producers.ts";
import { Readers } from "./kafka-readers.ts";
import { createTopic, deleteTopic, endOffsets, producerId } from "./kafka-topic.ts";
import type { LoadOptions, LoadResult } from "./load-options.ts";
import { nowMs } from "./publisher.ts";

const underWayMax = 10_000;
const underWayBytesMax = 16_000_000;
/** Connections that are opened at once. */
const openingMax = 50;
/** Of what one read brings: to a producer an answer, and to all readers together what is under way. */
const producerReadBytes = 512;
const readersReadBytes = 16_777_216;
const readerReadBytesLeast = 16_384;
/** Of the requests that fill a topic before. */
const fillMessages = 2000;
const fillBytesMax = 786_432;

export interface KafkaFlow {
  readonly lane: MeasuredLane;
  readonly shape: ProduceShape;
  /** Messages that may be under way, times their readers. */
  readonly windowMessages: number;
  /** Removes the topic and closes what is open. */
  readonly remove: () => Promise<void>;
}

async function openInTurns<Opened>(count: number, open: (index: number) => Promise<Opened>): Promise<Opened[]> {
  const opened: Opened[] = [];
  while (opened.length < count) {
    const few = Math.min(openingMax, count - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: few }, (_, index) => open(opened.length + index)))));
  }
  return opened;
}

/**
 * Makes a topic with what it holds before, and connects all producers and readers; the first message goes with the lane's `allow`.
 * Errors: refused, or no connection; later ones go to `onFailure`, and so does every answer that is not what it must be.
 */
export async function openKafkaFlow(
  options: Pick<LoadOptions, "uri" | "bodyBytes" | "width" | "copies" | "partitions" | "held">,
  topic: string,
  latencies: Latencies,
  onFailure: (why: Error) => void,
): Promise<KafkaFlow> {
  const { uri, bodyBytes = 100, width: producers = 1, copies, partitions, held } = options;
  const windowMessages = Math.floor(Math.min(underWayMax, underWayBytesMax / bodyBytes));
  const work = { topic, partitions, bodyBytes };
  const shape = produceShape(work, producers, Math.floor(windowMessages / copies));
  const control = await KafkaPeer.open(uri);
  await createTopic(control, topic, partitions);
  if (held > 0) await fill(uri, work, held);
  const offsets = await endOffsets(control, topic, partitions);
  const before = offsets.reduce((sum, each) => sum + each, 0);
  if (before < held) throw new Error(`of ${held} messages the topic holds ${before}`);

  const pattern = new BatchPattern(shape, nowMs());
  const publisher = new Producers(shape, windowMessages, onFailure, latencies.confirm);
  const consumer = new Readers(shape, pattern, onFailure, latencies.delivery);
  const readBytes = Math.max(readerReadBytesLeast, Math.floor(readersReadBytes / copies));
  const readers = await openInTurns(copies, () => KafkaPeer.open(uri, readBytes));
  for (const reader of readers) consumer.add(reader, offsets);
  publisher.audience = consumer;
  consumer.onProgress = () => publisher.pump();
  const writers = await openInTurns(producers, async () => {
    const peer = await KafkaPeer.open(uri, producerReadBytes);
    publisher.add(peer, pattern, await producerId(peer), offsets, producers === 1);
    return peer;
  });
  const close = (): Promise<void> => {
    for (const peer of [...writers, ...readers]) peer.close();
    return Promise.resolve();
  };
  const remove = async (): Promise<void> => {
    await close();
    await deleteTopic(control, topic);
    control.close();
  };
  return { lane: { publisher, consumer, peers: [{ close }] }, shape, windowMessages, remove };
}

/** Produces at least `count` messages, in large batches. */
async function fill(
  uri: string,
  work: { readonly topic: string; readonly partitions: number; readonly bodyBytes: number },
  count: number,
): Promise<void> {
  const bytesMax = Math.min(fillBytesMax, fillMessages * (work.bodyBytes + 8));
  const shape = produceShape(work, 1, count, bytesMax);
  const peer = await KafkaPeer.open(uri);
  const id = await producerId(peer);
  await new Promise<void>((resolve, reject) => {
    const producers = new Producers(shape, count, reject);
    producers.add(peer, new BatchPattern(shape, nowMs()), id, new Float64Array(work.partitions), true);
    producers.onDone = resolve;
    producers.allow(count);
  });
  peer.close();
}

/** `width` (1) producers of messages of `bodyBytes` (100) to the `partitions` of a topic, which `copies` readers each read. */
export async function kafkaFlow(options: LoadOptions): Promise<LoadResult> {
  const latencies: Latencies = { delivery: new Histogram(), confirm: new Histogram() };
  const flow = await openKafkaFlow(options, `bench-growth-${process.pid}`, latencies, fatal);
  const { bodyBytes } = flow.shape;
  const window = flow.windowMessages;
  const shape: FlowShape = { lanes: [], persistent: true, bodyBytes, window, prefetch: 0, copies: options.copies };
  const result = await measureFlow([flow.lane], shape, options, latencies);
  await flow.remove();
  return { ...result, batchMessages: flow.shape.recordsEach, requests: flow.shape.requests };
}
