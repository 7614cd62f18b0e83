// The scenarios by name. Each one declares what it needs, runs, removes what it declared and returns its numbers.
// Those that one quantity changes are in growth-scenarios.ts.
// All of them use confirms, and all that is called durable is: durable queue, persistent message, confirm.

import { declareExchange, declareQueue, bindQueue, deleteExchange, deleteQueue } from "./topology.ts";
import { confirmLatency } from "./confirm-latency.ts";
import { drainBacklog, fillBacklog } from "./backlog.ts";
import { delayed } from "./delayed.ts";
import { type FlowShape, type Lane, queueArguments, runFlow } from "./flow.ts";
import { growthScenarios } from "./growth-scenarios.ts";
import { type LoadOptions, type LoadResult, round } from "./load-options.ts";
import { kafkaFlow } from "./kafka-flow.ts";
import { Peer } from "./peer.ts";
import { plainBytes } from "./plain-load.ts";

type Scenario = (options: LoadOptions) => Promise<LoadResult>;

export const scenarios: Readonly<Record<string, Scenario>> = {
  "durable-100b": (options) => plain(options, 100, true),
  "transient-100b": (options) => plain(options, 100, false),
  "durable-1k": (options) => plain(options, 1024, true),
  "durable-16k": (options) => plain(options, 16384, true),
  "confirm-latency": confirmLatency,
  "fanout-10": fanout,
  "connections-200": connections,
  "topic-10000-bindings": topic,
  "backlog-fill": fillBacklog,
  "backlog-drain": drainBacklog,
  "delayed-1m": delayed,
  ...growthScenarios,
  "plain-bytes": plainBytes,
  "kafka-flow": kafkaFlow,
};

function shapeOf(options: LoadOptions, given: Partial<FlowShape>): FlowShape {
  return {
    lanes: given.lanes ?? [],
    persistent: given.persistent ?? true,
    copies: given.copies ?? 1,
    bodyBytes: options.bodyBytes ?? given.bodyBytes ?? 100,
    window: options.window ?? given.window ?? 1000,
    prefetch: options.prefetch ?? given.prefetch ?? 1000,
  };
}

/** One queue, one publisher, one consumer, two connections. */
async function plain(options: LoadOptions, bodyBytes: number, persistent: boolean): Promise<LoadResult> {
  const queue = "bench-plain";
  const control = await Peer.open(options.uri);
  await deleteQueue(control, queue);
  await declareQueue(control, queue, { durable: persistent, arguments: persistent ? queueArguments(options) : {} });
  const lane: Lane = { exchange: "", routingKeys: [queue], queues: [queue], sharesConnection: false };
  const result = await runFlow(shapeOf(options, { lanes: [lane], persistent, bodyBytes }), options);
  await deleteQueue(control, queue);
  await control.close();
  return result;
}

/** A durable fanout exchange with `width` (10) durable queues, each with a consumer on its own channel. */
async function fanout(options: LoadOptions): Promise<LoadResult> {
  const exchange = "bench-fanout";
  const width = options.width ?? 10;
  const queues = Array.from({ length: width }, (_, index) => `bench-fanout-${index}`);
  const control = await Peer.open(options.uri);
  await declareExchange(control, exchange, "fanout", true);
  for (const queue of queues) {
    await declareQueue(control, queue, { durable: true, arguments: queueArguments(options) });
    await bindQueue(control, queue, exchange, "");
  }
  const lane: Lane = { exchange, routingKeys: [""], queues, sharesConnection: false };
  const result = await runFlow(shapeOf(options, { lanes: [lane], copies: width }), options);
  for (const queue of queues) await deleteQueue(control, queue);
  await deleteExchange(control, exchange);
  await control.close();
  return result;
}

/** `width` (200) connections, each with one channel, a durable queue, a publisher and a consumer. */
async function connections(options: LoadOptions): Promise<LoadResult> {
  const width = options.width ?? 200;
  const control = await Peer.open(options.uri);
  const lanes: Lane[] = [];
  for (let index = 0; index < width; index++) {
    const queue = `bench-connection-${index}`;
    await declareQueue(control, queue, { durable: true, arguments: queueArguments(options) });
    lanes.push({ exchange: "", routingKeys: [queue], queues: [queue], sharesConnection: true });
  }
  const result = await runFlow(shapeOf(options, { lanes, window: 100, prefetch: 100 }), options);
  for (let index = 0; index < width; index++) await deleteQueue(control, `bench-connection-${index}`);
  await control.close();
  return result;
}

const topicQueues = 10;
const topicKeys = 2048;

function four(index: number): string {
  return String(index).padStart(4, "0");
}

/** The pattern of binding `index`, and a key that matches it and no other. All keys have the same length. */
export function topicBinding(index: number): { pattern: string; key: string } {
  const n = four(index);
  if (index % 3 === 0) return { pattern: `region-${n}.*.created`, key: `region-${n}.ship-none.created` };
  if (index % 3 === 1) return { pattern: `*.ship-${n}.#`, key: `region-none.ship-${n}.deleted` };
  return { pattern: `#.dock-${n}.*`, key: `region-none.dock-${n}.changed` };
}

/** A topic exchange with `bindings` (10,000) wildcard bindings to 10 durable queues; each message matches one. */
async function topic(options: LoadOptions): Promise<LoadResult> {
  const exchange = "bench-topic";
  const queues = Array.from({ length: topicQueues }, (_, index) => `bench-topic-${index}`);
  const control = await Peer.open(options.uri);
  await declareExchange(control, exchange, "topic", true);
  for (const queue of queues) {
    await declareQueue(control, queue, { durable: true, arguments: queueArguments(options) });
  }
  const startMs = performance.now();
  for (let index = 0; index < options.bindings;) {
    const batch: Promise<Buffer>[] = [];
    const end = Math.min(index + 100, options.bindings);
    for (; index < end; index++) {
      batch.push(bindQueue(control, queues[index % topicQueues]!, exchange, topicBinding(index).pattern));
    }
    await Promise.all(batch);
  }
  const bindSeconds = (performance.now() - startMs) / 1000;
  const step = options.bindings / topicKeys;
  const routingKeys = Array.from({ length: topicKeys }, (_, index) => topicBinding(Math.floor(index * step)).key);
  const lane: Lane = { exchange, routingKeys, queues, sharesConnection: false };
  const result = await runFlow(shapeOf(options, { lanes: [lane] }), options);
  await deleteExchange(control, exchange);
  for (const queue of queues) await deleteQueue(control, queue);
  await control.close();
  return { ...result, bindingsPerSecond: round(options.bindings / bindSeconds) };
}
