// Counts, checks and acknowledges deliveries. Order is checked by the sequence numbers in the bodies, for each stream of
// messages on its own (a channel that reads one queue, or one of the queues that a channel reads): a message that is not above its predecessor and not flagged redelivered is
// counted in `disordered`. Acknowledging each message on its own is the default, since it is what most programs do.

import { Histogram } from "./histogram.ts";
import type { Peer } from "./peer.ts";
import { nowMs, stampedMs, stampedSequence } from "./publisher.ts";

export interface ConsumerOptions {
  readonly channels: number;
  /** 1: each message alone; n: one acknowledgement for n messages; Infinity: none, somebody else does. */
  readonly ackEvery: number;
  /** Queues that each channel reads, if more than one: the publisher's keys, which it takes in turn from its `slots`. */
  readonly keys?: number;
  readonly slots?: number;
  /** May be shared with other consumers. */
  readonly latency?: Histogram;
}

export class Consumer {
  received = 0;
  redelivered = 0;
  disordered = 0;
  readonly latency: Histogram;
  onProgress: () => void = () => {};
  readonly #peer: Pick<Peer, "ack" | "flushAcks">;
  readonly #ackEvery: number;
  readonly #keys: number;
  readonly #slotMask: number;
  readonly #last: Float64Array;
  readonly #unacked: Int32Array;
  readonly #lastTag: Float64Array;
  #nowMs = 0;

  constructor(peer: Pick<Peer, "ack" | "flushAcks">, options: ConsumerOptions) {
    const { channels, ackEvery, keys = 1, slots = 1 } = options;
    this.#peer = peer;
    this.#ackEvery = ackEvery;
    this.#keys = keys;
    this.#slotMask = slots - 1;
    this.latency = options.latency ?? new Histogram();
    this.#last = new Float64Array((channels + 1) * keys).fill(-1);
    this.#unacked = new Int32Array(channels + 1);
    this.#lastTag = new Float64Array(channels + 1);
  }

  deliver(channel: number, tag: number, redelivered: boolean, bytes: Buffer, bodyAt: number): void {
    const sequence = stampedSequence(bytes, bodyAt);
    this.received++;
    if (redelivered) this.redelivered++;
    const stream = channel * this.#keys + ((sequence & this.#slotMask) % this.#keys);
    if (!redelivered && sequence <= this.#last[stream]!) this.disordered++;
    this.#last[stream] = sequence;
    // One message in eight is enough for the percentiles, and reading a double is not free.
    if ((sequence & 7) === 0) this.#measure(stampedMs(bytes, bodyAt));
    if (this.#ackEvery === 1) this.#peer.ack(channel, tag, false);
    else this.#ackLater(channel, tag);
  }

  pause(): void {
    this.#peer.flushAcks();
    this.#nowMs = 0;
    this.onProgress();
  }

  /** Acknowledges what an `ackEvery` above 1 has left over. */
  settleRest(): void {
    if (!Number.isFinite(this.#ackEvery)) return;
    for (let channel = 1; channel < this.#unacked.length; channel++) {
      if (this.#unacked[channel]! > 0) this.#peer.ack(channel, this.#lastTag[channel]!, true);
      this.#unacked[channel] = 0;
    }
    this.#peer.flushAcks();
  }

  #ackLater(channel: number, tag: number): void {
    this.#lastTag[channel] = tag;
    const unacked = this.#unacked[channel]! + 1;
    if (unacked >= this.#ackEvery) this.#peer.ack(channel, tag, true);
    this.#unacked[channel] = unacked >= this.#ackEvery ? 0 : unacked;
  }

  #measure(sentMs: number): void {
    if (this.#nowMs === 0) this.#nowMs = nowMs();
    this.latency.record(Math.max(0, this.#nowMs - sentMs) * 1000);
  }
}
