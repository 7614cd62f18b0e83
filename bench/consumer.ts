// Counts, checks and acknowledges deliveries. Order is checked by the sequence numbers in the bodies, for each channel
// on its own (a channel reads one queue): a message that is not above its predecessor and not flagged redelivered is
// counted in `disordered`. Acknowledging each message on its own is the default, since it is what most programs do.

import { Histogram } from "./histogram.ts";
import type { Peer } from "./peer.ts";
import { nowMs } from "./publisher.ts";

export class Consumer {
  received = 0;
  redelivered = 0;
  disordered = 0;
  readonly latency = new Histogram();
  onProgress: () => void = () => {};
  readonly #peer: Peer;
  readonly #ackEvery: number;
  readonly #last: Float64Array;
  readonly #unacked: Int32Array;
  readonly #lastTag: Float64Array;
  #nowMs = 0;

  /** `ackEvery` 1: each message alone; n: one acknowledgement for n messages. */
  constructor(peer: Peer, channels: number, ackEvery: number) {
    this.#peer = peer;
    this.#ackEvery = ackEvery;
    this.#last = new Float64Array(channels + 1).fill(-1);
    this.#unacked = new Int32Array(channels + 1);
    this.#lastTag = new Float64Array(channels + 1);
  }

  deliver(channel: number, tag: number, redelivered: boolean, bytes: Buffer, bodyAt: number): void {
    const sequence =
      bytes[bodyAt]! * 0x100_0000 + ((bytes[bodyAt + 1]! << 16) | (bytes[bodyAt + 2]! << 8) | bytes[bodyAt + 3]!);
    this.received++;
    if (redelivered) this.redelivered++;
    else if (sequence <= this.#last[channel]!) this.disordered++;
    this.#last[channel] = sequence;
    // One message in eight is enough for the percentiles, and reading a double is not free.
    if ((sequence & 7) === 0) this.#measure(bytes.readDoubleBE(bodyAt + 4));
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
