// A backlog: fill a durable queue without a consumer; and, perhaps after the broker was killed and started again, drain
// it. The two are separate scenarios, since what lies between them is the caller's.

import { UsageWatch } from "./broker-usage.ts";
import { Consumer } from "./consumer.ts";
import { queueArguments } from "./flow.ts";
import { type LoadOptions, type LoadResult, round, usageFields } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { markResources, resourceFields } from "./resources.ts";
import { consume, declareQueue, deleteQueue, selectConfirms } from "./topology.ts";

const queue = "bench-backlog";
/** A drain that has received nothing for so long has received all there is. */
const silenceMs = 10_000;

/** Publishes `messages` persistent messages, with confirms, to a queue that nobody reads. */
export async function fillBacklog(options: LoadOptions): Promise<LoadResult> {
  const bodyBytes = options.bodyBytes ?? 100;
  const peer = await Peer.open(options.uri);
  await deleteQueue(peer, queue);
  await declareQueue(peer, queue, { durable: true, arguments: queueArguments(options) });
  await selectConfirms(peer, 1);
  const publisher = new Publisher(peer, {
    channel: 1,
    exchange: "",
    routingKeys: [queue],
    persistent: true,
    bodyBytes,
    window: options.window ?? 1000,
    limit: 0,
  });
  peer.receiver = {
    deliver: () => {},
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => publisher.pump(),
  };
  const watch = new UsageWatch(options.pid);
  const before = watch.now();
  const mark = markResources(options);
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    publisher.onDone = resolve;
    peer.onFailure = reject;
    publisher.allow(options.messages);
  });
  const elapsed = (performance.now() - startMs) / 1000;
  const usage = { ...usageFields(before, watch.now(), watch), ...resourceFields(mark, markResources(options)) };
  watch.stop();
  await peer.close();
  return {
    rate: round(options.messages / elapsed),
    seconds: round(elapsed, 1),
    confirmUs: publisher.confirmLatency.summary(),
    ...usage,
    published: publisher.published,
    refused: publisher.refused,
  };
}

/** Consumes until `messages` came, or none for ten seconds, and deletes the queue. */
export async function drainBacklog(options: LoadOptions): Promise<LoadResult> {
  const peer = await Peer.open(options.uri);
  const consumer = new Consumer(peer, { channels: 1, ackEvery: options.ackEvery });
  peer.receiver = {
    deliver: (channel, tag, redelivered, bytes, bodyAt) => consumer.deliver(channel, tag, redelivered, bytes, bodyAt),
    confirm: () => {},
    pause: () => consumer.pause(),
  };
  const watch = new UsageWatch(options.pid);
  const before = watch.now();
  const mark = markResources(options);
  const startMs = performance.now();
  let lastMs = startMs;
  let firstMs = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(() => {
      if (performance.now() - lastMs < silenceMs) return;
      clearInterval(timer);
      resolve();
    }, 100);
    consumer.onProgress = () => {
      lastMs = performance.now();
      if (firstMs === 0 && consumer.received > 0) firstMs = lastMs;
      if (consumer.received < options.messages) return;
      clearInterval(timer);
      resolve();
    };
    peer.onFailure = reject;
    consume(peer, 1, queue, options.prefetch ?? 1000).catch(reject);
  });
  const elapsed = (lastMs - startMs) / 1000;
  const usage = { ...usageFields(before, watch.now(), watch), ...resourceFields(mark, markResources(options)) };
  watch.stop();
  consumer.settleRest();
  await deleteQueue(peer, queue);
  await peer.close();
  return {
    rate: round(consumer.received / elapsed),
    seconds: round(elapsed, 1),
    firstAfterMs: round(firstMs - startMs, 1),
    ...usage,
    received: consumer.received,
    missing: options.messages - consumer.received,
    redelivered: consumer.redelivered,
    disordered: consumer.disordered,
  };
}
