// The AMQP half of the soak's mix: a stream of small durable messages that a fast consumer takes one by one, and one of 1 KB
// whose consumer stops for ten seconds in thirty, so that a backlog grows, goes to disk and is drained again and again.

import type { LoadOptions } from "./load-options.ts";
import { openLane, type OpenLane } from "./flow.ts";
import { Histogram } from "./histogram.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { consume, declareQueue, selectConfirms } from "./topology.ts";

/** A stream whose speed is set from outside; what it could not send in time it catches up with. */
export interface PacedStream {
  readonly name: string;
  /** Share of the whole mix's messages. */
  readonly share: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  /** Since it was cleared last. */
  readonly latency: Histogram;
  /** So many may have been sent in all. */
  allow(total: number): void;
  /** Nothing is sent any more, whatever was allowed. */
  stop(): void;
  /** The consumer stops, or goes on; a fast one does not heed it. */
  setPaused(isPaused: boolean): void;
  close(): Promise<void>;
}

export const slowPauseSeconds = 10;
export const slowRoundSeconds = 30;

function allowTotal(publisher: Publisher, total: number): void {
  if (total > publisher.published) publisher.allow(total - publisher.published);
}

export async function openFast(uri: string, options: LoadOptions): Promise<PacedStream> {
  const queue = "soak-fast";
  const control = await Peer.open(uri);
  await declareQueue(control, queue, { durable: true, arguments: {} });
  await control.close();
  const latency = new Histogram();
  const lane: OpenLane = await openLane(
    { exchange: "", routingKeys: [queue], queues: [queue], sharesConnection: false },
    { lanes: [], persistent: true, bodyBytes: 100, window: 2000, prefetch: 1000, copies: 1 },
    options,
    { delivery: latency, confirm: new Histogram() },
  );
  const { publisher, consumer, peers } = lane;
  return {
    name: "AMQP, 100 B, fast consumer",
    share: 0.6,
    get sent() {
      return publisher.published;
    },
    get acknowledged() {
      return publisher.confirmed;
    },
    get received() {
      return consumer.received;
    },
    latency,
    allow: (total) => allowTotal(publisher, total),
    stop: () => publisher.stop(),
    setPaused: () => undefined,
    async close() {
      for (const peer of peers) await peer.close();
    },
  };
}

export async function openSlow(uri: string, onFailure: (why: Error) => void): Promise<PacedStream> {
  const queue = "soak-slow";
  const publishing = await Peer.open(uri);
  const consuming = await Peer.open(uri);
  publishing.onFailure = onFailure;
  consuming.onFailure = onFailure;
  await declareQueue(publishing, queue, { durable: true, arguments: {} });
  const shape = { channel: 1, exchange: "", routingKeys: [queue], persistent: true, bodyBytes: 1024, window: 1000 };
  const latency = new Histogram();
  const publisher = new Publisher(publishing, { ...shape, limit: 0 }, latency);
  publishing.receiver = {
    deliver: () => onFailure(new Error("a delivery on the publishing connection")),
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => publisher.pump(),
  };
  const state = { received: 0, lastTag: 0, ackedTag: 0, isPaused: false };
  const settle = (): void => {
    if (state.isPaused || state.lastTag === state.ackedTag) return;
    consuming.ack(1, state.lastTag, true);
    consuming.flushAcks();
    state.ackedTag = state.lastTag;
  };
  consuming.receiver = {
    deliver: (_channel, tag) => {
      state.received++;
      state.lastTag = tag;
    },
    confirm: () => undefined,
    pause: settle,
  };
  await selectConfirms(publishing, 1);
  await consume(consuming, 1, queue, 500);
  return {
    name: "AMQP, 1 KB, slow consumer",
    share: 0.1,
    get sent() {
      return publisher.published;
    },
    get acknowledged() {
      return publisher.confirmed;
    },
    get received() {
      return state.received;
    },
    latency,
    allow: (total) => allowTotal(publisher, total),
    stop: () => publisher.stop(),
    setPaused(isPaused) {
      state.isPaused = isPaused;
      settle();
    },
    async close() {
      await publishing.close();
      await consuming.close();
    },
  };
}
