// Publishes as fast as confirms allow, for the least work a message can cost.
//
// All frames are written once into a ring that is a little larger than twice the confirm window; to publish is to patch
// a sequence number and a time into the next slots and to write that stretch of the ring in one call. A slot is reused
// only when the broker has confirmed what was in it, so a socket that still holds the bytes cannot see them change.
//
// The body begins with: u32 sequence number, u48 time in 1/128 ms since the epoch (the send time; of delayed messages the
// time at which they are due). So the consumer measures latency and order without any state shared with this one, and the least
// body is of 10 bytes.

import { performance } from "node:perf_hooks";
import { publishFrames, type PublishShape } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import type { Peer } from "./peer.ts";

/** The times in stamps are so many to a millisecond; 48 bits of them last until 2039. */
const stampsPerMs = 128;

export interface PublisherOptions {
  readonly channel: number;
  readonly exchange: string;
  /** Used in turn; all of one length, so that every slot of the ring has one size. */
  readonly routingKeys: readonly string[];
  readonly persistent: boolean;
  readonly bodyBytes: number;
  /** Most messages that may wait for their confirm. */
  readonly window: number;
  /** Messages to publish before stopping. */
  readonly limit: number;
  /** The next message's x-delay in ms, if the exchange is one that delays. */
  readonly delayMs?: (() => number) | undefined;
  /** The sequence number of the first message (0): where others of an earlier publisher still wait in the queue. */
  readonly firstSequence?: number;
}

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The time in ms that a body's stamp says. */
export function stampedMs(bytes: Buffer, bodyAt: number): number {
  return bytes.readUIntBE(bodyAt + 4, 6) / stampsPerMs;
}

/** The sequence number that a body's stamp says. */
export function stampedSequence(bytes: Buffer, at: number): number {
  return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/** How many messages' frames a publisher keeps: a power of two, enough for the window twice and for each key once. */
export function slotsOf(window: number, keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(window * 2, keys)));
}

export class Publisher {
  published = 0;
  /** Confirms received, in whatever order. */
  confirmed = 0;
  refused = 0;
  readonly confirmLatency: Histogram;
  onDone: () => void = () => {};
  readonly #peer: Pick<Peer, "write" | "frameBytesMax">;
  readonly #options: PublisherOptions;
  readonly #slots: number;
  readonly #slotBytes: number;
  readonly #ring: Buffer;
  readonly #view: DataView;
  readonly #bodyAt: number;
  readonly #delayAt: number;
  readonly #firstSequence: number;
  readonly #isConfirmed: Uint8Array;
  readonly #sentMs: Float64Array;
  /** All before this one are confirmed. */
  #floor = 0;
  #limit: number;
  #isStopped = false;

  /** @param confirmLatency may be shared with other publishers */
  constructor(
    peer: Pick<Peer, "write" | "frameBytesMax">,
    options: PublisherOptions,
    confirmLatency = new Histogram(),
  ) {
    this.#peer = peer;
    this.#options = options;
    this.confirmLatency = confirmLatency;
    this.#limit = options.limit;
    const keys = options.routingKeys;
    this.#slots = slotsOf(options.window, keys.length);
    const { frameBytesMax } = peer;
    const shapes = keys.map((routingKey): PublishShape => {
      return { ...options, routingKey, delayed: options.delayMs !== undefined, frameBytesMax };
    });
    const first = publishFrames(shapes[0]!);
    this.#slotBytes = first.bytes.length;
    this.#bodyAt = first.bodyAt;
    this.#delayAt = first.delayAt;
    this.#ring = Buffer.alloc(this.#slots * this.#slotBytes);
    for (let slot = 0; slot < this.#slots; slot++) {
      const { bytes } = publishFrames(shapes[slot % shapes.length]!);
      if (bytes.length !== this.#slotBytes) throw new Error("routing keys must have one length");
      bytes.copy(this.#ring, slot * this.#slotBytes);
    }
    this.#view = new DataView(this.#ring.buffer, this.#ring.byteOffset, this.#ring.length);
    this.#firstSequence = options.firstSequence ?? 0;
    this.#isConfirmed = new Uint8Array(this.#slots);
    this.#sentMs = new Float64Array(this.#slots);
  }

  /** Publishes what the window has room for. */
  pump(): void {
    const room = Math.min(
      this.#options.window - (this.published - this.confirmed),
      this.#slots - (this.published - this.#floor),
      this.#limit - this.published,
    );
    if (room <= 0) return;
    const from = this.published & (this.#slots - 1);
    this.#stamp(this.published, room);
    this.published += room;
    const before = Math.min(room, this.#slots - from);
    const size = this.#slotBytes;
    this.#peer.write(this.#ring.subarray(from * size, (from + before) * size));
    if (before < room) this.#peer.write(this.#ring.subarray(0, (room - before) * size));
  }

  /** Raises the limit to `count` messages from now, and begins with them, unless it was stopped. */
  allow(count: number): void {
    if (this.#isStopped) return;
    this.#limit = this.published + count;
    this.pump();
  }

  /** No more than those already published, for good. */
  stop(): void {
    this.#isStopped = true;
    this.#limit = this.published;
  }

  get isDone(): boolean {
    return this.confirmed >= this.#limit;
  }

  confirm(tag: number, multiple: boolean, refused: boolean): void {
    const mask = this.#slots - 1;
    const receivedMs = nowMs();
    let count = 0;
    for (let sequence = multiple ? this.#floor : tag - 1; sequence < tag; sequence++) {
      const slot = sequence & mask;
      if (this.#isConfirmed[slot] === 1) continue;
      this.#isConfirmed[slot] = 1;
      count++;
      // Each, however many a confirm covers: the oldest of them has waited longest.
      this.confirmLatency.record((receivedMs - this.#sentMs[slot]!) * 1000);
    }
    this.confirmed += count;
    if (refused) this.refused += count;
    while (this.#floor < this.published && this.#isConfirmed[this.#floor & mask] === 1) {
      this.#isConfirmed[this.#floor & mask] = 0;
      this.#floor++;
    }
    if (this.isDone) this.onDone();
  }

  #stamp(first: number, count: number): void {
    const sentMs = nowMs();
    const mask = this.#slots - 1;
    const delayMs = this.#options.delayMs;
    for (let sequence = first; sequence < first + count; sequence++) {
      const slot = sequence & mask;
      const at = slot * this.#slotBytes;
      let stampMs = sentMs;
      if (delayMs) {
        const delay = delayMs();
        stampMs += delay;
        this.#view.setInt32(at + this.#delayAt, delay);
      }
      this.#sentMs[slot] = sentMs;
      const stamp = stampMs * stampsPerMs;
      this.#view.setUint32(at + this.#bodyAt, sequence + this.#firstSequence);
      this.#view.setUint16(at + this.#bodyAt + 4, stamp / 0x1_0000_0000);
      this.#view.setUint32(at + this.#bodyAt + 6, stamp % 0x1_0000_0000);
    }
  }
}
