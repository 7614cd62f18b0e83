/**
 * The stream of messages through a shovel: what is delivered at the source is published at the destination, frame by frame, in
 * place, and what is confirmed there is acknowledged here.
 *
 * At least once: with `on-confirm` a message is unsettled at the source until the destination has confirmed it; when either side
 * fails, both connections are given up and the source delivers again what was not settled. Both channels are new and carry
 * nothing else, and every message that is published is published once, in order of delivery: so the n-th delivery is the n-th
 * publish, a confirm's number is the delivery's tag, and a confirm of many is an acknowledgement of many. Kept are only the
 * numbers of what was confirmed out of order, the prefetch at most.
 *
 * Bounded: at most the prefetch is on its way; when the destination's socket takes no more, or the destination says that it is
 * blocked, the source's socket is not read until it does. Messages that come after the last one that is wanted (delete-after)
 * are left unsettled, and go back when the connection closes.
 *
 * It ends without doubling anything: once the source delivers no more, `whenSettled` tells when all that came was published,
 * confirmed and acknowledged.
 */

import type { Clock, TimerHandle } from "../../../base/clock.ts";
import { getU64, putU32 } from "../../../base/bytes.ts";
import {
  ContentHeader,
  parseContentHeader,
  writeAck,
  writeContentHeader,
  type Settlement,
} from "../amqp091/codec-hot.ts";
import { writeFrameHeader } from "../amqp091/codec.ts";
import { writeNackRequeue } from "./requeue.ts";
import { frameEnd, frameOverheadBytes, frameTypes, publishId } from "../amqp091/frames.ts";
import type { Client, ClientReader } from "./client.ts";
import type { ShovelPlan } from "./definition.ts";
import type { HeadChanges } from "./forward-headers.ts";

/** The destination's unsent bytes above which the source is not read. */
const unsentBytesMax = 1_048_576;
const channel = 1;
/** What the destination refuses goes back to the source after this long: at once, it would come again at once, and so on. */
const refusedMs = 200;
const contentHeader = new ContentHeader();

export class Forwarding {
  readonly #source: Client;
  readonly #destination: Client;
  readonly #plan: ShovelPlan;
  readonly #changes: HeadChanges | undefined;
  readonly #exchange: Buffer | undefined;
  readonly #routingKey: Buffer | undefined;
  readonly #finished: () => void;
  /** How many more are to be published, and how many more are to be over; Infinity: no end. */
  #toPublish: number;
  #toSettle: number;
  #forwarded = 0;
  /** The message whose frames come now is not wanted. */
  #isSkipping = false;
  /** The delivery that was published last, of which frames may be to come. */
  #lastTag = 0;
  #isWhole = true;
  #bodyBytesLeft = 0;
  /** Of on-publish: up to here all is acknowledged. */
  #ackedTag = 0;
  /** How many the destination has settled: all up to here, and some above it that it confirmed one by one. */
  #confirmed = 0;
  #confirmedUpTo = 0;
  readonly #confirmedAbove = new Set<number>();
  #settledAll: (() => void) | undefined;
  #isBlocked = false;
  #isFull = false;
  /** Confirms that wait behind a refusal; as many as the prefetch at most. */
  #held: { deliveryTag: number; isMultiple: boolean; isAck: boolean }[] | undefined;
  #timer: TimerHandle | undefined;
  readonly #clock: Clock;

  /** @param finished called once when as many messages as wanted are over. */
  constructor(
    source: Client,
    destination: Client,
    plan: ShovelPlan,
    changes: HeadChanges,
    messagesMax: number,
    clock: Clock,
    finished: () => void,
  ) {
    this.#clock = clock;
    const { queue, exchange, exchangeKey } = plan.destination;
    this.#source = source;
    this.#destination = destination;
    this.#plan = plan;
    this.#changes = changes.isNone ? undefined : changes;
    this.#exchange = queue !== undefined ? Buffer.alloc(0) : bytesOf(exchange);
    this.#routingKey = bytesOf(queue ?? exchangeKey);
    this.#toPublish = messagesMax;
    this.#toSettle = messagesMax;
    this.#finished = finished;
  }

  /** Messages published since it began. */
  get forwardedCount(): number {
    return this.#forwarded;
  }

  /** How many are left until it ends. */
  get remainingCount(): number {
    return this.#toSettle;
  }

  get unpublishedCount(): number {
    return this.#toPublish;
  }

  get state(): "running" | "flow" | "blocked" {
    return this.#isBlocked ? "blocked" : this.#isFull ? "flow" : "running";
  }

  readonly sourceReader: ClientReader = {
    delivered: (buffer, start, end) => this.#delivered(buffer, start, end),
    header: (buffer, start, end) => this.#header(buffer, start, end),
    body: (buffer, start, end) => this.#body(buffer, start, end),
    settled: () => undefined,
    chunkRead: () => this.#chunkRead(),
    blocked: () => undefined,
    drained: () => undefined,
  };

  readonly destinationReader: ClientReader = {
    delivered: () => undefined,
    header: () => undefined,
    body: () => undefined,
    settled: (settlement) => this.#settled(settlement),
    chunkRead: () => this.#flush(this.#source),
    blocked: (isBlocked) => {
      this.#isBlocked = isBlocked;
      this.#throttle();
    },
    drained: () => {
      this.#isFull = false;
      this.#throttle();
    },
  };

  /** basic.deliver: u32 id, short string consumer tag, u64 delivery tag, u8 redelivered, short strings exchange and key. */
  #delivered(buffer: Buffer, start: number, end: number): void {
    this.#isSkipping = this.#toPublish === 0;
    if (this.#isSkipping) return;
    const tagAt = start + 5 + buffer[start + 4]!;
    const exchangeAt = tagAt + 9;
    const keyAt = exchangeAt < end ? exchangeAt + 1 + buffer[exchangeAt]! : end;
    if (keyAt >= end || keyAt + 1 + buffer[keyAt]! !== end) {
      this.#isSkipping = true;
      return this.#source.abandon(new Error("the server sent a malformed delivery"));
    }
    this.#lastTag = getU64(buffer, tagAt);
    const exchange = this.#exchange ?? buffer.subarray(exchangeAt + 1, keyAt);
    const key = this.#routingKey ?? buffer.subarray(keyAt + 1, keyAt + 1 + buffer[keyAt]!);
    this.#writePublish(exchange, key);
    this.#isWhole = false;
    this.#forwarded++;
    this.#toPublish--;
  }

  /** The last frame of a message went by. */
  #published(): void {
    this.#isWhole = true;
    if (this.#plan.ackMode !== "on-confirm") this.#toSettle--;
  }

  #writePublish(exchange: Buffer, key: Buffer): void {
    const { output } = this.#destination.peer;
    const size = 4 + 2 + 1 + exchange.length + 1 + key.length + 1;
    let at = output.reserve(size + frameOverheadBytes);
    const { buffer } = output;
    at = writeFrameHeader(buffer, at, frameTypes.method, channel, size);
    putU32(buffer, at, publishId);
    buffer[at + 4] = 0;
    buffer[at + 5] = 0;
    buffer[at + 6] = exchange.length;
    exchange.copy(buffer, at + 7);
    at += 7 + exchange.length;
    buffer[at] = key.length;
    key.copy(buffer, at + 1);
    at += 1 + key.length;
    buffer[at] = 0;
    buffer[at + 1] = frameEnd;
  }

  #header(buffer: Buffer, start: number, end: number): void {
    if (this.#isSkipping || !parseContentHeader(buffer, start, end, contentHeader)) return;
    const { output } = this.#destination.peer;
    const { bodyBytes, headStart, headEnd } = contentHeader;
    const head = this.#changes?.apply(buffer, headStart, headEnd);
    if (head === undefined) writeContentHeader(output, channel, bodyBytes, buffer, headStart, headEnd);
    else writeContentHeader(output, channel, bodyBytes, head, 0, head.length);
    this.#bodyBytesLeft = bodyBytes;
    if (bodyBytes === 0) this.#published();
  }

  #body(buffer: Buffer, start: number, end: number): void {
    if (this.#isSkipping) return;
    const { output } = this.#destination.peer;
    const { frameMaxBytes } = this.#destination;
    const pieceMax = frameMaxBytes === 0 ? end - start : frameMaxBytes - frameOverheadBytes;
    for (let from = start; from < end;) {
      const piece = Math.min(end - from, pieceMax);
      const at = output.reserve(frameOverheadBytes - 1);
      writeFrameHeader(output.buffer, at, frameTypes.body, channel, piece);
      output.copy(buffer, from, from + piece);
      output.u8(frameEnd);
      from += piece;
    }
    this.#bodyBytesLeft -= end - start;
    if (this.#bodyBytesLeft <= 0) this.#published();
  }

  #chunkRead(): void {
    const publishedTag = this.#isWhole ? this.#lastTag : this.#lastTag - 1;
    if (this.#plan.ackMode === "on-publish" && publishedTag > this.#ackedTag) {
      this.#ackedTag = publishedTag;
      writeAck(this.#source.peer.output, channel, publishedTag, true);
    }
    const { peer } = this.#destination;
    if (peer.output.bytes > 0) peer.flush();
    if (peer.unsentBytes > unsentBytesMax) this.#isFull = true;
    this.#throttle();
    if (this.#toSettle === 0) this.#finished();
    this.#tellIfSettled();
  }

  #throttle(): void {
    if (this.#isFull || this.#isBlocked) this.#source.pauseReading();
    else this.#source.resumeReading();
  }

  #settled({ deliveryTag, isMultiple, isAck }: Settlement): void {
    if (this.#held !== undefined) this.#held.push({ deliveryTag, isMultiple, isAck });
    else if (isAck) this.#settle(deliveryTag, isMultiple, isAck);
    else this.#hold(deliveryTag, isMultiple);
  }

  /** What follows waits with it: an acknowledgement of many that overtook it would settle what was refused. */
  #hold(deliveryTag: number, isMultiple: boolean): void {
    this.#held = [{ deliveryTag, isMultiple, isAck: false }];
    this.#timer = this.#clock.setTimer(this.#clock.now() + refusedMs, () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const each of held) this.#settle(each.deliveryTag, each.isMultiple, each.isAck);
      this.#flush(this.#source);
    });
  }

  #settle(deliveryTag: number, isMultiple: boolean, isAck: boolean): void {
    const { output } = this.#source.peer;
    if (isAck) writeAck(output, channel, deliveryTag, isMultiple);
    else writeNackRequeue(output, channel, deliveryTag, isMultiple);
    const count = this.#newlyConfirmed(deliveryTag, isMultiple);
    this.#confirmed += count;
    this.#toSettle -= count;
    if (this.#toSettle === 0) {
      this.#flush(this.#source);
      this.#finished();
    }
    this.#tellIfSettled();
  }

  #newlyConfirmed(tag: number, isMultiple: boolean): number {
    const above = this.#confirmedAbove;
    if (!isMultiple) {
      if (tag !== this.#confirmedUpTo + 1) {
        above.add(tag);
        return 1;
      }
      this.#confirmedUpTo = tag;
      while (above.size > 0 && above.delete(this.#confirmedUpTo + 1)) this.#confirmedUpTo++;
      return 1;
    }
    let count = Math.max(0, tag - this.#confirmedUpTo);
    this.#confirmedUpTo += count;
    for (const each of above) {
      if (each > tag) continue;
      above.delete(each);
      count--;
    }
    while (above.size > 0 && above.delete(this.#confirmedUpTo + 1)) this.#confirmedUpTo++;
    return count;
  }

  // The end

  /** Runs `run`, once, when nothing is on its way: for when the source has been told to deliver no more. */
  whenSettled(run: () => void): void {
    this.#settledAll = run;
    this.#tellIfSettled();
  }

  #tellIfSettled(): void {
    const run = this.#settledAll;
    if (run === undefined || !this.#isWhole) return;
    if (this.#plan.ackMode === "on-confirm" && this.#confirmed < this.#forwarded) return;
    this.#settledAll = undefined;
    this.#flush(this.#source);
    run();
  }

  /** Both connections have gone. */
  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#settledAll = undefined;
  }

  #flush({ peer }: Client): void {
    if (peer.output.bytes > 0) peer.flush();
  }
}

function bytesOf(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text);
}
