// Delayed messages: publish many with delays spread at random over a long time, measure how fast they are taken, then
// watch an otherwise idle broker for a while and measure how far from its due time each one comes. Due is the publisher's
// clock at the send plus the delay, so `lateUs` contains the way to the broker and back; nothing may come before it.

import { UsageWatch } from "./broker-usage.ts";
import { Histogram } from "./histogram.ts";
import { type LoadOptions, type LoadResult, round, seconds, usageFields } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { nowMs, Publisher, stampedMs } from "./publisher.ts";
import {
  bindQueue,
  consume,
  declareExchange,
  declareQueue,
  deleteExchange,
  deleteQueue,
  selectConfirms,
} from "./topology.ts";

const exchange = "bench-delayed";
const queue = "bench-delayed";

class Punctuality {
  readonly late = new Histogram();
  received = 0;
  early = 0;
  /** Deliveries more than 50 ms from their time. */
  beyond50ms = 0;

  record(dueMs: number): void {
    const lateMs = nowMs() - dueMs;
    this.received++;
    // The clocks of two processes on one machine agree to well under a millisecond; a delay is in whole milliseconds.
    if (lateMs < -1) this.early++;
    if (Math.abs(lateMs) > 50) this.beyond50ms++;
    this.late.record(Math.max(0, lateMs) * 1000);
  }
}

async function openConsumer(options: LoadOptions): Promise<{ peer: Peer; punctuality: Punctuality }> {
  const punctuality = new Punctuality();
  const peer = await Peer.open(options.uri);
  peer.receiver = {
    deliver: (channel, tag, _redelivered, bytes, bodyAt) => {
      punctuality.record(stampedMs(bytes, bodyAt));
      peer.ack(channel, tag, false);
    },
    confirm: () => {},
    pause: () => peer.flushAcks(),
  };
  await consume(peer, 1, queue, options.prefetch ?? 1000);
  return { peer, punctuality };
}

/** A small generator, so that two runs have the same delays. */
function delays(minMs: number, maxMs: number): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return minMs + ((state >>> 0) % Math.max(1, maxMs - minMs));
  };
}

/** `messages` (1,000,000) with delays between --delay-min and --delay-max, then `seconds` of watching. */
export async function delayed(options: LoadOptions): Promise<LoadResult> {
  const bodyBytes = options.bodyBytes ?? 100;
  const control = await Peer.open(options.uri);
  await deleteQueue(control, queue);
  await declareExchange(control, exchange, "x-delayed-message", true, { "x-delayed-type": "direct" });
  await declareQueue(control, queue, { durable: true, arguments: {} });
  await bindQueue(control, queue, exchange, queue);
  const { peer: consuming, punctuality } = await openConsumer(options);
  const peer = await Peer.open(options.uri);
  await selectConfirms(peer, 1);
  const publisher = new Publisher(peer, {
    channel: 1,
    exchange,
    routingKeys: [queue],
    persistent: true,
    bodyBytes,
    window: options.window ?? 1000,
    limit: 0,
    delayMs: delays(options.delayMinMs, options.delayMaxMs),
  });
  peer.receiver = {
    deliver: () => {},
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => publisher.pump(),
  };
  const watch = new UsageWatch(options.pid);
  const before = watch.now();
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    publisher.onDone = resolve;
    peer.onFailure = reject;
    consuming.onFailure = reject;
    publisher.allow(options.messages);
  });
  const elapsed = (performance.now() - startMs) / 1000;
  const usage = usageFields(before, watch.now(), watch);
  // The first are due when the least delay has gone by since the first publish.
  await seconds(Math.max(0, options.delayMinMs / 1000 - elapsed) + options.seconds);
  const { received, early, beyond50ms, late } = punctuality;
  const rssMb = watch.now()?.rssMb;
  watch.stop();
  await peer.close();
  await consuming.close();
  await deleteExchange(control, exchange);
  await deleteQueue(control, queue);
  await control.close();
  return {
    rate: round(options.messages / elapsed),
    ...usage,
    brokerRssMbWaiting: rssMb === undefined ? undefined : round(rssMb, 1),
    lateUs: late.summary(),
    observed: received,
    early,
    beyond50ms,
    refused: publisher.refused,
  };
}
