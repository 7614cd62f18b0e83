// A timed run of publishers and consumers end to end: warm up, measure for some seconds, stop publishing, wait until
// all has arrived, and say what came of it: rates in the measured time, latencies, what the broker used, and whether
// anything was lost, doubled or out of order. A rate without the last is not worth printing.

import { diskWrittenBytes, machineCpuSeconds, type Usage, UsageWatch } from "./broker-usage.ts";
import { Consumer } from "./consumer.ts";
import type { Table } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import { type LoadOptions, type LoadResult, round, seconds, usageFields } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { consume, selectConfirms } from "./topology.ts";

const drainSecondsMax = 60;

/** One publisher and one consumer, on one connection or two; the consumer reads each of `queues` on its own channel. */
export interface Lane {
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  readonly queues: readonly string[];
  readonly sharesConnection: boolean;
}

export interface FlowShape {
  readonly lanes: readonly Lane[];
  readonly persistent: boolean;
  readonly bodyBytes: number;
  readonly window: number;
  readonly prefetch: number;
  /** Deliveries for each message published. */
  readonly copies: number;
}

export function queueArguments(options: LoadOptions): Table {
  return options.queueVersion === undefined ? {} : { "x-queue-version": options.queueVersion };
}

/** A lane that runs. */
export interface OpenLane {
  readonly publisher: Publisher;
  readonly consumer: Consumer;
  readonly peers: readonly Peer[];
}

function fatal(why: Error): void {
  process.stderr.write(`${why.message}\n`);
  process.exit(1);
}

export async function openLane(lane: Lane, shape: FlowShape, options: LoadOptions): Promise<OpenLane> {
  const consuming = await Peer.open(options.uri, lane.queues.length);
  const publishing = lane.sharesConnection ? consuming : await Peer.open(options.uri);
  consuming.onFailure = fatal;
  publishing.onFailure = fatal;
  const publisher = new Publisher(publishing, {
    channel: 1,
    exchange: lane.exchange,
    routingKeys: lane.routingKeys,
    persistent: shape.persistent,
    bodyBytes: shape.bodyBytes,
    window: shape.window,
    limit: 0,
  });
  const consumer = new Consumer(consuming, lane.queues.length, options.ackEvery);
  consuming.receiver = {
    deliver: (channel, tag, redelivered, bytes, bodyAt) => consumer.deliver(channel, tag, redelivered, bytes, bodyAt),
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => {
      consuming.cork();
      consumer.pause();
      if (lane.sharesConnection) publisher.pump();
      consuming.uncork();
    },
  };
  if (!lane.sharesConnection) {
    publishing.receiver = {
      deliver: () => fatal(new Error("a delivery on the publishing connection")),
      confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
      pause: () => publisher.pump(),
    };
  }
  await selectConfirms(publishing, 1);
  let channel = 0;
  for (const queue of lane.queues) await consume(consuming, ++channel, queue, shape.prefetch);
  return { publisher, consumer, peers: lane.sharesConnection ? [consuming] : [consuming, publishing] };
}

function sum(lanes: readonly OpenLane[], of: (lane: OpenLane) => number): number {
  let total = 0;
  for (const lane of lanes) total += of(lane);
  return total;
}

const publishedOf = (lane: OpenLane): number => lane.publisher.confirmed;
const receivedOf = (lane: OpenLane): number => lane.consumer.received;

/** Waits until every message published was delivered, or nothing has come for a while; answers how many seconds. */
export async function drain(lanes: readonly OpenLane[], copies: number): Promise<number> {
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
  const lanes: OpenLane[] = [];
  for (const lane of shape.lanes) lanes.push(await openLane(lane, shape, options));
  const watch = new UsageWatch(options.pid);
  const writtenBefore = diskWrittenBytes(options.dir);
  for (const lane of lanes) lane.publisher.allow(Number.MAX_SAFE_INTEGER);
  await seconds(options.warmupSeconds);

  for (const lane of lanes) {
    lane.publisher.confirmLatency.clear();
    lane.consumer.latency.clear();
  }
  const cpuBefore = process.cpuUsage();
  const usageBefore = watch.now();
  const machineBefore = machineCpuSeconds();
  const startMs = performance.now();
  const publishedBefore = sum(lanes, publishedOf);
  const receivedBefore = sum(lanes, receivedOf);
  await seconds(options.seconds);
  const elapsed = (performance.now() - startMs) / 1000;
  const published = sum(lanes, publishedOf) - publishedBefore;
  const received = sum(lanes, receivedOf) - receivedBefore;
  const cpu = process.cpuUsage(cpuBefore);
  const usageAfter = watch.now();
  const machine = machineCpuSeconds() - machineBefore;
  const latency = merged(lanes.map((lane) => lane.consumer.latency));
  const confirm = merged(lanes.map((lane) => lane.publisher.confirmLatency));

  const drainSeconds = await drain(lanes, shape.copies);
  const written = diskWrittenBytes(options.dir) - writtenBefore;
  watch.stop();
  const all = sum(lanes, (lane) => lane.publisher.published);
  const result: LoadResult = {
    rate: round(Math.min(published, received / shape.copies) / elapsed),
    publishedPerSecond: round(published / elapsed),
    deliveredPerSecond: round(received / elapsed),
    latencyUs: latency.summary(),
    confirmUs: confirm.summary(),
    ...usageFields(usageBefore, usageAfter, watch),
    diskBytesPerPublishedByte: round(written / (all * shape.bodyBytes), 2),
    loadCpuSeconds: round((cpu.user + cpu.system) / 1e6, 2),
    ...othersFields(usageBefore, usageAfter, machine - (cpu.user + cpu.system) / 1e6, elapsed),
    seconds: round(elapsed, 2),
    drainSeconds: round(drainSeconds, 2),
    published: all,
    missing: all * shape.copies - sum(lanes, receivedOf),
    redelivered: sum(lanes, (lane) => lane.consumer.redelivered),
    disordered: sum(lanes, (lane) => lane.consumer.disordered),
    refused: sum(lanes, (lane) => lane.publisher.refused),
  };
  for (const lane of lanes) for (const peer of lane.peers) await peer.close();
  return result;
}

/** Cores that neither the broker nor this program used in the measured time: what was taken from both by others. */
function othersFields(
  before: Usage | undefined,
  after: Usage | undefined,
  restCpuSeconds: number,
  elapsed: number,
): LoadResult {
  if (!before || !after) return {};
  const broker = after.cpuSeconds - before.cpuSeconds;
  return { othersCores: round(Math.max(0, restCpuSeconds - broker) / elapsed, 2) };
}

function merged(parts: readonly Histogram[]): Histogram {
  const whole = new Histogram();
  for (const part of parts) whole.add(part);
  return whole;
}
