// A timed run of publishers and consumers end to end: warm up, measure for some seconds, stop publishing, wait until
// all has arrived, and say what came of it: rates in the measured time, latencies, what the broker used, and whether
// anything was lost, doubled or out of order. A rate without the last is not worth printing.

import { diskWrittenBytes, UsageWatch } from "./broker-usage.ts";
import { Consumer } from "./consumer.ts";
import type { Table } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import { type LoadOptions, type LoadResult, round, seconds } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher, slotsOf } from "./publisher.ts";
import { markResources, resourceFields } from "./resources.ts";
import { consume, selectConfirms } from "./topology.ts";

const drainSecondsMax = 60;
/** Lanes that are opened at once. */
const openingMax = 50;

/** One publisher and one consumer, on one connection or two; the consumer reads each of `queues` on its own channel. */
export interface Lane {
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  readonly queues: readonly string[];
  readonly sharesConnection: boolean;
  /** All queues are read on one channel; each has one of the routing keys, in the same order. */
  readonly sharesChannel?: boolean;
}

export interface FlowShape {
  readonly lanes: readonly Lane[];
  readonly persistent: boolean;
  readonly bodyBytes: number;
  readonly window: number;
  readonly prefetch: number;
  /** Deliveries for each message published. */
  readonly copies: number;
  /**
   * What waits in the queue stays about what it is: a message is acknowledged when another is confirmed, and published when others
   * came. In the end what waits stays there, so that nothing can be said of what is missing.
   */
  readonly keepsBacklog?: boolean;
}

export function queueArguments({ queueType }: LoadOptions): Table {
  return queueType === undefined ? {} : { "x-queue-type": queueType };
}

/** What is measured of a lane, whatever it speaks. */
export interface MeasuredLane {
  readonly publisher: Pick<Publisher, "published" | "confirmed" | "refused" | "allow" | "stop" | "isDone">;
  readonly consumer: Pick<Consumer, "received" | "redelivered" | "disordered" | "settleRest">;
  readonly peers: readonly Pick<Peer, "close">[];
}

/** A lane that runs. */
export interface OpenLane extends MeasuredLane {
  readonly publisher: Publisher;
  readonly consumer: Consumer;
}

export interface Latencies {
  readonly delivery: Histogram;
  readonly confirm: Histogram;
}

/** Ends a load whose figures would mean nothing. */
export function fatal(why: Error): void {
  process.stderr.write(`${why.message}\n`);
  process.exit(1);
}

export async function openLane(
  lane: Lane,
  shape: FlowShape,
  options: LoadOptions,
  latencies: Latencies = { delivery: new Histogram(), confirm: new Histogram() },
): Promise<OpenLane> {
  // Buffers for what thousands of connections have under way would take gigabytes.
  const readBytes = Math.max(4096, Math.floor(2 ** 18 / Math.max(1, shape.lanes.length / 4)));
  const channels = lane.sharesChannel === true ? 1 : lane.queues.length;
  const consuming = await Peer.open(options.uri, channels, readBytes);
  const publishing = lane.sharesConnection ? consuming : await Peer.open(options.uri, 1, readBytes);
  consuming.onFailure = fatal;
  publishing.onFailure = fatal;
  const { persistent, bodyBytes, window } = shape;
  const { exchange, routingKeys } = lane;
  const publish = { channel: 1, exchange, routingKeys, persistent, bodyBytes, window, limit: 0 };
  const publisher = new Publisher(publishing, { ...publish, firstSequence: options.firstSequence }, latencies.confirm);
  const streams =
    lane.sharesChannel === true ? { keys: routingKeys.length, slots: slotsOf(window, routingKeys.length) } : {};
  const ackEvery = shape.keepsBacklog === true ? Number.POSITIVE_INFINITY : options.ackEvery;
  const consumer = new Consumer(consuming, { channels, ackEvery, latency: latencies.delivery, ...streams });
  let acked = 0;
  const keepBacklog = (): void => {
    while (acked < Math.min(consumer.received, publisher.confirmed)) consuming.ack(1, ++acked, false);
    // Both limits together cannot stand still: while as much waits as this asks for, more is confirmed than was acknowledged.
    publisher.allow(Math.max(0, consumer.received + 2 * window - publisher.published));
  };
  const pump = shape.keepsBacklog === true ? keepBacklog : (): void => publisher.pump();
  consuming.receiver = {
    deliver: (channel, tag, redelivered, bytes, bodyAt) => consumer.deliver(channel, tag, redelivered, bytes, bodyAt),
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => {
      consuming.cork();
      if (shape.keepsBacklog === true || lane.sharesConnection) pump();
      consumer.pause();
      consuming.uncork();
    },
  };
  if (!lane.sharesConnection) {
    publishing.receiver = {
      deliver: () => fatal(new Error("a delivery on the publishing connection")),
      confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
      pause: () => {
        pump();
        if (shape.keepsBacklog === true) consuming.flushAcks();
      },
    };
  }
  await selectConfirms(publishing, 1);
  for (const [index, queue] of lane.queues.entries()) {
    await consume(consuming, lane.sharesChannel === true ? 1 : index + 1, queue, shape.prefetch, `c${index}`);
  }
  return { publisher, consumer, peers: lane.sharesConnection ? [consuming] : [consuming, publishing] };
}

async function openLanes(shape: FlowShape, options: LoadOptions, latencies: Latencies): Promise<OpenLane[]> {
  const lanes: OpenLane[] = [];
  for (let from = 0; from < shape.lanes.length; from += openingMax) {
    const few = shape.lanes.slice(from, from + openingMax);
    lanes.push(...(await Promise.all(few.map((lane) => openLane(lane, shape, options, latencies)))));
  }
  return lanes;
}

function sum(lanes: readonly MeasuredLane[], of: (lane: MeasuredLane) => number): number {
  let total = 0;
  for (const lane of lanes) total += of(lane);
  return total;
}

const confirmedOf = (lane: MeasuredLane): number => lane.publisher.confirmed;
const receivedOf = (lane: MeasuredLane): number => lane.consumer.received;

/** Waits until every message published was delivered, or nothing has come for a while; answers how many seconds. */
export async function drain(lanes: readonly MeasuredLane[], copies: number): Promise<number> {
  for (const lane of lanes) lane.publisher.stop();
  const startedMs = performance.now();
  while (performance.now() - startedMs < drainSecondsMax * 1000) {
    const isConfirmed = lanes.every((lane) => lane.publisher.isDone);
    const published = sum(lanes, (lane) => lane.publisher.published);
    if (isConfirmed && sum(lanes, receivedOf) >= published * copies) break;
    await seconds(0.02);
  }
  for (const lane of lanes) lane.consumer.settleRest();
  // A moment for what should not come: duplicates.
  await seconds(0.1);
  return (performance.now() - startedMs) / 1000;
}

export async function runFlow(shape: FlowShape, options: LoadOptions): Promise<LoadResult> {
  const latencies: Latencies = { delivery: new Histogram(), confirm: new Histogram() };
  return measureFlow(await openLanes(shape, options, latencies), shape, options, latencies);
}

/** Measures lanes that are open, and closes them. Errors: nothing was confirmed, or nothing delivered, in the measured time. */
export async function measureFlow(
  lanes: readonly MeasuredLane[],
  shape: FlowShape,
  options: LoadOptions,
  latencies: Latencies,
): Promise<LoadResult> {
  const watch = new UsageWatch(options.pid);
  const writtenBefore = diskWrittenBytes(options.dir);
  const first = shape.keepsBacklog === true ? 2 * shape.window : Number.MAX_SAFE_INTEGER;
  for (const lane of lanes) lane.publisher.allow(first);
  await seconds(options.warmupSeconds);

  latencies.confirm.clear();
  latencies.delivery.clear();
  const before = markResources(options);
  const confirmedBefore = sum(lanes, confirmedOf);
  const receivedBefore = sum(lanes, receivedOf);
  await seconds(options.seconds);
  const confirmed = sum(lanes, confirmedOf) - confirmedBefore;
  const received = sum(lanes, receivedOf) - receivedBefore;
  const after = markResources(options);
  const elapsed = (after.moment.ms - before.moment.ms) / 1000;
  const latencyUs = latencies.delivery.summary();
  const confirmUs = latencies.confirm.summary();

  // A rate of nothing is no rate: whoever stood still for the whole time is said to have failed.
  if (confirmed === 0 || received === 0) throw new Error(`nothing came through in ${round(elapsed, 1)} s`);
  const drainSeconds = await drain(lanes, shape.keepsBacklog === true ? 0 : shape.copies);
  watch.now();
  const written = diskWrittenBytes(options.dir) - writtenBefore;
  watch.stop();
  const all = sum(lanes, (lane) => lane.publisher.published);
  const result: LoadResult = {
    rate: round(Math.min(confirmed, received / shape.copies) / elapsed),
    publishedPerSecond: round(confirmed / elapsed),
    deliveredPerSecond: round(received / elapsed),
    latencyUs,
    confirmUs,
    ...resourceFields(before, after),
    ...(options.pid === undefined ? {} : { brokerRssMbMax: round(watch.rssMbMax, 1) }),
    bodyBytes: shape.bodyBytes,
    copies: shape.copies,
    window: shape.window * lanes.length,
    diskBytesPerPublishedByte: round(written / (all * shape.bodyBytes), 2),
    seconds: round(elapsed, 2),
    drainSeconds: round(drainSeconds, 2),
    published: all,
    ...(shape.keepsBacklog === true ? {} : { missing: all * shape.copies - sum(lanes, receivedOf) }),
    redelivered: shape.keepsBacklog === true ? 0 : sum(lanes, (lane) => lane.consumer.redelivered),
    disordered: sum(lanes, (lane) => lane.consumer.disordered),
    refused: sum(lanes, (lane) => lane.publisher.refused),
  };
  for (const lane of lanes) for (const peer of lane.peers) await peer.close();
  return result;
}
